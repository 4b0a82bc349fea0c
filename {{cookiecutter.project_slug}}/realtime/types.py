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

OWN = "\0"  # begins the names of the machinery's channels
Message = str | bytes
Receiver = Callable[[Event], None]  # of the messages of a channel


def message(event: Event) -> Message:
    """The message of an event of type websocket.receive or websocket.send."""
    text: str | None = event.get("text")
    return event.get("bytes") or b"" if text is None else text


def size(event: Event) -> int:
    """The length of the event's message, in bytes or in characters."""
    return len(message(event))


class PublishError(Exception):
    """The message was not published: Redis is away."""


def check_channel(channel: str) -> None:
    """Raise TypeError or ValueError for a name that no channel of the service can have."""
    if not isinstance(channel, str):
        raise TypeError(f"a channel's name is str, not {type(channel).__name__}: {channel!r}")
    if channel.startswith(OWN):
        raise ValueError(f"a channel whose name begins with NUL is the machinery's: {channel!r}")
    channel.encode()  # raises UnicodeEncodeError, a ValueError, for a lone surrogate


def check(message: Message) -> Message:
    """Return the message. Raises TypeError if it is neither text nor binary."""
    if not isinstance(message, (str, bytes)):
        raise TypeError(f"a message is str or bytes, not {type(message).__name__}: {message!r}")
    if isinstance(message, str):
        message.encode()  # raises UnicodeEncodeError, which each `send` would do otherwise
    return message
