"""What views need to answer a WebSocket handshake, an HTTP request (RFC 6455, section 4.1).

A view that returns `WebSocketResponse` accepts it; whatever else it returns or raises refuses it.
"""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from io import BytesIO
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from realtime.types import Receive, Scope, Send

HTTP_SCHEMES = {"ws": "http", "wss": "https"}


class WebSocketRequest(ASGIRequest):
    """The handshake as a GET, on wss as secure as on https; its scope has every key."""

    def __init__(self, scope: Scope, body_file: BytesIO) -> None:
        added = {"scheme": "ws", "state": {}, "extensions": {}, "method": "GET"}
        super().__init__({**added, **scope}, body_file)
        trusted = settings.SECURE_PROXY_SSL_HEADER
        if trusted and self.META.get(trusted[0]) == "wss":  # as Traefik says https
            self.META[trusted[0]] = trusted[1]

    def _get_scheme(self) -> str:
        scheme: str = self.scope["scheme"]
        return HTTP_SCHEMES.get(scheme, scheme)


class WebSocketResponse(HttpResponse):
    """Accepts the handshake: `application(receive, send)` runs once every middleware has agreed.

    Returned over plain HTTP it is what it says, 426 Upgrade Required (RFC 9110, section 15.5.22).
    """

    def __init__(self, application: Callable[[Receive, Send], Awaitable[None]]) -> None:
        super().__init__(
            'This URL speaks WebSocket, and the request came without "Upgrade: websocket". '
            "If a WebSocket client sent it, a proxy may have dropped the Upgrade header.\n",
            status=426,
            content_type="text/plain; charset=utf-8",
            headers={"Upgrade": "websocket", "Connection": "Upgrade"},
        )
        self.application = application


def websocket(
    loop: Callable[..., Any], *, http: Callable[..., Any] | None = None
) -> Callable[..., HttpResponseBase]:
    """Make `async def loop(request, receive, send, **kwargs)` a view, which decorators may wrap.

    `http` is the view for plain HTTP requests of the same URL; without one they get 426. A view
    that this function made, decorated or not, may be given in place of the loop.
    """
    accepts = iscoroutinefunction(loop)
    if not accepts and not hasattr(loop, "speaks_websocket"):  # decorators pass it on
        raise TypeError(f"websocket() takes an `async def` loop, not {loop!r}")
    page = async_to_sync(http) if iscoroutinefunction(http) else http

    @wraps(loop)
    def view(request: HttpRequest, **kwargs: Any) -> Any:
        if page and not isinstance(request, WebSocketRequest):
            response = page(request, **kwargs)
            patch_vary_headers(response, ["Upgrade"])  # no cache may answer a handshake with it
            return response
        if accepts:
            return WebSocketResponse(partial(loop, request, **kwargs))
        return loop(request, **kwargs)

    vars(view)["speaks_websocket"] = True
    return view
