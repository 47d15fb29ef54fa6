"""The truth of a simulated scan: the specimen, the axis, and what moved."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tomoline import geometry
from tomoline.simulate.ellipsoids import Floats, Image, voxels
from tomoline.units import wavelength_m

Damage = Literal["blank", "truncated", "missing"]


@dataclass(frozen=True)
class BadFrame:
    """A projection that is not as it should be: its distance and angle, from 0."""

    distance: int
    angle: int
    damage: Damage


@dataclass(frozen=True)
class ScanTruth:
    """Specimen and geometry of a simulated scan.

    Attributes
    ----------
    ellipsoids : (ellipsoid, 10) float64
        See `tomoline.simulate.ellipsoids`; the density is the phase (rad) of one pixel of path.
    cylinder : (4,) float64
        Centre x, y, radius (pixels) and density of the cylinder round them.
    angles_deg : (angle,) float64
        Of the projections.
    axis_px : float
        Column of the axis at the middle row.
    axis_tilt_deg : float
        Tilt of the axis in the frame.
    field_radius_px : float
        Of the circle round the axis that the projections tell all of.
    shifts_px : (angle, distance, 2) float64
        (dy, dx) to be applied to the image of a distance to lie on that of the first; in a cone
        they hold after the magnification was undone.
    magnification : (distance,) float64
        Relative to the first distance, about the middle of the frame.
    pixel_size_um : float
        On the specimen, at the first distance.
    bad_frames : tuple of BadFrame
        Projections that are blank, cut short or missing.
    settings : dict
        The settings of the simulation.
    """

    ellipsoids: Floats
    cylinder: Floats
    angles_deg: Floats
    axis_px: float
    axis_tilt_deg: float
    field_radius_px: float
    shifts_px: Floats
    magnification: Floats
    pixel_size_um: float
    bad_frames: tuple[BadFrame, ...]
    settings: dict[str, Any]

    @property
    def slope_px_per_row(self) -> float:
        """How far the axis moves from row to row."""
        return float(np.tan(np.radians(self.axis_tilt_deg)))

    @property
    def delta_per_unit(self) -> float:
        """Delta of a density of 1 rad per pixel: wavelength / (2 pi pixel size)."""
        wavelength = wavelength_m(self.settings["energy_kev"])
        return float(wavelength / (2 * np.pi * self.pixel_size_um * 1e-6))

    def write(self, path: Path) -> None:
        """Write the truth as JSON."""
        record = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }
        record["bad_frames"] = [asdict(one) for one in self.bad_frames]
        path.write_text(json.dumps({"version": 1, **record}), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> ScanTruth:
        """Read what `write` wrote."""
        return cls.from_json(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ScanTruth:
        """Return the truth that the content of a ``_truth.json`` tells."""
        record = {name: value for name, value in content.items() if name != "version"}
        tables = ("ellipsoids", "cylinder", "angles_deg", "shifts_px", "magnification")
        for name in tables:
            record[name] = np.array(record[name], dtype=np.float64)
        record["ellipsoids"] = record["ellipsoids"].reshape(-1, 10)
        record["bad_frames"] = tuple(BadFrame(**one) for one in record["bad_frames"])
        return cls(**record)


def true_delta(
    truth: ScanTruth, rows: range | Floats | None = None, size: int | None = None
) -> Image:
    """Return the specimen's delta, averaged over voxels, in the convention of `geometry`.

    Parameters
    ----------
    truth : ScanTruth
        Of the scan.
    rows : range or array, optional
        Rows of the frames, of which each is a slice; all if left out.
    size : int, optional
        Voxels along y and x of a slice; the frame's width if left out.

    Returns
    -------
    (row, y, x) float32
        The axis is at the centre of each slice.
    """
    if rows is None:
        rows = range(truth.settings["height_px"])
    heights = np.asarray(rows, np.float64) - geometry.centre(truth.settings["height_px"])
    volume = voxels(truth.ellipsoids, truth.cylinder, heights, size or truth.settings["width_px"])
    volume *= np.float32(truth.delta_per_unit)
    return volume
