"""Reading a few rows at a time from the sections of an MRC file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
            rows[place] = self._stored(view, first, last)
        if self.header.value_offset:
            rows += np.float32(self.header.value_offset)
        return rows

    def read_section(self, section: int, first: int, last: int) -> NDArray[np.float32]:
        """Return rows `first` to `last` - 1 of one section, (row, x) float32."""
        rows: NDArray[np.float32] = self._stored(section, first, last).astype(np.float32)
        if self.header.value_offset:
            rows += np.float32(self.header.value_offset)
        return rows

    def _stored(self, section: int, first: int, last: int) -> NDArray[Any]:
        row_bytes = self.width * self.header.dtype.itemsize
        offset = self.header.data_offset + (section * self.height + first) * row_bytes
        try:
            raw = os.pread(self._descriptor, (last - first) * row_bytes, offset)
        except OSError as error:
            raise translate_os_error(error, self.path, reading=True) from error
        return np.frombuffer(raw, self.header.dtype).reshape(last - first, self.width)
