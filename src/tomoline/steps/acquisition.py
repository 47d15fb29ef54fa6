"""The artifact that tells what is known of the recording, and which views take part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict


class View(BaseModel):
    """One view of the raw stack; its identity is its place there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    """Place in the raw stack, from 1."""
    tilt_deg: float
    dose_e_per_a2: float | None = None
    """Dose of this view's exposure."""
    prior_dose_e_per_a2: float | None = None
    """Dose that the specimen had received before this view."""
    order: int | None = None
    """Place in the order of acquisition, from 1, where it is known."""
    excluded: str | None = None
    """Why the view takes no part, or None where it does."""


class Acquisition(BaseModel):
    """What is known of a tilt series: written by ``setup``, and again by ``preprocess``.

    ``setup`` writes it as the artifact ``acquisition``; ``preprocess`` adds the views that it
    excludes and writes it as ``views``, which all later steps read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    root: str
    views: tuple[View, ...]
    height_px: int
    width_px: int
    pixel_size_nm: float | None = None
    """Size of a raw pixel; None where neither file nor parameter tells it."""
    gold_diameter_nm: float | None = None
    """Size of the gold beads; None where there are none, or it was not told."""
    tilt_axis_deg: float | None = None
    """Tilt axis angle from parameter, header or mdoc; None where it must be found."""
    tilt_axis_source: str = ""
    angles_source: str = ""
    voltage_kv: float | None = None

    @property
    def count(self) -> int:
        """Number of views of the raw stack, excluded ones included."""
        return len(self.views)

    @property
    def tilt_deg(self) -> NDArray[np.float64]:
        """Tilt angle of each view, (view,) degrees."""
        return np.array([view.tilt_deg for view in self.views])

    @property
    def included(self) -> NDArray[np.bool_]:
        """Which views take part, (view,)."""
        return np.array([view.excluded is None for view in self.views])

    @property
    def gold_diameter_px(self) -> float | None:
        """Diameter of the gold beads in raw pixels, where it is known."""
        if self.gold_diameter_nm is None or self.pixel_size_nm is None:
            return None
        return self.gold_diameter_nm / self.pixel_size_nm

    @classmethod
    def read(cls, path: Path) -> Acquisition:
        """Read the artifact."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    def write(self, path: Path) -> None:
        """Write the artifact, readable text."""
        path.write_text(self.model_dump_json(indent=1), encoding="utf-8")
