"""Flats in memory as they are stored, the last ones that were used."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files.frames import Frames

if TYPE_CHECKING:
    from tomoline.kernels.flat_fields import FlatRepairs

Stored = NDArray[Any]


class FlatCache:
    """Reads flats, with their zingers repaired, and keeps some; for any number of threads.

    Parameters
    ----------
    frames : Frames
    repairs : FlatRepairs
        Pixels of single flats that are to be replaced.
    keep_bytes : int
        Memory for flats; at least `least` are kept all the same.
    least : int
        Flats that are needed together.
    """

    def __init__(
        self,
        frames: Frames,
        repairs: FlatRepairs,
        keep_bytes: int,
        least: int,
    ) -> None:
        self._frames = frames
        self._repairs = repairs
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
        if image.dtype.kind == "f" and not np.isfinite(image).all():
            image = np.nan_to_num(image, nan=0.0, posinf=0.0, neginf=0.0)
        image = self._repairs.apply(image, index)
        flat = image.reshape(-1).view()
        # All alike for the compiled loops, which are made for one type of array.
        flat.flags.writeable = False
        with self._lock:
            self._kept[index] = flat
            while len(self._kept) > self._room:
                self._kept.popitem(last=False)
        return flat
