"""Clients that come back get every message once and in order, or are told that they cannot.

A short form of `python -m benchmarks deploy`.
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
from tests.rendering import SERVERS

SCALE = Scale(seconds=4, clients=Returning(node=14, python=6, longest=0.5), times=1)
OF_SERVERS = ("deploy",)  # in the others a server has little part


@pytest.mark.parametrize(
    ("combination", "name"),
    [
        pytest.param(*one.values, name, marks=one.marks, id=f"{one.id}-{name}")
        for name in FAULTS
        for one in (parameter(server, "pytest") for server in SERVERS)
        if name in OF_SERVERS or one.values[0][0] == "uvicorn"
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
    seen = asyncio.run(undergo(fault, Room(SERVICE), project.project, server, tmp_path, SCALE))
    clients = SCALE.clients.node + SCALE.clients.python
    assert (seen.lost, seen.twice, seen.disordered) == ([0] * clients, 0, 0)
    assert seen.gaps == [fault.gaps] * clients
    if name not in ("redis", "empty"):  # through which connections stay
        assert len(seen.back) >= clients
