"""Correlating the views of a tilt series: options, cosine stretch, window and filter."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._image import Image, move, taper
from tomoline.kernels.correlate import (
    BandPass,
    Peak,
    correlate,
    find_peak,
    padded_shape,
    spectrum_of,
)

Floats = NDArray[np.float64]

# Beyond this ratio a stretched image shows more of the interpolation than of the specimen.
_MAX_STRETCH = 1.6


@dataclass(frozen=True)
class CoarseOptions:
    """How views are correlated."""

    band: BandPass = field(default_factory=BandPass)
    limit_fraction: float = 0.45
    """Largest shift between neighbours, as a fraction of the image's size."""
    taper_fraction: float = 0.1
    exclude_central: bool = False
    """Pass over a peak at zero shift from fixed-pattern noise."""
    cumulative: bool = False
    """Correlate with the sum of the aligned views so far instead of with the neighbour."""
    scale_views: tuple[int, ...] = ()
    """Views at which to find a change of size too, which the views beyond them share."""
    refinements: int = 1
    """Rounds in which every view is aligned to the mean of the three before it; one halves the
    error on simulated series, more change little."""
    sure: float = 0.5
    """Pairs of less confidence are decided by a vote."""


def projection(tilt_rad: float, axis_rad: float) -> Floats:
    """Return the 2 x 2 matrix from a thin untilted specimen to its view, axis not vertical."""
    c, s = math.cos(axis_rad), math.sin(axis_rad)
    turn = np.array([[c, s], [-s, c]])
    matrix: Floats = turn.T @ np.diag([math.cos(tilt_rad), 1.0]) @ turn
    return matrix


def stretch(low_rad: float, high_rad: float, axis_rad: float | None) -> Floats:
    """Return the 2 x 2 matrix that makes the view at high tilt look like the one at low tilt.

    >>> stretch(0.0, math.pi / 3, 0.0).round(6).tolist()  # limited to 1.6
    [[1.6, 0.0], [0.0, 1.0]]
    """
    if axis_rad is None:
        return np.eye(2)
    ratio = math.cos(low_rad) / max(math.cos(high_rad), 1e-3)
    ratio = min(max(ratio, 1 / _MAX_STRETCH), _MAX_STRETCH)
    c, s = math.cos(axis_rad), math.sin(axis_rad)
    turn = np.array([[c, s], [-s, c]])
    matrix: Floats = turn.T @ np.diag([ratio, 1.0]) @ turn
    return matrix


class Correlator:
    """The window, padding and filter that all correlations of images of one shape share."""

    def __init__(self, shape: tuple[int, int], options: CoarseOptions) -> None:
        self.shape = shape
        self.options = options
        self.window = taper(shape, options.taper_fraction)
        self.padded = padded_shape(shape, 1.05 + options.limit_fraction)
        self.weights = options.band.weights(self.padded)
        self.limits = (options.limit_fraction * shape[1], options.limit_fraction * shape[0])

    def moved(self, image: Image, matrix: Floats, shift: Floats) -> Image:
        """Resample an image, about the centre, into the same frame."""
        return move(image, matrix, shift, self.shape)

    def __call__(
        self, first: Image, second: Image, limits: tuple[float, float] | None = None
    ) -> Peak | None:
        """Correlate; the peak's shift moves `second` onto `first`."""
        one = spectrum_of(first, self.window, self.padded)
        two = spectrum_of(second, self.window, self.padded)
        return find_peak(
            correlate(one, two, self.weights, self.padded),
            limits or self.limits,
            exclude_central=self.options.exclude_central,
        )

    def lower(self) -> Correlator:
        """Return the same with half the frequencies, for views that share little detail."""
        band = self.options.band
        lower = replace(
            band, radius2=band.radius2 / 2, sigma2=band.sigma2 / 2, sigma1=band.sigma1 * 0.7
        )
        return Correlator(self.shape, replace(self.options, band=lower))
