"""Transforms of views: .xf, .prexf, .prexg, .tltxf.

A line per view, ``A11 A12 A21 A22 DX DY``, which `tomoline.geometry` uses as ``[A | d]``: both are
about the images' centres, so nothing is converted. Layout as IMOD's programs write it (the manual
page of newstack describes the file).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files._text import finite_text, number_lines, numbers
from tomoline.files.atomic import write_text

_ORDER = (0, 1, 3, 4, 2, 5)  # from A11 A12 DX A21 A22 DY to the order of the file


def read(path: Path) -> NDArray[np.float64]:
    """Return the transforms of a file, float64 (view, 2, 3), shifts in pixels.

    Raises
    ------
    TomolineError
        FILE-06 with the line, if it lacks a number; FILE-05 for local alignments (``local.xf``)
        and for those of montage pieces (midas); FILE-01, FILE-02, FILE-10.
    """
    rows: list[list[float]] = []
    for line, fields in number_lines(path):
        if not rows and len(fields) in (8, 9) and fields[0].isdigit() and fields[1].isdigit():
            raise files.UNSUPPORTED.error(where=path, found="It holds local alignments.")
        if not rows and len(fields) == 1 and fields[0].isdigit():
            raise files.UNSUPPORTED.error(
                where=path, found="It holds transforms of the pieces of a montage."
            )
        rows.append(numbers(path, line, fields, 6))
    if not rows:
        raise files.BAD_TEXT.error(where=path, found="It holds no transforms.")
    table = np.array(rows)
    transforms = np.empty((len(rows), 6))
    transforms[:, _ORDER] = table
    return transforms.reshape(-1, 2, 3)


def write(path: Path, transforms: NDArray[np.float64]) -> None:
    r"""Write transforms (view, 2, 3), shifts in pixels, as IMOD does: 7 decimals, shifts 3.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.xf"
    >>> write(path, np.array([[[1.0, 0.0, 2.5], [0.0, 1.0, -3.0]]]))
    >>> path.read_text()
    '   1.0000000   0.0000000   0.0000000   1.0000000       2.500      -3.000\n'
    """
    table = np.asarray(transforms, dtype=np.float64).reshape(-1, 6)[:, _ORDER]
    specs = ("12.7f",) * 4 + ("12.3f",) * 2
    lines = []
    for row in table:
        texts = [finite_text(v, spec) for v, spec in zip(row, specs, strict=True)]
        # A number that fills its field is kept apart from the one before it.
        lines.append("".join(t if t.startswith(" ") else " " + t for t in texts) + "\n")
    write_text(path, "".join(lines))
