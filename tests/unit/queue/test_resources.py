"""How cores and memory are divided among batches."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tomoline.queue.resources import (
    GIB,
    LEAST_BYTES,
    OVERHEAD_BYTES,
    available,
    plan_processors,
)


@given(
    processors=st.integers(0, 200),
    threads=st.integers(0, 200),
    memory=st.integers(0, 2000).map(lambda n: n * GIB // 4),
    cores=st.integers(1, 256),
    limit=st.integers(1, 4000).map(lambda n: n * GIB // 4),
)
def test_batches_never_have_more_than_the_memory_together(
    processors: int, threads: int, memory: int, cores: int, limit: int
) -> None:
    plan = plan_processors(processors, threads, memory, cores, limit)
    total = memory or limit
    assert plan.processors >= 1
    assert plan.threads >= 1
    assert plan.bytes_each >= 1
    if plan.bytes_each > 1:
        assert plan.processors * (plan.bytes_each + OVERHEAD_BYTES) <= total
        assert plan.bytes_alone + OVERHEAD_BYTES <= total
    # What is asked for is done.
    assert processors in (0, plan.processors)
    assert threads in (0, plan.threads)
    if not processors and plan.processors > 1:
        assert plan.bytes_each >= LEAST_BYTES
        assert plan.processors <= cores
    if not (processors or threads):
        assert plan.processors * plan.threads <= cores


def test_little_memory_means_fewer_batches_with_more_threads() -> None:
    plan = plan_processors(0, 0, 0, 8, 4 * GIB)
    assert (plan.processors, plan.threads) == (2, 4)


def test_this_machine_has_something_to_run_on() -> None:
    cores, limit = available()
    assert cores >= 1
    assert limit > 0
