"""Fourier transforms of real images: the only place that calls a transform library.

Uses mkl_fft where it is installed (x86-64) and scipy.fft elsewhere, both on one thread: the engine
runs several images at a time. Spectra are those of a real transform along the last axis, complex64
for float32 input.
"""

from __future__ import annotations

import os
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

# One thread a call, also inside MKL; read when the library is loaded.
os.environ.setdefault("MKL_NUM_THREADS", "1")
try:
    import mkl_fft

    HAS_MKL = True
except ImportError:
    # Only here: importing scipy.fft takes longer than many a step.
    import scipy.fft

    HAS_MKL = False

Real = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
_Array = TypeVar("_Array", Real, Spectrum)


def good_size(size: int, even: bool = True) -> int:
    """Return the smallest size, not below `size`, that transforms fast.

    >>> good_size(521)
    540
    """
    fast = max(size, 1)
    while (even and fast % 2) or not _is_smooth(fast):
        fast += 1
    return fast


def _is_smooth(size: int) -> bool:
    """Whether a size has no prime factor above 5, which all transform libraries do fast."""
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    return size == 1


def forward_2d(image: Real, out: Spectrum | None = None) -> Spectrum:
    """Transform a real image (y, x) to its half spectrum (y, x // 2 + 1), unscaled.

    Parameters
    ----------
    image : (y, x) float32
    out : (y, x // 2 + 1) complex64, optional
        Reused for the result: a fresh large allocation costs as much as the transform.
    """
    if HAS_MKL:
        return cast(Spectrum, mkl_fft.rfft2(image, out=out))
    result: Spectrum = scipy.fft.rfft2(image, workers=1)
    return _into(result, out)


def inverse_2d(spectrum: Spectrum, shape: tuple[int, int], out: Real | None = None) -> Real:
    """Transform a half spectrum back to a real image of `shape`, scaled by 1 / size."""
    if HAS_MKL:
        return cast(Real, mkl_fft.irfft2(spectrum, s=shape, out=out))
    result: Real = scipy.fft.irfft2(spectrum, s=shape, workers=1)
    return _into(result, out)


def forward_rows(rows: Real, out: Spectrum | None = None) -> Spectrum:
    """Transform each row (last axis) of real rows (..., x) to (..., x // 2 + 1)."""
    if HAS_MKL:
        return cast(Spectrum, mkl_fft.rfft(rows, axis=-1, out=out))
    result: Spectrum = scipy.fft.rfft(rows, axis=-1, workers=1)
    return _into(result, out)


def inverse_rows(spectrum: Spectrum, size: int, out: Real | None = None) -> Real:
    """Transform half spectra (..., size // 2 + 1) back to real rows (..., size)."""
    if HAS_MKL:
        return cast(Real, mkl_fft.irfft(spectrum, n=size, axis=-1, out=out))
    result: Real = scipy.fft.irfft(spectrum, n=size, axis=-1, workers=1)
    return _into(result, out)


def _into(result: _Array, out: _Array | None) -> _Array:
    if out is None:
        return result
    out[...] = result
    return out


def frequencies_2d(shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the radial frequency, in cycles per pixel, of each coefficient of `forward_2d`."""
    y = np.fft.fftfreq(shape[0]).astype(np.float32)
    x = np.fft.rfftfreq(shape[1]).astype(np.float32)
    return np.hypot(y[:, None], x[None, :])
