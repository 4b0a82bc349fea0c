"""/healthz and /readyz: what a load balancer asks, whatever the Host and before any login."""

from collections.abc import Callable
from concurrent.futures import Future, wait
from importlib.util import find_spec
from typing import Any

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.db import connections as databases
from django.http import HttpRequest, JsonResponse
from django.utils.decorators import sync_and_async_middleware

from realtime.channels import backend
from realtime.connections import count, stops
from realtime.database import threads

SOON = 1.0  # seconds for an answer of the database and of Redis
asking: dict[str, Future[None]] = {}  # one thread for each, however often it is asked in an outage


@sync_and_async_middleware
def health(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """The first middleware: it answers these two before another can refuse or redirect them."""

    async def answer_async(request: HttpRequest) -> Any:
        if request.path_info in ANSWERS:
            return await sync_to_async(answer, thread_sensitive=False)(request)
        return await get_response(request)

    def answer(request: HttpRequest) -> Any:
        return ANSWERS.get(request.path_info, get_response)(request)

    return answer_async if iscoroutinefunction(get_response) else answer


def healthz(request: HttpRequest) -> JsonResponse:
    """This process answers, with so many open connections."""
    return JsonResponse({"connections": count()})


def readyz(request: HttpRequest) -> JsonResponse:
    """Whether it can do its work: 200, or 503 with what is wrong."""
    asked = {f"database {alias}": begin(f"database {alias}", ask, alias) for alias in databases}
    if settings.REDIS_URL:
        asked["redis"] = begin("redis", backend().ping)
    wait(asked.values(), timeout=SOON)
    wrong = [name for name, said in asked.items() if not said.done() or said.exception()]
    wrong += ["stopping"] if stops() else []
    return JsonResponse({"wrong": wrong}, status=503 if wrong else 200)


def begin(name: str, question: Callable[..., None], *about: str) -> Future[None]:
    """Ask in a thread, unless the last question is still under way."""
    if name not in asking or asking[name].done():
        asking[name] = threads.submit(question, *about)
    return asking[name]


def ask(alias: str) -> None:
    """Ask the database, on a connection as new as the answer."""
    database = databases[alias]
    database.close_if_unusable_or_obsolete()
    with database.cursor() as cursor:
        cursor.execute("SELECT 1")
    database.close()


ANSWERS: dict[str, Callable[[HttpRequest], Any]] = {"/healthz": healthz, "/readyz": readyz}
if find_spec("prometheus_client"):
    from realtime.metrics import metrics

    ANSWERS["/metrics"] = metrics
