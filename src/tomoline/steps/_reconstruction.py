"""How slices are made: the artifact ``reconstruction``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tomoline.files.atomic import write_text

Rings = Literal["none", "fast", "sorting", "vo", "wavelet"]
Unit = Literal["delta", "rad_per_px", "per_px", "per_cm"]

UNIT_TEXTS: dict[Unit, tuple[str, str]] = {
    "delta": ("delta", "1"),
    "rad_per_px": ("phase shift", "rad/px"),
    "per_px": ("attenuation", "1/px"),
    "per_cm": ("attenuation", "1/cm"),
}
"""Quantity and unit, for readers."""


@dataclass(frozen=True)
class Reconstruction:
    """Everything that decides about slices, besides the data.

    Attributes
    ----------
    slices, size_px : int
        Number of slices, one for each row of the projections; rows and columns of each.
    columns_px : int
        Columns of the sinograms, joined ones where halves are joined.
    unit : str
        What a slice holds.
    scale : float
        A density per pixel, in the projections' unit, times this is in that unit.
    filter_name, cutoff_per_px, padding, compatible
        As in the parameters of the step.
    mask_radius_px : float or None
        Pixels further from the axis are 0.
    rings, rings_width_px
        As in the parameters of the step.
    voxel_um : float or None
        Edge of a voxel.
    axis_range_px : (float, float)
        Least and greatest column of the axis, among all rows.
    preview_rows : tuple of int
        Slices of the artifact ``preview``.
    limits : (float, float) or None
        Values that nearly all voxels lie between, found from those; None before they are made.
    """

    slices: int
    size_px: int
    columns_px: int
    unit: Unit
    scale: float
    filter_name: str
    cutoff_per_px: float
    padding: Literal["edge", "zero"]
    compatible: str
    mask_radius_px: float | None
    rings: Rings
    rings_width_px: int
    voxel_um: float | None
    axis_range_px: tuple[float, float]
    preview_rows: tuple[int, ...] = ()
    limits: tuple[float, float] | None = None

    @property
    def quantity(self) -> str:
        """What a slice shows, in words."""
        return UNIT_TEXTS[self.unit][0]

    @property
    def unit_text(self) -> str:
        """The unit of a slice, as it is written."""
        return UNIT_TEXTS[self.unit][1]

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> Reconstruction:
        """Read what `write` wrote."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in ("axis_range_px", "preview_rows", "limits"):
            content[name] = None if content[name] is None else tuple(content[name])
        return cls(**content)
