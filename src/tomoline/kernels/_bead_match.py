"""Which detection is which bead: a vote on the view's shift, then mutual nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels.bead_model import Floats

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Vote:
    """The shift that most beads agree on.

    Attributes
    ----------
    shift_px : (2,) float64
        Detected minus predicted.
    votes : int
        Beads that agree.
    runner_up : int
        Beads that agree on the best other shift.
    """

    shift_px: Floats
    votes: int
    runner_up: int


def vote_shift(
    predicted_uv: Floats, detected_uv: Floats, radius_px: float, box_px: tuple[float, float]
) -> Vote:
    """Find the shift between predicted and detected positions by a histogram of differences.

    Parameters
    ----------
    predicted_uv, detected_uv : (n, 2), (m, 2) float64
    radius_px : float
        Largest shift looked for, along u and v.
    box_px : (float, float)
        Half sizes of the area of shifts, along u and v, within which beads agree.

    Returns
    -------
    Vote
    """
    differences = detected_uv[None, :, :] - predicted_uv[:, None, :]
    near = (np.abs(differences) <= radius_px).all(axis=2)
    bead = np.nonzero(near)[0]
    pairs = differences[near]
    if not len(pairs):
        return Vote(np.zeros(2), 0, 0)
    half = int(np.ceil(radius_px)) + 1
    size = 2 * half + 1
    cells = np.rint(pairs).astype(np.intp) + half
    counts = np.bincount(cells[:, 1] * size + cells[:, 0], minlength=size * size)
    box_u, box_v = (max(1, round(b)) for b in box_px)
    smooth = _box_sums(counts.reshape(size, size), box_v, box_u)
    # Among equals the smallest shift.
    v, u = np.mgrid[-half : half + 1, -half : half + 1]
    best = int(np.argmax(smooth - 1e-4 * np.hypot(u, v)))
    place = np.array([best % size - half, best // size - half], dtype=np.float64)
    inside = (np.abs(pairs - place) <= np.array([box_u + 0.5, box_v + 0.5])).all(axis=1)
    shift = np.median(pairs[inside], axis=0) if inside.any() else place
    votes = len(np.unique(bead[inside]))
    other = smooth.copy()
    row, column = best // size, best % size
    other[
        max(0, row - 2 * box_v - 1) : row + 2 * box_v + 2,
        max(0, column - 2 * box_u - 1) : column + 2 * box_u + 2,
    ] = 0
    return Vote(shift, votes, int(other.max()))


def _box_sums(counts: NDArray[np.intp], half_rows: int, half_columns: int) -> Floats:
    padded = np.pad(counts, ((half_rows + 1, half_rows), (half_columns + 1, half_columns)))
    sums = padded.cumsum(axis=0).cumsum(axis=1).astype(np.float64)
    r, c = 2 * half_rows + 1, 2 * half_columns + 1
    return np.asarray(sums[r:, c:] - sums[:-r, c:] - sums[r:, :-c] + sums[:-r, :-c])


def assign(
    predicted_uv: Floats, detected_uv: Floats, tolerance_px: Floats
) -> tuple[Indices, Indices]:
    """Pair predictions and detections that are each other's nearest, within a tolerance.

    Parameters
    ----------
    predicted_uv, detected_uv : (n, 2), (m, 2) float64
        Predictions may be NaN.
    tolerance_px : (n, 2) float64
        Half axes of the ellipse around each prediction.

    Returns
    -------
    predictions, detections : (k,) intp
        Indices of the pairs.
    """
    if not len(predicted_uv) or not len(detected_uv):
        return np.empty(0, np.intp), np.empty(0, np.intp)
    scaled = (detected_uv[None] - predicted_uv[:, None]) / tolerance_px[:, None]
    distance = np.hypot(scaled[..., 0], scaled[..., 1])
    distance[np.isnan(distance)] = np.inf
    nearest = distance.argmin(axis=1)
    back = distance.argmin(axis=0)
    rows = np.arange(len(predicted_uv))
    good = (distance[rows, nearest] < 1.0) & (back[nearest] == rows)
    return rows[good], nearest[good]


def fit_drift(predicted_uv: Floats, seen_uv: Floats) -> Floats:
    """Fit how a view's positions differ from the predicted ones, robustly.

    A shift for fewer than four beads, with rotation and scale from four, affine from eight: what
    a wrong axis, a magnification or a distortion does to one view.

    Returns
    -------
    (2, 3) float64
        Transform from predicted to seen positions.
    """
    count = len(predicted_uv)
    transform = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    if count == 0:
        return transform
    weight = np.ones(count)
    for _ in range(4):
        transform = _weighted_fit(predicted_uv, seen_uv, weight)
        left = seen_uv - predicted_uv @ transform[:, :2].T - transform[:, 2]
        distance = np.hypot(left[:, 0], left[:, 1])
        scale = max(0.3, 1.4826 * float(np.median(distance)))
        weight = np.clip(1 - (distance / (4.0 * scale)) ** 2, 0, 1) ** 2 + 1e-6
    return transform


def _weighted_fit(predicted: Floats, seen: Floats, weight: Floats) -> Floats:
    total = weight.sum()
    middle = (weight[:, None] * predicted).sum(axis=0) / total
    offset = (weight[:, None] * (seen - predicted)).sum(axis=0) / total
    p, d = predicted - middle, seen - predicted - offset
    matrix = np.eye(2)
    if len(predicted) >= 8:
        # A slight pull to no change keeps beads on one line from bending the plane.
        normal = (p * weight[:, None]).T @ p + np.eye(2) * 1e2
        matrix = np.eye(2) + np.linalg.solve(normal, (p * weight[:, None]).T @ d).T
    elif len(predicted) >= 4:
        square = float((weight[:, None] * p**2).sum()) + 1e4
        scale = float((weight[:, None] * p * d).sum()) / square
        angle = float((weight * (p[:, 0] * d[:, 1] - p[:, 1] * d[:, 0])).sum()) / square
        matrix = np.array([[1 + scale, -angle], [angle, 1 + scale]])
    return np.column_stack([matrix, middle + offset - matrix @ middle])
