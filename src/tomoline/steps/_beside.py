"""Memory of pieces of work beside what a step keeps all the while."""

from __future__ import annotations

import math


def bytes_beside(kept: int, chunk: int, memory: int) -> int:
    """Return what to say that a chunk takes, so that all chunks and what is kept fit the memory.

    A quarter of the memory is left to the chunks in any case.

    >>> bytes_beside(0, 10, 100), bytes_beside(50, 10, 100), bytes_beside(90, 10, 100)
    (10, 20, 40)
    """
    return math.ceil(chunk * memory / max(memory - kept, memory // 4, 1))
