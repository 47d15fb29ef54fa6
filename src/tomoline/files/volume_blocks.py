"""What the writers of volumes have in common: blocks that are filled a few slices at a time.

Every format holds a volume, or its levels, as blocks (z, y, x) of one size: the chunks of Zarr and
HDF5, the pages of TIFF and MRC, which are blocks of one slice. Since nothing is compressed, each
block's place is known from the start, so pieces of blocks are written straight to their place,
from any thread and in any order, and no more than those pieces need be in memory. The bytes of a
file therefore depend neither on threads nor on memory.
"""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files.atomic import destination_of, translate_os_error
from tomoline.units import format_bytes

Shape = tuple[int, int, int]
Stored = NDArray[np.float32] | NDArray[np.uint16]


@dataclass(frozen=True)
class VolumeFacts:
    """What a file says of its volume besides the voxels.

    Attributes
    ----------
    name : str
        Of the volume.
    dtype : str
        ``float32`` or ``uint16``.
    voxel_um : float or None
        Length of a voxel's edge; None if unknown.
    quantity, unit : str
        What the values are, such as ``delta`` and ``1``.
    scale, offset : float
        The value is ``offset + scale * stored``; 1 and 0 for float32.
    window : (low, high)
        Values to show as black and white.
    details : mapping
        Everything else that is known, JSON-ready.
    """

    name: str
    dtype: str
    voxel_um: float | None
    quantity: str
    unit: str
    scale: float
    offset: float
    window: tuple[float, float]
    details: Mapping[str, Any]

    @property
    def stored_window(self) -> tuple[float, float]:
        """The window in stored numbers."""
        low, high = ((value - self.offset) / self.scale for value in self.window)
        return low, high

    @property
    def fill(self) -> int:
        """What a stored voxel of value 0 is, as near as can be."""
        if self.dtype == "float32":
            return 0
        return int(min(max(round(-self.offset / self.scale), 0), 65535))

    @property
    def description(self) -> dict[str, Any]:
        """What every format says of a volume, as plain data."""
        return {
            "quantity": self.quantity,
            "unit": self.unit,
            "value_scale": self.scale,
            "value_offset": self.offset,
            "voxel_um": self.voxel_um,
            "window": list(self.window),
            **self.details,
        }


class VolumeFile(Protocol):
    """A volume in the making, written block by block from any thread."""

    @property
    def block(self) -> Shape:
        """Size (z, y, x) of a block."""

    @property
    def shapes(self) -> Sequence[Shape]:
        """Size (z, y, x) of each level; one where the format has no levels."""

    def write(
        self,
        level: int,
        first: int,
        block_row: int,
        pieces: Stored,
        used: NDArray[np.bool_],
        sums: NDArray[np.float64],
    ) -> None:
        """Store pieces of a row of blocks.

        Parameters
        ----------
        level : int
            Which level.
        first : int
            First slice of the pieces; all of them lie in one layer of blocks.
        block_row : int
            Which row of blocks.
        pieces : (block, slice, block row, block column) array
            In the stored type, C-contiguous; beyond the volume's edge they hold its fill value.
        used : (block,) bool
            False where a piece holds nothing but the fill value.
        sums : (slice, 5) float64
            Sum, sum of squares, least, greatest and clipped so far of the slices' own values.

        Raises
        ------
        TomolineError
            FILE-08 if the disk is full.
        """

    def finish(self, found: Mapping[str, Any]) -> None:
        """Complete the file when all is written; `found` is what is known only then."""


def count_blocks(shape: Shape, block: Shape) -> Shape:
    """Return how many blocks (z, y, x) hold a volume.

    >>> count_blocks((10, 65, 64), (4, 64, 64))
    (3, 2, 1)
    """
    z, y, x = (math.ceil(size / side) for size, side in zip(shape, block, strict=True))
    return z, y, x


def write_at(descriptor: int, data: NDArray[Any] | bytes, offset: int, path: Path) -> None:
    """Write all of `data` at a place of an open file; `path` is for the message.

    Raises
    ------
    TomolineError
        FILE-08 if the disk is full, FILE-09 if it refuses.
    """
    view = memoryview(data) if isinstance(data, bytes) else data.reshape(-1).view(np.uint8).data
    try:
        while view:
            written = os.pwrite(descriptor, view, offset)
            if written == 0:
                raise OSError(errno.ENOSPC, "nothing could be written")
            view, offset = view[written:], offset + written
    except OSError as error:
        raise translate_os_error(error, _known(path)) from error


def _known(path: Path) -> Path:
    """Return the file or folder that the user knows of one that is being written, or in one."""
    for place in (path, *path.parents):
        known = destination_of(place)
        if known != place:
            return known
    return path


def open_new(path: Path) -> int:
    """Make a file and return its descriptor."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
    except OSError as error:
        raise translate_os_error(error, _known(path)) from error


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise FILE-08 if the disk of `folder` has less room than a volume needs."""
    try:
        state = os.statvfs(folder)
    except OSError as error:
        raise translate_os_error(error, _known(folder)) from error
    free = state.f_bavail * state.f_frsize
    if free < needed_bytes:
        raise files.DISK_FULL.error(
            where=_known(folder),
            found=f"The volume needs {format_bytes(needed_bytes)}, {format_bytes(free)} are free.",
            remedy="Free some space, choose another folder with --deliver, or set "
            "output.type=uint16, which halves it; then run the same command again: finished "
            "steps are kept.",
        )
