"""With DEBUG, the mistakes of a loop are in the log."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from unittest.mock import patch

from django.test import SimpleTestCase, override_settings

from realtime import debugging
from realtime.connections import Connection
from realtime.testing import ConnectionClosed, WebSocketClient
from realtime.tests import answers, nowhere, own_settings
from realtime.types import Event, Receive, Send

SERVICE = "realtime.tests.service"


@own_settings
@override_settings(DEBUG=True)
class MistakeTests(SimpleTestCase):
    def setUp(self) -> None:
        # A busy machine itself may block for a second.
        self.enterContext(patch.multiple(debugging, told=set(), BLOCK=10.0))

    async def said(self, client: WebSocketClient, *messages: str) -> list[str]:
        """What is in the log once the loop has answered each message, and has ended."""
        with self.assertLogs("realtime.debugging", "WARNING") as logs:
            async with client:
                for message in messages:
                    await client.send(message)
                    await client.receive()
        return [record.getMessage() for record in logs.records]

    @patch.object(debugging, "ANSWER", 0.05)
    async def test_a_loop_that_neither_accepts_nor_closes(self) -> None:
        said = await self.said(WebSocketClient("/late/"))
        self.assertEqual(said, [f"{SERVICE}.late at /late/ neither accepts nor closes"])

    @patch.object(debugging, "LEAVE", 0.05)
    async def test_a_loop_that_goes_on_after_the_disconnect(self) -> None:
        for path in ("/stay/for/a/while/", "/stay/receiving/"):
            said = await self.said(WebSocketClient(path))
            ignores = "goes on after websocket.disconnect: it has to return there"
            self.assertEqual(said, [f"{SERVICE}.stay at {path} {ignores}"])

    @patch.object(debugging, "LISTEN", 0.05)
    async def test_a_loop_that_never_receives(self) -> None:
        client = WebSocketClient("/deaf/")
        with (
            self.assertLogs("realtime.debugging", "WARNING") as logs,
            self.assertRaisesMessage(TimeoutError, "no end of the loop"),
        ):
            async with client:
                client.timeout = 0.5
        (said,) = [record.getMessage() for record in logs.records]
        self.assertTrue(said.startswith(f"{SERVICE}.deaf at /deaf/ calls no receive() for"), said)

    @patch.object(debugging, "BLOCK", 0.1)
    async def test_a_loop_that_blocks_is_named_with_its_line_once(self) -> None:
        logged = await self.said(WebSocketClient("/block/"), "0.3", "0.3")
        (said,) = [each for each in logged if "service.py" in each]  # a busy machine blocks as well
        self.assertRegex(
            said,
            rf"^{SERVICE}.block at /block/ blocks all clients for 0.1 s, at "
            r".+/realtime/tests/service\.py:\d+, in block: time\.sleep\(float\(seconds\)\)",
        )

    @patch.multiple(debugging, ANSWER=0.2, LEAVE=0.2, LISTEN=0.2)
    async def test_a_loop_without_a_mistake_is_not_named(self) -> None:
        with self.assertNoLogs("realtime.debugging"):
            async with WebSocketClient("/ws/") as client, WebSocketClient("/rooms/lobby/") as room:
                await asyncio.sleep(0.3)  # longer than any of the limits
                self.assertTrue(await answers(client))
                self.assertTrue(await answers(room))

    async def test_an_exception_of_the_loop_is_what_it_is_without_debug(self) -> None:
        with self.assertLogs("django.request") as logs:
            async with WebSocketClient("/fail/") as client:
                with self.assertRaisesMessage(ConnectionClosed, "1011"):
                    await client.receive()
        self.assertIn("RuntimeError: the loop failed", logs.output[0])


class ThreadTests(SimpleTestCase):
    @patch.object(debugging, "BLOCK", 0.1)
    def test_each_event_loop_has_one_thread_which_ends_with_it(self) -> None:
        before, during = set(threading.enumerate()), set[threading.Thread]()
        both = threading.Barrier(2, timeout=5)

        async def loop(receive: Receive, send: Send) -> None:
            await asyncio.to_thread(both.wait)
            during.update(t for t in threading.enumerate() if "(ask)" in t.name)
            await asyncio.to_thread(both.wait)

        async def visit(loop: Callable[[Receive, Send], Awaitable[None]]) -> None:
            async def receive() -> Event:
                raise AssertionError

            connection = Connection(nowhere)
            await debugging.watch(loop, connection, receive, "/")
            connection.forget()

        async def serve() -> None:
            for _ in range(3):
                await asyncio.create_task(visit(loop))

        servers = [threading.Thread(target=asyncio.run, args=(serve(),)) for _ in range(2)]
        for server in servers:
            server.start()
        for server in servers:
            server.join(10)
        self.assertEqual(len(during - before), 2)
        for thread in during - before:
            thread.join(5)
            self.assertFalse(thread.is_alive(), "it goes on after its event loop")
        self.assertFalse(debugging.names)
