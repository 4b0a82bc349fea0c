"""One connection: its task, whose it is, and how it was ended from outside, if it was."""

import asyncio
import time
from contextvars import ContextVar
from typing import Any

from realtime.request import WebSocketRequest
from realtime.types import Send

opened: "set[Connection]" = set()
current: "ContextVar[Connection]" = ContextVar("connection")


class Connection:
    """A connection from the start of its handshake, in the task that the server made for it."""

    __slots__ = "code entering loop reason send session_key since task user_id".split()

    def __init__(self, send: Send) -> None:
        self.send = send
        self.task: Any = asyncio.current_task()
        self.loop = asyncio.get_running_loop()
        self.since = time.monotonic()
        self.session_key = self.user_id = None
        self.code: int | None = None  # with which it is being closed
        self.reason = ""
        self.entering = 0  # `subscribe` blocks that are about to begin
        current.set(self)
        opened.add(self)

    def identify(self, request: WebSocketRequest) -> None:
        """Note the session and the user, once the handshake is answered."""
        session = getattr(request, "session", None)
        self.session_key = getattr(session, "session_key", None)
        self.user_id = request.user_id

    def belongs(self, whose: dict[str, str]) -> bool:
        """Whether it is of this session_key, or this user_id."""
        own = {"session_key": self.session_key, "user_id": self.user_id}
        return any(own[key] is not None and str(own[key]) == whose[key] for key in whose)

    def end(self, code: int, reason: str = "") -> None:
        """Cancel its task, which then sends this close; to be called in its event loop."""
        if self.code is None:
            self.code, self.reason = code, reason
            self.task.cancel()
