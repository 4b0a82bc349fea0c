"""uvicorn, as `manage.py runserver` starts it."""

import uvicorn
from asgiref.typing import ASGIApplication


def serve(application: ASGIApplication, host: str, port: int) -> None:
    """Serve until the process ends; the service fails to start if its lifespan does."""
    config = uvicorn.Config(application, host, port, lifespan="on", log_config=None)
    uvicorn.Server(config).run()
