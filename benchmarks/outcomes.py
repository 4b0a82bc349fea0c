"""What became of the messages, by the logs of the clients."""

import statistics
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from benchmarks.returning import Log


@dataclass
class Outcome:
    """Of the first messages, so many: what each client lost, was told, and how long it had none."""

    total: int
    errors: int = 0  # attempts to publish that failed, and were repeated
    lost: list[int] = field(default_factory=list)  # of each client, and no gap was told there
    twice: int = 0
    disordered: int = 0
    gaps: list[int] = field(default_factory=list)  # of each client
    back: list[float] = field(default_factory=list)  # seconds from each loss to the next message
    silence: float = 0  # the most seconds from a message to the next

    def judge(self, log: Log, doubtful: Collection[int]) -> None:
        """Add what a client saw. The doubtful may come twice: to publish them failed at first."""
        missing: set[int] = set()
        seen: set[int] = set()
        due, told, gaps = 0, False, 0  # which comes next; whether any before it may be gone
        for _, what in log:
            if what == "gap":
                told, gaps = True, gaps + 1
            elif isinstance(what, int):
                self.twice += what in seen and what not in doubtful
                self.disordered += what < due and what not in seen
                missing |= set() if told else {*range(due, min(what, self.total))}
                seen.add(what)
                due, told = max(due, what + 1), False
        missing |= {*range(due, self.total)}  # gap or not: nothing came after it
        self.lost.append(len(missing - seen))
        self.gaps.append(gaps)
        self.back += comings_back(log)
        times = [when for when, what in log if isinstance(what, int)]
        self.silence = max([self.silence, *(after - before for before, after in pairwise(times))])

    def figures(self) -> dict[str, float]:
        """What a table says of it."""
        return {
            "lost, mean": statistics.mean(self.lost),
            "lost, most": max(self.lost),
            "twice": self.twice,
            "out of order": self.disordered,
            "gaps, least": min(self.gaps),
            "gaps, most": max(self.gaps),
            "errors": self.errors,
            "s until back": statistics.median(self.back or [0]),
            "at worst": max(self.back or [0]),
            "silence, s": self.silence,
        }


def comings_back(log: Log) -> Iterator[float]:
    """The seconds from each loss of the connection to the next message."""
    lost = None
    for when, what in log:
        if what == "lost":
            lost = lost or when
        elif isinstance(what, int) and lost:
            yield when - lost
            lost = None
