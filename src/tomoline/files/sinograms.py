"""Sinograms of a whole scan: (row, angle, column) float32, in memory or in a scratch file.

Projections come in angle by angle and leave row by row; this store turns the one into the other.
The scratch file is read and written with plain calls, not mapped, so that it does not count as the
process's memory.
"""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files.atomic import translate_os_error

Floats = NDArray[np.float32]
HEADER_BYTES = 4096
_LARGE_BYTES = 64 << 20


class Sinograms(Protocol):
    """A store of (row, angle, column) float32; methods may be called from several threads."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, angles, columns)."""

    def write_angles(self, first: int, block: Floats) -> None:
        """Store projections (angles, rows, columns) from angle `first` on."""

    def read_rows(self, first: int, last: int) -> Floats:
        """Return sinograms (rows, angles, columns) of the rows first <= row < last.

        The result may share the store's memory and must not be changed.
        """

    def read_angle(self, angle: int) -> Floats:
        """Return the projection (rows, columns) of one angle; may share the store's memory."""


class MemorySinograms:
    """Sinograms in memory.

    >>> store = MemorySinograms((2, 3, 4))
    >>> store.write_angles(1, np.ones((1, 2, 4), np.float32))
    >>> float(store.read_rows(0, 1).sum()), float(store.read_angle(1).sum())
    (4.0, 8.0)
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._data = _zeros(shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, angles, columns)."""
        rows, angles, columns = self._data.shape
        return rows, angles, columns

    def write_angles(self, first: int, block: Floats) -> None:
        """Store projections (angles, rows, columns) from angle `first` on."""
        for offset, projection in enumerate(block):
            self._data[:, first + offset] = projection

    def read_rows(self, first: int, last: int) -> Floats:
        """Return sinograms of the rows first <= row < last."""
        return self._data[first:last]

    def read_angle(self, angle: int) -> Floats:
        """Return the projection of one angle."""
        return self._data[:, angle]


class FileSinograms:
    """Sinograms in a scratch file: a header block, then (row, angle, column) float32.

    Parameters
    ----------
    path : Path
        The file; it must exist unless `shape` is given, which makes it.
    shape : tuple of int, optional
        (rows, angles, columns) of a new file.
    """

    def __init__(self, path: Path, shape: tuple[int, int, int] | None = None) -> None:
        self._path = path
        try:
            flags = os.O_RDWR | (os.O_CREAT | os.O_TRUNC if shape else 0)
            self._descriptor = os.open(path, flags, 0o666)
            if shape is not None:
                self._take_room(HEADER_BYTES + 4 * int(np.prod(shape)))
                os.pwrite(self._descriptor, np.array(shape, np.int64).tobytes(), 0)
                self._shape = shape
            else:
                header = np.frombuffer(os.pread(self._descriptor, 24, 0), np.int64)
                self._shape = (int(header[0]), int(header[1]), int(header[2]))
        except OSError as error:
            raise translate_os_error(error, path) from error

    def _take_room(self, size: int) -> None:
        """Take the room now, so that a full disk is known before hours of work, not after."""
        try:
            os.posix_fallocate(self._descriptor, 0, size)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise files.DISK_FULL.error(
                self._path,
                f"The projections need {size / 2**30:.3g} GiB, which are not free.",
                "Free some space, give another folder with --scratch, or a higher --memory, which "
                "holds them instead; then run the same command again: finished steps are kept.",
            ) from error

    @property
    def shape(self) -> tuple[int, int, int]:
        """(rows, angles, columns)."""
        return self._shape

    def _offset(self, row: int, angle: int) -> int:
        _, angles, columns = self._shape
        return HEADER_BYTES + 4 * columns * (row * angles + angle)

    def write_angles(self, first: int, block: Floats) -> None:
        """Store projections (angles, rows, columns); blocks of many angles write fast."""
        block = np.ascontiguousarray(block)
        size = 4 * block.shape[0] * block.shape[2]
        try:
            for row in range(block.shape[1]):
                # The rows of all angles of the block lie side by side in the file.
                parts = [projection[row].data for projection in block]
                offset = self._offset(row, first)
                if os.pwritev(self._descriptor, parts, offset) != size:
                    _write_all(self._descriptor, block[:, row].copy(), offset)
        except OSError as error:
            raise translate_os_error(error, self._path) from error

    def read_rows(self, first: int, last: int) -> Floats:
        """Return sinograms of the rows first <= row < last."""
        _, angles, columns = self._shape
        rows = np.empty((last - first, angles, columns), np.float32)
        self._read(rows, self._offset(first, 0))
        return rows

    def read_angle(self, angle: int) -> Floats:
        """Return the projection of one angle."""
        rows, _, columns = self._shape
        projection = np.empty((rows, columns), np.float32)
        for row in range(rows):
            self._read(projection[row], self._offset(row, angle))
        return projection

    def _read(self, into: Floats, offset: int) -> None:
        view = into.reshape(-1).data.cast("B")
        done = 0
        try:
            while done < len(view):
                count = os.preadv(self._descriptor, [view[done:]], offset + done)
                if count == 0:
                    raise OSError(f"the scratch file ends at byte {offset + done}")
                done += count
        except OSError as error:
            raise translate_os_error(error, self._path, reading=True) from error

    def close(self) -> None:
        """Close the file."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()


def _zeros(shape: tuple[int, int, int]) -> Floats:
    """Return zeros in large pages where the system has them.

    The first touch of a page costs more than writing to it does, and there are millions of small
    ones in the projections of a scan.
    """
    size = 4 * int(np.prod(shape))
    if not hasattr(mmap, "MADV_HUGEPAGE") or size < _LARGE_BYTES:
        return np.zeros(shape, np.float32)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:
        pass  # a system without them
    return np.frombuffer(memory, np.float32).reshape(shape)


def _write_all(descriptor: int, data: Floats, offset: int) -> None:
    view = data.reshape(-1).data.cast("B")
    done = 0
    while done < len(view):
        done += os.pwrite(descriptor, view[done:], offset + done)
