"""Small image operations that coarse alignment shares: reduce, level, taper, move."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Image = NDArray[np.float32]
Mask = NDArray[np.bool_]


@njit(nogil=True, cache=True)
def bin_mean(image: NDArray[Any], factor: int) -> Image:
    """Average blocks of `factor` x `factor` pixels; the remainder is cut off on both sides alike.

    Parameters
    ----------
    image : (y, x) real
    factor : int

    Returns
    -------
    (y // factor, x // factor) float32
        Its centre is the centre of `image` to within half a pixel of `image` (see `bin_offset`).
    """
    height, width = image.shape[0] // factor, image.shape[1] // factor
    top = (image.shape[0] - height * factor) // 2
    left = (image.shape[1] - width * factor) // 2
    result = np.empty((height, width), np.float32)
    scale = np.float32(1.0 / (factor * factor))
    row_sum = np.empty(width, np.float32)
    for y in range(height):
        row_sum[:] = 0.0
        for dy in range(factor):
            row = image[top + y * factor + dy]
            for x in range(width):
                total = np.float32(0.0)
                start = left + x * factor
                for dx in range(factor):
                    total += np.float32(row[start + dx])
                row_sum[x] += total
        for x in range(width):
            result[y, x] = row_sum[x] * scale
    return result


def bin_offset(size: int, factor: int) -> float:
    """Return where the binned image's centre lies relative to the image's centre, in its pixels.

    >>> bin_offset(8, 2), bin_offset(9, 2)
    (0.0, -0.5)
    """
    count = size // factor
    first = (size - count * factor) // 2
    return first + (count * factor - 1) / 2 - (size - 1) / 2


@njit(nogil=True, cache=True)
def _flat(image: Image, radius: int) -> Mask:
    """Say which pixels lie inside a square of equal values: fill, saturation, no image."""
    height, width = image.shape
    result = np.zeros((height, width), np.bool_)
    side = 2 * radius + 1
    # Length of the run of equal values that ends here along x, then how many rows share it.
    runs = np.zeros((height, width), np.int32)
    for y in range(height):
        runs[y, 0] = 1
        for x in range(1, width):
            runs[y, x] = runs[y, x - 1] + 1 if image[y, x] == image[y, x - 1] else 1
    for x in range(side - 1, width):
        tall = 0
        for y in range(height):
            if runs[y, x] >= side and (tall == 0 or image[y, x] == image[y - 1, x]):
                tall += 1
            else:
                tall = 1 if runs[y, x] >= side else 0
            if tall >= side:
                for dy in range(side):
                    for dx in range(side):
                        result[y - dy, x - dx] = True
    return result


@njit(nogil=True, cache=True)
def _box_sums(image: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    """Sum over the square of `radius` round each pixel, cut off at the edges."""
    height, width = image.shape
    rows = np.empty((height, width))
    for y in range(height):
        total = 0.0
        for x in range(min(radius, width)):
            total += image[y, x]
        for x in range(width):
            if x + radius < width:
                total += image[y, x + radius]
            if x - radius - 1 >= 0:
                total -= image[y, x - radius - 1]
            rows[y, x] = total
    result = np.empty((height, width))
    sums = np.zeros(width)
    for y in range(min(radius, height)):
        for x in range(width):
            sums[x] += rows[y, x]
    for y in range(height):
        for x in range(width):
            if y + radius < height:
                sums[x] += rows[y + radius, x]
            if y - radius - 1 >= 0:
                sums[x] -= rows[y - radius - 1, x]
            result[y, x] = sums[x]
    return result


def level(image: Image, radius: int, clip: float = 3.0) -> Image:
    """Give every neighbourhood mean 0 and standard deviation 1, and cut off extremes.

    Carbon edges, thickness gradients and fill then weigh no more than the specimen. Areas of one
    value (fill, saturation) become 0.

    Parameters
    ----------
    image : (y, x) float32
    radius : int
        Half the side of the square neighbourhood, in pixels.
    clip : float
        Largest absolute value of the result.

    Returns
    -------
    (y, x) float32
    """
    # Some ten thousand values tell percentiles well enough.
    step = max(1, math.isqrt(image.size // 16384))
    sample = image[::step, ::step].astype(np.float64)
    low, middle, high = (float(value) for value in np.percentile(sample, (0.5, 50.0, 99.5)))
    valid = (~_flat(image, 2)).astype(np.float64)
    # Beads and spikes must not set the scale of their neighbourhood.
    values = (np.clip(image, low, high).astype(np.float64) - middle) * valid
    count = np.maximum(_box_sums(valid, radius), 1.0)
    mean = _box_sums(values, radius) / count
    variance = _box_sums(values * values, radius) / count - mean * mean
    # Never 0, also where the image is one value nearly everywhere.
    usual = float(np.median(variance[::step, ::step]))
    floor = 0.1 * usual + 1e-12 * (high - low) ** 2 or 1.0
    scale = 1.0 / np.sqrt(np.maximum(variance, floor))
    levelled: Image = ((image - middle - mean) * scale * valid).astype(np.float32)
    return np.clip(levelled, -clip, clip, out=levelled)


def taper(shape: tuple[int, int], fraction: float) -> Image:
    """Return a weight that falls from 1 to 0 over a `fraction` of the size at each edge."""
    return np.outer(_ramp(shape[0], fraction), _ramp(shape[1], fraction)).astype(np.float32)


def _ramp(size: int, fraction: float) -> NDArray[np.float64]:
    width = max(1.0, fraction * size)
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    ramp: NDArray[np.float64] = 0.5 - 0.5 * np.cos(math.pi * np.minimum(distance / width, 1.0))
    return ramp


@njit(nogil=True, cache=True)
def move(
    image: Image,
    matrix: NDArray[np.float64],
    shift: NDArray[np.float64],
    out_shape: tuple[int, int],
) -> Image:
    """Resample an image by (x, y)_out = matrix (x, y)_in + shift about the centres, bilinearly.

    Parameters
    ----------
    image : (y, x) float32
    matrix : (2, 2) float64
    shift : (2,) float64
        (dx, dy) in pixels.
    out_shape : (int, int)

    Returns
    -------
    out_shape float32
        0 where the image does not reach.
    """
    height, width = image.shape
    determinant = matrix[0, 0] * matrix[1, 1] - matrix[0, 1] * matrix[1, 0]
    a, b = matrix[1, 1] / determinant, -matrix[0, 1] / determinant
    c, d = -matrix[1, 0] / determinant, matrix[0, 0] / determinant
    result = np.zeros(out_shape, np.float32)
    x_out, y_out = (out_shape[1] - 1) / 2, (out_shape[0] - 1) / 2
    x_in, y_in = (width - 1) / 2, (height - 1) / 2
    for row in range(out_shape[0]):
        v = row - y_out - shift[1]
        for column in range(out_shape[1]):
            u = column - x_out - shift[0]
            x, y = a * u + b * v + x_in, c * u + d * v + y_in
            x0, y0 = math.floor(x), math.floor(y)
            if x0 < 0 or y0 < 0 or x0 >= width - 1 or y0 >= height - 1:
                # The last row and column count as well.
                if x < 0 or y < 0 or x > width - 1 or y > height - 1:
                    continue
                x0, y0 = min(x0, width - 2), min(y0, height - 2)
            fx, fy = np.float32(x - x0), np.float32(y - y0)
            upper = image[y0, x0] + fx * (image[y0, x0 + 1] - image[y0, x0])
            lower = image[y0 + 1, x0] + fx * (image[y0 + 1, x0 + 1] - image[y0 + 1, x0])
            result[row, column] = upper + fy * (lower - upper)
    return result
