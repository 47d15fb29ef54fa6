"""Gold in a reconstructed volume: found by its contrast, matched with the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from tomoline.simulate.judge.pose import Pose, fit_pose
from tomoline.simulate.judge.sampling import reduced
from tomoline.simulate.specimen import Floats

# Shifts tried, planes drawn for each, and the steepest slope of a plane.
_SHIFTS = 6
_TRIES = 300
_STEEPEST = 0.25


@dataclass(frozen=True)
class BeadMatch:
    """True beads and what was found of them.

    Attributes
    ----------
    fraction : float
        Part of the true beads within the volume's width and height that were found within the
        tolerance; gold above or below the volume is lost.
    count : int
        True beads within the volume's width and height.
    errors_px : (count,) float64
        Distance in voxels from each of them to the nearest bead found.
    rms_px : float
        Root mean square of the errors within the tolerance.
    pose : Pose
        The fit.
    """

    fraction: float
    count: int
    errors_px: Floats
    rms_px: float
    pose: Pose


def find_beads(
    volume: NDArray[np.float32], diameter_px: float, count: int, dark: bool | None = None
) -> Floats:
    """Find the `count` most bead-like places of a volume.

    Parameters
    ----------
    volume : (z, y, x) float32
        Reconstruction.
    diameter_px : float
        Diameter of the gold in voxels.
    count : int
        How many places to return, at most; more than there are beads does no harm to a match.
    dark : bool, optional
        Whether gold has low values; found out from the extreme values if left out.

    Returns
    -------
    (n, 3) float64
        (x, y, z) relative to the volume's centre, the most contrasting first.
    """
    # Four voxels across a bead are enough for centres to a tenth of a voxel.
    factor = max(1, int(diameter_px / 4))
    data = reduced(np.asarray(volume, dtype=np.float32), factor)
    sigma = 0.28 * diameter_px / factor
    contrast = ndimage.gaussian_filter(data, sigma, mode="nearest", truncate=3)
    contrast -= ndimage.gaussian_filter(contrast, 2 * sigma, mode="nearest", truncate=3)
    if dark is None:
        dark = bool(-np.min(contrast) > np.max(contrast))
    if dark:
        np.negative(contrast, out=contrast)
    # A thin disk suffices to tell peaks apart: beads do not touch.
    size = 2 * round(0.4 * diameter_px / factor) + 1
    peaks = contrast == ndimage.maximum_filter(contrast, size=size, mode="nearest")
    for axis in range(3):
        edge = np.moveaxis(peaks, axis, 0)
        edge[0] = edge[-1] = False
    places = np.argwhere(peaks)
    heights = contrast[tuple(places.T)]
    places = places[np.argsort(-heights, kind="stable")[:count]]
    refined = np.array([_vertex(contrast, place) for place in places]).reshape(-1, 3)
    middle = (np.array(data.shape) - 1) / 2
    # What does not fill a block is cut off at the ends, which moves the centre.
    cut = np.array([size % factor for size in volume.shape]) / 2
    return np.ascontiguousarray(((refined - middle) * factor - cut)[:, ::-1])


def _vertex(values: NDArray[np.float32], place: NDArray[np.int64]) -> Floats:
    """Return the top of the parabolas through a peak and its neighbours along each axis."""
    top = place.astype(np.float64)
    middle = float(values[tuple(place)])
    for axis in range(3):
        step = np.zeros(3, dtype=np.int64)
        step[axis] = 1
        before, after = float(values[tuple(place - step)]), float(values[tuple(place + step)])
        bend = before - 2 * middle + after
        if bend < 0:
            top[axis] += (before - after) / (2 * bend)
    return top


def match_beads(
    found_px: Floats,
    truth_px: Floats,
    shape: tuple[int, int, int],
    *,
    tolerance_px: float = 1.0,
    margin_px: float = 10.0,
    scale: float = 1.0,
    mirrored: bool | None = None,
) -> BeadMatch:
    """Fit the true beads onto those found, and count how many lie within the tolerance.

    The volume's y axis must be about the tilt axis, and its x and y the specimen's, either way
    round; z may point either way, and the specimen may lie in it at a slope of several degrees.

    Parameters
    ----------
    found_px : (m, 3) float64
        From `find_beads`.
    truth_px : (n, 3) float64
        True beads in the level specimen.
    shape : (int, int, int)
        Of the volume; only beads inside its width and height count.
    tolerance_px : float
        Largest distance of a bead that counts as found, in voxels.
    margin_px : float
        Beads this close to the volume's sides do not count.
    scale : float
        Voxels per pixel of the specimen, about.
    mirrored : bool, optional
        Whether the volume has the other hand; both are tried if left out.
    """
    best: tuple[float, Pose] | None = None
    for around in (1.0, -1.0):
        # A turn by 180 degrees about z keeps the hand, a flip of z changes it.
        for flip in (1.0, -1.0):
            if mirrored is not None and mirrored != (flip < 0):
                continue
            start = np.diag([around, around, flip]) * scale
            for pose in _search(found_px, truth_px, start):
                distance, _ = cKDTree(found_px).query(pose.apply(truth_px))
                # A smooth score prefers the hand that fits better where both find all beads.
                score = float(np.sum(np.exp(-0.5 * (distance / tolerance_px) ** 2)))
                if best is None or score > best[0] + 1e-6:
                    best = score, pose
    if best is None:
        return BeadMatch(
            0.0, len(truth_px), np.full(len(truth_px), np.inf), np.inf, Pose.identity()
        )
    pose = best[1]
    seen = pose.apply(truth_px)
    # A tomogram too thin or too high for the gold has lost it: z does not excuse a bead.
    half = (np.array([shape[2], shape[1]]) - 1) / 2 - margin_px
    inside = np.all(np.abs(seen[:, :2]) <= half, axis=1)
    distance, _ = cKDTree(found_px).query(seen[inside])
    good = distance[distance <= tolerance_px]
    return BeadMatch(
        fraction=len(good) / len(distance) if len(distance) else 0.0,
        count=len(distance),
        errors_px=distance,
        rms_px=float(np.sqrt(np.mean(good**2))) if len(good) else np.inf,
        pose=pose,
    )


def _search(found: Floats, truth: Floats, start: Floats) -> Iterator[Pose]:
    """Give the poses near a start of unknown shift and slope at which several beads agree."""
    if len(found) < 3 or len(truth) < 3:
        return
    turned = truth @ start.T
    reach = max(8.0, 0.012 * float(np.max(np.abs(turned[:, :2]))))
    mirrored = bool(np.linalg.det(start) < 0)
    for shift in _votes(found[:, :2], turned[:, :2], reach):
        pairs = _level_pairs(found, turned, shift, reach)
        if len(pairs) < 3:
            continue
        yield _tightened(found, truth, pairs, reach, mirrored)


def _level_pairs(found: Floats, turned: Floats, shift: Floats, reach: float) -> NDArray[np.int64]:
    """Pair beads that agree in x and y after a shift, and in z with one sloping plane."""
    near = cKDTree(found[:, :2]).query_ball_point(turned[:, :2] + shift, reach)
    pairs = np.array(
        [(i, j) for j, close in enumerate(near) for i in sorted(close)], dtype=np.int64
    ).reshape(-1, 2)
    best = np.zeros(len(pairs), np.bool_)
    if len(pairs) < 3:
        return pairs
    places = np.column_stack([np.ones(len(pairs)), turned[pairs[:, 1], :2]])
    rises = found[pairs[:, 0], 2] - turned[pairs[:, 1], 2]
    rng = np.random.default_rng(0)
    for _ in range(_TRIES):
        triple = rng.choice(len(pairs), 3, replace=False)
        try:
            plane = np.linalg.solve(places[triple], rises[triple])
        except np.linalg.LinAlgError:
            continue
        close = np.abs(rises - places @ plane) < reach / 2
        if np.max(np.abs(plane[1:])) < _STEEPEST and close.sum() > best.sum():
            best = close
    return pairs[best]


def _tightened(
    found: Floats, truth: Floats, pairs: NDArray[np.int64], reach: float, mirrored: bool
) -> Pose:
    """Fit a pose to pairs, and again to those nearest to each other, ever closer."""
    tree = cKDTree(found)
    pose = fit_pose(found[pairs[:, 0]], truth[pairs[:, 1]], mirrored)
    for tolerance in (*np.geomspace(reach, 1.5, 6), 1.5, 1.5):
        distance, nearest = tree.query(pose.apply(truth))
        close = distance < tolerance
        if close.sum() < 3:
            break
        pose = fit_pose(found[nearest[close]], truth[close], mirrored)
    return pose


def _votes(found: Floats, truth: Floats, reach: float) -> list[Floats]:
    """Return the shifts in the plane that bring most true beads within reach of found ones."""
    differences = (found[:, None] - truth[None]).reshape(-1, 2)
    tree = cKDTree(differences)
    votes = tree.query_ball_point(differences, reach / 2, return_length=True)
    shifts: list[Floats] = []
    for index in np.argsort(-votes, kind="stable"):
        if all(np.sum((differences[index] - other) ** 2) > reach**2 for other in shifts):
            close = tree.query_ball_point(differences[index], reach / 2)
            shifts.append(np.mean(differences[close], axis=0))
        if len(shifts) == _SHIFTS:
            break
    return shifts
