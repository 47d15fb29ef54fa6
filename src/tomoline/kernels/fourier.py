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

# MKL (2026, with AVX-512) gives wrong numbers, all of them in place: along columns for the lengths
# 40 and 48, and where a single row or column is longer than 4096 and no power of two. Its real
# transform back of a single row is such a one, of half the length. So nothing shorter than this,
# and nothing single, is transformed in place; the tests look at every length.
_LEAST_IN_PLACE = 128

Real = NDArray[np.float32]
Spectrum = NDArray[np.complex64]
_Array = TypeVar("_Array", Real, Spectrum)


def good_size(size: int, even: bool = True, *, sevens: bool = False) -> int:
    """Return the smallest size, not below `size`, that transforms fast.

    Parameters
    ----------
    size : int
    even : bool
        Whether it must be even.
    sevens : bool
        Whether 7 may be a factor too: as fast, and closer to `size` where images are large.

    >>> good_size(521), good_size(2448), good_size(2448, sevens=True)
    (540, 2500, 2450)
    """
    fast = max(size, 1)
    while (even and fast % 2) or not _is_smooth(fast, sevens):
        fast += 1
    return fast


def _is_smooth(size: int, sevens: bool) -> bool:
    """Whether a size has no prime factor above 5 (7), which all transform libraries do fast."""
    for factor in (2, 3, 5, 7) if sevens else (2, 3, 5):
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
        result = forward_rows(image, out)
        forward_along(result, 0)
        return result
    return _into(cast(Spectrum, scipy.fft.rfft2(image, workers=1)), out)


def inverse_2d(spectrum: Spectrum, shape: tuple[int, int], out: Real | None = None) -> Real:
    """Transform a half spectrum back to a real image of `shape`, scaled by 1 / size."""
    if HAS_MKL:
        return inverse_rows(cast(Spectrum, mkl_fft.ifft(spectrum, axis=0)), shape[1], out)
    return _into(cast(Real, scipy.fft.irfft2(spectrum, s=shape, workers=1)), out)


def forward_rows(rows: Real, out: Spectrum | None = None) -> Spectrum:
    """Transform each row (last axis) of real rows (..., x) to (..., x // 2 + 1)."""
    if HAS_MKL:
        return cast(Spectrum, mkl_fft.rfft(rows, axis=-1, out=out))
    result: Spectrum = scipy.fft.rfft(rows, axis=-1, workers=1)
    return _into(result, out)


def inverse_rows(spectrum: Spectrum, size: int, out: Real | None = None) -> Real:
    """Transform half spectra (..., size // 2 + 1) back to real rows (..., size)."""
    if HAS_MKL and spectrum.size == spectrum.shape[-1]:
        twice = mkl_fft.irfft(np.stack([spectrum, spectrum]), n=size, axis=-1)
        return _into(cast(Real, twice[0]), out)
    if HAS_MKL:
        # Parts of an array of three dimensions would be transformed row by row.
        rows = np.ascontiguousarray(spectrum) if spectrum.ndim > 2 else spectrum
        return cast(Real, mkl_fft.irfft(rows, n=size, axis=-1, out=out))
    result: Real = scipy.fft.irfft(spectrum, n=size, axis=-1, workers=1)
    return _into(result, out)


def forward_along(spectrum: Spectrum, axis: int) -> None:
    """Transform complex numbers along one axis in place; views of larger images are fine.

    A few neighbouring columns of a large image fit the cache, so they go through several
    operations there.
    """
    if HAS_MKL and _right_in_place(spectrum, axis):
        mkl_fft.fft(spectrum, axis=axis, out=spectrum)
    elif HAS_MKL:
        spectrum[...] = mkl_fft.fft(spectrum, axis=axis)
    else:
        spectrum[...] = scipy.fft.fft(spectrum, axis=axis, workers=1)


def inverse_along(spectrum: Spectrum, axis: int, *, scaled: bool = True) -> None:
    """Transform complex numbers back along one axis in place, scaled by 1 / size or not."""
    norm = "backward" if scaled else "forward"
    if HAS_MKL and _right_in_place(spectrum, axis):
        mkl_fft.ifft(spectrum, axis=axis, norm=norm, out=spectrum)
    elif HAS_MKL:
        spectrum[...] = mkl_fft.ifft(spectrum, axis=axis, norm=norm)
    else:
        spectrum[...] = scipy.fft.ifft(spectrum, axis=axis, norm=norm, workers=1)


def _right_in_place(spectrum: Spectrum, axis: int) -> bool:
    length = spectrum.shape[axis]
    return spectrum.ndim == 2 and length >= _LEAST_IN_PLACE and spectrum.size > length


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


def kernel_response(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spectrum of an even kernel given as one period, n float64 values, all real."""
    response: NDArray[np.float64] = np.fft.fft(kernel).real
    return response
