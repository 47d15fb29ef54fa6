"""Keeping freed memory of large arrays for the next ones."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # of glibc's malloc.h
_LARGEST = (1 << 31) - 1


def keep_freed_memory() -> None:
    """Ask the C library to reuse the memory of freed arrays instead of giving it back each time.

    By default every array above 32 MiB is fresh memory, which the system has to clear page by
    page: a fifth of the time of steps that make one image after another. Does nothing where the C
    library is not glibc.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, 1 << 30)
    mallopt(_M_TRIM_THRESHOLD, _LARGEST)
    mallopt(_M_ARENA_MAX, 1)  # the arenas of threads cannot hold large arrays
