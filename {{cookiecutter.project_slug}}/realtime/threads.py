"""Threads that end when they are idle, and their database connections with them."""

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from django.db import connections


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
