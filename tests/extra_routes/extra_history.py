"""Clients of a channel against a model: each gets every message once and in order, or is told.

Hypothesis publishes, connects, cuts, expires and empties in any order. Run in a rendered project:
with REDIS_URL through that Redis, without one within the process.
"""
# ruff: noqa: E402

import asyncio
import os
from contextlib import suppress
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import django

django.setup()

from django.conf import settings as django_settings
from hypothesis import Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import booleans, integers
from realtime.backends import memory
from realtime.broadcast import subscribe
from realtime.channels import backend, channels

REDIS = bool(django_settings.REDIS_URL)
MOST = django_settings.HISTORY_MESSAGES
loop = asyncio.new_event_loop()


class Client:
    """A client of the channel, and what it has to get next."""

    def __init__(self, model: "Model", resumable: bool) -> None:
        self.model, self.resumable = model, resumable
        self.after = "" if resumable else None
        self.next, self.epoch, self.late, self.came = len(model.published), "", False, 0
        self.stands = self.inside = self.ended = False
        self.fault: AssertionError | None = None
        self.task: asyncio.Task[None] | None = None

    async def send(self, event: Any) -> None:
        """Take an event of the service."""
        try:
            self.take(event["text"])
        except AssertionError as error:
            self.fault = error
            raise

    def take(self, text: str) -> None:
        """Take a message, or a position."""
        if self.resumable:
            assert text[0] == "\x1e", text
            position, mark, text = text[1:].partition("\x1e")
            self.after = position.removeprefix("!")
            if not mark:
                self.stand(position)
                return
        if text == "not kept":
            return
        if int(text) < self.came:
            return  # published right before it came, while Redis was away
        assert int(text) == self.next, f"{text} in place of {self.next}"
        self.next += 1

    def stand(self, position: str) -> None:
        """Begin where the service says."""
        epoch, _, offset = str(self.after).rpartition("-")
        gap = position[0] == "!"
        if gap:
            assert self.model.may_miss(self), f"a gap before {self.next} for no reason"
        if gap or not self.stands:
            self.next = self.model.begins.setdefault(epoch, self.model.beginning) + int(offset)
        self.epoch, self.stands = epoch, True

    async def stay(self) -> None:
        """Be in the channel until cancelled, by whomever."""
        try:
            async with subscribe(self.model.channel, self.send, self.after):
                self.inside = True
                await asyncio.Event().wait()
        finally:
            self.ended = True


