"""Measurements and projections that were made while the scan was recorded.

A projection made early is used only if the flats are the same and the shifts that it was made with
are those of the whole scan; so a scan that was followed gives the same bytes as one that was not.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoline.steps._base import StepContext

if TYPE_CHECKING:
    from tomoline.steps._anchors import Measurement
    from tomoline.steps._retriever import Retrieved

EARLY = "early results"


class EarlyResults:
    """What was made early, by the place of the projection.

    Parameters
    ----------
    room_bytes : int
        Memory that projections may take; more are not kept.

    Attributes
    ----------
    flats : str
        `flats_digest` of the flats that were used.
    measured : dict
        Shifts measured at angles.
    retrieved : dict
        For angles the shifts that were used, and the projection.
    """

    def __init__(self, room_bytes: int) -> None:
        self.flats = ""
        self.measured: dict[int, Measurement] = {}
        self.retrieved: dict[int, tuple[NDArray[np.float64], Retrieved]] = {}
        self._room = room_bytes
        self._lock = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether no more projections can be kept."""
        return self._room <= 0

    @property
    def projection_bytes(self) -> int:
        """Memory that the projections take now."""
        with self._lock:
            return sum(result.projection.nbytes for _, result in self.retrieved.values())

    def add(self, angle: int, shifts_px: NDArray[np.float64], result: Retrieved) -> None:
        """Keep the projection of an angle, with the shifts that it was made with."""
        self._room -= result.projection.nbytes
        self.retrieved[angle] = (shifts_px, result)

    def take(self, angle: int, shifts_px: NDArray[np.float64]) -> Retrieved | None:
        """Return, and forget, the projection of an angle if it was made with these shifts."""
        with self._lock:
            made_with, result = self.retrieved.pop(angle, (None, None))
        return result if np.array_equal(shifts_px, made_with) else None  # type: ignore[arg-type]


def flats_digest(flat_fields: Path) -> str:
    """Return what tells flats apart."""
    return hashlib.sha256(flat_fields.read_bytes()).hexdigest()


def recall_early(context: StepContext) -> EarlyResults | None:
    """Return what was made early with the flats that the step reads, if anything was."""
    early: EarlyResults | None = context.recall(EARLY)
    if early is None or early.flats != flats_digest(context.input("flat_fields")):
        return None
    return early
