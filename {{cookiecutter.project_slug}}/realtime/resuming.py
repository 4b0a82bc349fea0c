"""What a client is sent that comes back with the position it had come to.

RS is the record separator, U+001E:

    RS position RS message    a message; a binary one has the same bytes before it
    RS position               where the client stands
    RS ! position             the same, and something before it is gone
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from contextvars import copy_context
from typing import Any

from realtime.types import Event, Message, message

First = Callable[[], Awaitable[Iterable[Message]]]
RS = "\x1e"
NOWHERE = "-"  # a position that nobody can come back to
STATE = "realtime.state"  # the type of an event that becomes the messages of a state
ID = re.compile(r'"id": ?("(?:[^"\\]|\\.)*"|[^\s,}\]]+)')
PUBLISHED = 10.0  # seconds after which what belongs to a state has been published


def plain(message: Message) -> Event:
    """The event that sends the message."""
    return {"type": "websocket.send", "text" if isinstance(message, str) else "bytes": message}


def marked(position: object, message: Message) -> Event:
    """The event that sends the message with its position."""
    mark = f"{RS}{position}{RS}"
    return plain(mark + message if isinstance(message, str) else mark.encode() + message)


def standing(position: object, *, gap: bool = False) -> Event:
    """The event that says where the client stands."""
    return plain(f"{RS}!{position}" if gap else f"{RS}{position}")


def afresh(position: object, gap: bool, first: First | None) -> list[Event]:
    """The events for a client that begins at the position. Amid a state it stands nowhere."""
    if first:
        state = {"type": STATE, "position": position}
        return [standing(NOWHERE, gap=gap), state, standing(position)]
    return [standing(position, gap=gap)]


def row(said: Message) -> Message:
    """What a message is about: in a JSON object the first "id"; else it is about itself."""
    if isinstance(said, str) and said[:1] == "{":
        return found[1] if (found := ID.search(said)) else "{}"
    return said


class StateFirst:
    """The `send` of a client that gets a state first, and then no message of it again.

    A message that was written to the database before the state was read may be published after.
    While the state is read and sent what is published waits. A row may change, and change back:
    once a client got another message about it, it gets all that follow.
    """

    def __init__(self, outbox: Any, first: First) -> None:
        self.outbox, self.send, self.first = outbox, outbox.send, first
        self.context = copy_context()  # of the loop: whoever publishes may call this
        self.sent: dict[Message, set[Message]] = {}  # what was in the state about each row
        self.until = 0.0

    async def __call__(self, event: Event) -> None:
        """Send the event, the state, or in place of what was sent where the client stands."""
        if event["type"] == STATE:
            await self._tell(event.get("position"))
        elif self.until > self.outbox.loop.time() and (mark := self._known(event)) is not None:
            if mark:
                await self.send(plain(mark))
        else:
            await self.send(event)

    async def _tell(self, position: object) -> None:
        self.outbox.held += 1  # a client that waits for its state does read
        try:
            state = self.outbox.loop.create_task(self._read(), context=self.context)
            self.sent = {}
            for message in await state:
                await self.send(marked(NOWHERE, message) if position else plain(message))
                self.sent.setdefault(row(message), set()).add(message)
            self.until = self.outbox.loop.time() + PUBLISHED
        finally:
            self.outbox.held -= 1

    async def _read(self) -> Iterable[Message]:
        return await self.first()

    def _known(self, event: Event) -> str | None:
        """The mark of a message that was in the state, "" if it has none; None if it was not."""
        said: Any = message(event)
        rs: Any = RS if isinstance(said, str) else RS.encode()
        mark = ""
        if said[:1] == rs:
            _, position, *rest = said.split(rs, 2)
            if not rest:
                return None
            mark = RS + (position if isinstance(position, str) else position.decode())
            [said] = rest
        known = self.sent.get(row(said), set())
        if said in known:
            return mark
        known.clear()
        return None
