"""`WebSocketClient` talks to the service within the test's own process, without a server."""

from typing import Any, Self

from asgiref.sync import sync_to_async

from realtime import testing_support as support
from realtime.isolation import share_connections, unshare_connections
from realtime.testing_support import ConnectionClosed, HandshakeRefused

__all__ = ["ConnectionClosed", "HandshakeRefused", "WebSocketClient"]


class WebSocketClient:
    """`async with WebSocketClient("/ws/", user=user) as client:` connects, and leaves at its end.

    The path may have a query string; the user is logged in first; more keys go into the scope,
    such as subprotocols. `accepted` is the accept event. A wait of more than `timeout` seconds
    raises TimeoutError that names what did not come.
    """

    timeout = 5.0

    def __init__(
        self, path: str, *, user: Any = None, headers: dict[str, str] | None = None, **scope: Any
    ) -> None:
        self.path, self.user, self.scope = path, user, scope
        given = {name.lower(): value for name, value in (headers or {}).items()}
        self.headers = {"host": "testserver"} | given

    async def __aenter__(self) -> Self:
        await sync_to_async(share_connections)()
        try:
            if self.user:
                self.headers["cookie"] = await support.login_cookie(self.user)
            self.service = support.connection(self.path, self.headers, self.scope)
            await self._connect()
        except BaseException:
            await sync_to_async(unshare_connections)()
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            await self.service.send_input({"type": "websocket.disconnect", "code": 1000})
            ended = await support.end(self.service, self.timeout)
            if error is None and ended:
                raise ended
        finally:
            await sync_to_async(unshare_connections)()

    async def send(self, message: str | bytes) -> None:
        """Send a text or a binary message."""
        kind = "text" if isinstance(message, str) else "bytes"
        await self.service.send_input({"type": "websocket.receive", kind: message})

    async def receive(self) -> str | bytes:
        """Return the next message, or raise ConnectionClosed."""
        match await support.next_event(self.service, "message", self.timeout):
            case {"type": "websocket.send", "text": str(message)}:
                return message
            case {"type": "websocket.send", "bytes": bytes(message)}:
                return message
            case close:
                raise ConnectionClosed(close["code"], close.get("reason", ""))

    async def _connect(self) -> None:
        await self.service.send_input({"type": "websocket.connect"})
        self.accepted = start = await support.next_event(self.service, "answer", self.timeout)
        if start["type"] == "websocket.close":
            raise HandshakeRefused(403, [], b"")
        if start["type"] != "websocket.accept":
            body = await support.next_event(self.service, "body of the refusal", self.timeout)
            raise HandshakeRefused(start["status"], start["headers"], body["body"])
