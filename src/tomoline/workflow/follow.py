"""Following an acquisition that is still being recorded.

What a recipe can do with the frames that are there is done as they come; its steps find it with
`StepContext.recall` when the recipe itself runs, after the last frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from tomoline import errors

# How often a folder is looked at while nothing can be done.
POLL_S = 0.5


@dataclass(frozen=True)
class Arrived:
    """What is there of an acquisition.

    Attributes
    ----------
    files : int
        Number of its files; whenever it changes, patience begins anew.
    complete : bool
        Whether all is there, as far as the number of frames is known.
    whole : bool
        Whether what is there has no gaps, so that it could be all.
    missing : str
        What is missing, in words.
    """

    files: int
    complete: bool
    whole: bool
    missing: str


class Follower(Protocol):
    """What a recipe does while its acquisition is recorded."""

    def look(self) -> Arrived:
        """Look at what is there."""

    def work(self) -> bool:
        """Do some of what can be done by now; False if there is nothing to do."""

    def prepared(self) -> Mapping[str, Any]:
        """Return what steps may recall."""


def follow(
    follower: Follower,
    patience_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Mapping[str, Any]:
    """Work on an acquisition until all of it is there, and return what was prepared.

    Parameters
    ----------
    follower : Follower
        Of the recipe.
    patience_s : float
        How long to wait while nothing new comes.
    clock, sleep : callable
        Time, for tests.

    Raises
    ------
    TomolineError
        RUN-09 if nothing more has come for that long and something is missing.
    """
    files, since = -1, clock()
    while True:
        arrived = follower.look()
        if arrived.files != files:
            files, since = arrived.files, clock()
        worked = follower.work()
        if arrived.complete:
            return follower.prepared()
        if worked:
            continue
        if clock() - since >= patience_s:
            if arrived.whole:
                return follower.prepared()
            raise errors.running.INCOMPLETE.error(
                "", f"nothing new for {patience_s:g} s, and {arrived.missing}."
            )
        sleep(POLL_S)
