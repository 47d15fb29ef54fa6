"""Darks and flats as they are: their mean, bad pixels, and what single frames have wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _flat_statistics

Real = NDArray[np.float32]
Flat = NDArray[Any]

# A pixel whose dark current takes this part of the beam's counts is called hot.
_HOT_PART = 0.2


def flattened(image: NDArray[Any], *, writable: bool = False) -> tuple[Flat, int]:
    """Return an image (rows, columns) as a flat array without copying, and its row stride.

    Parameters
    ----------
    image : (rows, columns) array
        Pixels of a row must be contiguous, as in a region of a larger image; else it is copied,
        which is an error if it shall be written to.
    writable : bool
        Whether the flat array is for writing.

    Returns
    -------
    flat : (n,) array
        Pixel (y, x) is at ``y * stride + x``; it may hold more than the image.
    stride : int
        In pixels.
    """
    rows, columns = image.shape
    step = image.strides[0]
    if image.strides[1] != image.itemsize or step < columns * image.itemsize:
        if rows * columns and writable:
            raise ValueError("the rows of the image must be contiguous")
        image = np.ascontiguousarray(image)
        step = image.strides[0]
    if step % image.itemsize:
        image, step = image.copy(), columns * image.itemsize
    stride = step // image.itemsize
    size = (rows - 1) * stride + columns
    flat = np.lib.stride_tricks.as_strided(
        image, shape=(size,), strides=(image.itemsize,), writeable=writable
    )
    return flat, stride


@dataclass
class FrameStatistics:
    """Sum and extremes of frames, pixel by pixel; partial ones can be put together.

    Attributes
    ----------
    total : (rows, columns) float32
        Exact for integers as long as it stays below 2 ** 24.
    low, high : (rows, columns) float32
    low_at, high_at : (rows, columns) int32
        Number of the frame that has the extreme.
    """

    total: Real
    low: Real
    high: Real
    low_at: NDArray[np.int32]
    high_at: NDArray[np.int32]
    count: int = 0

    @classmethod
    def empty(cls, shape: tuple[int, int]) -> FrameStatistics:
        """Return statistics of no frames yet."""
        return cls(
            np.zeros(shape, np.float32),
            np.full(shape, np.inf, np.float32),
            np.full(shape, -np.inf, np.float32),
            np.zeros(shape, np.int32),
            np.zeros(shape, np.int32),
        )

    @property
    def nbytes(self) -> int:
        """Memory of the images."""
        images = (self.total, self.low, self.high, self.low_at, self.high_at)
        return sum(image.nbytes for image in images)

    def add(self, frames: NDArray[Any], indices: Sequence[int]) -> None:
        """Add frames (n, rows, columns) with their numbers; what is no number counts as 0."""
        _flat_statistics.add_frames(
            np.ascontiguousarray(frames), np.asarray(indices, np.int32),
            self.total, self.low, self.high, self.low_at, self.high_at,
        )  # fmt: skip
        self.count += len(frames)

    def include(self, other: FrameStatistics) -> None:
        """Add the frames of another one of the same shape."""
        self.total += other.total
        for mine, mine_at, theirs, theirs_at, sign in (
            (self.low, self.low_at, other.low, other.low_at, 1),
            (self.high, self.high_at, other.high, other.high_at, -1),
        ):
            _flat_statistics.merge(
                mine.reshape(-1), mine_at.reshape(-1), theirs.reshape(-1), theirs_at.reshape(-1),
                np.float32(sign),
            )  # fmt: skip
        self.count += other.count

    def mean(self) -> Real:
        """Return the mean; from three frames on without each pixel's highest and lowest value."""
        if self.count >= 3:
            trimmed: Real = (self.total - self.low - self.high) / np.float32(self.count - 2)
            return trimmed
        return self.total / np.float32(max(self.count, 1))


@dataclass(frozen=True)
class BadPixels:
    """Pixels that tell nothing, and those that stand in for them.

    Attributes
    ----------
    places : (n, 2) int32
        (row, column), sorted by rows.
    sources : (n, 4) int64
        The nearest good pixels along row and column, row * columns + column; -1 where none.
    reach : int
        How many rows away sources lie at most.
    """

    places: NDArray[np.int32]
    sources: NDArray[np.int64]
    reach: int


