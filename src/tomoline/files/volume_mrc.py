"""Volumes as MRC, through the writer of all MRC files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files._statistics import Statistics
from tomoline.files.mrc import MrcWriter
from tomoline.files.volume_blocks import Shape, Stored, VolumeFacts, check_room

SUFFIX = ".mrc"
_MODES = {"float32": 2, "uint16": 6}
_NM_PER_UM = 1000.0


class MrcVolumeWriter:
    """Write a volume as MRC, slice by slice; the voxel's size stands in the header.

    Parameters
    ----------
    path : Path
        The file to make.
    shape : (z, y, x)
        Of the volume.
    facts : VolumeFacts
        What the volume is; the header has room for a few titles.

    Raises
    ------
    TomolineError
        FILE-08 if there is no room for it.
    """

    def __init__(self, path: Path, shape: Shape, facts: VolumeFacts) -> None:
        self.shapes = (shape,)
        self.block = (1, shape[1], shape[2])
        self._facts = facts
        edge = facts.voxel_um
        check_room(path.parent, shape[0] * shape[1] * shape[2] * np.dtype(facts.dtype).itemsize)
        self._writer = MrcWriter(
            path,
            shape,
            _MODES[facts.dtype],
            None if edge is None else edge * _NM_PER_UM,
            titles=_titles(facts),
            is_volume=True,
        )

    def __enter__(self) -> MrcVolumeWriter:
        self._writer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.__exit__(kind, error, traceback)

    def write(
        self,
        level: int,
        first: int,
        block_row: int,
        pieces: Stored,
        used: NDArray[np.bool_],
        sums: NDArray[np.float64],
    ) -> None:
        """Store one slice (see `VolumeFile.write`)."""
        total, squares, least, greatest, _ = (float(value) for value in sums[0])
        count = self.shapes[0][1] * self.shapes[0][2]
        mean = total / count
        facts = self._facts
        stored = Statistics(
            count,
            self._stored(least),
            self._stored(greatest),
            self._stored(mean),
            max(squares - count * mean**2, 0.0) / facts.scale**2,
        )
        self._writer.write(first, pieces[0], [stored])

    def finish(self, found: Mapping[str, Any]) -> None:
        """Do nothing: the header is written when the block ends."""

    def _stored(self, value: float) -> float:
        """Return what a value is stored as, which clipping leaves within the integers."""
        if self._facts.dtype == "float32":
            return value
        return min(max((value - self._facts.offset) / self._facts.scale, 0.0), 65535.0)


def _titles(facts: VolumeFacts) -> list[str]:
    """Return a few labels of up to 80 characters."""
    titles = [f"tomoline: {facts.quantity} [{facts.unit}]"]
    if facts.dtype == "uint16":
        titles.append(f"value = {facts.offset:.9g} + {facts.scale:.9g} * stored")
    for name in ("source", "tomoline", "energy_kev", "method"):
        if facts.details.get(name) is not None:
            titles.append(f"{name} = {facts.details[name]}")
    return titles
