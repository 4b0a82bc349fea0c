"""What is kept for those who come back, against a model: see extra_routes/extra_history.py."""

import os
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.installing import Installed, parameter
from tests.services import own_redis
from tests.serving import WITH_EXTRA_ROUTES

MODEL = Path(__file__).parent / "extra_routes/extra_history.py"
SETTINGS = {"DJANGO_SETTINGS_MODULE": "config.settings", "DEBUG": "true", "HISTORY_MESSAGES": "4"}


@pytest.fixture(params=["memory", "redis"])
def redis_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variable that chooses the backend; a Redis of its own, as all subscriptions are cut."""
    if request.param == "memory":
        yield {}
    else:
        with own_redis(tmp_path) as redis:
            yield {"REDIS_URL": redis.url}


@pytest.mark.parametrize("combination", [parameter("uvicorn", "pytest")])
def test_each_client_gets_everything_once_and_in_order_or_is_told(
    combination: tuple[str, str],
    installed: Callable[[str, str], Installed],
    redis_url: dict[str, str],
) -> None:
    project = installed(*combination)
    hypothesis = f"hypothesis=={version('hypothesis')}"
    variables = {**WITH_EXTRA_ROUTES, **SETTINGS, **redis_url}
    if "EXAMPLES" in os.environ:
        variables["EXAMPLES"] = os.environ["EXAMPLES"]
    said = project.run("--with", hypothesis, "python", str(MODEL), **variables)
    assert "the model agrees" in said
