"""The threads in which handshakes are answered."""

import threading
from threading import Barrier, Event
from unittest import TestCase
from unittest.mock import patch

from realtime.threads import Threads


class ThreadsTests(TestCase):
    def test_others_join_a_call_that_waits(self) -> None:
        threads, together = Threads("test", size=3, keep=0.01), Barrier(3)
        calls = [threads.submit(together.wait, 5) for _ in range(3)]
        self.assertEqual(sorted(call.result(5) for call in calls), [0, 1, 2])

    def test_a_call_for_which_there_is_no_thread_waits_for_one(self) -> None:
        threads, gate = Threads("test", size=1, keep=0.01), Event()
        first, second = threads.submit(gate.wait, 5), threads.submit(threading.get_ident)
        self.assertFalse(second.done())
        gate.set()
        self.assertTrue(first.result(5))
        self.assertNotEqual(second.result(5), threading.get_ident())

    def test_a_call_that_is_cancelled_is_not_made_and_what_another_raises_is_in_its_future(
        self,
    ) -> None:
        threads, gate, made = Threads("test", size=1, keep=0.01), Event(), list[int]()
        threads.submit(gate.wait, 5)
        cancelled, failing = threads.submit(made.append, 1), threads.submit(int, "x")
        self.assertTrue(cancelled.cancel())
        gate.set()
        self.assertIsInstance(failing.exception(5), ValueError)
        self.assertEqual(made, [])

    def test_a_thread_ends_when_it_is_idle_and_another_comes_with_the_next_call(self) -> None:
        threads = Threads("test", size=1, keep=0.01)
        first = threads.submit(threading.current_thread).result(5)
        first.join(5)
        self.assertFalse(first.is_alive())
        self.assertIsNot(threads.submit(threading.current_thread).result(5), first)

    def test_where_no_thread_can_start_the_call_waits_for_another_or_raises(self) -> None:
        threads, gate = Threads("test", size=2, keep=5), Event()
        first = threads.submit(gate.wait, 5)
        with patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start")):
            second = threads.submit(threading.get_ident)
            with self.assertRaisesRegex(RuntimeError, "can't start"):
                Threads("other", size=1).submit(int)
        gate.set()
        self.assertTrue(first.result(5) and second.result(5))
