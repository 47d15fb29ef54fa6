"""Flats in memory as they are stored, the last ones that were used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files.frames import Frames
from tomoline.steps._flat_fields import Real

Stored = NDArray[Any]


class FlatCache:
    """Reads flats, with their zingers repaired, and keeps some; for any number of threads.

    Parameters
    ----------
    frames : Frames
    repairs : (flats, places, values)
        Pixels of single flats that are to be replaced.
    keep_bytes : int
        Memory for flats; at least `least` are kept all the same.
    least : int
        Flats that are needed together.
    """

    def __init__(
        self,
        frames: Frames,
        repairs: tuple[NDArray[np.int32], NDArray[np.int64], Real],
        keep_bytes: int,
        least: int,
    ) -> None:
        self._frames = frames
        self._flats, self._places, self._values = repairs
        count, rows, columns = frames.shape
        self._bytes_each = rows * columns * frames.dtype.itemsize
        self._room = min(max(keep_bytes // max(self._bytes_each, 1), least), count)
        self._kept: OrderedDict[int, Stored] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def memory_bytes(self) -> int:
        """Most memory that the flats take."""
        return self._room * self._bytes_each

    def get(self, index: int) -> Stored:
        """Return a flat as a flat, read-only array, row after row."""
        with self._lock:
            kept = self._kept.get(index)
            if kept is not None:
                self._kept.move_to_end(index)
                return kept
        # Two threads may read the same one at a time, which does no harm.
        image = np.ascontiguousarray(self._frames.read(index))
        mine = self._flats == index
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            image = np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
        if mine.any():
            image = image if image.flags.writeable and image.flags.owndata else image.copy()
            values = self._values[mine]
            if image.dtype.kind in "ui":
                values = np.rint(values)
            image.reshape(-1)[self._places[mine]] = values.astype(image.dtype)
        flat = image.reshape(-1)
        # All alike for the compiled loops, which are made for one type of array.
        flat.flags.writeable = False
        with self._lock:
            self._kept[index] = flat
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
        return flat
