"""Residuals of the fine alignment: .resid.

First line ``N residuals``, then ``x y view dx dy`` per measured point; positions in the file are
edge-based as in models, views count from 0. Columns that newer versions of IMOD add are ignored.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files._text import bad_line, finite_text, number_lines, numbers, whole_number
from tomoline.files.atomic import write_text

_EDGE = 0.5  # the file's origin is the edge of the first pixel, ours its centre


@dataclass(frozen=True, eq=False)
class Residuals:
    """Measured points and how far each lies from where the solution puts it.

    Attributes
    ----------
    points_px : (point, 2) float64
        (x, y) in the prealigned stack, pixel centres at integers.
    view : (point,) int64
        View of each, from 0.
    vectors_px : (point, 2) float64
        (dx, dy), measured less predicted.
    """

    points_px: NDArray[np.float64]
    view: NDArray[np.int64]
    vectors_px: NDArray[np.float64]


def read(path: Path) -> Residuals:
    """Return the residuals of a file.

    Raises
    ------
    TomolineError
        FILE-03 if it has fewer than it says, FILE-06 with the line, FILE-01, FILE-02, FILE-10.
    """
    lines = list(number_lines(path))
    if not lines or not lines[0][1][0].isdigit() or lines[0][1][1:2] != ["residuals"]:
        raise bad_line(path, 1, "should say how many residuals follow")
    promised = int(lines[0][1][0])
    rows, views = [], []
    for line, fields in lines[1:]:
        rows.append(numbers(path, line, fields, 5))
        views.append(whole_number(path, line, rows[-1][2]))
    if len(rows) < promised:
        raise files.TRUNCATED.error(
            where=path, found=f"It promises {promised} residuals and holds {len(rows)}."
        )
    table = np.array(rows, dtype=np.float64).reshape(-1, 5)
    return Residuals(table[:, :2] - _EDGE, np.array(views, dtype=np.int64), table[:, 3:])


def write(path: Path, residuals: Residuals) -> None:
    """Write residuals as tiltalign does."""
    lines = [f"{len(residuals.view):6d} residuals\n"]
    rows = zip(residuals.points_px + _EDGE, residuals.view, residuals.vectors_px, strict=True)
    for (x, y), view, (dx, dy) in rows:
        position = finite_text(x, "10.2f") + finite_text(y, "10.2f")
        lines.append(f"{position}{view:5d}{finite_text(dx, '8.2f')}{finite_text(dy, '8.2f')}\n")
    write_text(path, "".join(lines))
