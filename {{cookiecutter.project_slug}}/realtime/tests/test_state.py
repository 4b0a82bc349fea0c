"""A state first: what a client gets before all that is published. With Redis too: see
test_redis_resuming.py.
"""

import asyncio
from typing import Any
from uuid import uuid4

from django.test import SimpleTestCase

from realtime.broadcast import publish, subscribe
from realtime.resuming import RS
from realtime.tests import own_settings
from realtime.types import Event, Message


@own_settings
class StateTests(SimpleTestCase):
    def setUp(self) -> None:
        """Have a channel of its own."""
        super().setUp()
        self.channel = f"room.{uuid4().hex}"

    async def test_a_state_comes_first_and_none_of_it_twice(self) -> None:
        reading, written = asyncio.Event(), asyncio.Event()
        got: asyncio.Queue[Any] = asyncio.Queue()

        async def send(event: Event) -> None:
            await got.put(event.get("text", event.get("bytes")))

        async def state() -> list[Message]:
            reading.set()
            await written.wait()
            return ["row 1", "row 2", b"row 3"]

        for after in (None, "", "unknown"):
            with self.subTest(after):
                reading.clear()
                written.clear()
                async with asyncio.timeout(5), subscribe(self.channel, send, after, first=state):
                    await reading.wait()
                    for word in ("row 2", "row 4", b"row 3"):
                        await publish(self.channel, word)
                    written.set()
                    await publish(self.channel, "row 1", keep=False)
                    await publish(self.channel, "row 5")
                    bare, marks = list[Message](), list[Message | None]()
                    while bare[-1:] != ["row 5"]:
                        said = await got.get()
                        rs: Any = RS if isinstance(said, str) else RS.encode()
                        *mark, message = said.split(rs)
                        marks.append(mark[-1] if mark else None)
                        bare.append(message)
                if after is None:
                    self.assertEqual(bare, ["row 1", "row 2", b"row 3", "row 4", "row 5"])
                    continue
                # Where it stands, the state, where it stands, and a position in place of a message.
                rows = [word for word in bare if "row" in str(word)]
                self.assertEqual(rows, ["row 1", "row 2", b"row 3", "row 4", "row 5"])
                self.assertEqual(bare[0], "!-" if after else "-")
                self.assertEqual(marks[1:4], ["-", "-", b"-"])

    async def test_a_row_of_the_state_may_change_and_change_back(self) -> None:
        open_, done = '{"id": 1, "done": false}', '{"id": 1, "done": true}'
        other, here, gone = '{"id": "a b", "done": true}', '{"joined": "ada"}', '{"left": "ada"}'
        reading, written = asyncio.Event(), asyncio.Event()
        got: asyncio.Queue[str] = asyncio.Queue()

        async def send(event: Event) -> None:
            await got.put(event["text"].rpartition(RS)[2])

        async def state() -> list[str]:
            reading.set()
            await written.wait()
            return [open_, other, here]

        for after in (None, ""):
            reading.clear()
            written.clear()
            async with asyncio.timeout(5), subscribe(self.channel, send, after, first=state):
                await reading.wait()
                await publish(self.channel, done)  # older than the state: it was changed since
                written.set()
                said = [open_, other, done, open_, done, open_, here, gone, here, "end"]
                for message in said:
                    await publish(self.channel, message)
                told: list[str] = []
                while told[-1:] != ["end"]:
                    if (message := await got.get()) in {done, *said}:
                        told.append(message)
            self.assertEqual(told[:3], [open_, other, here])
            self.assertEqual(told[3:], [done, open_, done, open_, done, open_, gone, here, "end"])

    async def test_who_leaves_amid_a_state_gets_it_again(self) -> None:
        sent: asyncio.Queue[str] = asyncio.Queue()

        async def send(event: Event) -> None:
            await sent.put(event["text"])

        async def state() -> list[str]:
            return ["one", "two"]

        async with asyncio.timeout(5), subscribe(self.channel, send, "", first=state):
            self.assertEqual(await sent.get(), f"{RS}-")
            self.assertEqual(await sent.get(), f"{RS}-{RS}one")
        while not sent.empty():
            sent.get_nowait()
        async with asyncio.timeout(5), subscribe(self.channel, send, "-", first=state):
            self.assertEqual(await sent.get(), f"{RS}!-")
            self.assertEqual(await sent.get(), f"{RS}-{RS}one")

    async def test_a_state_that_cannot_be_read_ends_the_client(self) -> None:
        async def state() -> list[str]:
            raise RuntimeError("no such table")

        async def listen() -> None:
            async with subscribe(self.channel, lambda event: asyncio.sleep(0), first=state):
                await asyncio.Event().wait()

        with self.assertLogs("realtime", "ERROR") as logs:
            listening = asyncio.create_task(listen())
            await asyncio.wait({listening}, timeout=5)
        self.assertTrue(listening.cancelled())
        self.assertIn("no such table", logs.output[0])
