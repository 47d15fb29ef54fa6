"""Filters of views before back-projection: weights in frequency, and applying them to rows.

Frequencies are in cycles per pixel, 0 to 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import fourier

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

# Response at zero frequency, in steps of the discrete spectrum: that of the ramp sampled in real
# space (2 / pi^2), so that what lies in the padding does not lift the middle.
_RAMP_AT_ZERO = 0.2
# Below this frequency the SIRT-like filter is the plain ramp (tilt's FakeSIRTiterations).
_SIRT_ALPHA = 0.00195
_EDGE_PIXELS = 8


@dataclass(frozen=True)
class RadialFilter:
    """The filter of weighted back-projection, as IMOD's tilt has it.

    Attributes
    ----------
    cutoff_per_px : float
        Up to here the ramp rises; beyond, it falls as a Gaussian.
    falloff_per_px : float
        Standard deviation of that Gaussian.
    sirt_iterations : int
        Above 0: imitate that many iterations of SIRT by flattening the ramp.
    hamming_start_per_px : float, optional
        Instead of the Gaussian, fall like a Hamming window from here to 0.5.
    """

    cutoff_per_px: float = 0.35
    falloff_per_px: float = 0.035
    sirt_iterations: int = 0
    hamming_start_per_px: float | None = None

    def response(self, frequency: Floats) -> Floats:
        """Return the filter's value, without angular weights, at frequencies >= 0."""
        f = np.asarray(frequency, dtype=np.float64)
        if self.hamming_start_per_px is not None:
            ramp = f * _hamming_falloff(f, self.hamming_start_per_px)
        else:
            ramp = np.minimum(f, self.cutoff_per_px) * _gaussian_falloff(
                f, self.cutoff_per_px, self.falloff_per_px
            )
        if self.sirt_iterations > 0:
            high = np.maximum(f, _SIRT_ALPHA)
            power = _effective_iterations(self.sirt_iterations) + 0.3
            ramp = ramp * np.where(f < _SIRT_ALPHA, 1.0, 1 - (1 - _SIRT_ALPHA / high) ** power)
        result: Floats = ramp
        return result


def _gaussian_falloff(f: Floats, cutoff: float, sigma: float) -> Floats:
    beyond = np.maximum(f - cutoff, 0.0)
    if sigma <= 0:
        return np.where(beyond > 0, 0.0, 1.0)
    falloff: Floats = np.exp(-0.5 * (beyond / sigma) ** 2)
    return falloff


def _hamming_falloff(f: Floats, start: float) -> Floats:
    part = np.clip((f - start) / max(0.5 - start, 1e-9), 0.0, 1.0)
    falloff: Floats = 0.54 + 0.46 * np.cos(np.pi * part)
    return falloff


def _effective_iterations(count: int) -> float:
    if count <= 15:
        return float(count)
    return 15 + 0.8 * (count - 15) if count <= 30 else 27 + 0.6 * (count - 30)


def angular_widths(tilt_rad: Floats, neighbours: int = 2) -> Floats:
    """Return the angle that each view stands for, from its neighbours' distance.

    Parameters
    ----------
    tilt_rad : (view,) float64
        In any order.
    neighbours : int
        Intervals that are averaged on each side, as tilt's DENSWEIGHT.

    Returns
    -------
    (view,) float64
        Radians.

    >>> angular_widths(np.array([0.0, 0.1, 0.2])).round(3)
    array([0.1, 0.1, 0.1])
    """
    order = np.argsort(tilt_rad, kind="stable")
    ordered = np.asarray(tilt_rad, dtype=np.float64)[order]
    count = len(ordered)
    widths = np.empty(count)
    for n in range(count):
        first, last = max(0, n - neighbours), min(count - 1, n + neighbours)
        widths[order[n]] = (
            (ordered[last] - ordered[first]) / (last - first) if last > first else 1.0
        )
    return widths


