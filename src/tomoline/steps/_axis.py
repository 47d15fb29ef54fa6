"""Where the rotation axis of a scan lies: the artifact ``rotation_axis``."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tomoline.files.atomic import write_text

Side = Literal["left", "right"]


@dataclass(frozen=True)
class RotationAxis:
    """The rotation axis, in the pixels of the projections: u = axis_px + x cos + y sin.

    Attributes
    ----------
    axis_px : float
        Column of the axis at the middle row; pixel centres are whole numbers, the first is 0.
    slope_px_per_row : float
        Change of that column from a row to the next higher one; positive leans to the right.
    middle_row : float
        Row that `axis_px` is meant at: (rows - 1) / 2.
    full_turn : bool
        Whether the angles cover 360 degrees, so that each ray is seen from both ends.
    side : {"left", "right"} or None
        The edge of the field that the axis lies at, where the halves of a full turn have to be
        joined; None where slices can be made straight from the projections.
    overlap_px : float or None
        Columns that both halves see at the middle row; None unless there is a side.
    confidence : float
        0 (not known) to 1.
    source : str
        Where the value comes from, in words: methods, or who gave it.
    """

    axis_px: float
    slope_px_per_row: float
    middle_row: float
    full_turn: bool
    side: Side | None
    overlap_px: float | None
    confidence: float
    source: str

    def at(self, row: float) -> float:
        """Return the column of the axis at a row.

        >>> RotationAxis(100.0, 0.01, 49.5, False, None, None, 1.0, "given").at(149.5)
        101.0
        """
        return self.axis_px + self.slope_px_per_row * (row - self.middle_row)

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> RotationAxis:
        """Read what `write` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))
