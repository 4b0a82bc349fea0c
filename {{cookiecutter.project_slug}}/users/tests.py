"""Users, from the admin who makes one to the logout that ends their connections."""

from django.test import AsyncClient, TestCase

from realtime.testing import ConnectionClosed, WebSocketClient
from users.models import User


class AdminTests(TestCase):
    def test_an_admin_makes_a_user_with_a_password(self) -> None:
        self.client.force_login(User.objects.create_superuser("root"))
        new = {"username": "ada", "password1": "first-engine", "password2": "first-engine"}
        self.client.post("/admin/users/user/add/", new | {"usable_password": "true"})
        self.assertTrue(self.client.login(username="ada", password="first-engine"))


class LoginTests(TestCase):
    def test_a_login_comes_back_to_the_page_which_says_who_it_is(self) -> None:
        User.objects.create_user("ada", password="first-engine")
        self.assertContains(self.client.get("/"), "Nobody is logged in")
        given = {"username": "ada", "password": "first-engine"}
        answer = self.client.post("/login/?next=/", given, follow=True)
        self.assertContains(answer, "Logged in as <strong>ada</strong>")


class LogoutTests(TestCase):
    async def test_a_logout_ends_the_open_connections_of_its_browser(self) -> None:
        browser = AsyncClient()
        await browser.aforce_login(await User.objects.acreate(username="ada"))
        cookie = {"Cookie": f"sessionid={browser.cookies['sessionid'].value}"}
        async with WebSocketClient("/ws/", headers=cookie) as client:
            with self.captureOnCommitCallbacks(execute=True):
                await browser.post("/logout/")
            with self.assertRaises(ConnectionClosed) as closed:
                await client.receive()
        self.assertEqual(closed.exception.code, 4401)
