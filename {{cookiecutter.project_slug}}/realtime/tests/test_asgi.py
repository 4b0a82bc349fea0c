"""What the loop gets, how its end closes the connection, and what is logged of it."""

import asyncio
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.core.signals import got_request_exception
from django.test import SimpleTestCase, TestCase
from pythonjsonlogger.json import JsonFormatter

from realtime import connections, logs
from realtime.channels import channels
from realtime.testing import WebSocketClient
from realtime.tests import ended, make_user, nowhere, own_settings, refusal


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


@contextmanager
def written(formatter: logging.Formatter) -> Iterator[StringIO]:
    """What the loops of these tests log."""
    logger, handler = logging.getLogger("realtime.tests"), logging.StreamHandler(log := StringIO())
    handler.setFormatter(formatter)
    handler.addFilter(logs.Whose())
    logger.addHandler(handler)
    try:
        yield log
    finally:
        logger.removeHandler(handler)


@own_settings
class LogTests(TestCase):
    async def test_a_loops_lines_have_its_path_and_its_user(self) -> None:
        ada = await sync_to_async(make_user)("ada")
        with written(logs.Line()) as log:
            for user in (ada, None):
                async with WebSocketClient("/note/it", user=user) as client:
                    await ended(client)
        for line, user, said in zip(
            log.getvalue().splitlines(),
            [ada.pk, ada.pk, None, None],
            ["noted it", "in a thread"] * 2,
            strict=True,
        ):
            own = f"WARNING realtime.tests.service: {said} [/note/it user={user}]"
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ")
            self.assertEqual(line[25:], own)

    async def test_json_has_them_too(self) -> None:
        with written(JsonFormatter(["message"])) as log:
            async with WebSocketClient("/note/it") as client:
                await ended(client)
        lines = [json.loads(line) for line in log.getvalue().splitlines()]
        own = {"path": "/note/it", "user": None}
        self.assertEqual(lines, [{"message": said} | own for said in ("noted it", "in a thread")])

    async def test_a_client_forges_no_line(self) -> None:
        with written(logs.Line()) as log:
            async with WebSocketClient("/note/x%0aforged%1b%5b31m%c2%85%e2%80%a8") as client:
                await ended(client)
        line, _ = log.getvalue().splitlines()
        forged = r"x\nforged\x1b[31m\x85\u2028"
        self.assertTrue(line.endswith(f"noted {forged} [/note/{forged} user=None]"), line)

    def test_a_traceback_comes_below(self) -> None:
        with written(logs.Line()) as log:
            try:
                raise ValueError("wrong")
            except ValueError:
                logging.getLogger("realtime.tests").exception("failed")
        first, second, *_, last = log.getvalue().splitlines()
        self.assertTrue(first.endswith("ERROR realtime.tests: failed"), first)
        self.assertEqual(second, "Traceback (most recent call last):")
        self.assertEqual(last, "ValueError: wrong")

    async def test_what_goes_on_for_all_is_said_of_no_client(self) -> None:
        seen, swept = [], asyncio.Event()

        async def see() -> None:
            seen.append(logs.handshake.get(None))

        def sweep(here: Any) -> None:
            seen.append(logs.handshake.get(None))
            swept.set()

        async def begin() -> None:
            logs.handshake.set("the first client")
            connections.register(nowhere).forget()
            await channels().start(see())

        with patch.multiple(connections, SWEEP=0.01, sweepers=[]):
            await asyncio.create_task(begin())
            connections.sweepers.append(sweep)
            await asyncio.wait_for(swept.wait(), 5)
        self.assertEqual(set(seen), {None})
