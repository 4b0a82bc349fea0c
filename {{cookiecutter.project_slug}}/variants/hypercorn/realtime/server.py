"""hypercorn, as `manage.py runserver` starts it."""

import asyncio
import logging

from hypercorn.asyncio import serve as hypercorn
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework


def serve(application: ASGIFramework, host: str, port: int) -> None:
    """Serve until the process ends."""
    config = Config()
    config.bind = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    config.accesslog = logging.getLogger("hypercorn.access")
    config.errorlog = logging.getLogger("hypercorn.error")
    asyncio.run(hypercorn(application, config, shutdown_trigger=asyncio.Event().wait))
