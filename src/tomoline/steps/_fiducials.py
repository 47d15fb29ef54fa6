"""What the steps that find and track fiducials tell each other and the alignment."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    def write(self, path: Path) -> None:
        """Write as readable JSON."""
        path.write_text(self.model_dump_json(indent=1), encoding="utf-8")


class Fiducials(_Told):
    """The artifact ``fiducials``: what is to be tracked, and what beads look like."""

    kind: Literal["beads", "patches", "none"]
    """What is to be tracked."""
    sure: bool = True
    """Whether `kind` was demanded, or is clearly right; if not, ``track`` may choose."""
    demanded: bool = False
    """Whether a parameter demanded `kind`."""
    light: bool = False
    """Whether beads are brighter than their surroundings."""
    bead_diameter_px: float | None = None
    """Diameter of the beads at half height, in raw pixels."""
    sphere_diameter_px: float | None = None
    """Diameter of the sphere whose shadow fits the beads best, in raw pixels."""
    target: int | None = None
    """Number of beads asked for; None where as many as are good."""
    two_surfaces: bool = False

    @classmethod
    def read(cls, path: Path) -> Fiducials:
        """Read the artifact."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


class LeaveOutScore(_Told):
    """How well one way of tracking predicts points that were left out of the fit."""

    tracks: int
    leave_out_px: float | None
    """Root mean square error of predicted positions, raw pixels; None with too few points."""
    per_view_px: float | None
    """The same over the square root of the mean number of points in a view: what decides."""


class TrackInfo(_Told):
    """The artifact ``track_info``: what was tracked, and how well each view is covered."""

    kind: Literal["beads", "patches", "none"]
    tracks: int = 0
    points_per_view: tuple[int, ...] = ()
    """Number of points in each view, in the order of the raw stack."""
    binning: float = 1
    """Raw pixels for each pixel of the prealigned stack, in which the model's coordinates are."""
    bead_diameter_px: float | None = None
    """In raw pixels."""
    tilt_axis_deg: float | None = None
    """Tilt axis angle that the tracks themselves gave."""
    scores: dict[str, LeaveOutScore] = {}
    """Leave-out scores of what was tried."""

    @classmethod
    def read(cls, path: Path) -> TrackInfo:
        """Read the artifact."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def view_bytes(height: int, width: int) -> int:
    """Bound on what one view takes: image, padded image, spectrum, response, filtered image."""
    return 4 * height * width * 7 + (1 << 20)


def numbers_text(numbers: Iterable[int]) -> str:
    """Write numbers as a list with ranges.

    >>> numbers_text([1, 2, 3, 7, 9, 10])
    '1-3, 7, 9-10'
    """
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
