"""The app as INSTALLED_APPS loads it."""

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Registers the system checks, and the receivers of logout's signals."""

    name = "realtime"

    def ready(self) -> None:
        from realtime import checks, logout  # noqa: F401  (imported for what they register)
