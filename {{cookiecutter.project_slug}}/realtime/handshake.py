"""A handshake is an HTTP request (RFC 6455, section 4.1), and Django answers it.

A view that returns `WebSocketResponse` accepts it; whatever else it returns or raises refuses it.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import closing
from functools import partial, update_wrapper, wraps
from inspect import signature
from io import BytesIO
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings
from django.core import signals
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.csrf import REASON_BAD_ORIGIN, CsrfViewMiddleware
from django.urls import set_script_prefix
from django.utils.cache import patch_vary_headers
from django.utils.functional import SimpleLazyObject

from realtime import connections
from realtime.connections import refuses, unavailable
from realtime.limits import one_too_many
from realtime.types import Event, Receive, Scope, Send

HTTP_SCHEMES = {"ws": "http", "wss": "https"}
Headers = list[tuple[bytes, bytes]]
logger = logging.getLogger(__name__)


class WebSocketResponse(HttpResponse):
    """Accepts the handshake: `application(receive, send)` runs once every middleware has agreed.

    Returned over plain HTTP it is what it says, 426 Upgrade Required (RFC 9110, section 15.5.22).
    """

    def __init__(self, application: Callable[[Receive, Send], Awaitable[None]]) -> None:
        super().__init__(
            b'This URL speaks WebSocket, and the request came without "Upgrade: websocket". '
            b"If a WebSocket client sent it, a proxy may have dropped the Upgrade header.\n",
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
    names = [*signature(loop).parameters][3:] if accepts else []  # those of the URL's arguments

    @wraps(loop, updated=())
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(request, WebSocketRequest):
            if page:
                response = page(request, *args, **kwargs)
                patch_vary_headers(response, ["Upgrade"])  # no cache may answer a handshake with it
                return response
            if why := refuses():  # as a browser asks over HTTP why its handshake was refused
                return unavailable(why)
            if crowded := one_too_many(getattr(getattr(request, "user", None), "pk", None)):
                return crowded
        if accepts:
            named = dict(zip(names, args, strict=False))
            return WebSocketResponse(partial(loop, request, **named, **kwargs))
        return loop(request, *args, **kwargs)

    # What decorators have marked (csrf_exempt, login_not_required) holds for its protocol alone.
    own, marks = ({**vars(one), "__wrapped__": loop} for one in (loop, http or loop))
    vars(view).update(marks, speaks_websocket=(marks if http else {}, own))
    return view


class WebSocketRequest(ASGIRequest):
    """The handshake as a GET, on wss as secure as on https; its scope has every key."""

    user_id: Any = None
    subprotocol: str | None = None  # of the accept, unless the loop gives one

    def __init__(self, scope: Scope, body_file: BytesIO) -> None:
        for key, value in (("scheme", "ws"), ("state", {}), ("extensions", {}), ("method", "GET")):
            scope.setdefault(key, value)
        scope["subprotocols"] = list(scope.get("subprotocols") or ())
        super().__init__(scope, body_file)
        trusted = settings.SECURE_PROXY_SSL_HEADER
        if trusted and self.META.get(trusted[0]) == "wss":  # as Traefik says https
            self.META[trusted[0]] = trusted[1]

    def _get_scheme(self) -> str:
        scheme: str = self.scope["scheme"]
        return HTTP_SCHEMES.get(scheme, scheme)

    def settle(self) -> None:
        """Get ready for a loop: let go of what only pages need, and load the user.

        A loop could not load the lazy request.user. Before the first migration there is none.
        """
        vars(self).pop("_messages", None)
        self.resolver_match.tried = None  # type: ignore[union-attr]
        try:
            self.user_id = getattr(getattr(self, "user", None), "pk", None)
            if isinstance(lazy := vars(self).get("user"), SimpleLazyObject):
                vars(self)["user"] = vars(lazy)["_wrapped"]
        except DatabaseError as error:
            if MigrationRecorder(connection).has_table():  # or raises DatabaseError again
                raise
            logger.warning("request.user is not loaded: %s", error)


class Handshakes(ASGIHandler):
    """Answers them as settings.MIDDLEWARE and settings.ROOT_URLCONF say."""

    request_class = WebSocketRequest

    def __init__(self) -> None:
        connections.serves = True
        self.load_middleware()  # the synchronous chain, where ASGIHandler loads the other
        self.csrf: Any = CsrfViewMiddleware(self._get_response)

    def answer(self, scope: Scope) -> tuple[Any, Any, Headers, list[Event]]:
        """Handle the request in one thread, from request_started to request_finished.

        Returns the request, the application that runs next, the headers of the accept; and the
        events that refuse, if there is no such application.
        """
        if (prefix := get_script_prefix(scope)) != "/":
            set_script_prefix(prefix)
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, invalid = self.create_request(scope, BytesIO())
        response: Any = self.get_response(request) if request else invalid
        response._handler_class = self.__class__
        with closing(response):
            if isinstance(response, WebSocketResponse):  # of which no more is kept
                return request, response.application, cookies(response), []
            return request, None, [], refusal(scope, response)

    def _get_response(self, request: HttpRequest) -> Any:
        """Check Host and Origin, then call the view: all of it inside the middleware."""
        request.get_host()  # raises DisallowedHost
        if (origin := request.META.get("HTTP_ORIGIN")) is not None:
            if not self.csrf._origin_verified(request):
                return self.csrf._reject(request, REASON_BAD_ORIGIN % origin)
        response = super()._get_response(request)  # type: ignore[misc]
        if isinstance(response, WebSocketResponse):
            response.status_code = 101
            try:
                request.settle()  # type: ignore[attr-defined]
            except DatabaseError as error:  # it may be a user's, whom a logout could not find
                logger.error("request.user is not loaded: %s", error)
                return unavailable("the database does not answer")
        elif response.status_code < 300:
            raise Http404(f"{request.path} is a page, not a WebSocket")
        return response

    def resolve_request(self, request: HttpRequest) -> Any:
        """Find the view. The marks of the page that `websocket` serves beside it are not its."""
        match = super().resolve_request(request)
        others, own = getattr(match.func, "speaks_websocket", ({}, {}))
        if others:
            view = update_wrapper(partial(match.func), match.func)
            for name, mark in others.items():
                if vars(view).get(name) is mark:
                    del vars(view)[name]
            vars(view).update(own)
            match.func = view
        return match


def refusal(scope: Scope, response: HttpResponseBase) -> list[Event]:
    """The ASGI events that refuse: the response itself, or a close, which the client sees as 403.

    https://asgi.readthedocs.io/en/latest/extensions.html#websocket-denial-response
    """
    if "websocket.http.response" not in (scope.get("extensions") or ()):
        return [{"type": "websocket.close", "code": 1008, "reason": ""}]
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.items()]
    status = response.status_code if response.status_code >= 300 else 404  # a page by middleware
    if scope.get("http_version") == "1.1":  # or granian keeps the connection open
        headers.append((b"connection", b"close"))
    start = {"status": status, "headers": headers + cookies(response)}
    return [
        {"type": "websocket.http.response.start", **start},
        {"type": "websocket.http.response.body", "body": b"".join(response)},  # granian: in one
    ]


def cookies(response: HttpResponseBase) -> Headers:
    """The Set-Cookie headers of a response."""
    return [(b"set-cookie", cookie.OutputString().encode()) for cookie in response.cookies.values()]
