"""`manage.py runserver`: the service's own ASGI server, reloaded when the code changes."""

import socket
from importlib import import_module
from threading import Event, Thread
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.contrib.staticfiles.management.commands import runserver
from django.utils import autoreload
from django.utils.autoreload import autoreload_started
from django.utils.module_loading import import_string

from realtime.server import serve


class DevelopmentServer:
    """Stands where Django's command expects its WSGI server.

    OSError, which that command puts into words: the address cannot be bound. The servers
    themselves would say it at length, and leave the reloader waiting.
    """

    def __init__(self, address: tuple[str, int], handler_class: Any, ipv6: bool = False) -> None:
        family = socket.AF_INET6 if ipv6 else socket.AF_INET
        with socket.create_server(address, family=family) as probe:
            self.host, self.server_port = probe.getsockname()[:2]

    def set_app(self, application: Any) -> None:
        self.application = application

    def serve_forever(self) -> None:
        """Serve in a daemon thread: Ctrl-C then ends the process, whatever the server does."""
        arguments = (self.application, self.host, self.server_port)
        thread = Thread(target=serve, args=arguments, daemon=True)
        thread.start()
        thread.join()


class Command(runserver.Command):
    help = "Starts the service's ASGI server for development, with reload and static files."
    server_cls = DevelopmentServer  # type: ignore[assignment]
    addr: str

    def get_handler(self, *args: Any, **options: Any) -> Any:
        application = import_string(settings.ASGI_APPLICATION)
        if options["use_static_handler"] and (settings.DEBUG or options["insecure_serving"]):
            return ASGIStaticFilesHandler(application)
        return application

    def run(self, **options: Any) -> None:
        self.urls_tried = Event()
        autoreload_started.connect(lambda **_: self.urls_tried.wait(), weak=False)
        super().run(**options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        """Import the URLs before Django's reloader begins to list the modules: an import that
        fails takes its modules away again, and in the midst of that would end the reloader.
        """
        try:
            autoreload.raise_last_exception()
            import_module(settings.ROOT_URLCONF)
        finally:
            self.urls_tried.set()
        super().inner_run(*args, **options)

    def on_bind(self, server_port: int) -> None:
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        self.stdout.write(
            f"The page is at http://{host}:{server_port}/, the WebSocket at "
            f"ws://{host}:{server_port}/ws/.\nQuit with Ctrl-C."
        )
