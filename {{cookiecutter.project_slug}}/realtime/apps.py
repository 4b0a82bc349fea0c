"""The app as INSTALLED_APPS loads it."""

import sys

from django.apps import AppConfig


class RealtimeConfig(AppConfig):
    """Registers the system checks, and the receivers of logout's signals."""

    name = "realtime"

    def ready(self) -> None:
        try:
            from realtime import server  # noqa: F401
        except ModuleNotFoundError as error:
            sys.exit(f"{error}; uv sync installs it.")
        from realtime import checks, database  # noqa: F401  (for what they register)
        from realtime.logins import connect_signals

        connect_signals()
