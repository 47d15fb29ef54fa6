"""Solved positions of fiducials as text: fid.xyz.

A line per point, ``number X Y Z object contour``; the first also has ``Pix:`` (pixel size, Å) and
``Dim:`` (columns and rows of the prealigned stack). X and Y are edge-based in the file; Z is
relative to the middle of the points, as tiltalign writes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files._text import bad_line, finite_text, number_lines, numbers, whole_number
from tomoline.files.atomic import write_text

_EDGE = 0.5
_UNKNOWN_A = 1.0  # what IMOD writes where it knows no pixel size


@dataclass(frozen=True, eq=False)
class FiducialPoints:
    """Where the fiducials are in the specimen.

    Attributes
    ----------
    points_px : (point, 3) float64
        x and y in the aligned frame of the zero tilt view, pixel centres at integers; z as solved.
    object_number, contour_number : (point,) int64
        Of the model that was tracked, from 1.
    pixel_size_nm : float or None
        Of the prealigned stack.
    size_px : (columns, rows) or None
        Of the prealigned stack.
    """

    points_px: NDArray[np.float64]
    object_number: NDArray[np.int64]
    contour_number: NDArray[np.int64]
    pixel_size_nm: float | None = None
    size_px: tuple[int, int] | None = None


def read(path: Path) -> FiducialPoints:
    """Return the points of a file.

    Raises
    ------
    TomolineError
        FILE-06 with the line; FILE-01, FILE-02, FILE-10.
    """
    rows, numbered, pixel_size, size = [], [], None, None
    for line, fields in number_lines(path):
        rows.append(numbers(path, line, fields, 6))
        numbered.append([whole_number(path, line, value) for value in rows[-1][4:]])
        extra = fields[6:]
        if "Pix:" in extra:
            value = numbers(path, line, extra[extra.index("Pix:") + 1 :], 1)[0]
            pixel_size = value / 10 if value > 0 and value != _UNKNOWN_A else None
        if "Dim:" in extra:
            columns, lines = numbers(path, line, extra[extra.index("Dim:") + 1 :], 2)
            if min(columns, lines) < 1:
                raise bad_line(path, line, "has an impossible size of the images")
            size = int(columns), int(lines)
    if not rows:
        raise files.BAD_TEXT.error(where=path, found="It holds no points.")
    table = np.array(rows)
    points = table[:, 1:4] - np.array([_EDGE, _EDGE, 0.0])
    objects, contours = np.array(numbered, dtype=np.int64).T
    return FiducialPoints(points, objects, contours, pixel_size, size)


def write(path: Path, points: FiducialPoints) -> None:
    """Write points as tiltalign does."""
    lines = []
    table = points.points_px + np.array([_EDGE, _EDGE, 0.0])
    for index, position in enumerate(table):
        x, y, z = (finite_text(value, "10.2f") for value in position)
        number, contour = points.object_number[index], points.contour_number[index]
        lines.append(f"{index + 1:4d}{x}{y}{z}{number:7d}{contour:5d}")
    if lines and points.size_px is not None:
        size_a = points.pixel_size_nm * 10 if points.pixel_size_nm else _UNKNOWN_A
        columns, rows = points.size_px
        lines[0] += f" Pix:{size_a:12.5f} Dim:{columns:6d}{rows:6d}"
    write_text(path, "".join(line + "\n" for line in lines))
