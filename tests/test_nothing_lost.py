"""Clients that come back get every message once and in order, or are told that they cannot.

A short form of `python -m benchmarks deploy`, which has more faults, on each server.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.contenders import SERVICE
from benchmarks.faults import FAULTS
from benchmarks.returning import Returning
from benchmarks.stage import Room, Scale, undergo
from tests.installing import Installed, parameter

SCALE = Scale(seconds=4, clients=Returning(node=14, python=6, longest=0.5), times=1)
NAMES = ("deploy", "redis", "empty")


@pytest.mark.parametrize(
    ("combination", "name"),
    [
        pytest.param(*one.values, name, marks=one.marks, id=f"{one.id}-{name}")
        for one in (parameter("uvicorn", "pytest"),)
        for name in NAMES
    ],
)
def test_each_client_gets_every_message_once_and_in_order_or_is_told_of_a_gap(
    installed: Callable[[str, str], Installed],
    tmp_path: Path,
    combination: tuple[str, str],
    name: str,
) -> None:
    fault, (server, _) = FAULTS[name], combination
    project = installed(*combination)
    project.run("manage.py", "check")  # installs it
    work = undergo(fault, Room(SERVICE), project.project, server, tmp_path, SCALE)
    seen = asyncio.run(asyncio.wait_for(work, 90))
    clients = SCALE.clients.node + SCALE.clients.python
    assert (seen.lost, seen.twice, seen.disordered) == ([0] * clients, 0, 0)
    assert seen.gaps == [fault.gaps] * clients
