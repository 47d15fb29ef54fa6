"""The rotation axis from projections half a turn apart, which mirror each other about it.

With u = axis + x cos + y sin, the projections at an angle and half a turn later hold the same
values at u and 2 axis - u. So the rows' convolution with each other peaks at 2 axis. Pearson's
coefficient over the columns that both show takes its place here: parts of the specimen that only
one of them shows do not count, and small overlaps are not favoured (masked correlation, Padfield,
IEEE TIP 21 (2012) 2706, in one dimension).

Where half a turn lies between recorded angles, pairs that miss it by one step, two steps and so on
give axes that change evenly with the miss (by half of what the specimen moves meanwhile), and a
line through them says what no miss would give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels.axis_rows import slopes
from tomoline.kernels.fourier import forward_rows, good_size, inverse_rows

Real = NDArray[np.float32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# A pair may miss half a turn by so many steps, when none hits it.
_MISS_STEPS = 3.6
_HIT_STEPS = 0.6
# Pairs from a full turn, and groups that they are summed in.
_PAIRS = 64
# Float32 sums are not exact beyond; a lower limit would make plateaus.
_MOST = 1 - 1e-6
_GROUPS = 8


@dataclass(frozen=True)
class Pairs:
    """Pairs of projections about half a turn apart.

    Attributes
    ----------
    first, second : (pair,) int64
        Places of the projections.
    miss_steps : (pair,) float64
        How much more than half a turn lies between them, in angular steps.
    group : (pair,) int64
        Pairs of a group are correlated together.
    """

    first: Integers
    second: Integers
    miss_steps: Floats
    group: Integers

    @property
    def count(self) -> int:
        """Number of pairs."""
        return len(self.first)


def find_pairs(angles_rad: Floats, step_rad: float) -> Pairs:
    """Find pairs of angles half a turn apart, or, if there are hardly any, nearly so.

    Parameters
    ----------
    angles_rad : (angle,) float64
        Increasing.
    step_rad : float
        Usual distance of neighbours.

    Returns
    -------
    Pairs
        None where the angles do not come near half a turn.
    """
    wanted = angles_rad + np.pi
    after = np.clip(np.searchsorted(angles_rad, wanted), 1, len(angles_rad) - 1)
    nearer = wanted - angles_rad[after - 1] < angles_rad[after] - wanted
    second = np.where(nearer, after - 1, after)
    miss = (angles_rad[second] - wanted) / step_rad
    first = np.flatnonzero(np.abs(miss) <= _HIT_STEPS)
    if len(first) >= 3:
        chosen = first[np.unique(np.linspace(0, len(first) - 1, _PAIRS).round().astype(np.int64))]
        group = np.arange(len(chosen)) * _GROUPS // len(chosen)
        return Pairs(chosen, second[chosen], miss[chosen], group)
    misses = (angles_rad[None, :] - wanted[:, None]) / step_rad
    one, two = np.nonzero(np.abs(misses) <= _MISS_STEPS)
    order = np.argsort(np.abs(misses[one, two]), kind="stable")[:_PAIRS]
    one, two = one[order], two[order]
    return Pairs(one, two, misses[one, two], np.arange(len(one)))


@dataclass(frozen=True)
class MirrorSums:
    """Sums that Pearson's coefficients are made of, for each group of pairs.

    Attributes
    ----------
    product, power : (scale, group, 2 columns - 1) float32
        For each place k, which stands for an axis at k / 2: the sum of products, and the square
        of what it is divided by.
    """

    product: Real
    power: Real


def mirror_sums(sinogram: Real, pairs: Pairs, scales_px: tuple[float, ...]) -> MirrorSums:
    """Correlate the slopes of pairs with their mirror images, for all axes at once.

    Parameters
    ----------
    sinogram : (angle, column) float32
        Without stripes.
    pairs : Pairs
    scales_px : tuple of float
        Gaussians that the rows are smoothed with.
    """
    width = sinogram.shape[1]
    groups = int(pairs.group.max()) + 1
    size = good_size(2 * width)
    places = 2 * width - 1
    product = np.zeros((len(scales_px), groups, places), np.float32)
    power = np.zeros_like(product)
    low, high = _common(width)
    for scale, sigma in enumerate(scales_px):
        one, two = slopes(sinogram[pairs.first], sigma), slopes(sinogram[pairs.second], sigma)
        for group in range(groups):
            member = pairs.group == group
            padded = np.zeros((2, int(member.sum()), size), np.float32)
            padded[0, :, :width], padded[1, :, :width] = one[member], two[member]
            spectrum = forward_rows(padded)
            cross = (spectrum[0] * spectrum[1]).sum(axis=0, keepdims=True).astype(np.complex64)
            # A slope's sign turns when it is mirrored.
            product[scale, group] = -inverse_rows(cross, size)[0, :places]
            powers = [
                running[high + 1] - running[low]
                for half in (one, two)
                for running in [_running((half[member] ** 2).sum(axis=0, dtype=np.float64))]
            ]
            # The columns in common are mirrored onto themselves, so they are the same in both.
            power[scale, group] = powers[0] * powers[1]
    return MirrorSums(product, power)


def _common(width: int) -> tuple[Integers, Integers]:
    """First and last of the columns whose mirror image about k / 2 lies in the field."""
    k = np.arange(2 * width - 1)
    return np.maximum(0, k - width + 1), np.minimum(width - 1, k)


def _running(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def coefficients(product: Floats, power: Floats) -> Floats:
    """Return Pearson's coefficient for each place, (place,) float64; 0 where nothing is seen."""
    usable = power > 1e-12 * float(power.max(initial=0.0))
    root = np.sqrt(np.where(usable, power, 1.0))
    return np.where(usable, product / root, 0.0)


