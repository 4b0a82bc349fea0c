"""The open connections of a process."""

import asyncio
from contextlib import suppress

from django.test import AsyncClient, SimpleTestCase, override_settings

from realtime.connections import Connection, belonging, groups, opened, shut_down
from realtime.testing import WebSocketClient
from realtime.tests import answers, ended, nowhere, own_settings, refusal
from realtime.types import Event


@own_settings
class ConnectionTests(SimpleTestCase):
    async def test_health_tells_how_many_are_open(self) -> None:
        async with WebSocketClient("/ws/"), WebSocketClient("/ws/"):
            self.assertEqual((await AsyncClient().get("/healthz")).json(), {"connections": 2})
        self.assertEqual((await AsyncClient().get("/healthz")).json(), {"connections": 0})

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
        self.assertFalse({both, one, other} & opened)
        self.assertFalse({key for key in groups if key[0] in "ab"})

    async def test_an_end_cancels_the_task_once(self) -> None:
        async def hold() -> int | None:
            connection = Connection(nowhere)
            try:
                asyncio.get_running_loop().call_soon(connection.end, 4000, "first")
                asyncio.get_running_loop().call_soon(connection.end, 4001, "second")
                await asyncio.wait_for(asyncio.Event().wait(), 5)
            except asyncio.CancelledError:
                return connection.code
            finally:
                connection.forget()
            return None

        self.assertEqual(await asyncio.create_task(hold()), 4000)

    async def test_a_close_that_the_server_does_not_take_is_none(self) -> None:
        async def strict(event: Event) -> None:
            if len(event.get("reason", "")) > 123:
                raise RuntimeError("too long")

        async def say() -> list[bool]:
            connection, noted = Connection(strict), []
            for reason in ("x" * 124, "enough"):
                with suppress(RuntimeError):
                    await connection.send({"type": "websocket.close", "reason": reason})
                noted.append(connection.closed)
            connection.forget()
            return noted

        self.assertEqual(await asyncio.create_task(say()), [False, True])
