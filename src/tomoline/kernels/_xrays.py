"""The compiled part of `tomoline.kernels.xrays`: finding patches, pixel by pixel."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels._xray_fill import fill

Image = NDArray[np.float32]
Flags = NDArray[np.uint8]

_MAX_PATCH = 512
# All of fastmath but the promises that there is no nan and no infinity.
_FAST = {"reassoc", "nsz", "arcp", "contract"}
# A ring is never taken as quieter than this part of its area.
_QUIET = 0.25
# Some pixel of any hit differs from its neighbours by this many deviations of such differences.
_SHARP = 6.0


class Criteria(NamedTuple):
    """Criteria in standard deviations (see `tomoline.kernels.xrays.XrayOptions`)."""

    peak: float
    diff: float
    grow: float
    scan: float
    giant: float
    big_diff: float


class Sizes(NamedTuple):
    """Sizes in pixels."""

    radius: float
    dark_radius: float
    extra_large: float
    annulus: float
    diff_pixels: float


@njit(nogil=True, cache=True, fastmath=_FAST)
def area_statistics(image: Image, area: int) -> tuple[Image, Image, Image]:
    """Return mean, deviation, and deviation of differences to the neighbours, of each area.

    Values beyond 4 deviations are left out in a second and third pass, so that one strong hit
    does not hide the others.
    """
    height, width = image.shape
    rows, columns = max(1, round(height / area)), max(1, round(width / area))
    means = np.zeros((rows, columns), np.float32)
    deviations = np.zeros((rows, columns), np.float32)
    differences = np.zeros((rows, columns), np.float32)
    for row in range(rows):
        top, bottom = row * height // rows, (row + 1) * height // rows
        for column in range(columns):
            left, right = column * width // columns, (column + 1) * width // columns
            low, high = np.float32(-np.inf), np.float32(np.inf)
            mean = deviation = 0.0
            # Every fourth row is enough, and a quarter of the work.
            for _ in range(3):
                count, total, squares = 0, 0.0, 0.0
                base = np.float64(image[top, left])
                for y in range(top, bottom, 4):
                    for x in range(left, right):
                        value = image[y, x]
                        if low <= value <= high:
                            part = value - base
                            count += 1
                            total += part
                            squares += part * part
                shift = total / max(count, 1)
                mean = base + shift
                deviation = math.sqrt(max(squares / max(count, 1) - shift * shift, 0.0))
                low, high = np.float32(mean - 4 * deviation), np.float32(mean + 4 * deviation)
            means[row, column], deviations[row, column] = mean, deviation
            differences[row, column] = _difference_deviation(image, top, bottom, left, right)
    return means, deviations, differences


@njit(nogil=True, cache=True, fastmath=_FAST)
def _difference_deviation(image: Image, top: int, bottom: int, left: int, right: int) -> float:
    """Return the deviation of pixels from the mean of their neighbours, without extremes."""
    height, width = image.shape
    limit, deviation = np.float32(np.inf), 0.0
    for _ in range(3):
        count, squares = 0, 0.0
        for y in range(max(top, 1), min(bottom, height - 1), 4):
            for x in range(max(left, 1), min(right, width - 1)):
                part = float(_difference(image, y, x))
                if -limit <= part <= limit:
                    count += 1
                    squares += part * part
        deviation = math.sqrt(squares / max(count, 1))
        limit = np.float32(4.0 * deviation)
    return deviation


@njit(nogil=True, cache=True, inline="always", fastmath=_FAST)
def _difference(image: Image, y: int, x: int) -> np.float32:
    above = image[y - 1, x - 1] + image[y - 1, x] + image[y - 1, x + 1]
    beside = image[y, x - 1] + image[y, x + 1]
    below = image[y + 1, x - 1] + image[y + 1, x] + image[y + 1, x + 1]
    result: np.float32 = image[y, x] - (above + beside + below) * np.float32(0.125)
    return result


@njit(nogil=True, cache=True)
def erase(
    image: Image,
    flags: Flags,
    means: Image,
    deviations: Image,
    differences: Image,
    criteria: Criteria,
    sizes: Sizes,
    positions: NDArray[np.int64],
) -> tuple[int, int]:
    """Find and fill all patches of an image in place; return numbers of patches and pixels.

    All patches are found before the first is filled, so the order of scanning plays no part in
    what is found; `flags` is 0 and comes back with 1 where pixels were replaced.
    """
    height, width = image.shape
    rows, columns = means.shape
    starts = [0]
    found_y = [0]
    found_x = [0]
    found_y.pop()
    found_x.pop()
    patch_y = np.empty(_MAX_PATCH, np.int64)
    patch_x = np.empty(_MAX_PATCH, np.int64)
    patches = 0
    for row in range(rows):
        top, bottom = row * height // rows, (row + 1) * height // rows
        for column in range(columns):
            left, right = column * width // columns, (column + 1) * width // columns
            mean, deviation = float(means[row, column]), float(deviations[row, column])
            low = np.float32(mean - criteria.scan * deviation)
            high = np.float32(mean + criteria.scan * deviation)
            spread = float(differences[row, column])
            jump = criteria.diff * spread
            for y in range(top, bottom):
                for x in range(left, right):
                    value = image[y, x]
                    if low <= value <= high:
                        continue
                    if flags[y, x] != 0:
                        continue
                    if not _extreme(image, y, x, value > high):
                        continue
                    size = _peak(
                        image, flags, y, x, deviation, spread, criteria, sizes, patch_y, patch_x
                    )
                    if size == 0 and spread > 0:
                        size = _jump(
                            image, flags, y, x, jump, int(sizes.diff_pixels), patch_y, patch_x
                        )
                    if size == 0:
                        continue
                    if patches < len(positions):
                        positions[patches, 0], positions[patches, 1] = x, y
                    patches += 1
                    for index in range(size):
                        flags[patch_y[index], patch_x[index]] = 1
                        found_y.append(patch_y[index])
                        found_x.append(patch_x[index])
                    starts.append(len(found_y))
    for patch in range(patches):
        first, last = starts[patch], starts[patch + 1]
        for index in range(first, last):
            patch_y[index - first], patch_x[index - first] = found_y[index], found_x[index]
        fill(image, flags, patch_y[: last - first], patch_x[: last - first])
    return patches, starts[-1]


@njit(nogil=True, cache=True)
def _extreme(image: Image, y: int, x: int, bright: bool) -> bool:
    """Say whether no neighbour is more extreme; of equals the first counts."""
    height, width = image.shape
    value = image[y, x]
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            if (dy == 0 and dx == 0) or not (0 <= y + dy < height and 0 <= x + dx < width):
                continue
            other = image[y + dy, x + dx]
            if other == value and (dy < 0 or (dy == 0 and dx < 0)):
                return False
            if (other > value) if bright else (other < value):
                return False
    return True


@njit(nogil=True, cache=True)
def _ring(
    image: Image, flags: Flags, y: int, x: int, radius: float, width: float
) -> tuple[float, float, int]:
    """Return mean, deviation and number of the pixels in a ring, flagged ones left out."""
    outer = radius + width
    reach = math.ceil(outer)
    count, total, squares = 0, 0.0, 0.0
    base = np.float64(image[y, x])
    for dy in range(-reach, reach + 1):
        if not 0 <= y + dy < image.shape[0]:
            continue
        for dx in range(-reach, reach + 1):
            if not 0 <= x + dx < image.shape[1] or flags[y + dy, x + dx] != 0:
                continue
            distance = dy * dy + dx * dx
            if radius * radius < distance <= outer * outer:
                part = image[y + dy, x + dx] - base
                count += 1
                total += part
                squares += part * part
    if count == 0:
        return base, 0.0, 0
    mean = total / count
    return base + mean, math.sqrt(max(squares / count - mean * mean, 0.0)), count


@njit(nogil=True, cache=True)
def _peak(
    image: Image,
    flags: Flags,
    y: int,
    x: int,
    deviation: float,
    spread: float,
    criteria: Criteria,
    sizes: Sizes,
    patch_y: NDArray[np.int64],
    patch_x: NDArray[np.int64],
) -> int:
    """Collect the pixels of a peak that stands out of the ring round it; 0 if it does not."""
    value = np.float64(image[y, x])
    small = min(sizes.radius, sizes.dark_radius)
    # Dark peaks only up to the small radius: larger ones are gold.
    mean, noise, count = _ring(image, flags, y, x, small, sizes.annulus)
    bright = value > mean
    noise = max(noise, _QUIET * deviation)
    if count >= 8 and noise > 0 and abs(value - mean) > criteria.peak * noise:
        size = _grow(image, y, x, mean, criteria.grow * noise, small, patch_y, patch_x)
        if _count_sharp(image, _SHARP * spread, size, patch_y, patch_x) > 0:
            return size
    if not bright:
        return 0
    mean, noise, count = _ring(image, flags, y, x, sizes.radius, sizes.annulus)
    noise = max(noise, _QUIET * deviation)
    if count >= 8 and noise > 0 and value - mean > criteria.peak * noise:
        size = _grow(image, y, x, mean, criteria.grow * noise, sizes.radius, patch_y, patch_x)
        if _count_sharp(image, _SHARP * spread, size, patch_y, patch_x) > 0:
            return size
    mean, noise, count = _ring(image, flags, y, x, sizes.extra_large, sizes.annulus)
    noise = max(noise, _QUIET * deviation)
    if count < 24 or noise <= 0 or value - mean <= criteria.giant * noise:
        return 0
    size = _grow(image, y, x, mean, criteria.grow * noise, sizes.extra_large, patch_y, patch_x)
    # Smooth and large is a structure, not a hit.
    sharp = _count_sharp(image, criteria.big_diff * spread, size, patch_y, patch_x)
    return size if 4 * sharp >= size else 0


@njit(nogil=True, cache=True)
def _count_sharp(
    image: Image, limit: float, size: int, patch_y: NDArray[np.int64], patch_x: NDArray[np.int64]
) -> int:
    """Count the pixels of a patch that differ from their neighbours by more than the limit."""
    sharp = 0
    for index in range(size):
        row, column = patch_y[index], patch_x[index]
        inside = 0 < row < image.shape[0] - 1 and 0 < column < image.shape[1] - 1
        if not inside or abs(float(_difference(image, row, column))) > limit:
            sharp += 1
    return sharp


@njit(nogil=True, cache=True)
def _grow(
    image: Image,
    y: int,
    x: int,
    mean: float,
    limit: float,
    radius: float,
    patch_y: NDArray[np.int64],
    patch_x: NDArray[np.int64],
) -> int:
    """Collect connected pixels beyond the limit; 0 if they reach further than the radius."""
    height, width = image.shape
    bright = image[y, x] > mean
    patch_y[0], patch_x[0] = y, x
    size, done = 1, 0
    while done < size:
        for dy in range(-1, 2):
            for dx in range(-1, 2):
                row, column = patch_y[done] + dy, patch_x[done] + dx
                if not (0 <= row < height and 0 <= column < width):
                    continue
                part = image[row, column] - mean
                if (part if bright else -part) <= limit:
                    continue
                known = False
                for index in range(size):
                    if patch_y[index] == row and patch_x[index] == column:
                        known = True
                        break
                if known:
                    continue
                away = (row - y) * (row - y) + (column - x) * (column - x)
                if away > radius * radius or size >= _MAX_PATCH:
                    return 0
                patch_y[size], patch_x[size] = row, column
                size += 1
        done += 1
    return size


@njit(nogil=True, cache=True)
def _jump(
    image: Image,
    flags: Flags,
    y: int,
    x: int,
    limit: float,
    largest: int,
    patch_y: NDArray[np.int64],
    patch_x: NDArray[np.int64],
) -> int:
    """Collect a pixel, and its like beside it, that differ much from all their neighbours."""
    height, width = image.shape
    total, count = 0.0, 0
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            row, column = y + dy, x + dx
            inside = 0 <= row < height and 0 <= column < width
            if (dy != 0 or dx != 0) and inside:
                total += image[row, column]
                count += 1
    mean = total / count
    difference = image[y, x] - mean
    if abs(difference) <= limit:
        return 0
    patch_y[0], patch_x[0] = y, x
    size = 1
    for dy in range(-1, 2):
        for dx in range(-1, 2):
            row, column = y + dy, x + dx
            if (dy == 0 and dx == 0) or not (0 <= row < height and 0 <= column < width):
                continue
            part = image[row, column] - mean
            if part * difference > 0 and abs(part) > 0.5 * abs(difference):
                if size >= largest:
                    # More than a stray pixel: a structure.
                    return 0
                patch_y[size], patch_x[size] = row, column
                size += 1
    return size
