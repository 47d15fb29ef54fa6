"""Compiled loops of `tomoline.kernels.resample`."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tomoline.kernels._pixels import BLOCK, cubic_pixel, linear_pixel, place_pixels


@njit(nogil=True, cache=True)
def _solve_range(slope: float, start: float, low: float, high: float, lo: int, hi: int):  # type: ignore[no-untyped-def]
    """Narrow [lo, hi) to the integers n where low <= slope * n + start <= high."""
    if high < low:
        return lo, lo
    if abs(slope) < 1e-12:
        if start < low or start > high:
            return lo, lo
        return lo, hi
    first = (low - start) / slope
    last = (high - start) / slope
    if first > last:
        first, last = last, first
    # Clipped before conversion: far outside the numbers would not fit an integer.
    lo_new = math.ceil(min(max(first, lo), hi))
    hi_new = math.floor(min(max(last, lo - 1.0), hi - 1.0)) + 1
    return max(lo, lo_new), max(max(lo, lo_new), min(hi, hi_new))


@njit(nogil=True, cache=True)
def _cubic(t: float):  # type: ignore[no-untyped-def]
    """Weights of cubic convolution (a = -1/2) on the four neighbours at fraction `t`."""
    s = 1.0 - t
    return (
        -0.5 * t * s * s,
        1.0 + t * t * (1.5 * t - 2.5),
        1.0 + s * s * (1.5 * s - 2.5),
        -0.5 * s * t * t,
    )


@njit(nogil=True, cache=True)
def _clamp(n: int, size: int) -> int:
    return min(max(n, 0), size - 1)


@njit(nogil=True, cache=True)
def _edge_pixel(image, x, y, cubic, fill, taper, inside):  # type: ignore[no-untyped-def]
    """Sample anywhere: edges repeated, faded to `fill` over `taper` pixels."""
    height, width = image.shape
    cx = min(max(x, 0.0), width - 1.0)
    cy = min(max(y, 0.0), height - 1.0)
    ix, iy = int(cx), int(cy)
    fx, fy = cx - ix, cy - iy
    value = 0.0
    if cubic:
        wx = _cubic(fx)
        wy = _cubic(fy)
        for j in range(4):
            row = _clamp(iy - 1 + j, height)
            total = 0.0
            for i in range(4):
                total += wx[i] * image[row, _clamp(ix - 1 + i, width)]
            value += wy[j] * total
    else:
        jx, jy = _clamp(ix + 1, width), _clamp(iy + 1, height)
        top = image[iy, ix] * (1 - fx) + image[iy, jx] * fx
        value = top * (1 - fy) + (image[jy, ix] * (1 - fx) + image[jy, jx] * fx) * fy
    # Distance outside the pixels' own area, which ends half a pixel beyond their centres.
    out_x = max(0.0, abs(x - 0.5 * (width - 1)) - 0.5 * width)
    out_y = max(0.0, abs(y - 0.5 * (height - 1)) - 0.5 * height)
    outside = math.hypot(out_x, out_y)
    keep = 1.0
    if inside:
        depth = min(
            0.5 * width - abs(x - 0.5 * (width - 1)), 0.5 * height - abs(y - 0.5 * (height - 1))
        )
        if outside > 1e-6:
            keep = 0.0
        elif depth < taper:
            keep = 0.5 - 0.5 * math.cos(math.pi * depth / taper)
    elif outside > 1e-6:
        keep = 0.5 + 0.5 * math.cos(math.pi * outside / taper) if outside < taper else 0.0
    return fill + keep * (value - fill)


@njit(nogil=True, cache=True)
def _inner_row(image, out_row, lo, hi, x0, y0, ax, ay, cubic, scratch):  # type: ignore[no-untyped-def]
    """Pixels lo to hi of a row, all of whose neighbours exist."""
    flat = image.reshape(-1)
    width = image.shape[1]
    stride = np.int64(width)
    offsets, across, down = scratch
    before = 1 if cubic else 0
    for first in range(lo, hi, BLOCK):
        # Relative to a pixel near by, so that float32 keeps small fractions. What a last, partial
        # block finds beyond the end is not used.
        x, y = x0 + ax * first, y0 + ay * first
        reach = BLOCK - 1.0
        left = np.int64(max(0.0, min(x, x + ax * reach)))
        top = np.int64(max(0.0, min(y, y + ay * reach)))
        base = (top - before) * stride + left - before
        count = min(BLOCK, hi - first)
        place_pixels(  # type: ignore[call-arg]
            np.float32(x - left),
            np.float32(ax),
            np.float32(y - top),
            np.float32(ay),
            np.int32(width),
            offsets,
            across,
            down,
        )
        if cubic:  # type: ignore[unreachable]
            for n in range(count):
                at = base + offsets[n]
                out_row[first + n] = cubic_pixel(flat, at, stride, across[n], down[n])
        else:
            for n in range(count):
                at = base + offsets[n]
                out_row[first + n] = linear_pixel(flat, at, stride, across[n], down[n])


@njit(nogil=True, cache=True)
def transform_into(image, out, inverse, cubic, fill, taper, inside):  # type: ignore[no-untyped-def]
    """Fill `out` with `image` sampled at ``inverse`` (2, 3) of each output pixel's index."""
    height, width = image.shape
    margin = 1.0 if cubic else 0.0
    reach = 0.5 + 1e-6 + (0.0 if inside else taper)
    edge = max(taper, 1.0) if inside else margin
    scratch = (
        np.empty(BLOCK, np.int32),
        np.empty(BLOCK, np.float32),
        np.empty(BLOCK, np.float32),
    )
    for row in range(out.shape[0]):
        ax, ay = inverse[0, 0], inverse[1, 0]
        x0 = inverse[0, 1] * row + inverse[0, 2]
        y0 = inverse[1, 1] * row + inverse[1, 2]
        lo, hi = _solve_range(ax, x0, -reach, width - 1 + reach, 0, out.shape[1])
        lo, hi = _solve_range(ay, y0, -reach, height - 1 + reach, lo, hi)
        # A hair inside on both sides, so that all neighbours exist however numbers round.
        low, x_high, y_high = edge + 1e-3, width - 1.001 - edge, height - 1.001 - edge
        fast_lo, fast_hi = _solve_range(ax, x0, low, x_high, lo, hi)
        fast_lo, fast_hi = _solve_range(ay, y0, low, y_high, fast_lo, fast_hi)
        if fast_hi <= fast_lo:
            fast_lo = fast_hi = hi
        out_row = out[row]
        for n in range(lo):
            out_row[n] = fill
        for n in range(lo, fast_lo):
            out_row[n] = _edge_pixel(image, x0 + ax * n, y0 + ay * n, cubic, fill, taper, inside)
        _inner_row(image, out_row, fast_lo, fast_hi, x0, y0, ax, ay, cubic, scratch)
        for n in range(fast_hi, hi):
            out_row[n] = _edge_pixel(image, x0 + ax * n, y0 + ay * n, cubic, fill, taper, inside)
        for n in range(hi, out.shape[1]):
            out_row[n] = fill