class Model(RuleBasedStateMachine):
    """The channel: what was published to it, and what is still kept."""

    def __init__(self) -> None:
        super().__init__()
        self.channel = f"room.{uuid4()}"
        self.published: list[str] = []
        self.begins: dict[str, int] = {}  # the index at which an epoch begins
        self.ended: set[str] = set()  # epochs
        self.beginning = 0  # of the next
        self.gone = 0  # messages before this one are kept no more
        self.cut: Any = None
        self.missed = 0  # published since the cut
        self.here: list[Client] = []
        self.away: list[Client] = []

    def may_miss(self, client: Client) -> bool:
        """Whether something that the client has not got can be gone."""
        missed = len(self.published) - client.next
        return client.late or client.epoch in self.ended or missed > MOST or client.next < self.gone

    def say(self, message: str, keep: bool) -> None:
        """Publish as another process does."""
        call = asyncio.to_thread(backend().publish_from_thread, self.channel, message, keep)
        loop.run_until_complete(call)

    @rule(number=integers(1, MOST + 2))
    def publish(self, number: int) -> None:
        for _ in range(number):
            self.published.append(str(len(self.published)))
            self.say(self.published[-1], True)
            self.missed += self.cut is not None
            if self.cut is None:
                self.settle()

    @rule()
    def publish_for_those_who_are_there(self) -> None:
        self.say("not kept", False)

    @rule(resumable=booleans())
    def come(self, resumable: bool) -> None:
        self.enter(Client(self, resumable))

    @precondition(lambda self: self.here)
    @rule(number=integers(0, 9))
    def leave(self, number: int) -> None:
        client = self.here.pop(number % len(self.here))
        self.end(client)
        if client.resumable and client.stands:
            self.away.append(client)

    @precondition(lambda self: self.away)
    @rule(number=integers(0, 9))
    def come_back(self, number: int) -> None:
        self.enter(self.away.pop(number % len(self.away)))

    @precondition(lambda self: REDIS and self.cut is None)
    @rule()
    def lose_the_subscription(self) -> None:
        from realtime.backends import redis

        self.cut = patch.object(redis.Backend, "_listen", side_effect=ConnectionError("cut"))
        self.cut.start()
        self.missed = 0
        redis.client().execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        self.wait("the cut to be noticed", lambda: channels().backend.error)

    @precondition(lambda self: self.cut is not None)
    @rule()
    def return_of_the_subscription(self) -> None:
        self.cut.stop()
        self.cut = None
        self.wait("the return to be noticed", lambda: not channels().backend.error)
        self.settle()

    @rule()
    def expire(self) -> None:
        if REDIS:
            from realtime.backends import stream

            stream.client().delete(stream.name(self.channel))
        elif self.channel in memory.histories:
            memory.histories[self.channel].messages.clear()
        self.gone = len(self.published)

    @precondition(lambda self: not (self.cut and self.missed))
    @rule()
    def start_empty(self) -> None:
        self.note_epoch()
        if REDIS:
            from realtime.backends import stream

            stream.client().delete(*stream.keys(self.channel))
        else:
            memory.histories.pop(self.channel, None)
        self.ended |= {*self.begins}
        self.beginning = self.gone = len(self.published)

    def enter(self, client: Client) -> None:
        """Let the client subscribe."""
        client.late, client.inside, client.ended = self.cut is not None, False, False
        if not client.resumable:
            client.next = len(self.published)
            client.came = client.next if client.late else 0
        client.task = loop.create_task(client.stay())
        self.here.append(client)
        self.wait("the client to enter", lambda: client.inside or client.ended)
        if self.cut is None:
            self.settle()

    def settle(self) -> None:
        """Wait until everyone has everything, or has ended with a reason."""
        self.wait("the channel to have caught up", self.is_quiet)
        for client in [*self.here]:
            self.wait(f"{len(self.published)} messages", lambda c=client: c.ended or self.has(c))
            if client.fault:
                raise client.fault
            if client.ended:
                assert client.task.cancelled(), client.task
                assert not client.resumable and self.may_miss(client), "ended for no reason"
                self.here.remove(client)
            client.late = False

        self.note_epoch()

    def is_quiet(self) -> bool:
        """Whether the process knows all that was published."""
        channel = channels().known.get(self.channel)
        return not channel or (channel.ready.is_set() and not channel.catching)

    def note_epoch(self) -> None:
        """Note where the epoch begins that the process knows."""
        channel = self.run(lambda: channels().known.get(self.channel))
        if channel and channel.position:
            self.begins.setdefault(channel.position.epoch, self.beginning)

    def has(self, client: Client) -> bool:
        """Whether the client has all."""
        return client.next == len(self.published) and (client.stands or not client.resumable)

    def run(self, function: Any) -> Any:
        """Call it in the event loop."""

        async def call() -> Any:
            return function()

        return loop.run_until_complete(call())

    def wait(self, awaited: str, happened: Any) -> None:
        """Run the event loop until it has."""

        async def wait() -> None:
            async with asyncio.timeout(5):
                while not happened():  # noqa: ASYNC110
                    await asyncio.sleep(0.001)

        try:
            loop.run_until_complete(wait())
        except TimeoutError:
            raise AssertionError(f"waited 5 s for {awaited}") from None

    def end(self, client: Client) -> None:
        """Cancel the client's task."""
        client.task.cancel()
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(client.task)

    def teardown(self) -> None:
        """One message more shows what came twice; then leave."""
        if self.cut:
            self.return_of_the_subscription()
        self.publish(1)
        for client in self.here:
            self.end(client)


run_state_machine_as_test(
    Model,
    settings=settings(
        max_examples=int(os.environ.get("EXAMPLES", 60)),
        stateful_step_count=30,
        deadline=None,
        report_multiple_bugs=False,
        phases=[Phase.generate],  # a failure that waits takes too long to be made smaller
        derandomize="EXAMPLES" not in os.environ,
        database=None,
    ),
)
print("the model agrees")
