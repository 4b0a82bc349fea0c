"""Tickets: how a client without a cookie gets in, such as an app, a script, another origin's page.

It asks for one with a request that is logged in, in whatever way, and offers it as a subprotocol.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth import SESSION_KEY, get_user, get_user_model
from django.contrib.auth.models import AnonymousUser
from django.core.cache import caches
from django.core.exceptions import MiddlewareNotUsed
from django.core.signing import BadSignature, Signer
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import get_random_string
from django.utils.decorators import sync_and_async_middleware
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from realtime.connections import unavailable
from realtime.handshake import WebSocketRequest

PROTOCOL, PREFIX, SECONDS = "realtime", "ticket.", 30
AWAY = "the cache does not answer"


@csrf_exempt  # another origin may have it sent, and cannot read the answer
@require_POST
def ticket(request: Any) -> HttpResponse:
    """A ticket of the request's user, good for one handshake within 30 s."""
    if not request.user.is_authenticated:
        return refused("nobody is logged in")
    user, name = request.user, get_random_string(22)
    session: Any = getattr(request, "session", {})
    by_session = session.get(SESSION_KEY) == user._meta.pk.value_to_string(user)
    key = session.session_key if by_session else None
    try:
        store().set(PREFIX + name, (user.pk, key, user.get_session_auth_hash()), SECONDS)
    except Exception:  # of whatever keeps the cache
        return unavailable(AWAY)
    given = {"ticket": PREFIX + signer().sign(name)}
    return JsonResponse(given, headers={"Cache-Control": "no-store"})


@sync_and_async_middleware
def tickets(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Middleware below those that set `request.user`: a ticket's user takes that place."""
    if iscoroutinefunction(get_response):
        raise MiddlewareNotUsed("no handshake comes here")

    def answer(request: HttpRequest) -> Any:
        offered = request.scope["subprotocols"] if isinstance(request, WebSocketRequest) else []
        for one in [each for each in offered if each.startswith(PREFIX)]:
            offered.remove(one)  # a loop may choose among the others
            if response := admit(request, one.removeprefix(PREFIX)):
                return response
        if PROTOCOL in offered:
            request.subprotocol = PROTOCOL  # type: ignore[attr-defined]
        return get_response(request)

    return answer


def admit(request: Any, signed: str) -> HttpResponse | None:
    """Make the handshake one of the ticket's user, and of the login's session; or refuse it."""
    try:
        place = PREFIX + signer().unsign(signed)
    except BadSignature:
        return refused("the ticket is forged, or another service's")
    try:
        kept = store().get(place)
        taken = kept and store().delete(place)  # of many, one has deleted it
    except Exception:  # of whatever keeps the cache
        return unavailable(AWAY)
    if not taken:
        return refused("the ticket was used already, or has expired")
    pk, key, auth_hash = kept
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    try:
        user = get_user(request) if key else user_of(pk, auth_hash)
    except DatabaseError:
        return unavailable("the database does not answer")
    if not user.is_authenticated:
        return refused("the login of the ticket has ended")
    request.user = request._acached_user = user  # the other is that of `request.auser()`
    request.session.is_empty = lambda: True  # to SessionMiddleware: it sends and deletes no cookie
    request.COOKIES.pop(settings.SESSION_COOKIE_NAME, None)
    return None


def user_of(pk: Any, auth_hash: str) -> Any:
    """Who was logged in without a session, if their password is the same; or nobody."""
    user = get_user_model()._default_manager.filter(pk=pk).first()
    if user and user.is_active and user.get_session_auth_hash() == auth_hash:
        return user
    return AnonymousUser()


@cache
def store() -> Any:
    """Django's cache; `caches` has another one in each thread, and Redis a connection for each."""
    return caches.create_connection("default")


def signer() -> Signer:
    """Signs with a character between that a subprotocol may have."""
    return Signer(sep=".", salt="realtime.tickets")


def refused(why: str) -> HttpResponse:
    """401; Django logs the reason."""
    headers = {"WWW-Authenticate": "ticket"}
    return HttpResponse(f"{why}\n", "text/plain", 401, f"No ticket: {why}", headers=headers)
