"""Z factors of the fine alignment: .zfac, two numbers per view.

The shift in x and y, per pixel of Z, by which X-axis stretch and skew move a point.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files._text import finite_text, number_lines, numbers
from tomoline.files.atomic import write_text


def read(path: Path) -> NDArray[np.float64]:
    """Return the factors, float64 (view, 2).

    Raises
    ------
    TomolineError
        FILE-06 with the line; FILE-01, FILE-02, FILE-10.
    """
    rows = [numbers(path, line, fields, 2) for line, fields in number_lines(path)]
    if not rows:
        raise files.BAD_TEXT.error(where=path, found="It holds no factors.")
    return np.array(rows)


def write(path: Path, factors: NDArray[np.float64]) -> None:
    """Write factors (view, 2) as tiltalign does."""
    write_text(
        path,
        "".join(finite_text(x, "12.6f") + finite_text(y, "12.6f") + "\n" for x, y in factors),
    )
