"""Django's answer to a handshake."""

from contextlib import closing
from io import BytesIO
from typing import Any

from django.core import signals
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http import Http404, HttpRequest
from django.middleware.csrf import REASON_BAD_ORIGIN, CsrfViewMiddleware
from django.urls import set_script_prefix

from realtime.cookies import Headers, cookies
from realtime.handshake import WebSocketResponse
from realtime.refusal import events
from realtime.request import WebSocketRequest
from realtime.types import Event, Scope


class Answering(ASGIHandler):
    """Answers as settings.MIDDLEWARE and settings.ROOT_URLCONF say."""

    request_class = WebSocketRequest

    def __init__(self) -> None:
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
            return request, None, [], events(scope, response)

    def _get_response(self, request: HttpRequest) -> Any:
        """Check Host and Origin, then call the view: all of it inside the middleware."""
        request.get_host()  # raises DisallowedHost
        if (origin := request.META.get("HTTP_ORIGIN")) is not None:
            if not self.csrf._origin_verified(request):
                return self.csrf._reject(request, REASON_BAD_ORIGIN % origin)
        response = super()._get_response(request)  # type: ignore[misc]
        if isinstance(response, WebSocketResponse):
            response.status_code = 101
            request.settle()  # type: ignore[attr-defined]
        elif response.status_code < 300:
            raise Http404(f"{request.path} is a page, not a WebSocket")
        return response
