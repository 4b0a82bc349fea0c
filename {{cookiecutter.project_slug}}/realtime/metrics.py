"""/metrics, as Prometheus asks for it: what was counted in plain integers where it happens.

With PROMETHEUS_MULTIPROC_DIR, a folder of their own, several workers answer as one.
"""

import os
import sys
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from threading import Lock
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from realtime.channels import per_loop
from realtime.connections import count, sweepers, tally
from realtime.outbox import behind

FOLDER = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
COUNTERS = {
    "opened": Counter("realtime_connections_opened", "Connections that were accepted"),
    "refused": Counter("realtime_handshakes_refused", "Handshakes by the answer", ["status"]),
    "closed": Counter("realtime_connections_closed", "Accepted ones that ended", ["code"]),
    "published": Counter("realtime_messages_published", "Messages to a channel"),
    "delivered": Counter("realtime_messages_delivered", "Messages sent to a subscriber"),
    "slow": Counter("realtime_clients_slow", "Clients closed because they took too little"),
}
OPEN = Gauge("realtime_connections", "Open, as /healthz counts", multiprocess_mode="livesum")
BEHIND = Gauge("realtime_clients_behind", "They take less than comes", multiprocess_mode="livesum")
REDIS = settings.REDIS_URL and Gauge(
    "realtime_redis_up", "Whether each process hears Redis", multiprocess_mode="livemin"
)
told: dict[Any, int] = {}
lock = Lock()


def metrics(request: HttpRequest) -> HttpResponse:
    """What was counted, for those who are near."""
    if not is_near(request):
        return HttpResponseNotFound()
    tell()
    registry = REGISTRY
    if FOLDER:
        forget_the_dead(Path(FOLDER))
        MultiProcessCollector(registry := CollectorRegistry(), FOLDER)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), CONTENT_TYPE_LATEST)


def is_near(request: HttpRequest) -> bool:
    """Whether it comes through no proxy, from an address that is none of the internet's."""
    if {"HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR"} & request.META.keys():
        return False
    try:
        ip = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return not (getattr(ip, "ipv4_mapped", None) or ip).is_global


def tell(*open_here: object) -> None:
    """Hand over to Prometheus's library what was counted since the last time."""
    with lock:
        for key, number in tally.copy().items():
            name, *label = key if isinstance(key, tuple) else (key,)
            counter = COUNTERS[name].labels(*label) if label else COUNTERS[name]
            counter.inc(number - told.get(key, 0))
            told[key] = number
    OPEN.set(count())
    BEHIND.set(len(behind))
    if REDIS:
        REDIS.set(all(channels.backend.pubsub for channels in list(per_loop.values())))


def forget_the_dead(folder: Path) -> None:
    """Take away what processes had open that are no more; what they have counted stays."""
    for file in folder.glob("gauge_live*.db") if sys.platform != "win32" else ():
        pid = file.stem.rpartition("_")[2]
        with suppress(PermissionError):
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]


if FOLDER:  # for whichever worker is asked
    sweepers.append(tell)
