"""Finding the direction of the tilt axis in the images themselves.

Summed perpendicular to the tilt axis, all views of a specimen give the same profile along the axis
(their common line). The axis is the direction in which the profiles agree best. It is found up to
half a turn: whether the specimen is seen from above or from below (the hand) cannot be told.

The common line for tilt series was published by Owen & Landis (1996) and Liu et al. (1995); here
the summed area is the same part of the specimen in all views, an ellipse that narrows with the
cosine of the tilt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels._image import Image

Floats = NDArray[np.float64]
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

# Half the width of the area that is summed, as a fraction of the smaller image side.
_FIELD = 0.48
# Views tilted further share too little of the specimen's projection.
_MAX_TILT_RAD = math.radians(75.0)


@dataclass(frozen=True)
class AxisResult:
    """A tilt axis found in the images.

    Attributes
    ----------
    axis_rad : float
        Angle from the vertical, counter-clockwise, in (-pi/2, pi/2].
    confidence : float
        0 to 1; 0.5 where the best direction stands out of the others by 4 of their deviations.
    angles_rad, scores : (n,) float64
        The curve of the search: agreement of the profiles for every angle tried.
    """

    axis_rad: float
    confidence: float
    angles_rad: Floats
    scores: Floats


def wrap_half_turn(angle_rad: float) -> float:
    """Return the same direction in (-pi/2, pi/2].

    >>> round(wrap_half_turn(math.radians(-95.4)) * 180 / math.pi, 1)
    84.6
    """
    wrapped = math.remainder(angle_rad, math.pi)
    return wrapped + math.pi if wrapped <= -math.pi / 2 else wrapped


def axis_difference(first_rad: float, second_rad: float) -> float:
    """Return the angle between two directions, from 0 to pi/2, half a turn making no difference."""
    return abs(math.remainder(first_rad - second_rad, math.pi))


@njit(nogil=True, cache=True)
def _profile(
    image: Image,
    centre_x: float,
    centre_y: float,
    cos_tilt: float,
    axis: float,
    radius: float,
    size: int,
) -> NDArray[np.float64]:
    """Sum an ellipse of the image perpendicular to the axis; mean per bin of 1 pixel along it."""
    sums = np.zeros(size)
    weights = np.zeros(size)
    c, s = math.cos(axis), math.sin(axis)
    height, width = image.shape
    x0, y0 = (width - 1) / 2 + centre_x, (height - 1) / 2 + centre_y
    middle = (size - 1) / 2
    # Within the ellipse a x^2 + 2 b x y + d y^2 < 1.
    narrow, wide = 1.0 / (cos_tilt * radius) ** 2, 1.0 / radius**2
    a, b = c * c * narrow + s * s * wide, c * s * (narrow - wide)
    d = s * s * narrow + c * c * wide
    for row in range(height):
        y = row - y0
        root = (b * y) ** 2 - a * (d * y * y - 1.0)
        if root <= 0.0:
            continue
        half = math.sqrt(root) / a
        first = max(0, math.ceil(x0 - b * y / a - half))
        last = min(width - 1, math.floor(x0 - b * y / a + half))
        for column in range(first, last + 1):
            x = column - x0
            inside = 1.0 - (a * x + 2 * b * y) * x - d * y * y
            weight = inside * inside
            place = c * y - s * x + middle
            low = int(place)
            part = place - low
            value = weight * image[row, column]
            sums[low] += value * (1.0 - part)
            sums[low + 1] += value * part
            weights[low] += weight * (1.0 - part)
            weights[low + 1] += weight * part
    for place in range(size):
        # The sum over the area, not its mean: edges with few pixels would be all noise.
        sums[place] = sums[place] / math.sqrt(weights[place]) if weights[place] > 0 else 0.0
    return sums


def _band_passed(profiles: Floats) -> Floats:
    """Keep details of 4 to 40 pixels and give every profile (view, n) length 1."""
    spectrum = np.fft.rfft(profiles, axis=-1)
    frequency = np.fft.rfftfreq(profiles.shape[-1])
    band = (1 - np.exp(-((frequency / 0.025) ** 2) / 2)) * np.exp(-((frequency / 0.2) ** 2) / 2)
    passed = np.fft.irfft(spectrum * band, n=profiles.shape[-1], axis=-1)
    length = np.linalg.norm(passed, axis=-1, keepdims=True)
    result: Floats = passed / np.maximum(length, 1e-12)
    return result


def _agreement(profiles: Floats, search: int) -> float:
    """Return the mean correlation of each profile with the mean of the others."""
    size = profiles.shape[-1]
    padded = 2 * size
    spectra = np.fft.rfft(profiles, n=padded, axis=-1)
    shifts = np.zeros(len(profiles))
    frequency = np.fft.rfftfreq(padded)
    correlation = 0.0
    for _ in range(3):
        turned = spectra * np.exp(-2j * np.pi * frequency * shifts[:, None])
        total = turned.sum(axis=0)
        others = total - turned
        norms = np.linalg.norm(np.fft.irfft(others, n=padded, axis=-1), axis=-1)
        maps = np.fft.irfft(np.conj(spectra) * others, n=padded, axis=-1)
        lags = np.arange(-search, search + 1)
        window = maps[:, lags] / np.maximum(norms, 1e-12)[:, None]
        best = window.argmax(axis=-1)
        shifts = lags[best].astype(np.float64)
        correlation = float(window[np.arange(len(best)), best].mean())
    return correlation


def find_axis(
    images: Sequence[Image],
    tilt_rad: Floats,
    centre_px: Floats,
    *,
    included: NDArray[np.bool_] | None = None,
    angles_rad: Floats | None = None,
    search_px: int = 3,
    run: Run = map,
) -> AxisResult:
    """Find the direction in which the views' profiles agree best.

    Parameters
    ----------
    images : sequence of (y, x) float32
        Levelled, reduced views, about 256 pixels wide.
    tilt_rad : (view,) float64
    centre_px : (view, 2) float64
        Where the specimen's centre is seen in each, as `align_neighbours` gives it.
    included : (view,) bool, optional
    angles_rad : (n,) float64, optional
        Angles to try, evenly spaced; all directions in steps of 3 degrees if left out.
    search_px : int
        How far profiles may move to agree, for what the alignment left.
    run : callable
        Applies a function to a sequence of items, in order.

    Returns
    -------
    AxisResult
    """
    angles = np.radians(np.arange(-87.0, 90.1, 3.0)) if angles_rad is None else angles_rad
    keep = np.abs(tilt_rad) <= _MAX_TILT_RAD
    if included is not None:
        keep &= included
    views = [int(view) for view in np.flatnonzero(keep)]
    height, width = images[0].shape
    radius = _FIELD * min(height, width)
    size = 2 * math.ceil(radius) + 3

    def score(angle: float) -> float:
        profiles = np.empty((len(views), size))
        for place, view in enumerate(views):
            profiles[place] = _profile(
                images[view],
                float(centre_px[view, 0]),
                float(centre_px[view, 1]),
                math.cos(float(tilt_rad[view])),
                angle,
                radius,
                size,
            )
        return _agreement(_band_passed(profiles), search_px)

    scores = np.array(list(run(score, [float(angle) for angle in angles])))
    return _best(angles, scores)


def _best(angles: Floats, scores: Floats) -> AxisResult:
    """Return the vertex of the parabola through the highest score and its neighbours."""
    place = int(scores.argmax())
    step = float(angles[1] - angles[0])
    whole = abs(len(angles) * step - math.pi) < 1.5 * step
    low = scores[(place - 1) % len(scores)] if whole or place > 0 else scores[place]
    high = scores[(place + 1) % len(scores)] if whole or place < len(scores) - 1 else scores[place]
    bend = float(low - 2 * scores[place] + high)
    offset = 0.0 if bend >= 0 else float(low - high) / (2 * bend)
    axis = wrap_half_turn(float(angles[place]) + max(-1.0, min(1.0, offset)) * step)
    middle = float(np.median(scores))
    deviation = 1.4826 * float(np.median(np.abs(scores - middle)))
    outstanding = (float(scores[place]) - middle) / max(deviation, 1e-9) / 4.0
    return AxisResult(axis, max(0.0, outstanding / (1.0 + outstanding)), angles, scores)
