"""Scaling densities to bytes: limits found from a histogram, as findcontrast finds them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _contrast_numba

Real = NDArray[np.float32]

BINS = 1 << 16


@dataclass
class Histogram:
    """Counts of densities in equal bins from `low` to `high`.

    Attributes
    ----------
    low, high : float
        Range of the bins; values beyond it are counted in the end bins.
    counts : (65536,) int64
    """

    low: float
    high: float
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))

    @property
    def width(self) -> float:
        """Width of a bin."""
        return (self.high - self.low) / BINS or 1.0

    def add(self, values: Real) -> None:
        """Count values of any shape; those that are not numbers are left out."""
        flat = np.ascontiguousarray(values, dtype=np.float32).reshape(-1)
        _contrast_numba.add_to_histogram(
            flat, np.float32(self.low), np.float32(1 / self.width), self.counts
        )

    def include(self, counts: NDArray[np.int64]) -> None:
        """Add the counts of another histogram of the same range."""
        self.counts += counts

    def mean_and_sd(self) -> tuple[float, float]:
        """Return mean and standard deviation, to within a bin."""
        total = int(self.counts.sum())
        if not total:
            return 0.0, 0.0
        if self.high <= self.low:
            return self.low, 0.0
        centres = self.low + (np.arange(BINS) + 0.5) * self.width
        mean = float((self.counts * centres).sum() / total)
        variance = float((self.counts * (centres - mean) ** 2).sum() / total)
        return mean, variance**0.5

    def percentile(self, part: float) -> float:
        """Return the density below which a part (0 to 1) of the values lies, to within a bin."""
        place = np.searchsorted(np.cumsum(self.counts), part * self.counts.sum())
        return self.low + (float(place) + 0.5) * self.width

    def limits(self, saturated: int, outlier_sd: float = np.inf) -> tuple[float, float]:
        """Return the densities that become black and white.

        Parameters
        ----------
        saturated : int
            How many values may lie below, and how many above.
        outlier_sd : float
            Limits are no further than this from the median, in standard deviations; these are
            taken from the middle two thirds of the values, so that gold does not count.

        Returns
        -------
        low, high : float
        """
        total = int(self.counts.sum())
        if not total:
            return self.low, self.high
        # Never more than a part in a hundred, however few values there are.
        beyond = min(saturated, total // 100)
        dark = int(np.searchsorted(np.cumsum(self.counts), beyond, side="right"))
        light = BINS - 1 - int(np.searchsorted(np.cumsum(self.counts[::-1]), beyond, side="right"))
        low, high = self.low + dark * self.width, self.low + (light + 1) * self.width
        median = self.percentile(0.5)
        # One standard deviation of a normal distribution on either side of the middle.
        below, above = median - self.percentile(0.1587), self.percentile(0.8413) - median
        if min(below, above) > 0:
            low = max(low, median - outlier_sd * below)
            high = min(high, median + outlier_sd * above)
        return low, high


@dataclass(frozen=True)
class ByteBand:
    """Some sections of bytes in the making, row by row, and what they sum to.

    Attributes
    ----------
    out : (section, row, x) int8
        The bytes as IMOD stores them, less 128.
    low, high : float
        Densities that become 0 and 255; equal ones make all bytes 128.
    sums : (section, 5) int64
        Count, sum, sum of squares, least and greatest of the bytes, 0 to 255.
    """

    out: NDArray[np.int8]
    low: float
    high: float
    sums: NDArray[np.int64] = field(init=False)

    def __post_init__(self) -> None:
        start = np.tile(np.array([0, 0, 0, 255, 0], dtype=np.int64), (len(self.out), 1))
        object.__setattr__(self, "sums", start)

    def store(self, values: Real, x_first: int, row: int, *, backwards: bool = False) -> None:
        """Scale one row of each section.

        Parameters
        ----------
        values : (section, x) float32, C-contiguous
            Not-a-number becomes 128.
        x_first : int
            Where the row begins in `values`.
        row : int
            Which row of the sections it becomes.
        backwards : bool
            Whether the last of `values` belongs to the first section.
        """
        low, factor = self.low, 0.0
        if self.high > self.low:
            factor = 255 / (self.high - self.low)
        else:
            values, low, factor = np.full_like(values, 128), 0.0, 1.0
        _contrast_numba.rows_to_bytes(
            values,
            x_first,
            np.float32(low),
            np.float32(factor),
            self.out,
            row,
            self.sums,
            backwards,
        )

    def statistics(self, section: int) -> tuple[int, int, int, float, float]:
        """Return count, least, greatest, mean and sum of squared differences of a section."""
        count, total, squares, least, most = (int(value) for value in self.sums[section])
        # In whole numbers, so that nothing cancels.
        spread = (count * squares - total * total) / max(count, 1)
        return count, least, most, total / max(count, 1), spread
