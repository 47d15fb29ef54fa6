"""Reading a few rows at a time from the sections of an MRC file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from tomoline import errors
from tomoline.files import mrc
from tomoline.files.atomic import translate_os_error


class RowReader:
    """Rows of chosen views, read without mapping the file, from several threads at a time.

    Parameters
    ----------
    path : Path
        An MRC stack.
    views : sequence of int, optional
        Indices of the views to read; all unless given.

    Raises
    ------
    TomolineError
        As `mrc.probe`.
    """

    def __init__(self, path: Path, views: Sequence[int] | None = None) -> None:
        self.path = path
        self.header = mrc.probe(path)
        count, self.height, self.width = self.header.shape
        self.views = tuple(range(count)) if views is None else tuple(views)

    def __enter__(self) -> RowReader:
        try:
            self._descriptor = os.open(self.path, os.O_RDONLY)
        except OSError as error:
            raise translate_os_error(error, self.path, reading=True) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def read(self, first: int, last: int) -> NDArray[np.float32]:
        """Return rows `first` to `last` - 1 of all chosen views, (view, row, x) float32."""
        rows = np.empty((len(self.views), last - first, self.width), dtype=np.float32)
        for place, view in enumerate(self.views):
            self._read_into(rows[place], view, first)
        return rows

    def read_section(self, section: int, first: int, last: int) -> NDArray[np.float32]:
        """Return rows `first` to `last` - 1 of one section, (row, x) float32."""
        rows = np.empty((last - first, self.width), dtype=np.float32)
        self._read_into(rows, section, first)
        return rows

    def _read_into(self, rows: NDArray[np.float32], section: int, first: int) -> None:
        """Fill `rows`, C-contiguous, with rows of a section from `first` on."""
        row_bytes = self.width * self.header.dtype.itemsize
        offset = self.header.data_offset + (section * self.height + first) * row_bytes
        # What is stored as float32 already needs no second copy.
        direct = self.header.dtype == rows.dtype
        stored = rows if direct else np.empty(rows.shape, dtype=self.header.dtype)
        try:
            count = os.preadv(self._descriptor, [stored.data.cast("B")], offset)
        except OSError as error:
            raise translate_os_error(error, self.path, reading=True) from error
        if count != stored.nbytes:
            raise errors.files.TRUNCATED.error(self.path, "it became shorter while it was read.")
        if not direct:
            rows[...] = stored
        if self.header.value_offset:
            rows += np.float32(self.header.value_offset)
