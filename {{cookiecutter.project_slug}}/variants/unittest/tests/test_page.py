"""The page."""

import re

import django
from django.contrib.staticfiles import finders
from django.test import AsyncClient, SimpleTestCase

from realtime.testing import WebSocketClient


class PageTests(SimpleTestCase):
    async def test_the_page_has_a_button_that_sends_ping(self) -> None:
        response = await AsyncClient().get("/")
        self.assertContains(response, '<button id="ping"')

    async def test_its_url_speaks_websocket_too(self) -> None:
        async with WebSocketClient("/") as client:
            await client.send("ping")
            self.assertEqual(await client.receive(), "pong!")

    async def test_every_static_file_that_the_page_names_is_there(self) -> None:
        page = (await AsyncClient().get("/")).content.decode()
        named = re.findall(r'="/static/([^"]+)"', page)
        found = {name for name in named if finders.find(name)}
        self.assertEqual(found, {"icon.svg", "index.css", "index.js"})

    async def test_the_page_suits_a_strict_content_security_policy(self) -> None:
        response = await AsyncClient().get("/")
        inline = r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)"
        self.assertNotRegex(response.content.decode(), inline)
        if django.VERSION >= (6,):
            policy = response["Content-Security-Policy"]
            self.assertTrue(policy.startswith("default-src 'self';"), policy)
