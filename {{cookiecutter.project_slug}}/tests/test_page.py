"""The page."""

from django.test import AsyncClient


async def test_the_page_has_a_button_that_sends_ping() -> None:
    response = await AsyncClient().get("/")
    assert response.status_code == 200
    assert '<button id="ping"' in response.content.decode()
