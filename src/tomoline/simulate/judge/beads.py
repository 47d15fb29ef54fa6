"""Gold in a reconstructed volume: found by its contrast, matched with the truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from tomoline.simulate.judge.pose import Pose, fit_pose
from tomoline.simulate.judge.sampling import reduced
from tomoline.simulate.specimen import Floats


@dataclass(frozen=True)
class BeadMatch:
    """True beads and what was found of them.

    Attributes
    ----------
    fraction : float
        Part of the true beads inside the volume that were found within the tolerance.
    count : int
        True beads inside the volume.
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
        Of the volume; only beads inside count.
    tolerance_px : float
        Largest distance of a bead that counts as found, in voxels.
    margin_px : float
        Beads this close to the volume's faces do not count.
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
            pose = _search(found_px, truth_px, start)
            if pose is None:
                continue
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
    half = (np.array(shape[::-1]) - 1) / 2 - margin_px
    distance, _ = cKDTree(found_px).query(seen[np.all(np.abs(seen) <= half, axis=1)])
    good = distance[distance <= tolerance_px]
    return BeadMatch(
        fraction=len(good) / len(distance) if len(distance) else 0.0,
        count=len(distance),
        errors_px=distance,
        rms_px=float(np.sqrt(np.mean(good**2))) if len(good) else np.inf,
        pose=pose,
    )


def _search(found: Floats, truth: Floats, start: Floats) -> Pose | None:
    """Find the pose near a start of unknown shift and slope, or None if too few beads agree."""
    if len(found) < 3 or len(truth) < 3:
        return None
    turned = truth @ start.T
    reach = max(8.0, 0.012 * float(np.max(np.abs(turned[:, :2]))))
    shift = _vote(found[:, :2], turned[:, :2], reach)
    # Slopes hardly move beads in x and y: pairs that agree there show the slope in z.
    near = cKDTree(found[:, :2]).query_ball_point(turned[:, :2] + shift, reach)
    pairs = np.array([(i, j) for j, close in enumerate(near) for i in sorted(close)]).reshape(-1, 2)
    if len(pairs) < 3:
        return None
    places = np.column_stack([np.ones(len(pairs)), turned[pairs[:, 1], :2]])
    rises = found[pairs[:, 0], 2] - turned[pairs[:, 1], 2]
    rng = np.random.default_rng(0)
    best = np.zeros(len(pairs), np.bool_)
    for _ in range(400):
        triple = rng.choice(len(pairs), 3, replace=False)
        try:
            plane = np.linalg.solve(places[triple], rises[triple])
        except np.linalg.LinAlgError:
            continue
        close = np.abs(rises - places @ plane) < reach / 2
        if np.max(np.abs(plane[1:])) < 0.25 and close.sum() > best.sum():
            best = close
    if best.sum() < 3:
        return None
    pairs = pairs[best]
    mirrored = bool(np.linalg.det(start) < 0)
    tree = cKDTree(found)
    for tolerance in (*np.geomspace(reach, 1.5, 6), 1.5, 1.5):
        pose = fit_pose(found[pairs[:, 0]], truth[pairs[:, 1]], mirrored)
        distance, nearest = tree.query(pose.apply(truth))
        close = distance < tolerance
        if close.sum() < 3:
            return pose
        pairs = np.column_stack([nearest[close], np.flatnonzero(close)])
    return fit_pose(found[pairs[:, 0]], truth[pairs[:, 1]], mirrored)


def _vote(found: Floats, truth: Floats, reach: float) -> Floats:
    """Return the shift in the plane that brings most true beads within reach of found ones."""
    differences = (found[:, None] - truth[None]).reshape(-1, 2)
    tree = cKDTree(differences)
    close = tree.query_ball_point(differences, reach / 2)
    winner = max(range(len(close)), key=lambda index: len(close[index]))
    shift: Floats = np.mean(differences[close[winner]], axis=0)
    return shift
