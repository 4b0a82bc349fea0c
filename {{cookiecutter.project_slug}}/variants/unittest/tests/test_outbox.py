"""What waits to be sent: bounded for those that do not read, lossless for those that do."""

import asyncio

from django.http import HttpRequest
from django.test import SimpleTestCase, override_settings
from django.urls import path

from realtime.broadcast import publish, subscribe
from realtime.handshake import websocket
from realtime.testing import WebSocketClient
from realtime.types import Event, Receive, Send


@websocket
async def pair(request: HttpRequest, receive: Receive, send: Send) -> None:
    """Subscribe to two channels, then accept."""
    await receive()
    async with subscribe("busy", send), subscribe("quiet", send):
        await send({"type": "websocket.accept"})
        await receive()


urlpatterns = [path("pair/", pair)]


class OutboxTests(SimpleTestCase):
    @override_settings(ROOT_URLCONF=__name__)
    async def test_nothing_is_sent_before_the_accept(self) -> None:
        async def talk() -> None:
            while True:
                await publish("busy", "word")

        talker = asyncio.create_task(talk())
        async with WebSocketClient("/pair/") as client:
            self.assertEqual(client.accepted["type"], "websocket.accept")
            self.assertEqual(await client.receive(), "word")
            talker.cancel()

    async def test_what_is_published_last_in_a_block_is_sent(self) -> None:
        got: list[str] = []

        async def send(event: Event) -> None:
            got.append(event["text"])

        async with subscribe("numbers", send):
            await publish("numbers", "bye")
        self.assertEqual(got, ["bye"])

    async def test_a_subscriber_that_never_reads_is_ended_and_one_that_reads_slowly_is_not(
        self,
    ) -> None:
        got: list[str] = []
        end = asyncio.Event()

        async def slow(event: Event) -> None:
            await asyncio.sleep(0)
            got.append(event["text"])
            if event["text"] == "end":
                end.set()

        async def stuck(event: Event) -> None:
            await asyncio.Event().wait()

        async def listen() -> None:
            async with subscribe("numbers", stuck):
                await asyncio.Event().wait()

        listener = asyncio.create_task(listen())
        async with asyncio.timeout(10), subscribe("numbers", slow):
            for number in range(3000):
                await publish("numbers", str(number))
            with self.assertRaises(asyncio.CancelledError):
                await listener
            await publish("numbers", "end")
            await end.wait()
        self.assertEqual(got, [*map(str, range(3000)), "end"])
