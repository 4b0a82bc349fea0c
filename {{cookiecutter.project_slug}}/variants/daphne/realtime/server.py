"""daphne, as `manage.py runserver` starts it."""

import sys
from typing import Any

from daphne.access import AccessLogGenerator  # type: ignore[import-untyped]
from daphne.endpoints import build_endpoint_description_strings  # type: ignore[import-untyped]
from daphne.server import Server  # type: ignore[import-untyped]


def serve(application: Any, host: str, port: int) -> None:
    """Serve until the process ends."""
    Server(
        application,
        endpoints=build_endpoint_description_strings(host=host, port=port),
        action_logger=AccessLogGenerator(sys.stderr),
        signal_handlers=False,
    ).run()
