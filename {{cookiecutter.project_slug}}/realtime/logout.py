"""Closes the connections of those who log out, or may no longer log in."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver
from django.http import HttpRequest

from realtime.connections import close

LOGGED_OUT = 4401  # of the range for private use (RFC 6455, section 7.4.2), after HTTP's 401
PAUSE = 10.0  # seconds: the signal comes before Django deletes the session


@receiver(user_logged_out)
def close_session(request: HttpRequest | None, **kwargs: Any) -> None:
    """Close the session's connections, and those that it still opens before it is deleted."""
    session = getattr(request, "session", None)
    if key := getattr(session, "session_key", None):
        close(LOGGED_OUT, "logged out", session_key=key, refuse=PAUSE)


@receiver(post_save)
def close_changed_user(instance: Any, created: bool, **kwargs: Any) -> None:
    """Close a user's connections after a change of the password, or a deactivation.

    `_password` holds a new password while the user is saved (AbstractBaseUser.save).
    """
    if isinstance(instance, get_user_model()) and not created:  # of a proxy model, too
        if vars(instance).get("_password") is not None or not instance.is_active:
            close(LOGGED_OUT, "account changed", user_id=instance.pk)


@receiver(post_delete)
def close_deleted_user(instance: Any, **kwargs: Any) -> None:
    """Close a deleted user's connections."""
    if isinstance(instance, get_user_model()):
        close(LOGGED_OUT, "account deleted", user_id=instance.pk)
