"""The types that the files share, first the shapes of an ASGI application.

https://asgi.readthedocs.io/en/latest/specs/main.html
"""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

Scope = dict[str, Any]
Event = Mapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]

Step = Callable[[], Coroutine[Any, Any, None]]  # of a stop of the server

Message = str | bytes
Receiver = Callable[[Event], None]  # of the messages of a channel


def size(event: Event) -> int:
    """The length of the event's message, in bytes or in characters."""
    return len(event.get("text") or event.get("bytes") or "")


class PublishError(Exception):
    """The message was not published: Redis is away."""
