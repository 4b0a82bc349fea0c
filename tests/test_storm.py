"""A storm: many clients that come at once, as after a deploy, and somebody who asks for a page."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.clients import by_hand, visit
from tests.installing import Installed, parameter
from tests.rendering import SERVERS
from tests.serving import serving

CLIENTS = 60


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
        seen = visit(server, "/")
        assert 0 < seen["most at once"] <= 8
        assert seen["begun"] < CLIENTS
        for client in storm:
            assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
        assert visit(server, "/")["begun"] == CLIENTS
