"""Removal of rings in wavelet bands: Muench, Trtik, Marone and Stampanoni (2009).

Opt. Express 17, 8567. The sinogram is decomposed; in the bands of vertical detail, frequencies near
zero along the angles are damped, for that is where stripes are; then it is put together again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import fourier

Real = NDArray[np.float32]

_PADDING = 0.125


def remove_rings(
    sinogram: Real, levels: int = 4, wavelet: str = "db10", sigma: float = 2.0
) -> Real:
    """Return the sinogram without stripes.

    Parameters
    ----------
    sinogram : (angle, column) float32
    levels : int
        Levels of the decomposition; stripes up to about 2 ** levels columns wide go.
    wavelet : str
        PyWavelets' name.
    sigma : float
        Width of the damping, in cycles over all angles.

    Returns
    -------
    (angle, column) float32
        A new array.
    """
    import pywt

    angles, columns = sinogram.shape
    # Mirrored ends, or what wraps around would make stripes of its own.
    pads = [min(size - 1, max(16, int(_PADDING * size))) for size in sinogram.shape]
    band = np.pad(sinogram, [(pad, pad) for pad in pads], mode="reflect")
    deepest = pywt.dwt_max_level(min(band.shape), wavelet)
    details = []
    for _ in range(max(1, min(levels, deepest))):
        band, (across, vertical, both) = pywt.dwt2(band, wavelet, mode="symmetric")
        details.append((across, _damped(vertical, sigma), both))
    for detail in reversed(details):
        shape = detail[0].shape
        band = pywt.idwt2((band[: shape[0], : shape[1]], detail), wavelet, mode="symmetric")
    top, left = pads
    return np.ascontiguousarray(band[top : top + angles, left : left + columns], np.float32)


def _damped(band: Real, sigma: float) -> Real:
    """Damp what hardly changes along the angles (first axis)."""
    spectrum = fourier.forward_rows(np.ascontiguousarray(band.T, np.float32))
    frequency = np.arange(spectrum.shape[1], dtype=np.float32)
    spectrum *= (1 - np.exp(-0.5 * (frequency / sigma) ** 2)).astype(np.float32)
    return fourier.inverse_rows(spectrum, len(band)).T
