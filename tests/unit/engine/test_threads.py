"""The threads engine: order, bound on memory, errors."""

from __future__ import annotations

import threading
import time

import pytest

from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_the_order_of_the_chunks(threads: int) -> None:
    engine = ThreadsEngine(threads, 1 << 20)

    def work(n: int) -> int:
        time.sleep(0.002 * ((n * 7) % 3))
        return n * n

    got = list(engine.map(work, range(20), bytes_per_chunk=1, label="squares"))
    assert got == [n * n for n in range(20)]


def test_the_sum_of_what_is_held_never_passes_the_limit() -> None:
    engine = ThreadsEngine(8, 100)
    held, most = 0, 0
    lock = threading.Lock()

    def work(n: int) -> int:
        nonlocal held, most
        with lock:
            held += 30
            most = max(most, held)
        time.sleep(0.005)
        return n

    for _ in engine.map(work, range(12), bytes_per_chunk=30, label="blocks"):
        time.sleep(0.002)  # a slow consumer: results that wait count as held
        with lock:
            held -= 30
    assert most <= 120  # three in flight, and the one that the consumer holds
    assert most >= 60


def test_a_chunk_that_cannot_fit_is_refused_before_work_starts() -> None:
    engine = ThreadsEngine(2, 100)
    with pytest.raises(TomolineError, match="RUN-01"):
        next(engine.map(lambda n: n, [1], bytes_per_chunk=101, label="too much"))


def test_an_error_in_a_chunk_stops_the_rest() -> None:
    engine = ThreadsEngine(2, 1 << 20)
    seen = []

    def work(n: int) -> int:
        seen.append(n)
        if n == 2:
            raise ValueError("chunk 2")
        return n

    with pytest.raises(ValueError, match="chunk 2"):
        list(engine.map(work, range(100), bytes_per_chunk=1, label="x"))
    assert len(seen) < 20
