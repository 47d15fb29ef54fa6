"""Reading a rectangle of pixels that lie in one run of bytes of a file, straight into memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError, files

Region = tuple[int, int, int, int]
Pixels = NDArray[Any]


class RawReader:
    """Reads regions of frames of one size and type from open files; any thread.

    Parameters
    ----------
    height, width : int
        Of a whole frame.
    dtype : numpy.dtype
        As stored, with its byte order.
    region : tuple of int or None
        (left, top, width, height) to read; None for all.
    """

    def __init__(
        self, height: int, width: int, dtype: np.dtype[Any], region: Region | None
    ) -> None:
        left, top, columns, rows = region or (0, 0, width, height)
        self._stored = dtype
        self._native = dtype.newbyteorder("=")
        self._columns = slice(left, left + columns)
        self._direct = columns == width and dtype.isnative
        self._skipped_bytes = top * width * dtype.itemsize
        self._block_shape = (rows, width)
        self.shape = (rows, columns)
        self._local = threading.local()

    def read(self, descriptor: int, offset: int, path: Path, out: Pixels | None) -> Pixels:
        """Return the region of the frame whose pixels start at `offset`, in native byte order.

        Only the rows of the region are asked for.

        Raises
        ------
        TomolineError
            FILE-03 if the file ends before them.
        OSError
            If it cannot be read.
        """
        usable = (
            out is not None
            and out.shape == self.shape
            and out.dtype == self._native
            and out.flags.writeable
        )
        if out is None or not usable:
            out = np.empty(self.shape, self._native)
        direct = self._direct and out.flags.c_contiguous
        block = out if direct else self._scratch()
        self._fill(descriptor, offset + self._skipped_bytes, path, block)
        if not direct:
            # Turns the byte order on the way, faster than in place.
            out[...] = block[:, self._columns]
        return out

    def _scratch(self) -> Pixels:
        """Whole rows as stored, of this thread, from which columns are taken."""
        block: Pixels | None = getattr(self._local, "block", None)
        if block is None:
            block = self._local.block = np.empty(self._block_shape, self._stored)
        return block

    @staticmethod
    def _fill(descriptor: int, offset: int, path: Path, block: Pixels) -> None:
        view = memoryview(block.reshape(-1).view(np.uint8).data)
        done = 0
        while done < len(view):
            # One request reads all, but for those beyond 2 GiB and some network file systems.
            count = os.preadv(descriptor, [view[done:]], offset + done)
            if count == 0:
                raise cut_short(path, offset + len(view), os.fstat(descriptor).st_size)
            done += count


def cut_short(path: Path, needed: int, found: int) -> TomolineError:
    """Return FILE-03 with the sizes."""
    return files.TRUNCATED.error(
        where=path, found=f"It has {found} bytes of the {needed} that its pixels need."
    )
