"""The service as an ASGI application, split by the type of each connection."""

import os
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from servestatic import ServeStaticASGI

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# Static files, then Django, which is set up here: before what imports models.
http: Any = ServeStaticASGI(get_asgi_application(), settings.STATIC_ROOT, settings.STATIC_URL)

from realtime.asgi import WebSocketHandler  # noqa: E402
from realtime.lifespan import Lifespan  # noqa: E402
from realtime.proxy import look_behind  # noqa: E402
from realtime.types import Receive, Scope, Send  # noqa: E402

websocket = WebSocketHandler()
lifespan = Lifespan()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Hand the connection to the part that speaks its protocol."""
    look_behind(scope)
    match scope["type"]:
        case "http":
            await http(scope, receive, send)
        case "websocket":
            await websocket(scope, receive, send)
        case "lifespan":
            await lifespan(scope, receive, send)
        case other:
            raise NotImplementedError(f"no handler for scope type {other!r}")
