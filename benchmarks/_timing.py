"""How all benchmarks take times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence


def best(
    work: Callable[[], object], repeat: int, clock: Callable[[], float] = time.thread_time
) -> float:
    """Return the least seconds of some runs, by default those of this thread alone.

    The first run, which compiles and fills caches, does not count.
    """
    work()
    seconds = []
    for _ in range(repeat):
        begin = clock()
        work()
        seconds.append(clock() - begin)
    return min(seconds)


def middle_and_worst(seconds: Sequence[float]) -> tuple[float, float]:
    """Return the median and the longest of some times."""
    return statistics.median(seconds), max(seconds)
