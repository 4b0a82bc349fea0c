"""Whether the cost of one grows with the number of all: of clients, of sessions, of channels.

In microseconds of the server's processor time.
"""

import resource
from collections.abc import Iterator
from contextlib import ExitStack

from websockets.sync.client import connect

from benchmarks import fanout, memory, rates
from benchmarks.contenders import SERVICE
from benchmarks.projects import Lab
from benchmarks.servers import Client, Serving, cookie, manage, serving
from benchmarks.tables import Sheet

FILL = """
from django.contrib.sessions.models import Session
from django.utils.timezone import now
from datetime import timedelta
day = now() + timedelta(days=1)
rows = (Session(f"growth-{{n}}", "x" * 200, day) for n in range({number}))
Session.objects.filter(pk__startswith="growth-").delete()
Session.objects.bulk_create(rows, batch_size=1000)
"""
SPARE = 500  # open files of a process, beside those of its clients
PUBLISHES = 10_000  # over all channels


def rooms(lab: Lab) -> Sheet:
    """A delivery, and the memory of a connection, in a room of so many clients."""
    sheet = Sheet("clients of a room")
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    for members in [min(crowd, files - SPARE) for crowd in lab.extent.crowds]:
        with ExitStack() as stack:
            where = stack.enter_context(serving(lab.project(), "uvicorn", SERVICE))
            first = where.client("load", "/ws/", "", "hold", str(memory.FIRST))
            stack.enter_context(first).result()
            before = where.memory()
            patience = str(lab.extent.patience)
            room = stack.enter_context(where.client("room_members", "", str(members), patience))
            room.result()
            row = {"KiB of a connection": (where.memory() - before) / members / 1024}
            for way, title in (("plain", "µs in a loop of sends"), ("published", "µs published")):
                row[title] = delivery(where, room, way, members, lab.extent.rounds)
            sheet.rows[f"{members:,}"] = row
    return sheet


def delivery(where: Serving, room: Client, way: str, members: int, rounds: int) -> float:
    """The time of a message to one of so many members."""
    number = fanout.batch(members)
    room.result(f"{way} {number}")  # warms up
    before = where.processor_time()
    for _ in range(rounds):
        room.result(f"{way} {number}")
    return (where.processor_time() - before) / rounds / number / members * 1e6


def sessions(lab: Lab) -> Sheet:
    """A handshake with a session, of so many in the table."""
    sheet, project = Sheet("sessions in the table"), lab.project()
    key = cookie(project)
    with serving(project, "uvicorn", SERVICE) as where:
        for number in lab.extent.sessions:
            manage(project, "shell", "--no-imports", "-c", FILL.format(number=number))
            done = [
                rates.apply(rates.SESSION, where, key, lab.extent.seconds)["rate"]
                for _ in range(lab.extent.rounds)
            ]
            sheet.rows[f"{number:,}"] = {"µs of a handshake": 1e6 * len(done) / sum(done)}
    manage(project, "shell", "--no-imports", "-c", FILL.format(number=0))
    return sheet


def channels(lab: Lab, redis: str) -> Sheet:
    """A publish with its delivery, when they go over so many channels in turn."""
    sheet = Sheet("channels")
    for way, variables in (("in process", {}), ("through Redis", {"REDIS_URL": redis})):
        with serving(lab.project(), "uvicorn", SERVICE, **variables) as where:
            for number in lab.extent.channels:
                row = sheet.rows.setdefault(f"{number:,}", {})
                row[f"µs of a publish {way}"] = publish(where, number)
    return sheet


def publish(where: Serving, number: int) -> float:
    """The time of one publish."""
    with connect(f"ws://127.0.0.1:{where.port}/channels/", compression=None) as client:
        client.send(str(number))
        assert client.recv(timeout=60) == "joined"
        for times in (PUBLISHES // 10, PUBLISHES):  # the first warms up
            before = where.processor_time()
            client.send(str(times))
            for _ in range(times):
                client.recv(timeout=10)
            spent = where.processor_time() - before
    return spent / PUBLISHES * 1e6


def measure(lab: Lab, redis: str) -> Iterator[Sheet]:
    """Clients, sessions and channels."""
    yield rooms(lab)
    yield sessions(lab)
    yield channels(lab, redis)
