"""How the halves of a full turn join: the artifact ``stitching``.

With the axis at the side of the field, projections 180 degrees apart show the two sides of the
specimen. The later one is mirrored about the axis and joined to the earlier one, which stays as
it is; a wide sinogram of half a turn results.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoline.files.atomic import write_text
from tomoline.files.sinograms import Sinograms

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Stitching:
    """Which projections join, and how.

    Attributes
    ----------
    side : str
        Side of the frame that the axis is at, ``left`` or ``right``.
    frame_width_px : int
        Columns of a projection.
    middle_row : float
        Row that `frame_axis_px` holds for.
    frame_axis_px, slope_px_per_row : float
        Axis in the projections, as a column at the middle row, and its change from row to row.
    angles_deg : tuple of float
        Angle of each row of the wide sinograms.
    first : tuple of int
        For each of them the projection that stays as it is, by place.
    second : tuple of (int, int)
        The two projections about 180 degrees on, by place; the same twice where one fits.
    second_weight : tuple of float
        Weight of the latter of the two.
    shifts_px : tuple of (float, float)
        For each of them the (dy, dx) that moves the mirrored projection onto the first.
    mask_px : int
        Columns at both edges of a projection that are not used.
    match_levels : bool
        Whether the mean difference in the overlap is shared between the two.
    """

    side: Literal["left", "right"]
    frame_width_px: int
    middle_row: float
    frame_axis_px: float
    slope_px_per_row: float
    angles_deg: tuple[float, ...]
    first: tuple[int, ...]
    second: tuple[tuple[int, int], ...]
    second_weight: tuple[float, ...]
    shifts_px: tuple[tuple[float, float], ...]
    mask_px: int = 0
    match_levels: bool = True

    @property
    def overlap_px(self) -> float:
        """Columns of a projection that its mirrored partner shows too, at the middle row."""
        if self.side == "left":
            return 2 * self.frame_axis_px + 1
        return 2 * (self.frame_width_px - 1 - self.frame_axis_px) + 1

    @property
    def width_px(self) -> int:
        """Columns of the wide sinograms."""
        return 2 * self.frame_width_px - round(self.overlap_px)

    @property
    def _offset(self) -> int:
        """Column of the wide sinogram that the first column of the earlier projection is at."""
        return self.width_px - self.frame_width_px if self.side == "left" else 0

    @property
    def axis_px(self) -> float:
        """Column of the axis in the wide sinogram of the middle row."""
        return self.frame_axis_px + self._offset

    def axis_at(self, row: float) -> float:
        """Return the column of the axis in the wide sinogram of a row."""
        return self.axis_px + self.slope_px_per_row * (row - self.middle_row)

    @cached_property
    def halo_rows(self) -> int:
        """Neighbour rows on each side that `apply` reads besides those it gives."""
        from tomoline.kernels.join_halves import halo_rows

        return halo_rows(np.array(self.shifts_px, np.float64).reshape(-1, 2)[:, 0])

    def apply(self, rows: tuple[int, int], sinograms: Sinograms) -> Floats:
        """Return the wide sinograms of some rows.

        Parameters
        ----------
        rows : (int, int)
            First row, and the one after the last.
        sinograms : Sinograms
            The store of all projections; `halo_rows` more on each side are read, as far as there
            are. From any thread.

        Returns
        -------
        (rows, angle, column) float32
            Of `angles_deg` and `width_px`, the axis at `axis_at(row)`.
        """
        from tomoline.kernels.join_halves import Pairs, join

        first_row, last_row = rows
        begin = max(0, first_row - self.halo_rows)
        end = min(sinograms.shape[0], last_row + self.halo_rows)
        block = sinograms.read_rows(begin, end)
        places = np.arange(first_row, last_row, dtype=np.float64)
        axes = self.frame_axis_px + self.slope_px_per_row * (places - self.middle_row)
        return join(
            block,
            first_row - begin,
            axes,
            Pairs(
                np.array(self.first, np.int64),
                np.array(self.second, np.int64).reshape(-1, 2),
                np.array(self.second_weight, np.float64),
                np.array(self.shifts_px, np.float64).reshape(-1, 2),
            ),
            self.width_px,
            self._offset,
            mask_px=self.mask_px,
            match_levels=self.match_levels,
        )

    def write(self, path: Path) -> None:
        """Write as JSON."""
        write_text(path, json.dumps(asdict(self)) + "\n")

    @classmethod
    def read(cls, path: Path) -> Stitching:
        """Read what `write` wrote."""
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for name in ("angles_deg", "first", "second_weight"):
            content[name] = tuple(content[name])
        for name in ("second", "shifts_px"):
            content[name] = tuple((one[0], one[1]) for one in content[name])
        return cls(**content)
