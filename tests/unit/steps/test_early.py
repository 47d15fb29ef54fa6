"""What is made early is kept only as far as memory allows, and counted."""

from __future__ import annotations

import numpy as np
import pytest

from tomoline.steps._beside import bytes_beside
from tomoline.steps._early import EarlyResults
from tomoline.steps._retriever import Retrieved


@pytest.mark.parametrize("kept", [0, 1, 200_000, 333_333, 750_000])
def test_chunks_and_what_is_kept_fit_the_memory_together(kept: int) -> None:
    memory, chunk = 1_000_000, 700
    at_a_time = memory // bytes_beside(kept, chunk, memory)
    assert kept + at_a_time * chunk <= memory
    assert at_a_time * chunk > 0.9 * (memory - kept) - chunk


def test_projections_are_counted_until_they_are_taken() -> None:
    early = EarlyResults(150)
    shifts = np.zeros((1, 2))
    for angle in range(2):
        assert not early.full
        image = np.zeros((4, 5), np.float32)
        early.add(angle, shifts, Retrieved(image, (), 0))
    assert early.full
    assert early.projection_bytes == 160
    assert early.take(0, shifts) is not None
    assert early.take(0, shifts) is None
    assert early.projection_bytes == 80
    assert early.take(1, shifts + 0.1) is None
    assert early.projection_bytes == 0
