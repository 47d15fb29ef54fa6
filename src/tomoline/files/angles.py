"""Angles, one per view: .rawtlt, .tlt and .xtilt.

One number per line, degrees, in the order of the stack. What follows the first number of a line
(some programs add the order of acquisition) is left out of account, as in IMOD.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tomoline.errors import files
from tomoline.files._text import finite_text, number_lines, numbers
from tomoline.files.atomic import write_text


def read(path: Path) -> NDArray[np.float64]:
    """Return the angles of a file, degrees, float64 (view,).

    Raises
    ------
    TomolineError
        FILE-06 with the line, if a line does not start with a number or the file has none;
        FILE-01, FILE-02, FILE-10 as the system reports.
    """
    angles = [numbers(path, line, fields, 1)[0] for line, fields in number_lines(path)]
    if not angles:
        raise files.BAD_TEXT.error(where=path, found="It holds no angles.")
    return np.array(angles)


def write(path: Path, angles_deg: ArrayLike, *, decimals: int = 4) -> None:
    r"""Write angles in degrees, (view,), one per line.

    Four decimals by default: IMOD's two can move a point at the edge of a large tomogram by a
    tenth of a pixel.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.tlt"
    >>> write(path, [-60.0, 0.25])
    >>> path.read_text()
    ' -60.0000\n   0.2500\n'
    """
    # Adding zero turns -0.0 into 0.0.
    values = np.round(np.asarray(angles_deg, dtype=np.float64), decimals) + 0.0
    width = decimals + 5
    write_text(path, "".join(finite_text(v, f"{width}.{decimals}f") + "\n" for v in values))
