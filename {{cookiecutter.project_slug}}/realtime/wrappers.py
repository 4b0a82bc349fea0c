"""What stands behind a `send` around which ASGI middleware, as for tracing, has put its own."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

MOST = 60  # things to look at; what a server knows is the second, behind a wrapper among the next


def behind(send: Any) -> Iterator[Any]:
    """Yield `send` and what it calls: of methods, partials, closures and callable objects."""
    found = [send]
    for thing in found:
        yield thing
        own = [getattr(thing, "func", None), *getattr(thing, "__dict__", {}).values()]
        inner = [getattr(thing, "__self__", None), *getattr(thing, "args", ())]
        inner += filter(callable, own)
        for cell in getattr(thing, "__closure__", None) or ():
            with suppress(ValueError):  # which has no value yet
                inner.append(cell.cell_contents)
        for one in inner[: MOST - len(found)]:
            if one is not None and not any(one is other for other in found):
                found.append(one)
