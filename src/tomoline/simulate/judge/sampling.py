"""The analytic density of a specimen on the voxels of a volume."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.simulate.judge.pose import Pose
from tomoline.simulate.specimen import (
    Specimen,
    blurred_ball,
    blurred_blob,
    blurred_filament,
)

TRUTH_BLUR_PX = 1.0
"""Blur of the truth that a reconstruction with the usual low-pass filter is compared with."""

Region = tuple[slice, slice, slice]
"""Part of a volume: ranges of z, y and x."""

_CUT = 4.0


def sample_density(
    specimen: Specimen,
    pose: Pose,
    shape: tuple[int, int, int],
    *,
    blur_px: float = TRUTH_BLUR_PX,
    gold: bool = True,
) -> NDArray[np.float32]:
    """Return the specimen's density at the voxels of a volume.

    Parameters
    ----------
    specimen : Specimen
        The truth.
    pose : Pose
        How it lies in the volume.
    shape : (int, int, int)
        Of the volume (z, y, x).
    blur_px : float
        Sigma in voxels of a Gaussian that blurs the density.
    gold : bool
        Whether the gold is there.
    """
    volume = np.zeros(shape, dtype=np.float32)
    inverse = np.linalg.inv(pose.matrix)
    blur = blur_px / pose.scale
    middle = (np.array(shape[::-1]) - 1) / 2
    for row in specimen.balls if gold else specimen.vesicles:
        outer, inner, sigma, density = row[3:]
        width = math.hypot(sigma, blur)
        step = width / 16
        radius = np.arange(0, outer + _CUT * width + step, step)
        profile = blurred_ball(radius, outer, width)
        if inner > 0:
            profile -= blurred_ball(radius, inner, width)
        profile[-1] = 0
        centre = pose.apply(row[:3]) + middle
        _add_ball(volume, centre, inverse, pose.scale, step, density * profile)
    for row in specimen.blobs:
        covariance, peak = blurred_blob(row, blur)
        seen = pose.matrix @ covariance @ pose.matrix.T
        centre = pose.apply(row[:3]) + middle
        _add_blob(volume, centre, np.linalg.inv(seen), np.sqrt(np.diag(seen)), peak)
    for row in specimen.filaments:
        sigma, peak = blurred_filament(row[6], row[7], blur)
        start, end = pose.apply(row[:3]) + middle, pose.apply(row[3:6]) + middle
        _add_filament(volume, start, end, sigma * pose.scale, peak)
    return volume


def sample_region(
    specimen: Specimen,
    pose: Pose,
    shape: tuple[int, int, int],
    region: Region,
    *,
    blur_px: float = TRUTH_BLUR_PX,
    gold: bool = True,
) -> NDArray[np.float32]:
    """Return the density at the voxels of a part of a volume, as `sample_density` does."""
    sizes = tuple(part.stop - part.start for part in region)
    # The region has another centre than the volume.
    moved = [(part.start + part.stop - size) / 2 for part, size in zip(region, shape, strict=True)]
    inner = (sizes[0], sizes[1], sizes[2])
    there = Pose(pose.matrix, pose.shift_px - np.array(moved[::-1]))
    return sample_density(specimen, there, inner, blur_px=blur_px, gold=gold)


def offsets_in_region(
    pose: Pose, shape: tuple[int, int, int], region: Region
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return z, y, x of a region's voxels from the specimen's centre, ready to broadcast."""
    z, y, x = (
        (np.arange(part.start, part.stop) - (size - 1) / 2 - centre).astype(np.float32)
        for part, size, centre in zip(region, shape, pose.shift_px[::-1], strict=True)
    )
    return z[:, None, None], y[None, :, None], x[None, None, :]


def reduced(volume: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average cubes of `factor` voxels, from the volume's first voxel on; a rest is cut off."""
    z, y, x = (size // factor for size in volume.shape)
    whole = volume[: z * factor, : y * factor, : x * factor]
    blocks = whole.reshape(z, factor, y, factor, x, factor)
    return np.asarray(blocks.mean(axis=(1, 3, 5)), dtype=np.float32)


@njit(nogil=True, cache=True)
def _range(centre, reach, size):  # type: ignore[no-untyped-def]
    return max(0, math.ceil(centre - reach)), min(size, math.floor(centre + reach) + 1)


@njit(nogil=True, cache=True)
def _add_ball(volume, centre, inverse, scale, step, profile):  # type: ignore[no-untyped-def]
    last = len(profile) - 1
    reach = last * step * scale
    x0, x1 = _range(centre[0], reach, volume.shape[2])
    y0, y1 = _range(centre[1], reach, volume.shape[1])
    z0, z1 = _range(centre[2], reach, volume.shape[0])
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                dx, dy, dz = x - centre[0], y - centre[1], z - centre[2]
                place = math.sqrt(dx * dx + dy * dy + dz * dz) / scale / step
                index = int(place)
                if index < last:
                    share = place - index
                    value = (1 - share) * profile[index] + share * profile[index + 1]
                    volume[z, y, x] += value


@njit(nogil=True, cache=True, fastmath=True)
def _add_blob(volume, centre, precision, sigmas, peak):  # type: ignore[no-untyped-def]
    x0, x1 = _range(centre[0], _CUT * sigmas[0], volume.shape[2])
    y0, y1 = _range(centre[1], _CUT * sigmas[1], volume.shape[1])
    z0, z1 = _range(centre[2], _CUT * sigmas[2], volume.shape[0])
    xx, xy, xz = precision[0]
    yy, yz, zz = precision[1, 1], precision[1, 2], precision[2, 2]
    for z in range(z0, z1):
        for y in range(y0, y1):
            dy, dz = y - centre[1], z - centre[2]
            rest = yy * dy * dy + zz * dz * dz + 2 * yz * dy * dz
            slope = 2 * (xy * dy + xz * dz)
            for x in range(x0, x1):
                dx = x - centre[0]
                volume[z, y, x] += peak * math.exp(-0.5 * ((xx * dx + slope) * dx + rest))


@njit(nogil=True, cache=True, fastmath=True)
def _add_filament(volume, start, end, sigma, peak):  # type: ignore[no-untyped-def]
    reach = _CUT * sigma
    length = math.sqrt(
        (end[0] - start[0]) ** 2 + (end[1] - start[1]) ** 2 + (end[2] - start[2]) ** 2
    )
    ax, ay, az = (end - start) / length
    middle, half = (start + end) / 2, np.abs(end - start) / 2
    x0, x1 = _range(middle[0], half[0] + reach, volume.shape[2])
    y0, y1 = _range(middle[1], half[1] + reach, volume.shape[1])
    z0, z1 = _range(middle[2], half[2] + reach, volume.shape[0])
    root = math.sqrt(2.0) * sigma
    for z in range(z0, z1):
        for y in range(y0, y1):
            for x in range(x0, x1):
                dx, dy, dz = x - start[0], y - start[1], z - start[2]
                along = dx * ax + dy * ay + dz * az
                squares = dx * dx + dy * dy + dz * dz - along * along
                if squares < reach * reach:
                    ends = math.erf(along / root) - math.erf((along - length) / root)
                    volume[z, y, x] += peak * math.exp(-squares / (root * root)) * ends / 2
