"""What the loop gets, and how its end closes the connection."""

from typing import Any

from django.core.signals import got_request_exception, request_finished, request_started
from django.test import SimpleTestCase, override_settings

from realtime.testing import ConnectionClosed, WebSocketClient


@override_settings(ROOT_URLCONF="tests.urls")
class LoopTests(SimpleTestCase):
    async def close_code(self, path: str) -> int:
        """The code with which the service closes."""
        async with WebSocketClient(path) as client:
            with self.assertRaises(ConnectionClosed) as closed:
                await client.receive()
        return closed.exception.code

    async def test_arguments_of_the_url_reach_the_loop(self) -> None:
        async with WebSocketClient("/tell/hello/") as client:
            self.assertEqual(await client.receive(), "AnonymousUser http {'word': 'hello'}")

    async def test_the_loop_has_the_receive_and_send_of_the_server(self) -> None:
        async with WebSocketClient("/same/") as client:
            functions = await client.receive()
        self.assertEqual(functions, "asyncio.queues.Queue.get asyncio.queues.Queue.put")

    async def test_a_loop_that_returns_closes_with_1000(self) -> None:
        self.assertEqual(await self.close_code("/decide/"), 1000)

    async def test_a_loop_that_closes_by_itself_has_the_last_word(self) -> None:
        self.assertEqual(await self.close_code("/leave/"), 4000)

    async def test_a_loop_that_raises_closes_with_1011_and_is_reported(self) -> None:
        reported: list[str] = []

        def observer(request: Any, **kwargs: Any) -> None:
            reported.append(request.path)

        got_request_exception.connect(observer)
        self.addCleanup(got_request_exception.disconnect, observer)
        with self.assertLogs("django.request", "ERROR") as logs:
            self.assertEqual(await self.close_code("/fail/"), 1011)
        self.assertIn("RuntimeError: the loop failed", logs.output[0])
        self.assertEqual(reported, ["/fail/"])

    async def test_a_cookie_goes_out_with_the_accept(self) -> None:
        async with WebSocketClient("/decide/") as client:
            self.assertEqual(client.accepted["headers"], [(b"set-cookie", b"seen=yes; Path=/")])

    async def test_request_started_and_finished_are_sent(self) -> None:
        sent: list[str] = []

        def started(**kwargs: Any) -> None:
            sent.append("started")

        def finished(**kwargs: Any) -> None:
            sent.append("finished")

        request_started.connect(started)
        self.addCleanup(request_started.disconnect, started)
        request_finished.connect(finished)
        self.addCleanup(request_finished.disconnect, finished)
        async with WebSocketClient("/ws/"):
            self.assertEqual(sent, ["started", "finished"])
