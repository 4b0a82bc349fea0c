"""Threads that end when they are idle."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any


class Threads(Executor):
    """As many threads as are needed, up to `size`; each ends after `keep` seconds of idleness.

    A thread for each handshake would cost more than the middleware, and ThreadPoolExecutor never
    ends one.
    """

    def __init__(self, name: str, size: int, keep: float = 2) -> None:
        self.name, self.size, self.keep = name, size, keep
        self.held = False  # while it is set, no thread ends
        self.calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self.lock = Lock()
        self.count = self.waiting = 0  # threads, and those of them that wait for a call
        self.pending = 0  # calls that wait for a thread

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call the function in a thread; the future has what it returns or raises."""
        future: Future[Any] = Future()
        with self.lock:
            self.pending += 1
            if more := self.pending > self.waiting and self.count < self.size:
                self.count += 1
                self.waiting += 1
        self.calls.put((future, partial(function, *args, **kwargs)))
        if more:
            try:
                Thread(target=self._run, name=self.name, daemon=True).start()
            except RuntimeError:  # the system has no more; the call waits for another thread
                with self.lock:
                    self.count -= 1
                    self.waiting -= 1
                if not self.count:
                    raise
        return future

    def _run(self) -> None:
        while True:
            try:
                future, function = self.calls.get(timeout=self.keep)
            except Empty:
                with self.lock:
                    if self.pending < self.waiting and not self.held:  # enough others wait
                        self.waiting -= 1
                        self.count -= 1
                        return
                continue
            with self.lock:
                self.pending -= 1
                self.waiting -= 1
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(function())
                except BaseException as error:
                    future.set_exception(error)
            del future, function  # they would live until the next call
            with self.lock:
                self.waiting += 1
