"""A storm: many clients that come at once, as after a deploy, and somebody who asks for a page."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients import by_hand, visit
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import Running, serving, wait_for

CLIENTS = 60


def begun(server: Running) -> int:
    """How many handshakes have begun, by a page that is asked for now."""
    return int(visit(server, "/")["begun"])


@pytest.mark.parametrize("combination", [parameter(server, "pytest") for server in SERVERS])
def test_a_page_has_its_turn_between_the_handshakes_of_a_storm(
    installed: Callable[[str, str], Installed], combination: tuple[str, str], tmp_path: Path
) -> None:
    asgi_server, _ = combination
    variables = {"DJANGO_SETTINGS_MODULE": "extra_storm_settings"}
    with (
        serving(installed(*combination), asgi_server, tmp_path / "log", **variables) as server,
        ExitStack() as stack,
    ):
        visit(server, "/")  # all is loaded
        storm = [stack.enter_context(by_hand(server, "/in/")) for _ in range(CLIENTS)]
        wait_for("the storm's begin", lambda: begun(server) > 0)
        assert begun(server) < CLIENTS
        for client in storm:
            assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
        seen = visit(server, "/")
        assert seen["begun"] == CLIENTS
        assert 1 < seen["most at once"] <= 8
