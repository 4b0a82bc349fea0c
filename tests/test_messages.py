"""JSON messages against what Hypothesis thinks of: see extra_routes/extra_messages.py."""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.installing import Installed
from tests.serving import WITH_EXTRA_ROUTES

PROPERTIES = Path(__file__).parent / "extra_routes/extra_messages.py"


@pytest.mark.xdist_group("uvicorn-pytest")
def test_no_json_is_lost_and_none_raises_later(installed: Callable[[str, str], Installed]) -> None:
    hypothesis = f"hypothesis=={version('hypothesis')}"
    variables = WITH_EXTRA_ROUTES | {"DJANGO_SETTINGS_MODULE": "config.test_settings"}
    project = installed("uvicorn", "pytest")
    said = project.run("--with", hypothesis, "python", str(PROPERTIES), **variables)
    assert "nothing is lost" in said
