"""A coherent X-ray wave behind a thin specimen, and what a detector sees further on.

The wave behind the specimen is exp(i phi - B), with the phase phi = -k times the integral of delta
(negative in matter) and B = k times the integral of beta. Over a distance z its Fourier transform
is multiplied by exp(-i pi lambda z f^2): Fresnel's propagation without the carrier. To first order
the intensity is then 1 + 2 sin(chi) phi - 2 cos(chi) B, with chi = pi lambda z f^2.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.fft
from numpy.typing import NDArray

Image = NDArray[np.float32]
Wave = NDArray[np.complex64]


def exit_spectrum(phase_rad: Image, beta_over_delta: float) -> Wave:
    """Return the Fourier transform of the wave behind a specimen of one material.

    Parameters
    ----------
    phase_rad : (rows, columns) float32
        k times the integral of delta, positive in matter.
    beta_over_delta : float
        Absorption over refraction.
    """
    wave = np.exp(phase_rad * np.complex64(complex(-beta_over_delta, -1.0)))
    spectrum: Wave = scipy.fft.fft2(wave, workers=1, overwrite_x=True)
    return spectrum


def propagator(
    shape: tuple[int, int], strength_px: float, shift_px: tuple[float, float] = (0.0, 0.0)
) -> Wave:
    """Return what to multiply a wave's Fourier transform by, (rows, columns) complex64.

    Parameters
    ----------
    shape : (int, int)
        Of the wave.
    strength_px : float
        lambda z / (pixel size)^2.
    shift_px : (float, float)
        (dy, dx) by which the image moves, towards higher rows and columns.
    """
    factors = []
    for size, shift in zip(shape, shift_px, strict=True):
        frequency = np.fft.fftfreq(size)
        chirp = -math.pi * strength_px * frequency**2 - 2 * math.pi * frequency * shift
        factors.append(np.exp(1j * chirp).astype(np.complex64))
    product: Wave = factors[0][:, None] * factors[1][None, :]
    return product


def intensity(
    spectrum: Wave, strength_px: float, shift_px: tuple[float, float] = (0.0, 0.0)
) -> Image:
    """Return the intensity (rows, columns) float32 of a wave after a distance; see `propagator`."""
    moved = spectrum * propagator((spectrum.shape[0], spectrum.shape[1]), strength_px, shift_px)
    wave = scipy.fft.ifft2(moved, workers=1, overwrite_x=True)
    seen: Image = wave.real**2 + wave.imag**2
    return seen


def binned(image: Image, factor: int) -> Image:
    """Average blocks of factor x factor pixels."""
    if factor == 1:
        return image
    rows, columns = image.shape[0] // factor, image.shape[1] // factor
    mean: Image = image.reshape(rows, factor, columns, factor).mean(axis=(1, 3), dtype=np.float32)
    return mean
