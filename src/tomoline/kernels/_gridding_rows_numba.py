"""Compiled loops of `tomoline.kernels.gridding`: from rows to filtered samples of lines.

Complex arrays come as float32 views with a last axis of twice the length (real, imaginary), or,
where numbers are only moved, as float64 views. Small functions with one result each: LLVM makes
vectors of loops whose arrays it can tell apart.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from tomoline.kernels._gridding_lanes import PAIRS


@njit(nogil=True, cache=True)
def pack_rows(  # type: ignore[no-untyped-def]
    even, odd, lines, weights, offset, fade, turn, room, whole, turned
):
    """Pack rows of two slices as complex numbers, padded, in two halves of their spectrum.

    Parameters
    ----------
    even, odd : (angle, column) float32
        The slices; `odd` may be empty.
    lines : (line,) int64
        Which angles.
    weights : (line,) float32
    offset : int
        Place of column 0 in the window.
    fade : (2, 2 * samples) float32, or (2, 0)
        Weights of the first and of the last column's value around them, at each place of the
        padded window. Empty: zeros.
    turn : (2 * samples,) float32
        Complex: takes the odd frequencies of the padded transform to whole ones.
    room : (2, 2 * samples) float32
    whole, turned : (line, 2 * samples) float32
        Complex: what is to be transformed for the even and for the odd frequencies.
    """
    columns = even.shape[1]
    paired = odd.shape[0] > 0
    room[:] = np.float32(0.0)
    for n in range(lines.shape[0]):
        for part in range(2 if paired else 1):
            source = even[lines[n]] if part == 0 else odd[lines[n]]
            if fade.shape[1]:
                begin, end = weights[n] * source[0], weights[n] * source[columns - 1]
                _fade(fade[0], begin, fade[1], end, room[part])
            _scale(source, weights[n], room[part, offset : offset + columns])
        _sum_halves(room, whole[n])
        _turn_halves(room, turn, turned[n])


@njit(nogil=True, cache=True)
def _fade(before, begin, after, end, out):  # type: ignore[no-untyped-def]
    for place in range(out.shape[0]):
        out[place] = before[place] * begin + after[place] * end


@njit(nogil=True, cache=True)
def _scale(values, factor, out):  # type: ignore[no-untyped-def]
    for place in range(out.shape[0]):
        out[place] = factor * values[place]


@njit(nogil=True, cache=True)
def _sum_halves(room, out):  # type: ignore[no-untyped-def]
    samples = out.shape[0] // 2
    real, imaginary = room[0], room[1]
    for place in range(samples):
        out[2 * place] = real[place] + real[place + samples]
        out[2 * place + 1] = imaginary[place] + imaginary[place + samples]


@njit(nogil=True, cache=True)
def _turn_halves(room, turn, out):  # type: ignore[no-untyped-def]
    samples = out.shape[0] // 2
    real, imaginary = room[0], room[1]
    for place in range(samples):
        a = real[place] - real[place + samples]
        b = imaginary[place] - imaginary[place + samples]
        c, d = turn[2 * place], turn[2 * place + 1]
        out[2 * place] = a * c - b * d
        out[2 * place + 1] = a * d + b * c


@njit(nogil=True, cache=True)
def filter_lines(lines, response):  # type: ignore[no-untyped-def]
    """Multiply complex lines (line, 2 * samples) by a real response (samples,), in place."""
    for n in range(lines.shape[0]):
        line = lines[n]
        for place in range(response.shape[0]):
            line[2 * place] *= response[place]
            line[2 * place + 1] *= response[place]


@njit(nogil=True, cache=True)
def turn_back(lines, turn):  # type: ignore[no-untyped-def]
    """Multiply complex lines by the conjugate of `turn`, in place."""
    for n in range(lines.shape[0]):
        line = lines[n]
        for place in range(turn.shape[0] // 2):
            a, b = line[2 * place], line[2 * place + 1]
            c, d = turn[2 * place], turn[2 * place + 1]
            line[2 * place] = a * c + b * d
            line[2 * place + 1] = b * c - a * d


@njit(nogil=True, cache=True)
def fill_phases(shift, phases):  # type: ignore[no-untyped-def]
    """Fill complex phases exp(2 pi i k shift / samples), -samples / 2 <= k, in transforms' order.

    Parameters
    ----------
    shift : float
        Pixels.
    phases : (2 * samples,) float32
    """
    samples = phases.shape[0] // 2
    half = samples // 2
    step = 2.0 * np.pi * shift / samples
    # By pieces of 32, so that a few sines do and no error grows.
    real, imaginary = np.empty(32), np.empty(32)
    for n in range(32):
        real[n], imaginary[n] = np.cos(n * step), np.sin(n * step)
    for first in range(0, half, 32):
        c, d = np.cos(first * step), np.sin(first * step)
        for n in range(min(32, half - first)):
            phases[2 * (first + n)] = real[n] * c - imaginary[n] * d
            phases[2 * (first + n) + 1] = real[n] * d + imaginary[n] * c
    phases[samples], phases[samples + 1] = np.float32(1.0), np.float32(0.0)
    for k in range(1, half):
        phases[2 * (samples - k)] = phases[2 * k]
        phases[2 * (samples - k) + 1] = -phases[2 * k + 1]


@njit(nogil=True, cache=True)
def place_lines(  # type: ignore[no-untyped-def]
    whole, turned, shifts, centre_phases, common, room, values, first_line
):
    """Join both halves of the spectra, move the axis to the origin, lay out for gridding.

    Parameters
    ----------
    whole, turned : (pair, line, 2 * samples) float32
        Complex, in the order of transforms.
    shifts : (line,) float64
        Further move of each line, pixels.
    centre_phases : (slice, 2 * samples) float32
        From `fill_phases`, for each slice's axis.
    common : (pair,) bool
        Whether both slices of a pair have the same axis.
    room : (PAIRS + 1, 2 * samples) float32
    values : (all lines, samples, PAIRS) float64
        Complex numbers as they are moved; ascending frequencies.
    """
    pairs, lines, double = whole.shape
    half = double // 4
    phases = room[PAIRS]
    still = False
    for n in range(lines):
        if not still:
            fill_phases(shifts[n], phases)
            still = shifts[n] == 0.0
        for pair in range(pairs):
            if common[pair]:
                _turn_pair(
                    whole[pair, n], turned[pair, n], phases, centre_phases[2 * pair], room[pair]
                )
            else:
                _turn_both(
                    whole[pair, n],
                    turned[pair, n],
                    phases,
                    centre_phases[2 * pair],
                    centre_phases[2 * pair + 1],
                    room[pair],
                )
        moved = room.view(np.float64)
        target = values[first_line + n].reshape(-1)
        _interleave(moved[:, :half], target[4 * half :])
        _interleave(moved[:, half:], target[: 4 * half])


@njit(nogil=True, cache=True)
def _interleave(rows, out):  # type: ignore[no-untyped-def]
    a, b, c, d = rows[0], rows[1], rows[2], rows[3]
    for k in range(a.shape[0]):
        out[4 * k] = a[k]
        out[4 * k + 1] = b[k]
        out[4 * k + 2] = c[k]
        out[4 * k + 3] = d[k]


@njit(nogil=True, cache=True)
def _turn_pair(whole, turned, phases, centred, out):  # type: ignore[no-untyped-def]
    """Multiply the spectrum of a pair by two phases."""
    for k in range(whole.shape[0] // 2):
        e, f = phases[2 * k], phases[2 * k + 1]
        c, d = centred[2 * k], centred[2 * k + 1]
        g, h = c * e - d * f, c * f + d * e
        a, b = whole[2 * k] + turned[2 * k], whole[2 * k + 1] + turned[2 * k + 1]
        out[2 * k] = a * g - b * h
        out[2 * k + 1] = a * h + b * g


@njit(nogil=True, cache=True)
def _turn_both(whole, turned, phases, first, second, out):  # type: ignore[no-untyped-def]
    """Multiply the spectra of both slices of a pair by their own phases; order of transforms."""
    samples = whole.shape[0] // 2
    half = np.float32(0.5)
    out[0], out[1] = whole[0] + turned[0], whole[1] + turned[1]
    for k in range(1, samples // 2):
        low, high = 2 * k, 2 * (samples - k)
        e, f = phases[low], phases[low + 1]
        g = first[low] * e - first[low + 1] * f
        h = first[low] * f + first[low + 1] * e
        p = second[low] * e - second[low + 1] * f
        q = second[low] * f + second[low + 1] * e
        a, b = whole[low] + turned[low], whole[low + 1] + turned[low + 1]
        c, d = whole[high] + turned[high], whole[high + 1] + turned[high + 1]
        # Twice the spectrum of the first slice, and of the second times i.
        r, s = a + c, b - d
        t, u = a - c, b + d
        v, w = r * g - s * h, r * h + s * g
        x, y = t * p - u * q, t * q + u * p
        out[low], out[low + 1] = half * (v + x), half * (w + y)
        out[high], out[high + 1] = half * (v - x), half * (y - w)
