"""What every test has."""

from collections.abc import Iterator

import pytest

from realtime.testing import share_connections, unshare_connections


@pytest.fixture(autouse=True)
def shared_connections() -> Iterator[None]:
    """Roll back what async code wrote too: under pytest-asyncio it runs in another thread."""
    share_connections()
    yield
    unshare_connections()
