"""What views need to answer a WebSocket handshake.

A view that returns `WebSocketResponse` accepts it; whatever else it returns or raises refuses it.
"""

from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

from realtime.connections import full, too_many
from realtime.request import WebSocketRequest
from realtime.types import Receive, Send


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
        if not isinstance(request, WebSocketRequest):
            if page:
                response = page(request, **kwargs)
                patch_vary_headers(response, ["Upgrade"])  # no cache may answer a handshake with it
                return response
            if full():  # as a browser asks over HTTP why its handshake was refused
                return too_many()
        if accepts:
            return WebSocketResponse(partial(loop, request, **kwargs))
        return loop(request, **kwargs)

    vars(view)["speaks_websocket"] = True
    return view
