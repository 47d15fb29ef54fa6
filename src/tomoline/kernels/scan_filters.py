"""Radial filters of slices, and the weights of unevenly spaced angles.

The ramp is made from its band-limited kernel in space (Kak and Slaney 1988, eq. 3.61), so that its
value at zero frequency is right for a padded row; windows multiply it. Frequencies are in cycles
per pixel.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FilterName = Literal[
    "ramp", "shepp-logan", "cosine", "hann", "hamming", "parzen", "butterworth", "none"
]
FILTERS: tuple[str, ...] = get_args(FilterName)

_GREATEST_GAP = 8.0


def window(name: FilterName, frequency: Floats, cutoff: float = 0.5) -> Floats:
    """Return what multiplies the ramp.

    Parameters
    ----------
    name : str
        One of `FILTERS`. ``shepp-logan``, ``cosine``, ``parzen`` and ``butterworth`` (order 8) are
        those of gridrec as tomopy has it; ``hann`` and ``hamming`` fall once between 0 and the
        cutoff.
    frequency : float64
        Of either sign, cycles per pixel.
    cutoff : float
        Frequency that the window ends at; 0 beyond.

    Returns
    -------
    float64, of the shape of `frequency`
    """
    t = np.abs(frequency) / cutoff
    if name == "butterworth":
        return np.asarray(1 / (1 + t**16))
    shapes = {
        "ramp": np.ones_like(t),
        "none": np.ones_like(t),
        "shepp-logan": np.sinc(t / 2),
        "cosine": np.cos(np.pi * t / 2),
        "hann": 0.5 + 0.5 * np.cos(np.pi * t),
        "hamming": 0.54 + 0.46 * np.cos(np.pi * t),
        "parzen": (1 - np.minimum(t, 1)) ** 3,
    }
    return np.where(t <= 1 + 1e-9, shapes[name], 0.0)


def response(name: FilterName, samples: int, cutoff: float = 0.5) -> Floats:
    """Return the filter for rows of `samples` pixels, padding included.

    Returns
    -------
    (samples,) float64
        In the order of transforms; real. ``none`` is 1 everywhere: plain back-projection.
    """
    from tomoline.kernels.fourier import kernel_response

    frequency = _frequencies(samples)
    if name == "none":
        return np.ones(samples)
    place = np.rint(frequency * samples)
    kernel = np.zeros(samples)
    kernel[0] = 0.25
    odd = place % 2 != 0
    kernel[odd] = -1 / (np.pi * place[odd]) ** 2
    return kernel_response(kernel) * window(name, frequency, cutoff)


def gridrec_response(name: FilterName, samples: int) -> Floats:
    """Return gridrec's filter as tomopy has it: its formulas, the ramp sampled, 0 at zero.

    The ramp is that of `response` in scale, half of ``|2 x|``, so that densities are per pixel.
    """
    x = np.abs(_frequencies(samples))
    shapes = {
        "ramp": np.ones_like(x),
        "shepp-logan": np.sinc(x),
        "cosine": np.cos(np.pi * x),
        "hann": 0.5 + 0.5 * np.cos(2 * np.pi * x / 0.5),
        "hamming": 0.54 + 0.46 * np.cos(2 * np.pi * x / 0.5),
        "parzen": (1 - x / 0.5) ** 3,
        "butterworth": 1 / (1 + (x / 0.5) ** 16),
    }
    if name == "none":
        return np.ones(samples)
    result: Floats = x * shapes[name]
    return result


def _frequencies(samples: int) -> Floats:
    return np.asarray(np.fft.fftfreq(samples))


def angle_weights(angles_rad: Floats) -> Floats:
    """Return the share of half a turn that each angle stands for.

    Opposite rays are the same, so angles count modulo half a turn; each stands for half of the way
    to its neighbours. A gap beyond eight times the usual one is missing, and not filled by the
    angles beside it. Whether 180 or 360 degrees were recorded, end included or not, and how
    evenly, makes no difference to the density.

    Parameters
    ----------
    angles_rad : (angle,) float64

    Returns
    -------
    (angle,) float64
        Radians; they add up to pi where no gap is missing.
    """
    count = len(angles_rad)
    folded = np.mod(angles_rad, np.pi)
    # What is half a turn but for rounding is no turn.
    folded[np.pi - folded < 1e-9] = 0.0
    order = np.argsort(folded, kind="stable")
    ordered = folded[order]
    gaps = np.diff(ordered, append=ordered[:1] + np.pi)
    usual = float(np.median(gaps[gaps > 1e-9])) if count > 1 else np.pi
    gaps = np.where(gaps > _GREATEST_GAP * usual, usual, gaps)
    weights = np.empty(count)
    weights[order] = (gaps + np.roll(gaps, 1)) / 2
    return weights


def missing_angle(angles_rad: Floats) -> float:
    """Return how much of half a turn no ray passes through, radians; 0 for a full one."""
    return float(max(np.pi - angle_weights(angles_rad).sum(), 0.0))


def fading(samples: int, offset: int, columns: int) -> NDArray[np.float32]:
    """Return the weights of a row's first and last value around it, (2, samples) float32.

    Each falls like half a cosine over half a field, or over half of the way round.
    """
    place = np.arange(samples)
    after = np.mod(place - (offset + columns - 1), samples)
    before = np.mod(offset - place, samples)
    outside = after < samples - columns + 1
    outside &= after > 0
    length = max(1.0, min(samples - columns, columns) / 2)
    fade = np.zeros((2, samples), np.float32)
    for side, distance in enumerate((before, after)):
        t = np.minimum(distance / length, 1.0)
        fade[side] = np.where(outside, 0.5 + 0.5 * np.cos(np.pi * t), 0.0)
    return fade