def find_bad_pixels(bright: Real, dark: Real | None, level: float) -> BadPixels:
    """Find dead, hot and stuck pixels.

    Parameters
    ----------
    bright : (rows, columns) float32
        Mean flat, dark off.
    dark : (rows, columns) float32, optional
        Mean dark.
    level : float
        Typical value of `bright`, counts.
    """
    if dark is None:
        hottest, dark = np.inf, np.zeros((1, 1), np.float32)
        shade = np.broadcast_to(dark, bright.shape)
    else:
        shade, hottest = dark, float(np.median(dark)) + _HOT_PART * level
    if min(bright.shape) < 7:
        flags = (~np.isfinite(bright)).astype(np.uint8)
    else:
        flags = _flat_statistics.find_bad(bright, np.ascontiguousarray(shade), hottest, level)
    return bad_pixels(flags)


def bad_pixels(flags: NDArray[np.uint8]) -> BadPixels:
    """Return the flagged pixels (rows, columns) with their stand-ins."""
    places = np.argwhere(flags).astype(np.int32)
    sources = _flat_statistics.find_sources(flags, places)
    rows = np.where(sources >= 0, sources // flags.shape[1], places[:, :1])
    reach = int(np.abs(rows - places[:, :1]).max()) if len(places) else 0
    return BadPixels(places, sources, reach)


@dataclass(frozen=True)
class FlatRepairs:
    """Single pixels of single flats that are wrong: zingers, dropped counts.

    Attributes
    ----------
    flats : (n,) int32
    places : (n,) int64
        row * columns + column.
    values : (n,) float32
        What stands there in the mean of the flats, counts with dark.
    around : (n, 4) float32
        The same for the pixels two away along row and column.
    """

    flats: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))
    places: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    values: Real = field(default_factory=lambda: np.empty(0, np.float32))
    around: Real = field(default_factory=lambda: np.empty((0, 4), np.float32))

    def apply(self, image: NDArray[Any], index: int) -> NDArray[Any]:
        """Return flat `index` (rows, columns) repaired; the same array where nothing is wrong.

        What stands there in the mean is brought to the flat's own level next to it, so that a
        stripe that has moved goes on.
        """
        mine = self.flats == index
        if not mine.any():
            return image
        places = self.places[mine]
        beside = image.reshape(-1)[_neighbours(places, image.shape)].astype(np.float32)
        level = np.median(beside / np.maximum(self.around[mine], 1e-6), axis=1)
        values = self.values[mine] * level
        repaired = image.copy()
        if image.dtype.kind in "ui":
            values = np.rint(np.clip(values, 0, np.iinfo(image.dtype).max))
        repaired.reshape(-1)[places] = values.astype(image.dtype)
        return repaired


def _neighbours(places: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return the pixels two away along row and column, (n, 4), within the image."""
    rows, columns = shape
    y, x = np.divmod(places, columns)
    left, right = np.maximum(x - 2, 0), np.minimum(x + 2, columns - 1)
    top, bottom = np.maximum(y - 2, 0), np.minimum(y + 2, rows - 1)
    return np.stack(
        [y * columns + left, y * columns + right, top * columns + x, bottom * columns + x], axis=1
    )


def find_flat_repairs(
    statistics: FrameStatistics,
    bright: Real,
    dark: Real | None,
    bad: BadPixels,
    excess: float = 0.1,
) -> FlatRepairs:
    """Find zingers and dropped counts in single flats from the extremes of all.

    Parameters
    ----------
    statistics : FrameStatistics
        Of the flats.
    bright : (rows, columns) float32
        Their mean, dark off.
    dark : (rows, columns) float32, optional
    bad : BadPixels
        Pixels that are replaced in all frames anyway.
    excess : float
        How far, as a part of the mean, the pixel must stand out of its surroundings. A stripe that
        moves does not stand out.

    Notes
    -----
    The mean leaves out each pixel's extremes, so that one zinger a pixel does not change it.
    """
    flags = np.zeros(bright.shape, np.uint8)
    flags[bad.places[:, 0], bad.places[:, 1]] = 1
    flags[~(bright > 0)] = 1
    safe = np.where(flags, np.float32(1), bright)
    offset = np.float32(0) if dark is None else dark
    if statistics.count < 4 or min(bright.shape) < 5:
        return FlatRepairs()
    owners, places = [], []
    for extreme, at, sign in (
        (statistics.high, statistics.high_at, 1.0),
        (statistics.low, statistics.low_at, -1.0),
    ):
        relative = (extreme - offset) / safe
        lone = _flat_statistics.find_lone(relative, np.float32(sign), np.float32(excess), flags)
        owners.append(at.reshape(-1)[lone].astype(np.int32))
        places.append(lone)
    flats, where = np.concatenate(owners), np.concatenate(places)
    order = np.lexsort((where, flats))
    flats, where = flats[order], where[order]
    usual = (bright if dark is None else bright + dark).reshape(-1)
    return FlatRepairs(flats, where, usual[where], usual[_neighbours(where, bright.shape)])
