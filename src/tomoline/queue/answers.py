"""What run control answers to a face."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tomoline.queue.rehearsal import Rehearsed


@dataclass(frozen=True)
class Started:
    """What a start or a resume has brought about.

    Attributes
    ----------
    batches : list of int
        Numbers of the batches that were queued or wait again.
    names : list of str
        Of their data sets.
    already : list of str
        Data sets that are being run already, just so, and were left alone.
    plans : list of Rehearsed
        With a dry run: what would be done; nothing was queued.
    event : int
        Number of the event of the log that tells of it; what happens comes after it.
    """

    batches: list[int]
    names: list[str]
    already: list[str] = field(default_factory=list)
    plans: list[Rehearsed] = field(default_factory=list)
    event: int = 0


@dataclass(frozen=True)
class Reset:
    """What a reset has brought about: data sets, batches forgotten, files deleted.

    `aside` are the folders that results without a readable record were moved to.
    """

    names: list[str]
    batches: int
    files: int
    aside: list[Path] = field(default_factory=list)
