"""A route beside the rendered project's own."""

import json

from config.urls import urlpatterns as service
from django.http import JsonResponse
from django.urls import path
from realtime.handshake import websocket


def seen(request):
    """What the service sees of the client."""
    return {
        "secure": request.is_secure(),
        "address": request.META["REMOTE_ADDR"],
        "client": request.scope["client"][0],
        "host": request.get_host(),
    }


@websocket
async def tell(request, receive, send):
    """Tell it."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": json.dumps(seen(request))})


urlpatterns = [*service, path("seen/", websocket(tell, http=lambda r: JsonResponse(seen(r))))]
