"""What is known of a scan before any frame is processed: the artifact ``scan_layout``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files.atomic import write_text
from tomoline.files.frames import FrameLocation


@dataclass(frozen=True)
class ScanHints:
    """What a parameter file suggests; a step's own parameter, where given, goes before it."""

    flat_average: int | None = None
    beta_over_delta: float | None = None
    zero_compensation: float | None = None
    padding_px: int | None = None
    rotation_axis_px: float | None = None
    """Guess of the axis, as a column of the frames after the region of interest was cut."""
    offset_y_360_px: float | None = None


@dataclass(frozen=True)
class ScanLayout:
    """A scan: its frames by distance, its geometry, and what its files suggest.

    Attributes
    ----------
    root : str
        Root name of the data set.
    source_format : str
        ``HiTT``, ``NXtomo``, ``Data Exchange``, ...
    height_px, width_px : int
        Size of a frame after the region of interest was cut.
    angles_deg : tuple of float
        Angle of each projection, in order of the projections.
    angles_source : str
        Where they come from.
    projections : tuple of FrameLocation
        For each distance, in order of the distances; all of the same count and size.
    flats, darks : tuple of (FrameLocation or None)
        For each distance; None where there are none.
    energy_kev, pixel_size_um : float or None
        X-ray energy; size of a detector pixel as given (before any geometric magnification).
    distances_m : tuple of float
        Specimen to detector, one for each distance; empty if unknown.
    source_distance_m : float or None
        Source to specimen where the beam is a cone; None for a parallel beam.
    excluded : dict of int to str
        Projections that take no part, by place, with the reason (missing, truncated, ...).
    hints : ScanHints
        What the parameter file suggests.
    files : str
        Digest of names, sizes and times of all files of the scan: if one of them changes, this
        artifact does, and all that is made from it is made again.
    """

    root: str
    source_format: str
    height_px: int
    width_px: int
    angles_deg: tuple[float, ...]
    angles_source: str
    projections: tuple[FrameLocation, ...]
    flats: tuple[FrameLocation | None, ...]
    darks: tuple[FrameLocation | None, ...]
    energy_kev: float | None = None
    pixel_size_um: float | None = None
    distances_m: tuple[float, ...] = ()
    source_distance_m: float | None = None
    excluded: dict[int, str] = field(default_factory=dict)
    hints: ScanHints = field(default_factory=ScanHints)
    files: str = ""

    @property
    def angles(self) -> int:
        """Number of projections of each distance, excluded ones included."""
        return len(self.angles_deg)

    @property
    def taking_part(self) -> NDArray[np.bool_]:
        """For each projection whether it takes part, (angles,) bool."""
        mask = np.ones(self.angles, bool)
        mask[list(self.excluded)] = False
        return mask

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, json.dumps(asdict(self), indent=None) + "\n")

    @classmethod
    def read(cls, path: Path) -> ScanLayout:
        """Read what `write` wrote."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))

        def located(items: list[Any]) -> tuple[Any, ...]:
            return tuple(FrameLocation.from_json(one) if one else None for one in items)

        return cls(
            **{
                **content,
                "angles_deg": tuple(content["angles_deg"]),
                "distances_m": tuple(content["distances_m"]),
                "projections": located(content["projections"]),
                "flats": located(content["flats"]),
                "darks": located(content["darks"]),
                "excluded": {int(place): why for place, why in content["excluded"].items()},
                "hints": ScanHints(**content["hints"]),
            }
        )
