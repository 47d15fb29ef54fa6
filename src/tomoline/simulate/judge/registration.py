"""How the specimen lies in a reconstruction, found from the density itself."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tomoline.simulate.judge.density import centred, ice_region
from tomoline.simulate.judge.pose import Pose
from tomoline.simulate.judge.sampling import (
    Region,
    offsets_in_region,
    reduced,
    sample_density,
    sample_region,
)
from tomoline.simulate.projection import rotation
from tomoline.simulate.specimen import Floats, Specimen

_COARSE = 4
_FINE = 2


def find_pose(
    volume: NDArray[np.float32],
    specimen: Specimen,
    slopes_deg: tuple[tuple[float, float], ...] = ((0.0, 0.0),),
    *,
    dark: bool = True,
    mirrored: bool | None = None,
) -> Pose:
    """Find how a specimen without gold lies in a volume: which way round, where, how sloping.

    Parameters
    ----------
    volume : (z, y, x) float32
        Reconstruction, with y along the tilt axis.
    specimen : Specimen
        The truth.
    slopes_deg : tuple of (tilt offset, pitch)
        Slopes to try; give the true ones too if the volume was not levelled.
    dark : bool
        Whether dense is dark.
    mirrored : bool, optional
        Whether the volume has the other hand; both are tried if left out.

    Returns
    -------
    Pose
        After `fit_density`.
    """
    coarse = reduced(np.asarray(volume, dtype=np.float32), _COARSE)
    if dark:
        coarse = -coarse
    shape = (coarse.shape[0], coarse.shape[1], coarse.shape[2])
    padded = tuple(2 * size for size in shape)
    spectrum = np.fft.rfftn(coarse - coarse.mean(), padded, axes=(0, 1, 2))
    best: tuple[float, Pose] | None = None
    for slope, pitch in slopes_deg:
        turn = rotation(math.radians(slope), math.radians(pitch))
        for around, flip in ((1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)):
            if mirrored is not None and mirrored != (flip < 0):
                continue
            matrix = np.diag([around, around, flip]) @ turn
            small = Pose(matrix / _COARSE, np.zeros(3))
            truth = sample_density(specimen, small, shape, blur_px=1.0)
            truth = truth - truth.mean()
            product = spectrum * np.conj(np.fft.rfftn(truth, padded, axes=(0, 1, 2)))
            correlation = np.fft.irfftn(product, padded, axes=(0, 1, 2)) / np.linalg.norm(truth)
            place = np.unravel_index(int(np.argmax(correlation)), padded)
            shift = [
                (at + size // 2) % size - size // 2 for at, size in zip(place, padded, strict=True)
            ]
            score = float(correlation[place])
            if best is None or score > best[0]:
                best = score, Pose(matrix, _COARSE * np.array(shift[::-1], dtype=np.float64))
    start = Pose.identity() if best is None else best[1]
    return fit_density(volume, specimen, start)


def fit_density(
    volume: NDArray[np.float32],
    specimen: Specimen,
    start: Pose,
    *,
    blurs_px: tuple[float, ...] = (6.0, 4.0, 2.5, 1.5, 1.5),
    share: float = 0.75,
    scale_free: bool = True,
) -> Pose:
    """Improve a pose by the density itself, for specimens without gold.

    Parameters
    ----------
    volume : (z, y, x) float32
        Reconstruction.
    specimen : Specimen
        The truth.
    start : Pose
        Right to a few voxels and about 3 degrees; its shift is searched first.
    blurs_px : tuple of float
        Blur of the truth in voxels in each round.
    share : float
        Part of the volume in x and y that is compared.
    scale_free : bool
        Whether the scale is fitted too.

    Notes
    -----
    In every round the volume is regressed on the truth and on what small shifts, rotations and a
    change of scale do to it, whose coefficients over that of the truth are the step to take.
    """
    # Averages of two voxels lose nothing of what is blurred by more, and cost an eighth.
    small = reduced(np.asarray(volume, dtype=np.float32), _FINE)
    shape = (small.shape[0], small.shape[1], small.shape[2])
    cut = np.array([size % _FINE for size in volume.shape[::-1]]) / 2
    pose = Pose(start.matrix / _FINE, (start.shift_px + cut) / _FINE)
    for blur in blurs_px:
        region = ice_region(specimen, pose, shape, share)
        truth = sample_region(specimen, pose, shape, region, blur_px=blur / _FINE)
        pose = _step(small[region], truth, region, shape, pose, scale_free)
    return Pose(pose.matrix * _FINE, pose.shift_px * _FINE - cut)


def _step(
    data: NDArray[np.float32],
    truth: NDArray[np.float32],
    region: Region,
    shape: tuple[int, int, int],
    pose: Pose,
    scale_free: bool,
) -> Pose:
    slope_z, slope_y, slope_x = (np.gradient(truth, axis=axis) for axis in range(3))
    z, y, x = offsets_in_region(pose, shape, region)
    columns = [
        truth,
        slope_x,
        slope_y,
        slope_z,
        # Rotations about x, y, z move a voxel by (0, -z, y), (z, 0, -x) and (-y, x, 0).
        slope_z * y - slope_y * z,
        slope_x * z - slope_z * x,
        slope_y * x - slope_x * y,
    ]
    if scale_free:
        columns.append(slope_x * x + slope_y * y + slope_z * z)
    flat = [centred(column) for column in columns]
    values = centred(data)
    normal = np.array([[float(np.dot(a, b)) for b in flat] for a in flat])
    right = np.array([float(np.dot(a, values)) for a in flat])
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-30))
    solution = np.linalg.lstsq(normal / np.outer(scale, scale), right / scale, rcond=1e-9)[0]
    solution = solution / scale
    # The truth at a voxel that has moved by d is T(x - d) = T - grad T . d.
    steps = np.zeros(7)
    steps[: len(solution) - 1] = -solution[1:] / solution[0]
    steps[:3] = np.clip(steps[:3], -8, 8)
    steps[3:6] = np.clip(steps[3:6], -0.05, 0.05)
    steps[6] = np.clip(steps[6], -0.02, 0.02)
    turn = _rotation(steps[3:6]) * (1 + steps[6])
    return Pose(turn @ pose.matrix, pose.shift_px + steps[:3])


def _rotation(vector_rad: Floats) -> Floats:
    """Return the rotation by a vector's length about its direction (Rodrigues)."""
    angle = float(np.linalg.norm(vector_rad))
    x, y, z = vector_rad / angle if angle > 0 else np.array([0.0, 0.0, 1.0])
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Floats = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turned
