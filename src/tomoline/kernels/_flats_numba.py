"""Compiled loops of the flat-field correction: one pass from stored numbers to transmission.

Frames and flats come as flat arrays with a row stride in elements, so that a region of a larger
image, or of a padded buffer, needs no copy, and rows stay contiguous for the compiler.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Not "fast": that would drop the tests for what is not a number.
_MATH = {"contract", "arcp", "nsz", "reassoc"}
_RING = 16


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def bin_frame(frame, stride, columns, binning, out):  # type: ignore[no-untyped-def]
    """Average blocks of binning x binning pixels into `out` (rows, columns) float32."""
    rows, width = out.shape
    used = width * binning
    line = np.empty(columns, np.float32)
    factor = np.float32(1.0 / (binning * binning))
    for row in range(rows):
        line[:] = np.float32(0.0)
        for inner in range(binning):
            start = (row * binning + inner) * stride
            source = frame[start : start + used]
            for x in range(used):
                line[x] += np.float32(source[x])
        if binning == 4:
            for x in range(width):
                total = line[4 * x] + line[4 * x + 1] + line[4 * x + 2] + line[4 * x + 3]
                out[row, x] = total * factor
        else:
            for x in range(width):
                total = np.float32(0.0)
                for inner in range(binning):
                    total += line[x * binning + inner]
                out[row, x] = total * factor


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def local_contrast(binned, dark, half_width, pattern, limit, weight, out):  # type: ignore[no-untyped-def]
    """Write what a binned frame differs from its surroundings, less `pattern`, within +-`limit`.

    The surroundings are a box of (2 half_width + 1) squared pixels, cut at the edges. Where they
    are not brighter than dark, or the frame is not a number, the difference is 0. Returns the sum
    of the squares of `out`.
    """
    rows, columns = binned.shape
    sums = np.zeros(columns, np.float64)
    ahead = np.empty(columns + 1, np.float64)
    for y in range(min(half_width, rows)):
        for x in range(columns):
            sums[x] += binned[y, x] - dark[y, x]
    squares = 0.0
    for y in range(rows):
        new, old = y + half_width, y - half_width - 1
        if new < rows:
            for x in range(columns):
                sums[x] += binned[new, x] - dark[new, x]
        if old >= 0:
            for x in range(columns):
                sums[x] -= binned[old, x] - dark[old, x]
        tall = min(new, rows - 1) - max(old, -1)
        ahead[0] = 0.0
        for x in range(columns):
            ahead[x + 1] = ahead[x] + sums[x]
        row_squares = np.float32(0.0)
        for x in range(columns):
            left, right = max(x - half_width, 0), min(x + half_width + 1, columns)
            around = np.float32((ahead[right] - ahead[left]) / (tall * (right - left)))
            value = np.float32(0.0)
            if around > np.float32(0.0):
                value = (binned[y, x] - dark[y, x]) / around - np.float32(1.0) - pattern[y, x]
                value = min(max(value, -limit), limit) * weight[y, x]
                value = value if value == value else np.float32(0.0)
            out[y, x] = value
            row_squares += value * value
        squares += np.float64(row_squares)
    return squares


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def _store(raw, den, scale, floor, lowest, out):  # type: ignore[no-untyped-def]
    """Divide one row; where the flat is not above `floor`, nothing is known: 1."""
    for x in range(out.shape[0]):
        value = raw[x] * scale / den[x]
        value = value if value > lowest else lowest
        out[x] = value if den[x] > floor else np.float32(1.0)


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def correct_with_flats(  # type: ignore[no-untyped-def]
    raw, raw_stride, flats, strides, weights, dark, has_dark, limits,
    bad, sources, reach, out, out_stride, columns,
):  # fmt: skip
    """Divide a frame by the mean of some flats, darks subtracted, bad pixels and zingers replaced.

    `flats` is a tuple of flat arrays of one type, `strides` (flats,) int64 their row strides,
    `weights` (flats,) float32 of sum 1; `limits` (4,) float32: scale, lowest
    denominator, lowest result, excess of a zinger (0 for none);
    `bad` (n, 2) int32 sorted by rows, `sources` (n, 4) int64 places (row * columns + column) that
    a bad pixel is the mean of, -1 for none, at most `reach` rows away. Returns zingers replaced.
    """
    rows = (out.shape[0] - columns) // out_stride + 1
    count = len(flats)
    den = np.empty(columns, np.float32)
    num = np.empty(columns, np.float32)
    next_bad, zingers = 0, 0
    for y in range(rows):
        source = flats[0][y * strides[0] : y * strides[0] + columns]
        for x in range(columns):
            den[x] = np.float32(source[x]) * weights[0]
        for flat in range(1, count):
            source = flats[flat][y * strides[flat] : y * strides[flat] + columns]
            for x in range(columns):
                den[x] += np.float32(source[x]) * weights[flat]
        frame = raw[y * raw_stride : y * raw_stride + columns]
        if has_dark:
            shade = dark[y]
            for x in range(columns):
                den[x] -= shade[x]
                num[x] = np.float32(frame[x]) - shade[x]
        else:
            for x in range(columns):
                num[x] = np.float32(frame[x])
        _store(
            num, den, limits[0], limits[1], limits[2],
            out[y * out_stride : y * out_stride + columns],
        )  # fmt: skip
        next_bad, found = _finish(
            y, rows, columns, bad, sources, reach, next_bad, limits[3], out, out_stride
        )
        zingers += found
    return zingers


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def correct_with_mean(  # type: ignore[no-untyped-def]
    raw, raw_stride, mean, parts, weights, dark, has_dark, limits,
    bad, sources, reach, out, out_stride,
):  # fmt: skip
    """Divide by ``mean * (1 + sum of weights * parts)``, float32 with the dark off already.

    `mean` (rows, columns), `parts` (n, rows, columns) int16, `weights` (n,) float32 of these; the
    rest as in `correct_with_flats`.
    """
    rows, columns = mean.shape
    den = np.empty(columns, np.float32)
    num = np.empty(columns, np.float32)
    next_bad, zingers = 0, 0
    for y in range(rows):
        den[:] = np.float32(1.0)
        for part in range(parts.shape[0]):
            weight, source = weights[part], parts[part, y]
            for x in range(columns):
                den[x] += weight * np.float32(source[x])
        frame, shade, average = raw[y * raw_stride : y * raw_stride + columns], dark[y], mean[y]
        for x in range(columns):
            den[x] *= average[x]
            num[x] = np.float32(frame[x])
        if has_dark:
            for x in range(columns):
                num[x] -= shade[x]
        _store(
            num, den, limits[0], limits[1], limits[2],
            out[y * out_stride : y * out_stride + columns],
        )  # fmt: skip
        next_bad, found = _finish(
            y, rows, columns, bad, sources, reach, next_bad, limits[3], out, out_stride
        )
        zingers += found
    return zingers


@njit(nogil=True, cache=True, error_model="numpy")
def _finish(y, rows, columns, bad, sources, reach, next_bad, excess, out, out_stride):  # type: ignore[no-untyped-def]
    """Replace bad pixels and zingers in the rows whose neighbours below are there by now.

    Rows are finished while they are still in the cache; the last row finishes all that are left.
    """
    last = y == rows - 1
    through = rows - 1 if last else y - reach
    while next_bad < bad.shape[0] and bad[next_bad, 0] <= through:
        total, count = np.float32(0.0), 0
        for place in sources[next_bad]:
            if place >= 0:
                total += out[place // columns * out_stride + place % columns]
                count += 1
        out[bad[next_bad, 0] * out_stride + bad[next_bad, 1]] = (
            total / np.float32(count) if count else np.float32(1.0)
        )
        next_bad += 1
    found = 0
    if excess > np.float32(0.0):
        lag = reach + 2
        if y >= lag:
            found += zingers_of_row(y - lag, rows, columns, excess, out, out_stride)
        if last:
            for row in range(max(rows - lag, 0), rows):
                found += zingers_of_row(row, rows, columns, excess, out, out_stride)
    return next_bad, found


@njit(nogil=True, cache=True, error_model="numpy")
def zingers_of_row(y, rows, columns, excess, out, stride):  # type: ignore[no-untyped-def]
    """Replace the zingers of one row of `out`; return how many pixels were replaced.

    A candidate exceeds the means of its neighbours two pixels away, both along the row and along
    the column; only candidates are looked at closely.
    """
    if rows < 5 or columns < 5:
        return 0
    found = 0
    if y < 2 or y >= rows - 2 or _candidates(out, y * stride, stride, columns, excess):
        for x in range(columns):
            found += _zinger_at(y, x, rows, columns, excess, out, stride)
        return found
    for x in (0, 1, columns - 2, columns - 1):
        found += _zinger_at(y, x, rows, columns, excess, out, stride)
    return found


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def _candidates(out, start, stride, columns, excess):  # type: ignore[no-untyped-def]
    """Count the pixels of a row that exceed their neighbours two pixels away."""
    row = out[start : start + columns]
    above = out[start - 2 * stride : start - 2 * stride + columns]
    below = out[start + 2 * stride : start + 2 * stride + columns]
    left, right = row[: columns - 4], row[4:]
    row, above, below = row[2:-2], above[2:-2], below[2:-2]
    zero, one, half = np.float32(0.0), np.float32(1.0), np.float32(0.5)
    count = zero
    for x in range(columns - 4):
        along, across = left[x] + right[x], above[x] + below[x]
        higher = along if along > across else across
        count += one if row[x] - half * higher > excess else zero
    return count > zero


@njit(nogil=True, cache=True, error_model="numpy")
def _zinger_at(y, x, rows, columns, excess, out, stride):  # type: ignore[no-untyped-def]
    """Replace a pixel, and its skirt, that stands out of the ring of pixels two away.

    A line or an edge crosses the ring, or at its end touches it, so that the ring's highest pixel
    is as bright as the centre. (The second-highest would take a line away from its end on.)
    """
    value = out[y * stride + x]
    # Beyond the edge the neighbour on the other side stands in.
    left, right = x - 2 if x >= 2 else x + 2, x + 2 if x + 2 < columns else x - 2
    top, bottom = y - 2 if y >= 2 else y + 2, y + 2 if y + 2 < rows else y - 2
    along = out[y * stride + left] + out[y * stride + right]
    across = out[top * stride + x] + out[bottom * stride + x]
    if not value - np.float32(0.5) * max(along, across) > excess:
        return 0
    ring = np.empty(_RING, np.float32)
    count = 0
    for row in range(y - 2, y + 3):
        for column in range(x - 2, x + 3):
            edge = row in (y - 2, y + 2) or column in (x - 2, x + 2)
            if edge and 0 <= row < rows and 0 <= column < columns:
                place = count
                other = out[row * stride + column]
                while place > 0 and ring[place - 1] > other:
                    ring[place] = ring[place - 1]
                    place -= 1
                ring[place] = other
                count += 1
    if not value - ring[count - 1] > excess:
        return 0
    middle = np.float32(0.5) * (ring[(count - 1) // 2] + ring[count // 2])
    found = 0
    for row in range(max(y - 1, 0), min(y + 2, rows)):
        for column in range(max(x - 1, 0), min(x + 2, columns)):
            if out[row * stride + column] - middle > np.float32(0.4) * excess:
                out[row * stride + column] = middle
                found += 1
    return found


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def project(descriptors, parts, out):  # type: ignore[no-untyped-def]
    """Multiply descriptors (frames, n) by parts (k, n) transposed into `out` (frames, k) float64.

    In blocks that stay in the cache for all frames, so that `parts` come from memory once; sums
    are always taken in the same order, whatever the number of frames and threads.
    """
    block = 4096
    count, size = parts.shape
    fours = count - count % 4
    out[:] = 0.0
    for first in range(0, size, block):
        last = min(first + block, size)
        for frame in range(descriptors.shape[0]):
            values = descriptors[frame, first:last]
            # Four at a time, so that each value is loaded once for four products.
            for part in range(0, fours, 4):
                one, two = parts[part, first:last], parts[part + 1, first:last]
                three, four = parts[part + 2, first:last], parts[part + 3, first:last]
                a = b = c = d = np.float32(0.0)
                for place in range(last - first):
                    value = values[place]
                    a += value * np.float32(one[place])
                    b += value * np.float32(two[place])
                    c += value * np.float32(three[place])
                    d += value * np.float32(four[place])
                out[frame, part] += np.float64(a)
                out[frame, part + 1] += np.float64(b)
                out[frame, part + 2] += np.float64(c)
                out[frame, part + 3] += np.float64(d)
            for part in range(fours, count):
                factors = parts[part, first:last]
                total = np.float32(0.0)
                for place in range(last - first):
                    total += values[place] * np.float32(factors[place])
                out[frame, part] += np.float64(total)


@njit(nogil=True, cache=True, fastmath=_MATH, error_model="numpy")
def combine(rows, factors, out):  # type: ignore[no-untyped-def]
    """Write factors (k, m) times rows (m, n) to `out` (k, n) float32, in blocks as `project`."""
    block = 4096
    size = rows.shape[1]
    for first in range(0, size, block):
        last = min(first + block, size)
        for part in range(factors.shape[0]):
            target = out[part, first:last]
            target[:] = np.float32(0.0)
            for row in range(factors.shape[1]):
                factor, source = factors[part, row], rows[row, first:last]
                for place in range(last - first):
                    target[place] += factor * source[place]
