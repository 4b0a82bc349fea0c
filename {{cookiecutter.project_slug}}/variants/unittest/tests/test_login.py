"""Sessions, and rows that a test makes."""

from django.contrib.auth.models import User
from django.test import TestCase, override_settings

from realtime.testing import HandshakeRefused, WebSocketClient


@override_settings(ROOT_URLCONF="tests.urls")
class LoginTests(TestCase):
    grace: User

    @classmethod
    def setUpTestData(cls) -> None:
        cls.grace = User.objects.create(username="grace")

    async def test_without_a_session_a_private_loop_is_answered_like_a_private_page(self) -> None:
        with self.assertRaises(HandshakeRefused) as refused:
            async with WebSocketClient("/private/"):
                pass
        self.assertEqual(refused.exception.status, 302)
        location = refused.exception.headers["location"]
        self.assertEqual(location, "/admin/login/?next=/private/")

    async def see_ada(self) -> None:
        """The loop has the user that this test made, and no other test's."""
        user = await User.objects.acreate(username="ada")
        self.assertEqual(await User.objects.acount(), 2)
        async with WebSocketClient("/private/", user=user) as client:
            self.assertEqual(await client.receive(), "ada http {}")

    async def test_the_loop_has_the_logged_in_user_once(self) -> None:
        await self.see_ada()

    async def test_the_loop_has_the_logged_in_user_again_so_the_first_row_is_gone(self) -> None:
        await self.see_ada()

    async def test_a_row_made_by_a_fixture_is_seen_by_the_handshake(self) -> None:
        self.assertEqual([user async for user in User.objects.all()], [self.grace])
        async with WebSocketClient("/private/", user=self.grace) as client:
            self.assertEqual(await client.receive(), "grace http {}")