@njit(nogil=True, cache=True, fastmath=True)
def shift_inner(image, out, column, row, weights_x, weights_y):  # type: ignore[no-untyped-def]
    """Fill all of `out` whose neighbours exist, for a transform that only shifts.

    Output pixel (x, y) lies `weights_x[1]`-wards of input pixel (x + column, y + row), which is
    the second of the four that are weighted. Returns the first and last + 1 columns and rows.
    """
    height, width = image.shape
    first_x, last_x = max(0, 1 - column), min(out.shape[1], width - 2 - column)
    first_y, last_y = max(0, 1 - row), min(out.shape[0], height - 2 - row)
    if first_x >= last_x or first_y >= last_y:
        return 0, 0, 0, 0
    blend = np.empty(width, dtype=np.float32)
    v0, v1, v2, v3 = weights_y[0], weights_y[1], weights_y[2], weights_y[3]
    w0, w1, w2, w3 = weights_x[0], weights_x[1], weights_x[2], weights_x[3]
    count = last_x - first_x
    for y in range(first_y, last_y):
        above, here = image[y + row - 1], image[y + row]
        below, last = image[y + row + 1], image[y + row + 2]
        for x in range(width):
            blend[x] = v0 * above[x] + v1 * here[x] + v2 * below[x] + v3 * last[x]
        start = first_x + column - 1
        target = out[y, first_x:last_x]
        b0, b1 = blend[start : start + count], blend[start + 1 : start + 1 + count]
        b2, b3 = blend[start + 2 : start + 2 + count], blend[start + 3 : start + 3 + count]
        for x in range(count):
            target[x] = w0 * b0[x] + w1 * b1[x] + w2 * b2[x] + w3 * b3[x]
    return first_x, last_x, first_y, last_y


@njit(nogil=True, cache=True)
def shift_into(image, out, inverse, cubic, fill, taper):  # type: ignore[no-untyped-def]
    """As `transform_into` where the matrix is the identity: one set of weights for all pixels."""
    column = np.int64(math.floor(inverse[0, 2]))
    row = np.int64(math.floor(inverse[1, 2]))
    fraction_x, fraction_y = inverse[0, 2] - column, inverse[1, 2] - row
    weights_x, weights_y = np.zeros(4, np.float32), np.zeros(4, np.float32)
    if cubic:
        weights_x[:] = np.array(_cubic(fraction_x))
        weights_y[:] = np.array(_cubic(fraction_y))
    else:
        weights_x[1], weights_x[2] = 1.0 - fraction_x, fraction_x
        weights_y[1], weights_y[2] = 1.0 - fraction_y, fraction_y
    x0, x1, y0, y1 = shift_inner(image, out, column, row, weights_x, weights_y)
    for y in range(out.shape[0]):
        inside = y0 <= y < y1
        for x in range(x0 if inside else out.shape[1]):
            out[y, x] = _edge_pixel(
                image, x + inverse[0, 2], y + inverse[1, 2], cubic, fill, taper, False
            )
        if inside:
            for x in range(x1, out.shape[1]):
                out[y, x] = _edge_pixel(
                    image, x + inverse[0, 2], y + inverse[1, 2], cubic, fill, taper, False
                )
