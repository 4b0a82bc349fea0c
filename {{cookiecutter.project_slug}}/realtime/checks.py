"""System checks: mistakes that would otherwise show at the first connection, or never."""

import os
from collections.abc import Iterator
from inspect import iscoroutinefunction, signature
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.urls import URLPattern, URLResolver, get_resolver


@register(Tags.compatibility)
def runserver_is_ours(**kwargs: Any) -> list[CheckMessage]:
    """The first app with a `runserver` provides it, and Django's knows no WebSocket."""
    names = [app.name for app in apps.get_app_configs()]
    if "django.contrib.staticfiles" in names[: names.index("realtime")]:
        hint = 'Put "realtime" before "django.contrib.staticfiles" in INSTALLED_APPS.'
        return [Error("runserver would not serve WebSockets.", hint=hint, id="realtime.E001")]
    return []


@register(Tags.urls)
def loops_are_views(**kwargs: Any) -> list[CheckMessage]:
    """A loop in urls.py without `@websocket` fails with each request, and takes no handshake."""
    return [
        Error(
            f"{view!r} at {route!r} is a loop, not a view.",
            hint="Decorate it with @realtime.handshake.websocket.",
            id="realtime.E002",
        )
        for route, view in views(get_resolver().url_patterns)
        if iscoroutinefunction(view) and {"receive", "send"} <= signature(view).parameters.keys()
    ]


@register()
def connections_end_with_their_request(**kwargs: Any) -> list[CheckMessage]:
    """Django's documentation asks for CONN_MAX_AGE = 0 under ASGI: threads come and go."""
    return [
        Warning(
            f"DATABASES[{alias!r}] keeps connections open in threads that end.",
            hint="Leave CONN_MAX_AGE at 0, and use the pool of the database backend.",
            id="realtime.W001",
        )
        for alias, database in settings.DATABASES.items()
        if database.get("CONN_MAX_AGE") != 0
    ]


@register()
def logouts_find_their_session(**kwargs: Any) -> list[CheckMessage]:
    """The key of such a session is all that it holds, and so another one after each change."""
    if settings.SESSION_ENGINE != "django.contrib.sessions.backends.signed_cookies":
        return []
    said = "After a change of its session, a logout closes none of its connections."
    hint = "Use another SESSION_ENGINE, or close(…, user_id=…) in a receiver of user_logged_out."
    return [Warning(said, hint=hint, id="realtime.W003")]


@register()
def broadcasts_reach_every_process(**kwargs: Any) -> list[CheckMessage]:
    """Without Redis, what one process publishes, closes or gives out, the others do not hear of."""
    names = ("WEB_CONCURRENCY", "GRANIAN_WORKERS")
    asking = [name for name in names if os.environ.get(name) not in {None, "", "0", "1"}]
    return without_redis(f"{asking[0]} asks for several processes") if asking else []


@register(deploy=True)
def redis_is_there(**kwargs: Any) -> list[CheckMessage]:
    """A second process comes with the first zero-downtime restart."""
    return without_redis("REDIS_URL is not set")


def without_redis(why: str) -> list[CheckMessage]:
    """The warning, unless there is a Redis."""
    said = f"{why}, and broadcasts, logouts and tickets stay within one process."
    hint = "Set REDIS_URL; or silence this check if there is only ever one process."
    return [] if settings.REDIS_URL else [Warning(said, hint=hint, id="realtime.W002")]


def views(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every view below the patterns, with its route."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route, pattern.callback
