"""Minimum, maximum, mean and standard deviation, combined without regard to order of writing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Rows that are handled together stay in a core's cache, and float32 sums stay exact enough.
_BLOCK = 65536
# Beyond this range squares of float32 differences would overflow.
_SAFE_RANGE = 1e15


@dataclass(frozen=True)
class Statistics:
    """What the header of an image file says of its values.

    Attributes
    ----------
    count : int
        Number of finite values.
    minimum, maximum, mean : float
        Of those; 0 where there are none.
    variance_sum : float
        Sum of the squared differences from the mean.
    """

    count: int
    minimum: float
    maximum: float
    mean: float
    variance_sum: float

    @property
    def rms(self) -> float:
        """Standard deviation of the values from their mean."""
        return math.sqrt(self.variance_sum / self.count) if self.count else 0.0

    @classmethod
    def of(cls, values: NDArray[Any]) -> Statistics:
        """Return the statistics of an array of any shape and real dtype; NaN and inf do not count.

        >>> Statistics.of(np.array([1.0, 2.0, 3.0, np.nan])).mean
        2.0
        """
        flat = np.ascontiguousarray(values).reshape(-1)
        parts = [_of_block(flat[i : i + _BLOCK]) for i in range(0, len(flat), _BLOCK)]
        return combined(parts)

    def shifted(self, offset: float) -> Statistics:
        """Return the statistics of the values plus `offset`."""
        low, high, mean = self.minimum + offset, self.maximum + offset, self.mean + offset
        return Statistics(self.count, low, high, mean, self.variance_sum)


def combined(parts: Sequence[Statistics]) -> Statistics:
    """Return the statistics of all parts together, summed in their order (Chan et al., 1979)."""
    parts = [part for part in parts if part.count]
    count = sum(part.count for part in parts)
    if not count:
        return Statistics(0, 0.0, 0.0, 0.0, 0.0)
    mean = math.fsum(part.count * part.mean for part in parts) / count
    spread = math.fsum(part.variance_sum + part.count * (part.mean - mean) ** 2 for part in parts)
    low, high = min(part.minimum for part in parts), max(part.maximum for part in parts)
    return Statistics(count, low, high, mean, spread)


def _of_block(block: NDArray[Any]) -> Statistics:
    single = block.astype(np.float32) if block.dtype != np.float64 else block
    low, high = float(single.min()), float(single.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        single = single[np.isfinite(single)]
        if not len(single):
            return Statistics(0, 0.0, 0.0, 0.0, 0.0)
        low, high = float(single.min()), float(single.max())
    if high - low > _SAFE_RANGE:
        single = single.astype(np.float64)
    # Differences from a value inside the range keep the squares small: no cancellation.
    reference = single[0]
    difference = single - reference
    count = len(single)
    offset = float(difference.sum()) / count
    squares = float(np.einsum("i,i->", difference, difference, optimize=False))
    spread = max(squares - count * offset**2, 0.0)
    return Statistics(count, low, high, float(reference) + offset, spread)
