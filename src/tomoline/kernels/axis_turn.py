"""How the grid was turned between the two axes of a dual-axis set, from a view of each.

Both views show the same specimen from above, so that a turn and a shift lead from one to the
other. The turn is searched first, on small images, by correlating the second view with the first
one turned by each of many angles; then angle and shift are refined on larger images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._image import Image, bin_mean, bin_offset, level, move, taper
from tomoline.kernels.correlate import (
    BandPass,
    Peak,
    correlate,
    find_peak,
    padded_shape,
    spectrum_of,
)

Floats = NDArray[np.float64]

SURE = 0.55
"""Confidence from which a turn is to be believed."""

_SEARCH_PX = 144
_REFINE_PX = 420
_SEARCH_STEP_DEG = 2.0
_APART_DEG = 6.0
# Shifts up to these parts of the size; beyond, too little would be seen in both views.
_LIMIT = 0.4
_BAND = BandPass(sigma1=0.02, radius2=0.12, sigma2=0.05)
_FINE_BAND = BandPass(sigma1=0.02, radius2=0.2, sigma2=0.05)


@dataclass(frozen=True)
class AxisTurn:
    """How one view lies relative to another.

    Attributes
    ----------
    transform : (2, 3) float64
        ``[A | d]`` from the first to the second view, in their own pixels about their centres.
    turn_deg : float
        Turn of the specimen, counter-clockwise, from -180 to 180.
    shift_px : (2,) float64
        Shift of the centre after the turn, in pixels of the first view.
    confidence : float
        0 to 1; by how much this turn leads all others, and stands above chance.
    """

    transform: Floats
    turn_deg: float
    shift_px: Floats
    confidence: float


@dataclass(frozen=True)
class _Match:
    angle_deg: float
    peak: Peak


class _Pair:
    """The two views at one size, as a specimen that lies flat would show them."""

    def __init__(
        self, first: Image, second: Image, matrices: tuple[Floats, Floats], largest_px: int
    ) -> None:
        self.factor = max(1, math.ceil(max(first.shape) / largest_px))
        self.first, self.first_weight = _flattened(first, matrices[0], self.factor)
        other, weight = _flattened(second, matrices[1], self.factor)
        side = math.ceil(math.hypot(*self.first.shape))
        self._canvas = (max(side, other.shape[0]), max(side, other.shape[1]))
        self._padded = padded_shape(self._canvas, 1.4)
        self._second = spectrum_of(*_centred(other, weight, self._canvas), self._padded)
        self._limits = (_LIMIT * other.shape[1], _LIMIT * other.shape[0])

    def match(self, angle_deg: float, band: Image) -> _Match | None:
        """Correlate the second view with the first one turned by an angle."""
        turn, none = _turn(angle_deg), np.zeros(2)
        image = move(self.first, turn, none, self._canvas)
        weight = move(self.first_weight, turn, none, self._canvas)
        spectrum = spectrum_of(image, weight, self._padded)
        correlation = correlate(self._second, spectrum, band, self._padded)
        # Without a turn, the pattern of a camera that is in both views stands at no shift.
        still = abs((angle_deg + 180) % 360 - 180) < 3
        peak = find_peak(correlation, self._limits, exclude_central=still)
        return None if peak is None else _Match(angle_deg, peak)

    def weights(self, band: BandPass) -> Image:
        """Return the weights of a band-pass at this size."""
        return band.weights(self._padded)


def find_turn(
    first: Image,
    second: Image,
    first_matrix: Floats | None = None,
    second_matrix: Floats | None = None,
) -> AxisTurn | None:
    """Find the turn and the shift that lead from one view to the other.

    Parameters
    ----------
    first, second : (y, x) float32
        The views; their sizes may differ.
    first_matrix, second_matrix : (2, 2) float64, optional
        From the specimen, in pixels of the first view, to each view: foreshortening by a tilt, or
        other pixels. The identity if left out.

    Returns
    -------
    AxisTurn or None
        None where nothing correlates at all.
    """
    flat = np.eye(2)
    matrices = (
        flat if first_matrix is None else np.asarray(first_matrix, dtype=np.float64),
        flat if second_matrix is None else np.asarray(second_matrix, dtype=np.float64),
    )
    small = _Pair(first, second, matrices, _SEARCH_PX)
    band = small.weights(_BAND)
    angles = np.arange(-180.0, 180.0, _SEARCH_STEP_DEG)
    tried = [one for angle in angles if (one := small.match(float(angle), band))]
    if not tried:
        return None
    best = max(tried, key=lambda one: one.peak.height)
    between = (best.angle_deg + step * _SEARCH_STEP_DEG / 3 for step in (-2, -1, 1, 2))
    tried += [one for angle in between if (one := small.match(angle, band))]
    best = max(tried, key=lambda one: one.peak.height)
    confidence = _confidence(tried)
    angle, shift = _refined(_Pair(first, second, matrices, _REFINE_PX), best.angle_deg)
    matrix = matrices[1] @ _turn(angle) @ np.linalg.inv(matrices[0])
    transform = np.column_stack([matrix, matrices[1] @ shift])
    return AxisTurn(transform, (angle + 180) % 360 - 180, shift, confidence)


def _confidence(tried: Sequence[_Match]) -> float:
    """Return how sure the best match is, from its peak and from its lead over other angles."""
    if not tried:
        return 0.0
    best = max(tried, key=lambda one: one.peak.height)
    away = [
        one.peak.height
        for one in tried
        if abs((one.angle_deg - best.angle_deg + 180) % 360 - 180) > _APART_DEG
    ]
    lead = best.peak.height / max(*away, 1e-12) if away else 1.0
    score = max(0.0, min((lead - 1.0) / 0.2, (best.peak.lead - 1.0) / 0.2, best.peak.strength / 8))
    return score / (1.0 + score)


def _refined(pair: _Pair, angle_deg: float) -> tuple[float, Floats]:
    """Return angle and shift, in pixels of the views, from finer and finer steps of angle."""
    band = pair.weights(_FINE_BAND)
    shift = np.zeros(2)
    for step in (0.7, 0.25, 0.1):
        around = [pair.match(angle_deg + step * place, band) for place in (-2, -1, 0, 1, 2)]
        found = [one for one in around if one is not None]
        if not found:
            break
        best = max(found, key=lambda one: one.peak.height)
        angle_deg, shift = best.angle_deg, best.peak.shift_px
    return angle_deg, shift * pair.factor


def _flattened(image: Image, matrix: Floats, factor: int) -> tuple[Image, Image]:
    """Return a view at a smaller size, levelled, as the flat specimen; and its pixels' weights."""
    height, width = image.shape
    small = bin_mean(image, factor)
    offset = np.array([bin_offset(width, factor), bin_offset(height, factor)]) / factor
    levelled = level(small, max(4, max(small.shape) // 8))
    weight = taper(small.shape, 0.08)
    inverse = np.asarray(np.linalg.inv(matrix), dtype=np.float64)
    corners = np.abs(inverse) @ np.array([small.shape[1], small.shape[0]])
    shape = (math.ceil(corners[1]), math.ceil(corners[0]))
    shift = inverse @ offset
    return move(levelled, inverse, shift, shape), move(weight, inverse, shift, shape)


def _centred(image: Image, weight: Image, shape: tuple[int, int]) -> tuple[Image, Image]:
    """Put an image and its weight in the middle of a larger one."""
    still, none = np.eye(2), np.zeros(2)
    return move(image, still, none, shape), move(weight, still, none, shape)


def _turn(angle_deg: float) -> Floats:
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))
    return np.array([[cosine, -sine], [sine, cosine]])
