"""Telling trouble once in a while: a full disk stays full for hours."""

from __future__ import annotations

import time
from collections.abc import Callable

AGAIN_S = 600.0
"""How long the same trouble is not told again."""


class Told:
    """What has been told lately.

    >>> told = Told()
    >>> told.is_new("the disk is full"), told.is_new("the disk is full")
    (True, False)
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._when: dict[str, float] = {}

    def is_new(self, text: str) -> bool:
        """Whether a text has not been told for a while; from now on it has."""
        now = self._ticks()
        self._when = {one: when for one, when in self._when.items() if now - when < AGAIN_S}
        if text in self._when:
            return False
        self._when[text] = now
        return True
