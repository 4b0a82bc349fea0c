"""The page."""

from django.test import AsyncClient, SimpleTestCase


class PageTests(SimpleTestCase):
    async def test_the_page_has_a_button_that_sends_ping(self) -> None:
        response = await AsyncClient().get("/")
        self.assertContains(response, '<button id="ping"')