def radial_weights(tilt_rad: Floats, padded: int, radial: RadialFilter) -> Real:
    """Return the factors of each view's spectrum for weighted back-projection.

    With them the back-projection of line integrals per pixel is density per pixel.

    Parameters
    ----------
    tilt_rad : (view,) float64
    padded : int
        Length of the transformed rows.
    radial : RadialFilter

    Returns
    -------
    (view, padded // 2 + 1) float32
    """
    frequency = np.arange(padded // 2 + 1) / padded
    response = radial.response(frequency)
    response[0] = _RAMP_AT_ZERO / padded
    return (angular_widths(tilt_rad)[:, None] * response).astype(np.float32)


def low_pass_weights(padded: int, cutoff_per_px: float, sigma_per_px: float) -> Real:
    """Return the factors (padded // 2 + 1,) float32 of a low-pass of rows, as in `low_pass`."""
    frequency = np.arange(padded // 2 + 1) / padded
    return _gaussian_falloff(frequency, cutoff_per_px, sigma_per_px).astype(np.float32)


def padded_size(width: int, margin: int) -> int:
    """Return the length to which rows are padded: half as long again, and `margin` on both sides.

    >>> padded_size(512, 20)
    768
    """
    return fourier.good_size(width + max(2 * margin, width // 2, 32))


def filter_rows(rows: Real, weights: Real, padded: int, *, shift_px: Floats | None = None) -> Real:
    """Filter rows along x, after padding that leads from the right edge to the left one.

    Parameters
    ----------
    rows : (row, x) float32
    weights : (padded // 2 + 1,) float32
        Factors of the spectrum.
    padded : int
        Length of the transform.
    shift_px : (row,) float64, optional
        How far to move each row's content, exactly, in the same transform.

    Returns
    -------
    (row, padded) float32
        Filtered rows from x = 0; what lies left of 0 stands at the end.
    """
    count, width = rows.shape
    buffer = np.empty((count, padded), dtype=np.float32)
    buffer[:, :width] = rows
    edge = min(_EDGE_PIXELS, width)
    left = rows[:, :edge].mean(axis=1, keepdims=True)
    right = rows[:, -edge:].mean(axis=1, keepdims=True)
    gap = padded - width
    ramp = (np.arange(1, gap + 1, dtype=np.float32) / np.float32(gap + 1))[None, :]
    buffer[:, width:] = right + (left - right) * ramp
    # One row's level is taken off, so that float32 sums stay small; the ramp removes it anyway.
    level = buffer.mean(axis=1, keepdims=True)
    buffer -= level
    spectrum = fourier.forward_rows(buffer)
    spectrum *= weights
    if shift_px is not None:
        spectrum *= _phases(shift_px, padded)
    result = fourier.inverse_rows(spectrum, padded, out=buffer)
    result += level * weights[0]
    return result


def _phases(shift_px: Floats, padded: int) -> fourier.Spectrum:
    """Return the factors (row, padded // 2 + 1) that move each row's content by its shift."""
    count = padded // 2 + 1
    # exp(a + b) = exp(a) exp(b): an exponential for each sixteenth coefficient will do.
    turn = -2j * np.pi / padded * shift_px[:, None]
    coarse = np.exp(turn * np.arange(0, count, 16)).astype(np.complex64)
    fine = np.exp(turn * np.arange(16)).astype(np.complex64)
    phases: fourier.Spectrum = coarse[:, :, None] * fine[:, None, :]
    return phases.reshape(len(shift_px), -1)[:, :count]


def low_pass(image: Real, cutoff_per_px: float, sigma_per_px: float) -> Real:
    """Remove high frequencies from an image, as mtffilter's LowPassRadiusSigma.

    Parameters
    ----------
    image : (y, x) float32
    cutoff_per_px : float
        Frequencies up to here stay.
    sigma_per_px : float
        Standard deviation of the Gaussian by which they fall beyond.

    Returns
    -------
    (y, x) float32

    Notes
    -----
    The image is continued by fading from each edge to the opposite one, so that opposite edges do
    not ring into each other.
    """
    height, width = image.shape
    # A low-pass kernel reaches a few periods of its falloff.
    margin = int(min(64, 4 + 1 / max(sigma_per_px, 0.02)))
    shape = (fourier.good_size(height + margin), fourier.good_size(width + margin))
    buffer = np.empty(shape, dtype=np.float32)
    buffer[:height, :width] = image
    fade_x = (np.arange(1, shape[1] - width + 1) / (shape[1] - width + 1)).astype(np.float32)
    buffer[:height, width:] = image[:, -1:] + (image[:, :1] - image[:, -1:]) * fade_x
    fade_y = (np.arange(1, shape[0] - height + 1) / (shape[0] - height + 1)).astype(np.float32)
    last, first = buffer[height - 1], buffer[0]
    buffer[height:] = last + (first - last) * fade_y[:, None]
    level = np.float32(image.mean(dtype=np.float64))
    buffer -= level
    frequency = fourier.frequencies_2d(shape).astype(np.float64)
    spectrum = fourier.forward_2d(buffer)
    spectrum *= _gaussian_falloff(frequency, cutoff_per_px, sigma_per_px).astype(np.float32)
    result = fourier.inverse_2d(spectrum, shape, out=buffer)
    filtered = np.ascontiguousarray(result[:height, :width])
    filtered += level
    return filtered
