"""Sessions, and rows that a test makes."""

import pytest
from django.contrib.auth.models import User

from realtime.testing import HandshakeRefused, WebSocketClient

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urls")]


async def test_without_a_session_a_private_loop_is_answered_like_a_private_page() -> None:
    with pytest.raises(HandshakeRefused) as refused:
        async with WebSocketClient("/private/"):
            pass
    assert refused.value.status == 302
    assert refused.value.headers["location"] == "/admin/login/?next=/private/"


@pytest.mark.parametrize("time", ["once", "again, so the first row is gone"])
async def test_the_loop_has_the_logged_in_user(time: str) -> None:
    user = await User.objects.acreate(username="ada")
    assert await User.objects.acount() == 1
    async with WebSocketClient("/private/", user=user) as client:
        assert await client.receive() == "ada http {}"


@pytest.fixture
def grace() -> User:
    return User.objects.create(username="grace")


async def test_a_row_made_by_a_fixture_is_seen_by_the_handshake(grace: User) -> None:
    assert [user async for user in User.objects.all()] == [grace]
    async with WebSocketClient("/private/", user=grace) as client:
        assert await client.receive() == "grace http {}"
