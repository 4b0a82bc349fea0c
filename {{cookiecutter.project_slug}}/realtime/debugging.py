"""With DEBUG, the mistakes of a loop are said in the log; without it nothing here runs."""

import asyncio
import logging
import sys
import threading
from contextlib import suppress
from pathlib import Path
from traceback import extract_stack
from typing import Any

from django.conf import settings

from realtime.connections import Connection
from realtime.types import Event, Receive

ANSWER, LEAVE, LISTEN, BLOCK = 5.0, 5.0, 10.0, 1.0  # seconds to accept, return, receive, give way
MACHINERY = Path(__file__).resolve().parent
logger = logging.getLogger(__name__)
names: dict[Any, str] = {}  # of the loops that run, by their tasks
asked: set[asyncio.AbstractEventLoop] = set()  # each by a thread
told: set[str] = set()  # the places that block


async def watch(loop: Any, connection: Connection, receive: Receive, path: str) -> None:
    """Run the loop in this task; a `receive` of its own and timers see what it does."""
    one, task, here, did = connection, connection.task, connection.task.get_loop(), set[str]()
    function = getattr(loop, "func", loop)  # `@websocket` makes a partial
    deaf = f"calls no receive() for {LISTEN:g} s: it cannot learn that its client has left"
    stays = "goes on after websocket.disconnect: it has to return there"

    def say(mistake: str, done: Any = bool) -> None:
        if task in names and mistake not in did and not done():
            did.add(mistake)
            logger.warning("%s %s", names[task], mistake)

    async def watched_receive() -> Event:
        if "left" in did:
            say(stays)
        did.add("receive")
        event = await receive()
        if not one.accepted:
            did.discard("receive")
        if event["type"] == "websocket.disconnect" and "left" not in did:
            did.add("left")
            here.call_later(LEAVE, say, stays)
        return event

    here.call_later(ANSWER, say, "neither accepts nor closes", lambda: one.accepted or one.closed)
    one.on_accept += (lambda: here.call_later(LISTEN, say, deaf, lambda: "receive" in did),)
    if here not in asked:
        asked.add(here)
        threading.Thread(target=ask, args=(here, threading.get_ident()), daemon=True).start()
    names[task] = f"{function.__module__}.{getattr(function, '__qualname__', function)} at {path}"
    try:
        await loop(watched_receive, one.send)
    finally:
        del names[task]


def ask(loop: asyncio.AbstractEventLoop, ident: int) -> None:
    """Ask the event loop of a thread whether it answers, until it stops."""
    with suppress(RuntimeError, KeyError):  # it has stopped in between
        while loop.is_running():
            answered = threading.Event()
            loop.call_soon_threadsafe(loop.call_later, 0.05, answered.set)
            while not answered.wait(BLOCK) and loop.is_running():
                name = names.get(asyncio.current_task(loop), "Something that is no loop")
                place = where(sys._current_frames()[ident])
                if not answered.is_set() and place not in told:
                    told.add(place)
                    logger.warning("%s blocks all clients for %g s, at %s", name, BLOCK, place)
    asked.discard(loop)


def where(frame: Any) -> str:
    """The innermost line of the service's own code under way, or of any if there is none."""
    stack, base = extract_stack(frame), getattr(settings, "BASE_DIR", None)
    at = stack[-1]
    for line in stack:
        folders = Path(line.filename).resolve().parents
        own = base in folders and Path(sys.prefix) not in folders and folders[0] != MACHINERY
        at = line if own else at
    return f"{at.filename}:{at.lineno}, in {at.name}: {at.line}"
