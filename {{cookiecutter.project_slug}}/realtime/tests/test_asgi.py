"""What the loop gets, and how its end closes the connection."""

from typing import Any

from django.core.signals import got_request_exception
from django.test import SimpleTestCase

from realtime.testing import WebSocketClient
from realtime.tests import ended, own_settings, refusal


@own_settings
class LoopTests(SimpleTestCase):
    async def close_code(self, path: str) -> int:
        """The code with which the service closes."""
        async with WebSocketClient(path) as client:
            return (await ended(client))[0]

    def observe(self) -> list[str]:
        """The paths of which got_request_exception is sent from now on."""
        reported: list[str] = []

        def observer(request: Any, **kwargs: Any) -> None:
            reported.append(request.path)

        got_request_exception.connect(observer, weak=False)
        self.addCleanup(got_request_exception.disconnect, observer)
        return reported

    async def test_arguments_of_the_url_reach_the_loop(self) -> None:
        async with WebSocketClient("/tell/hello/") as client:
            self.assertEqual(await client.receive(), "nobody http {'word': 'hello'}")

    async def test_receive_is_the_servers_own_and_send_one_plain_function(self) -> None:
        async with WebSocketClient("/same/") as client:
            own = "realtime.testing.WebSocketClient._serve.<locals>.checked_receive"
            self.assertEqual(await client.receive(), f"{own} False")

    async def test_a_loop_that_returns_closes_with_1000(self) -> None:
        self.assertEqual(await self.close_code("/decide/"), 1000)

    async def test_a_loop_that_closes_by_itself_has_the_last_word(self) -> None:
        async with WebSocketClient("/leave/") as client:
            self.assertEqual(await ended(client), (4000, "enough"))
            await client.service.wait()
            self.assertTrue(client.service.output_queue.empty())

    async def test_a_loop_that_raises_closes_with_1011_and_is_reported(self) -> None:
        reported = self.observe()
        with self.assertLogs("django.request", "ERROR") as logs:
            self.assertEqual(await self.close_code("/fail/"), 1011)
        self.assertIn("RuntimeError: the loop failed", logs.output[0])
        self.assertEqual(reported, ["/fail/"])

    async def test_a_loop_that_raises_before_the_accept_is_answered_like_a_view(self) -> None:
        reported = self.observe()
        with self.assertLogs("django.request", "ERROR") as logs:
            self.assertEqual((await refusal("/fail/early/")).status, 500)
        self.assertIn("RuntimeError: the loop failed early", logs.output[0])
        self.assertEqual(reported, ["/fail/early/"])

    async def test_a_cookie_goes_out_with_the_accept(self) -> None:
        async with WebSocketClient("/decide/") as client:
            self.assertEqual(client.accepted["headers"], [(b"set-cookie", b"seen=yes; Path=/")])
