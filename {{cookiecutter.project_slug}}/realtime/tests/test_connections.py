"""The open connections of a process."""

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Any
from unittest.mock import patch

from django.test import AsyncClient, SimpleTestCase, override_settings

from realtime.connections import Connection, belonging, drain, groups, opened, shut_down
from realtime.testing import WebSocketClient
from realtime.tests import answers, code_of, ended, nowhere, own_settings, refusal
from realtime.types import Event
from realtime.wrappers import behind


@own_settings
class ConnectionTests(SimpleTestCase):
    @override_settings(MAX_CONNECTIONS=1)
    async def test_more_than_the_limit_are_refused_with_503(self) -> None:
        async with WebSocketClient("/ws/"):
            self.assertEqual((await refusal("/ws/")).status, 503)
            self.assertEqual((await AsyncClient().get("/ws/")).status_code, 503)  # as a page asks
        async with WebSocketClient("/ws/") as client:
            self.assertTrue(await answers(client))

    async def test_shutdown_closes_all_and_takes_no_more(self) -> None:
        async with WebSocketClient("/ws/") as one, WebSocketClient("/ws/") as other:
            await shut_down()
            for client in (one, other):
                self.assertEqual(await ended(client), (1012, "service restart"))
            self.assertEqual((await refusal("/ws/")).status, 503)

    async def test_an_end_waits_for_the_accept_that_is_being_sent(self) -> None:
        begun, taken = asyncio.Event(), asyncio.Event()
        sent: list[str] = []

        async def slow(event: Event) -> None:
            begun.set()
            await taken.wait()
            sent.append(event["type"])

        async def accept(connection: Connection) -> None:
            await connection.send({"type": "websocket.accept"})
            await asyncio.wait_for(asyncio.Event().wait(), 5)

        with patch(f"{code_of.__module__}.nowhere", slow):
            code = asyncio.create_task(code_of(accept))
            await asyncio.wait_for(begun.wait(), 5)
            for connection in opened:
                connection.end(4000)
            await asyncio.sleep(0)  # in which it would be cancelled
            taken.set()
            self.assertEqual(await asyncio.wait_for(code, 5), 4000)
        self.assertEqual(sent, ["websocket.accept"])

    async def crowd(self, stack: AsyncExitStack) -> list[WebSocketClient]:
        return [await stack.enter_async_context(WebSocketClient("/ws/")) for _ in range(5)]

    @override_settings(DRAIN_SECONDS=0.5)
    async def test_a_drain_closes_one_after_another_in_its_time(self) -> None:
        loop, times = asyncio.get_running_loop(), []

        async def end(client: WebSocketClient) -> None:
            self.assertEqual(await ended(client), (1012, "service restart"))
            times.append(loop.time())

        async with AsyncExitStack() as stack:
            clients = await self.crowd(stack)
            begin, draining = loop.time(), asyncio.create_task(drain())
            ends = [asyncio.create_task(end(client)) for client in clients]
            await asyncio.wait(ends, timeout=5, return_when=asyncio.FIRST_COMPLETED)
            self.assertIn("stopping", (await AsyncClient().get("/readyz")).json()["wrong"])
            self.assertEqual((await refusal("/ws/")).status, 503)
            self.assertEqual((await AsyncClient().get("/ws/")).status_code, 503)  # as a page asks
            self.assertLess(len(times), 5)
            await asyncio.wait_for(draining, 5)
            self.assertTrue(all(connection.code == 1012 for connection in opened))
            await asyncio.wait_for(asyncio.gather(*ends), 5)
        for place, time in enumerate(times):
            self.assertGreaterEqual(time - begin, place * 0.1 - 0.01)  # as fine as a clock may be

    @override_settings(DRAIN_SECONDS=60)
    async def test_a_second_signal_ends_a_drain(self) -> None:
        async with AsyncExitStack() as stack:
            clients = await self.crowd(stack)
            draining = asyncio.create_task(drain())
            await asyncio.sleep(0)  # in which it begins
            await asyncio.wait_for(drain(), 1)
            await asyncio.wait_for(shut_down(), 5)
            for client in clients:
                self.assertEqual(await ended(client), (1012, "service restart"))
            await asyncio.wait_for(draining, 1)

    @override_settings(DRAIN_SECONDS=60)
    async def test_a_drain_ends_when_all_have_left(self) -> None:
        async with AsyncExitStack() as stack:
            await self.crowd(stack)
            draining = asyncio.create_task(drain())
            await asyncio.sleep(0)  # in which it begins
        await asyncio.wait_for(draining, 5)

    async def test_connections_are_found_by_all_that_they_are_of(self) -> None:
        async def connection() -> Connection:
            return Connection(nowhere)

        both, one, other = [await asyncio.create_task(connection()) for _ in range(3)]
        try:
            for each, keys in ((both, "ab"), (one, "a"), (other, "b")):
                for key in keys:
                    each.join(key, 1)
            self.assertEqual(belonging({"a": "1"}), {both, one})
            self.assertEqual(belonging({"a": "1", "b": "1"}), {both})
            self.assertEqual(belonging({"a": "1", "c": "1"}), set())
            both.join("a", 1)
            both.part("a", 1)
            self.assertIn(both, belonging({"a": "1"}))  # it was in there twice
        finally:
            for each in (both, one, other):
                each.forget()
                each.part("a", 1)  # as a task does that outlives the connection
                each.end(4000)  # nor has it anything to end
                self.assertIsNone(each.code)
        self.assertFalse({both, one, other} & opened)
        self.assertFalse({key for key in groups if key[0] in "ab"})

    async def test_an_end_cancels_the_task_once(self) -> None:
        async def hold(connection: Connection) -> None:
            connection.loop.call_soon(connection.end, 4000, "first")
            connection.loop.call_soon(connection.end, 4001, "second")
            await asyncio.wait_for(asyncio.Event().wait(), 5)

        self.assertEqual(await asyncio.create_task(code_of(hold)), 4000)

    async def test_a_cancellation_that_is_lost_is_not_the_last(self) -> None:
        async def deaf_once(connection: Connection) -> None:
            connection.loop.call_soon(connection.end, 4401)
            with suppress(asyncio.CancelledError):  # as wait_for of Python 3.11 may do
                await asyncio.wait_for(asyncio.Event().wait(), 5)
            await asyncio.wait_for(asyncio.Event().wait(), 5)

        with patch("realtime.connections.AGAIN", 0.01):
            self.assertEqual(await asyncio.create_task(code_of(deaf_once)), 4401)

    async def test_what_sends_its_close_is_not_cancelled_again(self) -> None:
        async def end() -> bool:
            connection = Connection(nowhere)
            connection.loop.call_soon(connection.end, 4401)
            try:
                await asyncio.wait_for(asyncio.Event().wait(), 5)
            except asyncio.CancelledError:
                connection.ending = True
                await asyncio.sleep(0.05)  # longer than AGAIN
                return True
            finally:
                connection.forget()
            return False

        with patch("realtime.connections.AGAIN", 0.01):
            self.assertTrue(await asyncio.create_task(end()))

    async def test_a_loop_that_neither_accepts_nor_refuses_is_refused(self) -> None:
        with patch("realtime.connections.HANDSHAKE", 0.05):
            refused = await refusal("/never/")
        self.assertEqual(refused.status, 503)
        self.assertEqual(refused.headers["retry-after"], "5")

    async def test_connections_are_refused_before_the_files_run_out(self) -> None:
        with patch("realtime.connections.files", lambda: 1):
            async with WebSocketClient("/ws/"):
                self.assertEqual((await refusal("/ws/")).status, 503)

    async def test_what_the_server_knows_is_found_behind_wrappers_of_send(self) -> None:
        class Server:
            async def send(self, event: Event) -> None: ...

        class Middleware:
            def __init__(self, send: Any) -> None:
                self.inner = send

            async def __call__(self, event: Event) -> None:
                await self.inner(event)

        server = Server()

        async def closure(event: Event) -> None:
            await wrapped(event)

        wrapped = partial(Middleware(server.send).__call__)
        for send in (server.send, partial(server.send), Middleware(server.send), closure):
            with self.subTest(send):
                self.assertIn(server, list(behind(send)))
        self.assertLess(len(list(behind(self))), 100)  # it does not go through everything

    async def test_a_close_that_cannot_be_sent_raises_where_it_is_called(self) -> None:
        async with WebSocketClient("/bad/close/") as client:
            self.assertEqual(
                [await client.receive() for _ in range(3)],
                ["no code of a close", "123 bytes", "no code of a close"],
            )

    async def test_a_close_that_the_server_does_not_take_is_none(self) -> None:
        async def strict(event: Event) -> None:
            if event["reason"] == "broken":
                raise RuntimeError("broken")

        async def say() -> list[int]:
            connection, noted = Connection(strict), []
            for reason in ("broken", "enough"):
                with suppress(RuntimeError):
                    await connection.send({"type": "websocket.close", "reason": reason})
                noted.append(connection.closed)
            connection.forget()
            return noted

        self.assertEqual(await asyncio.create_task(say()), [0, 403])
