"""The rotation axis from the energy of a whole turn's spectrum where no specimen can have any.

A sinogram of half a turn, continued by its own mirror image about the axis, is that of a full
turn: its two-dimensional spectrum lies within a double wedge |m| <= 2 pi nu R (m in cycles a turn,
nu in cycles a pixel, R the specimen's radius). A wrong axis tears it at the seams, and the tears'
energy lies outside. So the best axis has the least energy there (Vo et al., Opt. Express 22 (2014)
19078).

Vo moves the mirror image, transforms and sums again for each axis. Here the sum of squares is
taken, and for that all axes come from a single transform: moving the mirror image by 2 c is a
factor exp(-4 pi i nu c) of its spectrum B, so with A that of the first half

    energy(c) = sum |A|^2 + |B|^2 + 2 Re sum_nu exp(-4 pi i nu c) Q(nu),   Q = sum_m conj(A) B,

m and nu outside the wedge, and the last sum is a Fourier transform of Q.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels.axis_rows import slopes, taper
from tomoline.kernels.fourier import forward_along, forward_rows, inverse_rows

Real = NDArray[np.float32]
Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]

# Centres are tried this finely, 1 / (2 * 8) pixel.
_FINE = 8
# Cycles a turn that are left out: what stays in place has its energy there.
_DROP = 2
_SMOOTH_PX = 1.0


@dataclass(frozen=True)
class WedgeTerms:
    """Energy outside the double wedge, by frequency.

    Attributes
    ----------
    cross : (frequency,) complex128
        Q of the module's text.
    energy : (frequency,) float64
        Sum of the squares of A and B; 0 where the wedge leaves nothing.
    count : (frequency,) int64
        Coefficients outside the wedge.
    width : int
        Columns.
    """

    cross: Complexes
    energy: Floats
    count: NDArray[np.int64]
    width: int


def wedge_terms(sinogram: Real, radius_px: float | None = None) -> WedgeTerms:
    """Sum up what a half turn's spectrum holds outside the double wedge.

    Parameters
    ----------
    sinogram : (angle, column) float32
        Even angles from 0 to just below half a turn, without stripes.
    radius_px : float, optional
        Radius that the specimen stays within; half the width by default.
    """
    angles, width = sinogram.shape
    radius = width / 2 if radius_px is None else radius_px
    rows = slopes(sinogram, _SMOOTH_PX) * taper(width)
    padded = np.zeros((angles, 2 * width), np.float32)
    padded[:, :width] = rows
    spectrum = np.zeros((2 * angles, width + 1), np.complex64)
    spectrum[:angles] = forward_rows(padded)
    forward_along(spectrum, 0)
    first = spectrum
    turns = np.abs(np.fft.fftfreq(2 * angles, 1 / (2 * angles)))
    frequency = np.arange(width + 1) / (2 * width)
    outside = turns[:, None] > 2 * math.pi * frequency * radius + 1
    outside &= turns[:, None] > _DROP
    outside &= frequency * width > 2
    # The transform of the conjugate over the angles is the conjugate at minus m; half a turn later
    # is a factor (-1)^m, and a slope's sign turns when it is mirrored.
    second = np.conj(np.roll(first[::-1], 1, axis=0))
    second *= np.where(turns % 2 == 1, 1.0, -1.0).astype(np.float32)[:, None]
    cross = np.where(outside, np.conj(first) * second, 0)
    both = np.where(outside, np.abs(first) ** 2 + np.abs(second) ** 2, 0)
    return WedgeTerms(
        cross.sum(axis=0, dtype=np.complex128),
        both.sum(axis=0, dtype=np.float64),
        outside.sum(axis=0),
        width,
    )


def misfit(terms: list[WedgeTerms], cutoff_per_px: float) -> tuple[Floats, Floats]:
    """Return the axes that are tried and the relative energy outside the wedge for each.

    Parameters
    ----------
    terms : list of WedgeTerms
        Of one or more rows of the same width; all count the same.
    cutoff_per_px : float
        Frequencies are weighted by a Gaussian that falls to 1/e here. Each has the weight of the
        coefficients it has outside, whatever their strength, so that fine detail counts as much.

    Returns
    -------
    (axis,) float64
        Columns, from 0 to the last in steps of a sixteenth.
    (axis,) float64
        1 where first half and mirror image have nothing to do with each other; 0 where they join
        without any tear.
    """
    width = terms[0].width
    frequency = np.arange(width + 1) / (2 * width)
    falloff = np.exp(-((frequency / cutoff_per_px) ** 2))
    total = np.zeros(width + 1, np.complex128)
    weight_sum = 0.0
    for term in terms:
        usable = term.energy > 0
        weight = np.where(usable, term.count * falloff, 0.0)
        total += np.where(usable, weight * term.cross / np.where(usable, term.energy, 1.0), 0.0)
        weight_sum += float(weight.sum())
    count = (width - 1) * 2 * _FINE + 1
    axes = np.arange(count) / (2 * _FINE)
    if weight_sum == 0:
        return axes, np.ones(count)
    size = 2 * width * _FINE
    padded = np.zeros((1, size // 2 + 1), np.complex64)
    # Twice the real part of a sum over positive frequencies is a real transform back.
    padded[0, : width + 1] = np.conj(total) / weight_sum
    sums = inverse_rows(padded, size)[0, :count]
    return axes, 1.0 + size * sums.astype(np.float64)


@dataclass(frozen=True)
class Minimum:
    """The least of a misfit over the axes: where, how low, and how clearly below any other."""

    axis_px: float
    misfit: float
    strength: float
    """Depth below the median in robust standard deviations of the curve."""
    lead: float
    """Ratio of its depth to that of the next minimum elsewhere."""


def find_minimum(
    axes_px: Floats, values: Floats, range_px: tuple[float, float], apart_px: float
) -> Minimum | None:
    """Return the minimum within a range of axes; None where it lies at the range's edge."""
    inside = np.flatnonzero((axes_px >= range_px[0]) & (axes_px <= range_px[1]))
    if len(inside) < 3:
        return None
    best = inside[0] + int(np.argmin(values[inside]))
    if best in (inside[0], inside[-1]):
        return None
    before, here, after = values[best - 1 : best + 2]
    bend = before - 2 * here + after
    vertex = 0.5 * (before - after) / bend if bend > 0 else 0.0
    # Only where enough columns have a mirror image.
    wide = values[len(values) // 10 : len(values) - len(values) // 10]
    middle = float(np.median(wide))
    deviation = max(1.4826 * float(np.median(np.abs(wide - middle))), 1e-9)
    elsewhere = inside[np.abs(axes_px[inside] - axes_px[best]) > apart_px]
    second = middle - float(values[elsewhere].min(initial=middle))
    depth = middle - float(here)
    return Minimum(
        axis_px=float(axes_px[best] + vertex * (axes_px[1] - axes_px[0])),
        misfit=float(here),
        strength=depth / deviation,
        lead=depth / max(second, deviation),
    )
