"""Waiting until something is so, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import pytest

T = TypeVar("T")


def wait_for(
    look: Callable[[], T],
    is_so: Callable[[T], object] = bool,
    *,
    patience_s: float = 150.0,
    every_s: float = 0.05,
) -> T:
    """Look again and again until what is seen is so, and return it; fail when patience ends."""
    until = time.monotonic() + patience_s
    while not is_so(seen := look()):
        if time.monotonic() > until:
            pytest.fail(f"waited in vain; at last {seen}")
        time.sleep(every_s)
    return seen
