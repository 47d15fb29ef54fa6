"""Shifts between the distances of a scan, for each angle: the artifact ``shifts``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files.atomic import write_text

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Shifts:
    """What moves the image of each distance onto that of distance 0.

    Attributes
    ----------
    shifts_px : (angles, distances, 2) float64
        Rows (dy, dx), pixels: the image of that distance, moved by +dy and +dx, lies on the image
        of distance 0; in Fourier space it is multiplied by ``exp(-2 pi i (q_y dy + q_x dx))``.
        Zeros for distance 0. For images in a cone they hold after the magnification was undone.
    magnification : tuple of float
        Magnification of each distance relative to distance 0, about the frame's centre.
    outliers : tuple of int
        Angles whose measurement was not used, by place.
    """

    shifts_px: Floats
    magnification: tuple[float, ...]
    outliers: tuple[int, ...] = ()

    @classmethod
    def none(cls, angles: int, distances: int) -> Shifts:
        """Return shifts of zero.

        >>> Shifts.none(3, 2).at(1).tolist()
        [[0.0, 0.0], [0.0, 0.0]]
        """
        return cls(np.zeros((angles, distances, 2)), (1.0,) * distances)

    @property
    def angles(self) -> int:
        """Number of angles."""
        return len(self.shifts_px)

    @property
    def distances(self) -> int:
        """Number of distances."""
        return int(self.shifts_px.shape[1])

    def at(self, angle: int) -> Floats:
        """Return the shifts (dy, dx) at angle number `angle`, (distances, 2) float64 pixels."""
        shifts: Floats = self.shifts_px[angle]
        return shifts

    def write(self, path: Path) -> None:
        """Write as JSON; numbers survive exactly."""
        content = {
            "unit": "px",
            "order": "angle, distance, (dy, dx)",
            "magnification": list(self.magnification),
            "outliers": list(self.outliers),
            "shifts_px": self.shifts_px.tolist(),
        }
        write_text(path, json.dumps(content) + "\n")

    @classmethod
    def read(cls, path: Path) -> Shifts:
        """Read what `write` wrote."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        magnification = tuple(float(one) for one in content["magnification"])
        shifts = np.array(content["shifts_px"], np.float64).reshape(-1, len(magnification), 2)
        return cls(shifts, magnification, tuple(content["outliers"]))