@dataclass(frozen=True)
class Peak:
    """A maximum of the coefficients over the axes.

    Attributes
    ----------
    axis_px : float
        Sub-pixel.
    height : float
        Coefficient there.
    merit : float
        Coefficient in units of what chance would give (Fisher's z).
    lead : float
        Ratio to the next best merit elsewhere.
    curvature : float
        Minus the second derivative of the coefficient, per pixel squared of the axis.
    """

    axis_px: float
    height: float
    merit: float
    lead: float
    curvature: float


def find_peak(
    values: Floats,
    independent: float,
    *,
    range_px: tuple[float, float],
    apart_px: float,
) -> Peak | None:
    """Find the best place within a range of axes.

    Parameters
    ----------
    values : (2 columns - 1,) float64
        Coefficients.
    independent : float
        Independent values for each column in common.
    range_px : (float, float)
        First and last axis to consider.
    apart_px : float
        How far away another maximum counts as another one.

    Returns
    -------
    Peak or None
        None without a positive maximum inside the range.
    """
    width = (len(values) + 1) // 2
    low, high = _common(width)
    number = np.maximum((high - low + 1) * independent - 3.0, 0.0)
    merit = np.arctanh(np.clip(values, -_MOST, _MOST)) * np.sqrt(number)
    first = max(1, int(np.ceil(2 * range_px[0])))
    last = min(len(values) - 2, int(np.floor(2 * range_px[1])))
    if last < first:
        return None
    best = first + int(np.argmax(merit[first : last + 1]))
    if values[best] <= 0 or best in (first, last):
        return None
    before, here, after = values[best - 1 : best + 2]
    bend = before - 2 * here + after
    vertex = float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0
    others = np.ones(len(values), bool)
    others[: max(first - 1, 0)] = others[last + 2 :] = False
    reach = round(2 * apart_px)
    others[max(0, best - reach) : best + reach + 1] = False
    second = max(float(merit[others].max(initial=0.0)), 1.0)
    return Peak(
        axis_px=(best + vertex) / 2,
        height=float(here),
        merit=float(merit[best]),
        lead=float(merit[best]) / second,
        curvature=max(-4.0 * float(bend), 1e-12),
    )
