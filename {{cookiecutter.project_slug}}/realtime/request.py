"""The request that a WebSocket handshake is (RFC 6455, section 4.1)."""

import logging
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.utils.functional import SimpleLazyObject

from realtime.types import Scope

HTTP_SCHEMES = {"ws": "http", "wss": "https"}
logger = logging.getLogger(__name__)


class WebSocketRequest(ASGIRequest):
    """The handshake as a GET, on wss as secure as on https; its scope has every key."""

    user_id: Any = None

    def __init__(self, scope: Scope, body_file: BytesIO) -> None:
        for key, value in (("scheme", "ws"), ("state", {}), ("extensions", {}), ("method", "GET")):
            scope.setdefault(key, value)
        super().__init__(scope, body_file)
        trusted = settings.SECURE_PROXY_SSL_HEADER
        if trusted and self.META.get(trusted[0]) == "wss":  # as Traefik says https
            self.META[trusted[0]] = trusted[1]

    def _get_scheme(self) -> str:
        scheme: str = self.scope["scheme"]
        return HTTP_SCHEMES.get(scheme, scheme)

    def settle(self) -> None:
        """Get ready for a loop: let go of what only pages need, and load the user.

        A loop could not load the lazy request.user; but not every loop needs it.
        """
        vars(self).pop("_messages", None)
        self.resolver_match.tried = None  # type: ignore[union-attr]
        try:
            self.user_id = getattr(getattr(self, "user", None), "pk", None)
            if isinstance(lazy := vars(self).get("user"), SimpleLazyObject):
                vars(self)["user"] = vars(lazy)["_wrapped"]
        except DatabaseError as error:
            logger.warning("request.user is not loaded: %s", error)
