"""Where the specimen lies in a tomogram: its slope and its limits in z, from the density.

Two tomograms of the same specimen, from the even and from the odd views, share the structure but
neither the noise nor, away from the specimen, the streaks. So the mean over boxes of their product
is the energy of the structure: about 0 above and below the specimen. That takes the place of the
local standard deviations of IMOD's findsection, which need more contrast.

The energy in columns of boxes is summed along planes ``z = a x + b y + c``. At the specimen's own
slopes the sums over c are most like a slab, high inside two limits and low outside (the greatest
variance between inside and outside; Otsu 1979).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Real = NDArray[np.float32]

# The limits are where the energy has fallen to this part of the inside's (tomopitch's for edges).
_EDGE = 0.25
# Noise alone reaches 7 in one tomogram of fifty; specimens have 10 and more.
_LEAST_CONTRAST = 8.0
_STEPS = 9
_PARTS = 4


@dataclass(frozen=True)
class Section:
    """A specimen found in a tomogram, all in its pixels, relative to its centre.

    Attributes
    ----------
    slope_x, slope_y : float
        Of the middle plane, ``z = slope_x x + slope_y y + c``.
    slope_x_sd, slope_y_sd : float
        Their standard errors, by leaving out a quarter of the boxes at a time; 0 where they were
        given.
    low_px, high_px : float
        Limits of c: where the specimen begins and ends above the centre.
    contrast : float
        Energy inside less that outside, over the spread outside.
    profile : (z,) float64
        Energy along c at these slopes, for display.
    """

    slope_x: float
    slope_y: float
    slope_x_sd: float
    slope_y_sd: float
    low_px: float
    high_px: float
    contrast: float
    profile: Floats


@njit(nogil=True, cache=True, fastmath=True)
def add_energy(first: Real, second: Real, box: int, out: Floats) -> None:
    """Add the products of two slices' values to boxes along x.

    Parameters
    ----------
    first, second : (z, x) float32
        The same slice of both tomograms.
    box : int
        Side of a box in pixels; the rest at the end is left out.
    out : (z, x // box) float64
        Changed in place.
    """
    for z in range(out.shape[0]):
        for column in range(out.shape[1]):
            total = 0.0
            for x in range(column * box, (column + 1) * box):
                total += first[z, x] * second[z, x]
            out[z, column] += total


@njit(nogil=True, cache=True)
def _slab_score(profile: Floats) -> float:
    """Return the greatest variance between inside and outside over all pairs of limits."""
    height = len(profile)
    sums = np.zeros(height + 1)
    for c in range(height):
        sums[c + 1] = sums[c] + profile[c]
    mean = sums[height] / height
    best = 0.0
    for low in range(height):
        for high in range(low + 4, height):
            inside = high - low
            excess = sums[high] - sums[low] - inside * mean
            if excess > 0:
                best = max(best, excess * excess / (inside * (height - inside)))
    return best * height


@njit(nogil=True, cache=True)
def _profile(energy: Floats, x: Floats, y: Floats, slope_x: float, slope_y: float) -> Floats:
    """Mean energy along planes of the given slopes, for each height (z,)."""
    rows, height, columns = energy.shape
    total = np.zeros(height)
    count = np.zeros(height)
    for i in range(rows):
        for k in range(columns):
            rise = slope_x * x[k] + slope_y * y[i]
            whole = math.floor(rise)
            part = rise - whole
            for c in range(height):
                z = c + int(whole)
                if z < 0 or z + 1 >= height:
                    continue
                total[c] += (1 - part) * energy[i, z, k] + part * energy[i, z + 1, k]
                count[c] += 1
    for c in range(height):
        # Heights that few columns reach say little; they count as empty.
        total[c] = total[c] / count[c] if count[c] > 0.3 * rows * columns else 0.0
    return total


def find_section(
    energy: Floats,
    box_px: float,
    rows_px: Floats | None = None,
    *,
    slopes: tuple[float, float] | None = None,
    most_slope_deg: float = 15.0,
    smooth_px: float = 2.0,
) -> Section | None:
    """Find the specimen.

    Parameters
    ----------
    energy : (y, z, x) float64
        Mean product of the two tomograms in boxes of `box_px` along x and y, and 1 along z.
    box_px : float
        Side of the boxes; along x they are centred.
    rows_px : (y,) float64, optional
        Centres of the boxes along y relative to the centre; side by side and centred by default.
    slopes : (a, b), optional
        Where they are known; only the limits are searched then.
    most_slope_deg : float
        Largest slope searched.
    smooth_px : float
        Sigma of the smoothing along z.

    Returns
    -------
    Section or None
        None where nothing stands out.
    """
    rows, height, columns = energy.shape
    if height < 8 or not np.isfinite(energy).all():
        return None
    # A few boxes with strong structure (a bead, carbon) may not decide alone.
    limit = 4 * float(np.median(np.abs(energy).max(axis=1))) + 1e-30
    clipped = np.clip(energy, -limit, limit)
    x = (np.arange(columns) - (columns - 1) / 2) * box_px
    y = (np.arange(rows) - (rows - 1) / 2) * box_px if rows_px is None else rows_px
    sd = (0.0, 0.0)
    if slopes is None:
        # Every column counts about alike for the slopes, strong structure or weak.
        size = np.sqrt((energy**2).sum(axis=1, keepdims=True))
        alike = energy / (size + 0.2 * float(np.median(size)) + 1e-30)
        most = math.tan(math.radians(most_slope_deg))
        slopes = _best_slopes(alike, x, y, most)
        sd = _slope_errors(alike, x, y, most)
    profile = _smooth(_profile(clipped, x, y, *slopes), smooth_px)
    return _limits(profile, slopes, sd)


def _slope_errors(energy: Floats, x: Floats, y: Floats, most: float) -> tuple[float, float]:
    """Return standard errors of the slopes, by the jackknife."""
    part = np.add.outer(np.arange(len(y)), np.arange(len(x))) % _PARTS
    found = [
        _best_slopes(np.where((part == left_out)[:, None], 0.0, energy), x, y, most)
        for left_out in range(_PARTS)
    ]
    a, b = np.std(found, axis=0) * math.sqrt(_PARTS - 1)
    return float(a), float(b)


def _best_slopes(energy: Floats, x: Floats, y: Floats, most: float) -> tuple[float, float]:
    """Search the slopes whose profile is most like a slab."""
    a = b = 0.0
    spread = most
    span_x, span_y = max(float(np.ptp(x)), 1.0), max(float(np.ptp(y)), 1.0)
    while spread * max(span_x, span_y) > 0.5:
        trials_a = a + np.linspace(-spread, spread, _STEPS) if len(x) > 1 else np.zeros(1)
        trials_b = b + np.linspace(-spread, spread, _STEPS) if len(y) > 1 else np.zeros(1)
        best = -np.inf
        best_a, best_b = a, b
        for trial_a in trials_a:
            for trial_b in trials_b:
                profile = _profile(energy, x, y, float(trial_a), float(trial_b))
                score = _slab_score(profile)
                if score > best:
                    best, best_a, best_b = score, float(trial_a), float(trial_b)
        a, b = best_a, best_b
        spread *= 2.5 / (_STEPS - 1)
    return a, b


def _smooth(profile: Floats, sigma: float) -> Floats:
    reach = max(int(3 * sigma), 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    padded = np.pad(profile, reach, mode="edge")
    return np.convolve(padded, kernel / kernel.sum(), "valid")


def _limits(
    profile: Floats, slopes: tuple[float, float], sd: tuple[float, float]
) -> Section | None:
    """Find where the profile rises from what is outside to what is inside."""
    height = len(profile)
    rim = max(height // 8, 2)
    outside = np.concatenate([profile[:rim], profile[-rim:]])
    floor = float(np.median(outside))
    spread = 1.4826 * float(np.median(np.abs(outside - floor)))
    peak = int(np.argmax(profile))
    inside = float(np.percentile(profile, 90))
    contrast = (float(profile[peak]) - floor) / max(spread, 1e-3 * abs(float(profile[peak])), 1e-30)
    threshold = floor + _EDGE * (inside - floor)
    if contrast < _LEAST_CONTRAST or not profile[peak] > threshold:
        return None
    above = profile > threshold
    runs = _runs(above, profile - floor)
    low, high = runs
    centre = (height - 1) / 2
    return Section(
        slope_x=slopes[0],
        slope_y=slopes[1],
        slope_x_sd=sd[0],
        slope_y_sd=sd[1],
        low_px=_crossing(profile, threshold, low, -1) - centre,
        high_px=_crossing(profile, threshold, high, 1) - centre,
        contrast=contrast,
        profile=profile,
    )


def _runs(above: NDArray[np.bool_], weight: Floats) -> tuple[int, int]:
    """Return first and last height of the run with the most energy; short gaps are bridged."""
    gap = max(len(above) // 20, 1)
    places = np.flatnonzero(above)
    breaks = np.flatnonzero(np.diff(places) > gap + 1)
    starts = np.concatenate([[0], breaks + 1])
    ends = np.concatenate([breaks, [len(places) - 1]])
    sums = [weight[places[s] : places[e] + 1].sum() for s, e in zip(starts, ends, strict=True)]
    best = int(np.argmax(sums))
    return int(places[starts[best]]), int(places[ends[best]])


def _crossing(profile: Floats, threshold: float, place: int, step: int) -> float:
    """Return where, between `place` and its neighbour outside, the profile has the threshold."""
    other = place + step
    if not 0 <= other < len(profile):
        return float(place)
    change = profile[place] - profile[other]
    part = (profile[place] - threshold) / change if change > 0 else 0.0
    return place + step * float(np.clip(part, 0, 1))
