"""The handler behind asgi.py: Django answers the handshake, then the loop has the connection."""

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core import signals
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.db import DatabaseError
from django.http import Http404, HttpRequest
from django.middleware.csrf import REASON_BAD_ORIGIN, CsrfViewMiddleware
from django.urls import set_script_prefix

from realtime.connection import run
from realtime.handshake import WebSocketRequest, WebSocketResponse
from realtime.refusal import events, refuse
from realtime.types import Event, Receive, Scope, Send

logger = logging.getLogger(__name__)
# Kept, because starting a thread for each connection costs more than the middleware.
threads = ThreadPoolExecutor(max_workers=32, thread_name_prefix="handshake")


class WebSocketHandler(ASGIHandler):
    """Answers handshakes as settings.MIDDLEWARE and settings.ROOT_URLCONF say."""

    request_class = WebSocketRequest
    in_thread: Any = staticmethod(partial(sync_to_async, thread_sensitive=False, executor=threads))

    def __init__(self) -> None:
        self.load_middleware()  # the synchronous chain, where ASGIHandler loads the other

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request, response, refusal = await self.in_thread(self.answer)(scope)
        if refusal:
            await refuse(refusal, receive, send)
        else:
            await run(response, request, receive, send)

    def answer(self, scope: Scope) -> tuple[Any, Any, list[Event]]:
        """Handle the request in one thread, from request_started to request_finished."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, invalid = self.create_request(scope, BytesIO())
        response: Any = self.get_response(request) if request else invalid
        response._handler_class = self.__class__
        with closing(response):
            accepted = isinstance(response, WebSocketResponse)
            return request, response, [] if accepted else events(scope, response)

    def _get_response(self, request: HttpRequest) -> Any:
        """Check Host and Origin, then call the view: all of it inside the middleware."""
        request.get_host()  # raises DisallowedHost
        if (origin := request.META.get("HTTP_ORIGIN")) is not None:
            csrf: Any = CsrfViewMiddleware(self._get_response)
            if not csrf._origin_verified(request):
                return csrf._reject(request, REASON_BAD_ORIGIN % origin)
        response = super()._get_response(request)  # type: ignore[misc]
        if isinstance(response, WebSocketResponse):
            response.status_code = 101
            load_user(request)
        elif response.status_code < 300:
            raise Http404(f"{request.path} is a page, not a WebSocket")
        return response


def load_user(request: HttpRequest) -> None:
    """Load the lazy request.user, as a loop could not; not every loop needs it."""
    try:
        bool(getattr(request, "user", None))
    except DatabaseError as error:
        logger.warning("request.user is not loaded: %s", error)
