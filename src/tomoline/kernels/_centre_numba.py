"""The loops of `centre_beads`: Gauss-Newton over the pixels round each bead."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from tomoline.kernels.bead_model import STEP_PX, Floats, Image

_TOLERANCE_PX = 0.003


@njit(nogil=True, cache=True)
def fit_all(
    image: Image,
    starts: Floats,
    others: Floats,
    own: bool,
    values: Floats,
    slopes: Floats,
    reach: float,
    radius: float,
    max_move: float,
    sign: float,
    iterations: int,
    fits: Floats,
) -> None:
    """Fit every bead; `fits` (n, 6) gets x, y, amplitude, background, noise and correlation.

    With `own`, `others` are the `starts`, and beads that have neighbours are fitted twice: the
    second time with the neighbours, as fitted the first time, taken off the image.
    """
    height, width = image.shape
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    near = np.empty((8, 3))
    for repeat in range(2 if own else 1):
        for i in range(starts.shape[0]):
            start_x, start_y = starts[i, 0] + middle_x, starts[i, 1] + middle_y
            if not (
                reach <= start_x <= width - 1 - reach and reach <= start_y <= height - 1 - reach
            ):
                continue
            # Other beads whose pixels reach into this one's window: at first their pixels are
            # left out, and once they are fitted themselves they are taken off the image.
            count = 0
            for j in range(others.shape[0]):
                x, y = others[j, 0] + middle_x, others[j, 1] + middle_y
                distance = math.sqrt((x - start_x) ** 2 + (y - start_y) ** 2)
                if 0.7 * radius < distance < reach + 1.3 * radius + 1.0 and count < 8:
                    near[count, 0], near[count, 1], near[count, 2] = x, y, np.nan
                    if repeat == 1 and np.isfinite(fits[j, 0]):
                        near[count, 0] = fits[j, 0] + middle_x
                        near[count, 1] = fits[j, 1] + middle_y
                        near[count, 2] = fits[j, 2]
                    count += 1
            if repeat == 1 and count == 0:
                continue
            _fit_one(
                image,
                start_x,
                start_y,
                near[:count],
                values,
                slopes,
                reach,
                radius,
                max_move,
                sign,
                iterations,
                fits[i],
            )
            fits[i, 0] -= middle_x
            fits[i, 1] -= middle_y


@njit(nogil=True, cache=True)
def _fit_one(
    image: Image,
    start_x: float,
    start_y: float,
    near: Floats,
    values: Floats,
    slopes: Floats,
    reach: float,
    radius: float,
    max_move: float,
    sign: float,
    iterations: int,
    fit: Floats,
) -> None:
    """Fit one bead in pixel coordinates; `fit` gets x, y, amplitude, background, noise, r."""
    height, width = image.shape
    x, y = start_x, start_y
    normal = np.empty((6, 6))
    right = np.empty(6)
    row = np.empty(6)
    last = len(values) - 2
    amplitude = 0.0
    middle_x, middle_y = x, y
    for iteration in range(iterations + 1):
        # The window follows the bead at first and then stays: pixels that come and go with each
        # step would keep it swinging.
        if iteration <= 2 or math.sqrt((x - middle_x) ** 2 + (y - middle_y) ** 2) > 1.0:
            middle_x, middle_y = x, y
        normal[:] = 0.0
        right[:] = 0.0
        total = 0.0
        pixels = 0
        first_column = max(0, math.ceil(middle_x - reach))
        last_column = min(width - 1, math.floor(middle_x + reach))
        first_row = max(0, math.ceil(middle_y - reach))
        last_row = min(height - 1, math.floor(middle_y + reach))
        # The first pass has no amplitude yet, so it solves for amplitude and plane only.
        unknowns = 4 if iteration == 0 else 6
        for r in range(first_row, last_row + 1):
            for c in range(first_column, last_column + 1):
                dx, dy = c - x, r - y
                square = dx * dx + dy * dy
                if (c - middle_x) ** 2 + (r - middle_y) ** 2 >= reach * reach:
                    continue
                taken = False
                value = float(image[r, c])
                for j in range(near.shape[0]):
                    away = (c - near[j, 0]) ** 2 + (r - near[j, 1]) ** 2
                    if not math.isnan(near[j, 2]):
                        place = math.sqrt(away) / STEP_PX
                        k = int(place)
                        if k <= last:
                            slope = values[k + 1] - values[k]
                            value -= near[j, 2] * (values[k] + (place - k) * slope)
                    elif away < square or away < (1.15 * radius + 0.7) ** 2:
                        taken = True
                if taken:
                    continue
                distance = math.sqrt(square)
                place = distance / STEP_PX
                k = int(place)
                height_here = slope_here = 0.0
                if k <= last:
                    part = place - k
                    height_here = values[k] + part * (values[k + 1] - values[k])
                    slope_here = slopes[k] + part * (slopes[k + 1] - slopes[k])
                row[0] = height_here
                row[1] = 1.0
                row[2] = dx
                row[3] = dy
                if distance > 1e-9:
                    row[4] = -amplitude * slope_here * dx / distance
                    row[5] = -amplitude * slope_here * dy / distance
                else:
                    row[4] = row[5] = 0.0
                pixels += 1
                total += value * value
                for a in range(unknowns):
                    right[a] += row[a] * value
                    for b in range(a + 1):
                        normal[a, b] += row[a] * row[b]
        if pixels < 12:
            fit[:] = np.nan
            return
        if not _solve(normal, right, unknowns, row):
            fit[:] = np.nan
            return
        amplitude = row[0]
        if iteration == 0:
            continue
        step_x, step_y = row[4], row[5]
        step = math.sqrt(step_x * step_x + step_y * step_y)
        limit = 0.35 * radius
        if step > limit:
            step_x *= limit / step
            step_y *= limit / step
        if step < _TOLERANCE_PX or iteration == iterations:
            _judge(normal, right, row, total, pixels, sign, fit)
            x += step_x
            y += step_y
            if math.sqrt((x - start_x) ** 2 + (y - start_y) ** 2) > max_move or step > 0.1:
                fit[:] = np.nan
                return
            fit[0] = x
            fit[1] = y
            return
        x += step_x
        y += step_y
        if math.sqrt((x - start_x) ** 2 + (y - start_y) ** 2) > 2 * max_move + 1:
            fit[:] = np.nan
            return


@njit(nogil=True, cache=True)
def _judge(
    normal: Floats,
    right: Floats,
    solution: Floats,
    total: float,
    pixels: int,
    sign: float,
    fit: Floats,
) -> None:
    """Fill in amplitude, background, noise and correlation from the normal equations."""
    explained = 0.0
    for a in range(6):
        explained += solution[a] * right[a]
    left = max(total - explained, 0.0)
    # What the plane alone leaves, by symmetry nearly independent of its slopes.
    plane = np.empty(3)
    block = np.empty((3, 3))
    for a in range(3):
        plane[a] = right[a + 1]
        for b in range(a + 1):
            block[a, b] = normal[a + 1, b + 1]
    answer = np.empty(3)
    without = total
    if _solve(block, plane, 3, answer):
        without = total - (answer[0] * right[1] + answer[1] * right[2] + answer[2] * right[3])
    fit[2] = solution[0]
    fit[3] = solution[1]
    fit[4] = math.sqrt(left / max(pixels - 6, 1))
    share = 1.0 - left / without if without > 0 else 0.0
    fit[5] = math.sqrt(max(share, 0.0))
    if solution[0] * sign < 0:
        fit[5] = -fit[5]


@njit(nogil=True, cache=True)
def _solve(normal: Floats, right: Floats, size: int, solution: Floats) -> bool:
    """Solve the symmetric system of which the lower half is given, by Cholesky; False if flat."""
    factor = np.zeros((size, size))
    for i in range(size):
        for j in range(i + 1):
            value = normal[i, j]
            for k in range(j):
                value -= factor[i, k] * factor[j, k]
            if i == j:
                if value <= 1e-12 * (normal[i, i] + 1e-30):
                    return False
                factor[i, i] = math.sqrt(value)
            else:
                factor[i, j] = value / factor[j, j]
    for i in range(size):
        value = right[i]
        for k in range(i):
            value -= factor[i, k] * solution[k]
        solution[i] = value / factor[i, i]
    for i in range(size - 1, -1, -1):
        value = solution[i]
        for k in range(i + 1, size):
            value -= factor[k, i] * solution[k]
        solution[i] = value / factor[i, i]
    return True
