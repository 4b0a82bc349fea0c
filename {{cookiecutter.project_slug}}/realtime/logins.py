"""What ends a login, and so the connections that it has opened."""

import asyncio
import logging
import time
from importlib import import_module
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import router
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest
from django.utils import timezone

from realtime import database
from realtime.closing import close, close_all
from realtime.connections import STOPPED, Connection, sweepers

LOGGED_OUT = 4401  # of the range for private use (RFC 6455, section 7.4.2), after HTTP's 401
LOGOUT = 10.0  # seconds that a logout goes on: its signal comes before the session is deleted
LOOK, AT_ONCE = 30.0, 500  # seconds between looks at a session; sessions in a query
looking: set[asyncio.Task[None]] = set()
logger = logging.getLogger(__name__)


def connect_signals() -> None:
    """Hear of what ends a right. Not of every model: Django then deletes rows one by one."""
    sweepers.append(look_up)
    user_logged_in.connect(close_replaced_session)
    user_logged_out.connect(close_session)
    for model in apps.get_models():
        if issubclass(model, get_user_model()):  # proxy models, too
            post_save.connect(close_changed_user, model)
            post_delete.connect(close_deleted_user, model)
        if issubclass(model, AbstractBaseSession):
            post_delete.connect(close_deleted_session, model)


def close_session(request: HttpRequest | None, **kwargs: Any) -> None:
    """Close the session's connections, and those that it still opens before it is deleted."""
    session = getattr(request, "session", None)
    if key := getattr(session, "session_key", None):
        close(LOGGED_OUT, "logged out", session_key=key, refuse=LOGOUT)


def close_deleted_session(instance: Any, using: str, **kwargs: Any) -> None:
    """Close a deleted session's connections, as Django deletes one at the login of another user."""
    end_session(instance.session_key, using)


def close_replaced_session(request: HttpRequest, **kwargs: Any) -> None:
    """Close those of the session that a login has replaced: not each engine tells of its end."""
    key = getattr(request, "COOKIES", {}).get(settings.SESSION_COOKIE_NAME)
    if key and key != getattr(getattr(request, "session", None), "session_key", None):
        end_session(key, None)


def end_session(key: str, using: str | None) -> None:
    """Close its connections. Who was not logged in has lost no right, and may come back."""
    close_all({"login": key}, LOGGED_OUT, "session ended", using=using)
    close_all({"session_key": key}, STOPPED, "session ended", using=using)


def close_changed_user(instance: Any, created: bool, using: str, **kwargs: Any) -> None:
    """Close a user's connections after a change of the password, or a deactivation.

    `_password` holds a new password while the user is saved (AbstractBaseUser.save).
    """
    if not created and (vars(instance).get("_password") is not None or not instance.is_active):
        end_user(instance, "account changed", using)


def close_deleted_user(instance: Any, using: str, **kwargs: Any) -> None:
    """Close a deleted user's connections."""
    end_user(instance, "account deleted", using)


def end_user(user: Any, reason: str, using: str) -> None:
    """Close their connections; not those of a namesake in another database."""
    if using in {router.db_for_read(type(user)), router.db_for_write(type(user))}:
        close(LOGGED_OUT, reason, user_id=user.pk, using=using)


def look_up(open_here: list[Connection]) -> None:
    """Look whether sessions have expired, or were deleted past Django's signals."""
    now, late = time.monotonic(), dict[str, list[Connection]]()
    for connection in open_here:
        if connection.due <= now:
            connection.due = now + LOOK
            late.setdefault(dict(connection.keys)["login"], []).append(connection)
    if late:
        looking.add(task := asyncio.create_task(look(late)))
        task.add_done_callback(looking.discard)


async def look(late: dict[str, list[Connection]]) -> None:
    """Close the connections of those that are no more; look again when the others expire."""
    in_thread, now = sync_to_async if database.shared else database.in_thread, time.monotonic()
    for keys in (list(late)[at : at + AT_ONCE] for at in range(0, len(late), AT_ONCE)):
        try:
            left = await in_thread(remaining)(keys)
        except Exception as error:  # of whatever keeps the sessions
            logger.warning("The sessions of open connections are not looked up: %s", error)
            continue
        for key in keys:
            for connection in late[key]:
                connection.due = now + min(left.get(key, 0), LOOK)
                if key not in left:
                    connection.end(LOGGED_OUT, "session ended")


def remaining(keys: list[str]) -> dict[str, float]:
    """The seconds that each of the sessions has left; without those that are no more."""
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "get_model_class"):  # not in the database: it does not say since when
        return {key: session.get_expiry_age() for key in keys if (session := store(key)).keys()}
    model, now = store.get_model_class(), timezone.now()
    rows = model._default_manager.using(router.db_for_write(model))
    live = rows.filter(session_key__in=keys, expire_date__gt=now)
    dates = live.values_list("session_key", "expire_date")
    return {key: (date - now).total_seconds() for key, date in dates}
