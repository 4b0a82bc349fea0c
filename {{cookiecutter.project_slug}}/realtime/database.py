"""Threads for database work, and their connections: of handshakes, of loops, of blocks."""

import asyncio
import atexit
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread, current_thread
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import SyncToAsync, ThreadSensitiveContext, sync_to_async
from django.db import connections, transaction
from django.db.backends.signals import connection_created
from django.dispatch import receiver


class Threads(Executor):
    """Up to `size` threads, of which each ends after `keep` seconds of idleness. One takes call
    after call, as to wake another for each costs more than a handshake; a call that waits, as for
    the database, has others join.
    """

    def __init__(self, name: str, size: int, keep: float = 2) -> None:
        self.name, self.size, self.keep = name, size, keep
        self.calls: deque[tuple[Future[Any], Callable[..., Any], Any, Any]] = deque()
        self.bell: SimpleQueue[None] = SimpleQueue()
        self.lock = Lock()
        self.count = self.busy = 0  # threads, and those of them that look for calls
        self.rung = self.held = False  # whether one more is about to; whether idle ones stay

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the function in a thread; the future has what it returns or raises."""
        future: Future[Any] = Future()
        with self.lock:
            self._ring()
            self.calls.append((future, function, args, kwargs))
        return future

    def _ring(self) -> None:
        if self.rung or self.busy == self.size:
            return
        if self.count == self.busy:
            try:
                Thread(target=self._run, name=self.name, daemon=True).start()
            except RuntimeError:  # the system has no more; the call waits for another thread
                if self.count:
                    return
                raise
            self.count += 1
        self.rung = True
        self.bell.put(None)

    def _run(self) -> None:
        while True:
            try:
                self.bell.get(timeout=self.keep)
            except Empty:
                with self.lock:
                    if self.rung or self.held:
                        continue
                    self.count -= 1
                return connections.close_all()
            if self.busy:
                time.sleep(0.001)  # in which those that run may do it
            self._work()

    def _work(self) -> None:
        with self.lock:
            self.rung, self.busy = False, self.busy + 1
        while True:
            with self.lock:
                if not self.calls:
                    self.busy -= 1
                    return
                future, function, args, kwargs = self.calls.popleft()
                if self.calls:
                    self._ring()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function(*args, **kwargs))
                except BaseException as error:
                    future.set_exception(error)
            del future, function, args, kwargs  # they would live until the next call


threads: Any = Threads("handshake", size=32)  # asgiref asks for a ThreadPoolExecutor
in_thread: Any = partial(sync_to_async, thread_sensitive=False, executor=threads)
turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
TURNS = 8  # handshakes at once, between which pages and open connections have theirs
LONG = 0.01  # seconds, after which a handshake that has only waited is not one of them
shared = False  # during a test, whose transaction belongs to one connection
free: list[Threads] = []  # each a single thread, which has ended if it was not used of late
slots: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
BLOCKS = 20  # at once, as many as connections in a pool


class turn:
    """`async with turn():` is a handshake's turn: first come, first served.

    In a storm thirty threads would leave the event loop none before the last handshake is answered.
    A turn ends early where the processor is idle, as with a slow database: more may wait for that.
    """

    async def __aenter__(self) -> None:
        self.loop = asyncio.get_running_loop()
        if not (slot := turns.get(self.loop)):
            slot = turns[self.loop] = asyncio.Semaphore(TURNS)
        await slot.acquire()
        self.slot: asyncio.Semaphore | None = slot
        self.before = time.process_time()
        self.timer = self.loop.call_later(LONG, self.look)

    def look(self) -> None:
        """End it if the processor was idle since the last look."""
        before, self.before = self.before, time.process_time()
        if self.before - before < LONG / 2:
            self.end()
        else:
            self.timer = self.loop.call_later(LONG, self.look)

    def end(self) -> None:
        """Let the next one in, once."""
        if self.slot:
            self.timer.cancel()
            self.slot.release()
            self.slot = None

    async def __aexit__(self, *error: object) -> None:
        self.end()


class database_thread:
    """`async with database_thread():` gives the block a thread and a connection of its own.

    Its ORM calls run there; both are given back at its end. A block within the block uses them
    too; tasks that it starts must end within it. Of 20 blocks at once in a process, more wait in
    turn. Outside of such blocks all loops of a process share one thread.
    """

    async def __aenter__(self) -> None:
        outer: Any = SyncToAsync.thread_sensitive_context.get(None)
        executor = SyncToAsync.context_to_thread_executor.get(outer) if outer else None
        self.nested = shared or isinstance(executor, Threads)
        if self.nested:
            return
        loop = asyncio.get_running_loop()
        self.slot = slots.setdefault(loop, asyncio.Semaphore(BLOCKS))
        await self.slot.acquire()
        self.thread = free.pop() if free else Threads("database", size=1)
        self.thread.held = True
        self.context = ThreadSensitiveContext(executor=self.thread)
        await self.context.__aenter__()

    async def __aexit__(self, *error: object) -> None:
        if self.nested:
            return
        await self.context.__aexit__(*error)
        given_back = asyncio.ensure_future(self._give_back())
        await asyncio.shield(given_back)  # even if this task is cancelled

    async def _give_back(self) -> None:
        closed = self.thread.submit(connections.close_all) if self.thread.count else None
        self.thread.held = False
        if closed:  # else nothing has run there
            await asyncio.wrap_future(closed)
        free.append(self.thread)
        self.slot.release()


@receiver(connection_created)
def mend(connection: Any, **kwargs: Any) -> None:
    """Have a connection checked before its next use after each error.

    Django does so between requests only, and would give a dead one to query after query of a loop.
    """
    connection.close_if_health_check_failed = partial(check, connection)


def check(connection: Any) -> None:
    """Close a connection that an error has left dead; in a transaction Django does so at its end.

    Called by Django before each cursor and each transaction.
    """
    if connection.connection and connection.errors_occurred and connection.autocommit:
        if connection.is_usable():
            connection.errors_occurred = False
        else:
            connection.close()
    type(connection).close_if_health_check_failed(connection)


@receiver(connection_created)
def keep(connection: Any, **kwargs: Any) -> None:
    """Let a connection live as long as its handshake thread, a minute at most.

    Django would open one for each handshake, a quarter of what one with a session costs on SQLite.
    A pool keeps connections by itself.
    """
    pool = connection.settings_dict["OPTIONS"].get("pool")
    if current_thread().name == "handshake" and not pool:
        connection.close_at = time.monotonic() + 60
        connection.health_check_enabled = True


def after_commit(function: Callable[[], None], using: str | None = None) -> None:
    """Call the function once the transaction commits, at once where there is none."""
    connection = transaction.get_connection(using)
    if connection.in_atomic_block:
        transaction.on_commit(function, using, robust=True)  # a failure stops no other function
    elif connection.connection and not connection.autocommit:  # by hand: `on_commit` would raise
        connection.run_on_commit.append((set(), function, True))
    else:
        function()


@atexit.register
def close_pools() -> None:
    """Stop the threads of the pools; at the end of the process psycopg would wait 5 s for each."""
    for connection in connections.all():
        if hasattr(connection, "close_pool"):
            connection.close_pool()
