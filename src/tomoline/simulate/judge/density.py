"""How well a reconstruction agrees with the analytic density of the specimen."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from tomoline.simulate.judge.pose import Pose
from tomoline.simulate.judge.sampling import (
    TRUTH_BLUR_PX,
    Region,
    offsets_in_region,
    sample_region,
)
from tomoline.simulate.specimen import Floats, Specimen

NOISE_BLUR_PX = 1.0
"""Blur that makes the noise of differently interpolated reconstructions comparable."""


def ice_region(
    specimen: Specimen, pose: Pose, shape: tuple[int, int, int], share: float = 0.75
) -> Region:
    """Return the part of a volume that holds the middle of the slab, sloping as it may lie.

    Parameters
    ----------
    specimen, pose
        The slab, and how it lies in the volume.
    shape : (int, int, int)
        Of the volume (z, y, x).
    share : float
        Part of the volume's size in x and y round the specimen's centre.
    """
    half = np.array([share * shape[2] / 2, share * shape[1] / 2, 0.0])
    half[2] = pose.scale * specimen.thickness_px / 2 + np.abs(pose.matrix[2, :2]) @ half[:2]
    parts = []
    for size, centre, reach in zip(shape, pose.shift_px[::-1], half[::-1], strict=True):
        middle = (size - 1) / 2 + centre
        first, last = math.ceil(middle - reach), math.floor(middle + reach)
        parts.append(slice(min(max(0, first), size - 1), max(1, min(size, last + 1))))
    return parts[0], parts[1], parts[2]


def inside_ice(
    specimen: Specimen, pose: Pose, shape: tuple[int, int, int], region: Region
) -> NDArray[np.bool_]:
    """Return which voxels of a region lie between the surfaces of the ice."""
    z, y, x = offsets_in_region(pose, shape, region)
    row = np.linalg.inv(pose.matrix)[2].astype(np.float32)
    height = row[0] * x + row[1] * y + row[2] * z
    inside: NDArray[np.bool_] = np.abs(height) <= specimen.thickness_px / 2
    return inside


def density_correlation(
    volume: NDArray[np.float32],
    specimen: Specimen,
    pose: Pose,
    *,
    blur_px: float = TRUTH_BLUR_PX,
    noise_blur_px: float = NOISE_BLUR_PX,
    gold: bool = True,
    share: float = 0.75,
) -> float:
    """Correlate a reconstruction with the true density in the middle of the ice.

    The sign is that of the reconstruction's contrast: negative where dense is dark. Because of
    the missing wedge and of noise a perfect geometry does not reach 1: compare with what a
    reconstruction with the true geometry gives.

    Parameters
    ----------
    volume : (z, y, x) float32
        Reconstruction.
    specimen, pose
        The truth, and how it lies in the volume.
    blur_px, gold
        As for `sample_density`; without gold, its surroundings are left out too.
    noise_blur_px : float
        Blur of the reconstruction, and of the truth as well, before they are compared: volumes
        that were interpolated have less noise at the finest detail, which is no merit.
    share : float
        Part of the volume in x and y that is compared.
    """
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    region = ice_region(specimen, pose, shape, share)
    used = inside_ice(specimen, pose, shape, region)
    if not gold:
        halos = specimen.beads.copy()
        halos[:, 3] *= 3  # gold's streaks reach further than gold
        near = sample_region(Specimen(beads=halos), pose, shape, region, blur_px=blur_px)
        used &= near < 1e-3 * max(float(near.max()), 1e-12)
    truth = sample_region(
        specimen, pose, shape, region, blur_px=math.hypot(blur_px, noise_blur_px), gold=gold
    )
    data = np.asarray(volume[region], dtype=np.float32)
    if noise_blur_px > 0:
        data = gaussian_filter(data, noise_blur_px, mode="nearest", truncate=3)
    return _correlation(data[used], truth[used])


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    x, y = centred(a), centred(b)
    norm = math.sqrt(float(np.dot(x, x)) * float(np.dot(y, y)))
    return float(np.dot(x, y)) / norm if norm > 0 else 0.0


def centred(values: NDArray[np.float32]) -> Floats:
    """Return values as one row with zero mean."""
    flat = values.ravel().astype(np.float64)
    flat -= flat.mean()
    return flat
