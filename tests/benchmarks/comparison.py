"""One row of the table: two ways to the same answer, timed in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

__all__ = ["Comparison", "seconds"]


@dataclass(frozen=True)
class Comparison:
    """What was compared: CPU seconds per instance on both sides, the median over the repetitions."""

    what: str
    ours: float
    theirs: float
    promised: str
    """In words, with the bound the project promises."""
    floor: bool = False
    """Whether the other side is a floor (we promise to be at most so many times slower) and not a rival."""
    note: str = ""

    @property
    def ratio(self) -> float:
        """How many times faster than the rival, or how many times slower than the floor, we are."""
        return self.ours / self.theirs if self.floor else self.theirs / self.ours


def seconds(work: Callable[[], object], *, repeat: int, count: int = 1) -> float:
    """The median CPU time of ``work`` over ``repeat`` runs after one warm-up, divided by ``count``."""
    work()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return median(times) / count
