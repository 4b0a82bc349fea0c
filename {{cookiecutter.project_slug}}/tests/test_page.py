"""The page."""

import re

import django
from django.contrib.staticfiles import finders
from django.test import AsyncClient

from realtime.testing import WebSocketClient


async def test_the_page_has_a_button_that_sends_ping() -> None:
    response = await AsyncClient().get("/")
    assert response.status_code == 200
    assert '<button id="ping"' in response.content.decode()


async def test_its_url_speaks_websocket_too() -> None:
    async with WebSocketClient("/") as client:
        await client.send("ping")
        assert await client.receive() == "pong!"


async def test_every_static_file_that_the_page_names_is_there() -> None:
    page = (await AsyncClient().get("/")).content.decode()
    named = re.findall(r'="/static/([^"]+)"', page)
    assert {name for name in named if finders.find(name)} == {"icon.svg", "index.css", "index.js"}


async def test_the_page_suits_a_strict_content_security_policy() -> None:
    response = await AsyncClient().get("/")
    inline = r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)"
    assert not re.search(inline, response.content.decode())
    if django.VERSION >= (6,):
        assert response["Content-Security-Policy"].startswith("default-src 'self';")
