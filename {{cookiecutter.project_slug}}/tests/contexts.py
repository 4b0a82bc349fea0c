"""Lifespan contexts for the tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from realtime.lifespan import Context


def recorder(name: str, record: list[str]) -> Context:
    """A context that records when it is entered and left."""

    @asynccontextmanager
    async def context(state: dict[str, Any]) -> AsyncIterator[None]:
        state[name] = record
        record.append(f"{name} starts")
        try:
            yield
        finally:
            record.append(f"{name} stops")

    return context


@asynccontextmanager
async def broken(state: dict[str, Any]) -> AsyncIterator[None]:
    """A context that cannot be entered."""
    raise RuntimeError("no database")
    yield
