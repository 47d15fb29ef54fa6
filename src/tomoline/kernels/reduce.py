"""Antialiased reduction of images, with the shift of an alignment in the same pass.

A separable windowed kernel is stretched by the reduction factor, so that what the smaller image
cannot hold is removed first. The centres of both images coincide.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tomoline.geometry import centre
from tomoline.kernels import _reduce_numba

Image = NDArray[np.float32]
_Profile = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _lanczos(lobes: int) -> _Profile:
    return lambda t: np.where(np.abs(t) < lobes, np.sinc(t) * np.sinc(t / lobes), 0.0)


def _blackman(t: NDArray[np.float64]) -> NDArray[np.float64]:
    value = 0.42 + 0.5 * np.cos(np.pi * t / 2) + 0.08 * np.cos(np.pi * t)
    return np.where(np.abs(t) < 2, value * np.sinc(t), 0.0)


def _triangle(t: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, 1.0 - np.abs(t))


def _mitchell(t: NDArray[np.float64]) -> NDArray[np.float64]:
    # Mitchell and Netravali 1988, B = C = 1/3.
    a = np.abs(t)
    near = (7 * a**3 - 12 * a**2 + 16 / 3) / 6
    far = (-7 / 3 * a**3 + 12 * a**2 - 20 * a + 32 / 3) / 6
    return np.where(a < 1, near, np.where(a < 2, far, 0.0))


FILTERS: dict[str, tuple[float, _Profile]] = {
    "box": (0.5, lambda t: np.where(np.abs(t) <= 0.5, 1.0, 0.0)),
    "blackman": (2.0, _blackman),
    "triangle": (1.0, _triangle),
    "mitchell": (2.0, _mitchell),
    "lanczos2": (2.0, _lanczos(2)),
    "lanczos3": (3.0, _lanczos(3)),
}
"""Name of each kernel, its half width in output pixels, and its profile."""


def kernel_weights(
    size: int, out_size: int, factor: float, shift_px: float = 0.0, kernel: str = "lanczos3"
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Return the taps of each output pixel along one axis.

    Parameters
    ----------
    size, out_size : int
        Numbers of input and output pixels.
    factor : float
        Input pixels for each output pixel, at least 1.
    shift_px : float
        How far the content moves, in input pixels.
    kernel : str
        A name of `FILTERS`.

    Returns
    -------
    first : (out_size,) int64
        First input pixel of each output pixel.
    weights : (out_size, taps) float32
        Weights, which sum to 1; what falls off the edge is given to the rest.
    inside : (out_size,) bool
        Where the output pixel's centre lies on the input.
    """
    half, profile = FILTERS[kernel]
    steps = np.arange(out_size, dtype=np.float64) - centre(out_size)
    places = centre(size) + steps * factor - shift_px
    reach = half * factor
    if kernel == "box":
        return _box_weights(places, reach, size)
    taps = min(size, math.ceil(2 * reach) + 1)
    first = np.clip(np.ceil(places - reach).astype(np.int64), 0, size - taps)
    weights = profile((first[:, None] + np.arange(taps) - places[:, None]) / factor)
    inside = (places > -0.5 - 1e-6) & (places < size - 0.5 + 1e-6)
    sums = weights.sum(axis=1)
    weights[inside] /= sums[inside, None]
    weights[~inside] = 0.0
    return first, weights.astype(np.float32), inside


def _box_weights(
    places: NDArray[np.float64], reach: float, size: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.bool_]]:
    """Weights of the box: the part of each input pixel that the output pixel covers."""
    taps = min(size, math.ceil(2 * reach) + 1)
    first = np.clip(np.floor(places - reach + 0.5 + 1e-6).astype(np.int64), 0, size - taps)
    pixels = first[:, None] + np.arange(taps)
    high = np.minimum(pixels + 0.5, (places + reach)[:, None])
    low = np.maximum(pixels - 0.5, (places - reach)[:, None])
    weights = np.maximum(0.0, high - low)
    weights[weights < 1e-9] = 0.0
    sums = weights.sum(axis=1)
    inside = (places > -0.5 - 1e-6) & (places < size - 0.5 + 1e-6)
    weights[inside] /= sums[inside, None]
    weights[~inside] = 0.0
    return first, weights.astype(np.float32), inside


def reduced_shape(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Return the shape (y, x) that an image has after reduction by `factor`, rounded down."""
    return max(1, int(shape[0] / factor + 1e-6)), max(1, int(shape[1] / factor + 1e-6))


def reduce_image(
    image: Image,
    factor: float,
    out_shape: tuple[int, int] | None = None,
    *,
    kernel: str = "lanczos3",
    shift_px: tuple[float, float] = (0.0, 0.0),
    fill: float | None = None,
) -> Image:
    """Reduce an image, and move it in the same pass.

    Parameters
    ----------
    image : (y, x) float32
    factor : float
        Input pixels for each output pixel, at least 1; need not be whole.
    out_shape : (height, width), optional
        Shape of the result; the input's divided by `factor` unless given.
    kernel : str
        ``box`` (plain binning), ``blackman``, ``triangle``, ``mitchell``, ``lanczos2`` or
        ``lanczos3``.
    shift_px : (dx, dy)
        How far the content moves, in input pixels.
    fill : float, optional
        Value where the output sees nothing of the input; the image's mean unless given.

    Returns
    -------
    (y, x) float32

    Raises
    ------
    ValueError
        If `factor` is below 1.
    KeyError
        If there is no such kernel.

    >>> reduce_image(np.arange(8, dtype=np.float32).reshape(2, 4), 2, kernel="box")
    array([[2.5, 4.5]], dtype=float32)
    """
    if factor < 1:
        raise ValueError(f"factor {factor} is below 1")
    height, width = reduced_shape(image.shape, factor) if out_shape is None else out_shape
    first_y, weights_y, inside_y = kernel_weights(
        image.shape[0], height, factor, shift_px[1], kernel
    )
    first_x, weights_x, inside_x = kernel_weights(
        image.shape[1], width, factor, shift_px[0], kernel
    )
    narrow = np.empty((height, image.shape[1]), dtype=np.float32)
    _reduce_numba.reduce_columns(np.ascontiguousarray(image), first_y, weights_y, narrow)
    out = np.empty((height, width), dtype=np.float32)
    _reduce_numba.reduce_rows(narrow, first_x, weights_x, out)
    if not (inside_x.all() and inside_y.all()):
        value = float(image.mean(dtype=np.float64)) if fill is None else fill
        out[~inside_y] = value
        out[:, ~inside_x] = value
    return out
