"""The cookies that Django sets in its answer to a handshake."""

from django.http.response import HttpResponseBase

from realtime.types import Event, Send

Headers = list[tuple[bytes, bytes]]


def cookies(response: HttpResponseBase) -> Headers:
    """The Set-Cookie headers of a response."""
    return [(b"set-cookie", cookie.OutputString().encode()) for cookie in response.cookies.values()]


def accept_with(headers: Headers, send: Send) -> Send:
    """Add headers, if any, to the accept; uvicorn and hypercorn send them, the others do not."""
    if not headers:
        return send

    async def send_with_headers(event: Event) -> None:
        if event["type"] == "websocket.accept":
            event = {**event, "headers": [*event.get("headers", ()), *headers]}
        await send(event)

    vars(send_with_headers)["__wrapped__"] = send  # for inspect.unwrap
    return send_with_headers
