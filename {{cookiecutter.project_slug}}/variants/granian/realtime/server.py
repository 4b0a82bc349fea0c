"""granian, as `manage.py runserver` starts it."""

import asyncio
from typing import Any

from granian.constants import Interfaces
from granian.server.embed import Server


def serve(application: Any, host: str, port: int) -> None:
    """Serve until the process ends."""
    server = Server(
        application, address=host, port=port, interface=Interfaces.ASGI, log_access=True
    )
    asyncio.run(server.serve())
