"""The threads in which handshakes are answered."""

import threading
from threading import Barrier, Event

import pytest

from realtime.threads import Threads


def test_others_join_a_call_that_waits() -> None:
    threads, together = Threads("test", size=3, keep=0.01), Barrier(3)
    calls = [threads.submit(together.wait, 5) for _ in range(3)]
    assert sorted(call.result(5) for call in calls) == [0, 1, 2]


def test_a_call_for_which_there_is_no_thread_waits_for_one() -> None:
    threads, gate = Threads("test", size=1, keep=0.01), Event()
    first, second = threads.submit(gate.wait, 5), threads.submit(threading.get_ident)
    assert not second.done()
    gate.set()
    assert first.result(5) and second.result(5) != threading.get_ident()


def test_a_call_that_is_cancelled_is_not_made_and_what_another_raises_is_in_its_future() -> None:
    threads, gate, made = Threads("test", size=1, keep=0.01), Event(), list[int]()
    threads.submit(gate.wait, 5)
    cancelled, failing = threads.submit(made.append, 1), threads.submit(int, "x")
    assert cancelled.cancel()
    gate.set()
    assert isinstance(failing.exception(5), ValueError)
    assert made == []


def test_a_thread_ends_when_it_is_idle_and_another_comes_with_the_next_call() -> None:
    threads = Threads("test", size=1, keep=0.01)
    first = threads.submit(threading.current_thread).result(5)
    first.join(5)
    assert not first.is_alive()
    assert threads.submit(threading.current_thread).result(5) is not first


def test_where_no_thread_can_start_the_call_waits_for_another_or_raises(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads, gate = Threads("test", size=2, keep=5), Event()
    first = threads.submit(gate.wait, 5)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        second = threads.submit(threading.get_ident)
        with pytest.raises(RuntimeError, match="can't start"):
            Threads("other", size=1).submit(int)
    gate.set()
    assert first.result(5) and second.result(5)
