"""How well a reconstruction agrees with the analytic density, and how the specimen lies in it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tomoline.simulate.judge.pose import Pose
from tomoline.simulate.judge.sampling import TRUTH_BLUR_PX, sample_density
from tomoline.simulate.specimen import Floats, Specimen


def central_region(
    specimen: Specimen, pose: Pose, shape: tuple[int, int, int], share: float = 0.75
) -> tuple[slice, slice, slice]:
    """Return the middle of a volume in x and y, and the ice in z, as far as the volume has it."""
    half = specimen.thickness_px * pose.scale / 2
    z = pose.shift_px[2] + (shape[0] - 1) / 2
    first, last = max(0, math.floor(z - half)), min(shape[0], math.ceil(z + half) + 1)
    rows, columns = (
        slice(round(size * (1 - share) / 2), round(size * (1 + share) / 2)) for size in shape[1:]
    )
    return slice(first, last), rows, columns


def density_correlation(
    volume: NDArray[np.float32],
    specimen: Specimen,
    pose: Pose,
    *,
    blur_px: float = TRUTH_BLUR_PX,
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
    share : float
        Part of the volume in x and y that is compared.
    """
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    truth, region = _truth_in_region(specimen, pose, shape, blur_px, gold, share)
    data = np.asarray(volume[region], dtype=np.float32)
    if gold:
        return _correlation(data, truth)
    only_gold = Specimen(beads=_fattened(specimen.beads, 3.0))
    near, _ = _truth_in_region(only_gold, pose, shape, blur_px, True, share, region)
    clear = near < 1e-3 * max(float(near.max()), 1e-12)
    return _correlation(data[clear], truth[clear])


def _fattened(beads: Floats, times: float) -> Floats:
    """Beads with their radius enlarged, to keep away from their streaks."""
    wider = beads.copy()
    wider[:, 3] *= times
    return wider


def _truth_in_region(
    specimen: Specimen,
    pose: Pose,
    shape: tuple[int, int, int],
    blur_px: float,
    gold: bool,
    share: float,
    region: tuple[slice, slice, slice] | None = None,
) -> tuple[NDArray[np.float32], tuple[slice, slice, slice]]:
    """Sample the truth only where it is compared."""
    region = central_region(specimen, pose, shape, share) if region is None else region
    sizes = tuple(part.stop - part.start for part in region)
    # The region has another centre than the volume.
    offset = [
        (part.start + part.stop - 1) / 2 - (size - 1) / 2
        for part, size in zip(region, shape, strict=True)
    ]
    moved = Pose(pose.matrix, pose.shift_px - np.array(offset[::-1]))
    inner = (sizes[0], sizes[1], sizes[2])
    return sample_density(specimen, moved, inner, blur_px=blur_px, gold=gold), region


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    x, y = _centred(a), _centred(b)
    norm = math.sqrt(float(np.dot(x, x)) * float(np.dot(y, y)))
    return float(np.dot(x, y)) / norm if norm > 0 else 0.0


def _centred(values: NDArray[np.float32]) -> Floats:
    flat = values.ravel().astype(np.float64)
    flat -= flat.mean()
    return flat


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
    pose = start
    shape = (volume.shape[0], volume.shape[1], volume.shape[2])
    for blur in blurs_px:
        truth, region = _truth_in_region(specimen, pose, shape, blur, True, share)
        data = np.asarray(volume[region], dtype=np.float32)
        pose = _step(data, truth, region, shape, pose, scale_free)
    return pose


def _step(
    data: NDArray[np.float32],
    truth: NDArray[np.float32],
    region: tuple[slice, slice, slice],
    shape: tuple[int, int, int],
    pose: Pose,
    scale_free: bool,
) -> Pose:
    slope_z, slope_y, slope_x = np.gradient(truth)
    z, y, x = (
        (np.arange(part.start, part.stop) - (size - 1) / 2 - centre).astype(np.float32)
        for part, size, centre in zip(region, shape, pose.shift_px[::-1], strict=True)
    )
    z, y = z[:, None, None], y[:, None]
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
    # Every second voxel along each axis is plenty for eight numbers of a blurred density.
    thin = (slice(None, None, 2),) * 3
    flat = [_centred(column[thin]) for column in columns]
    values = _centred(data[thin])
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
