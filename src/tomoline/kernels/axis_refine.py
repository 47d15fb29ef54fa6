"""Making a roughly known tilt axis exact, from how patches of the specimen move.

Whatever its depth, a point of the specimen moves perpendicular to the tilt axis only. So the
direction in which followed patches do not move, after the shift common to all of them in each
view is removed, is the axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._image import Image
from tomoline.kernels.coarse import CoarseOptions, align_neighbours
from tomoline.kernels.patches import PatchOptions, track_patches
from tomoline.kernels.tilt_axis import axis_difference, wrap_half_turn

Floats = NDArray[np.float64]
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

_ACROSS = 4
_LEAST_PATCH_PX = 32
_LEAST_TRACKS = 4
_ROUNDS = 2
# A second round is not worth its time when the first moved the axis less.
_SETTLED_RAD = math.radians(1.5)
# Patches must move across the axis by this many times what they seem to move along it.
_LEAST_RATIO = 2.0
_TUKEY = 4.685
# More views, or views nearer to each other, take time and make the axis no more exact.
_ENOUGH_VIEWS = 20
_STEP_RAD = math.radians(6.5)


def refine_axis(
    images: Sequence[Image],
    tilt_rad: Floats,
    axis_rad: float,
    *,
    included: NDArray[np.bool_] | None = None,
    run: Run = map,
) -> float | None:
    """Refine a tilt axis that is known to 15 degrees or so.

    Parameters
    ----------
    images : sequence of (y, x) float32
        Levelled, reduced views, about 256 pixels wide.
    tilt_rad : (view,) float64
    axis_rad : float
        From the vertical, counter-clockwise.
    included : (view,) bool, optional
    run : callable
        Applies a function to a sequence of items, in order.

    Returns
    -------
    float or None
        The refined angle in (-pi/2, pi/2]; None where too little could be followed.
    """
    height, width = images[0].shape
    side = max(_LEAST_PATCH_PX, min(height, width) // _ACROSS)
    options = PatchOptions(
        size_px=(side, side), overlap=(0.0, 0.0), averaged=2, iterations=1, most_skipped=3
    )
    axis = axis_rad
    used = _thinned(tilt_rad, np.ones(len(images), bool) if included is None else included)
    for _ in range(_ROUNDS):
        aligned = align_neighbours(
            images, tilt_rad, axis, CoarseOptions(refinements=0), included=used, run=run
        )
        found = track_patches(
            images,
            tilt_rad,
            axis,
            options,
            centre_px=aligned.centre_px,
            included=used,
            run=run,
        )
        direction = still_direction(found.tracks_px)
        if direction is None:
            return None
        moved = axis_difference(direction, axis)
        axis = direction
        if moved < _SETTLED_RAD:
            break
    return wrap_half_turn(axis)


def _thinned(tilt_rad: Floats, included: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep every second or third view, the lowest tilt among them, where steps are small."""
    order = [int(view) for view in np.argsort(tilt_rad, kind="stable") if included[view]]
    step = float(np.median(np.diff(tilt_rad[order]))) if len(order) > 1 else _STEP_RAD
    stride = len(order) // _ENOUGH_VIEWS
    if step > 0:
        stride = min(stride, int(_STEP_RAD / step))
    stride = max(1, stride)
    lowest = min(range(len(order)), key=lambda place: abs(float(tilt_rad[order[place]])))
    used = np.zeros(len(tilt_rad), bool)
    used[order[lowest % stride :: stride]] = True
    return used


def still_direction(tracks_px: Floats) -> float | None:
    """Return the direction in which points do not move relative to each other.

    Parameters
    ----------
    tracks_px : (track, view, 2) float64
        (x, y); NaN where lost.

    Returns
    -------
    float or None
        Angle from the vertical, counter-clockwise, in (-pi/2, pi/2]; None where the points are
        too few, or move alike in all directions.

    Examples
    --------
    >>> x, y = np.array([-30.0, 5.0, 20.0, 40.0]), np.array([-3.0, 9.0, -20.0, 4.0])
    >>> cos = np.cos(np.radians([-60.0, -30.0, 0.0, 30.0]))
    >>> tracks = np.stack([x[:, None] * cos, np.repeat(y[:, None], 4, axis=1)], axis=2)
    >>> abs(round(still_direction(tracks), 6))
    0.0
    """
    seen = np.isfinite(tracks_px[..., 0])
    if len(tracks_px) < _LEAST_TRACKS:
        return None
    weights = seen.astype(np.float64)
    axis, ratio = 0.0, 0.0
    for _ in range(8):
        motion = _own_motion(tracks_px, weights)
        flat, used = motion[seen], weights[seen]
        spread = np.einsum("p,pi,pj->ij", used, flat, flat) / max(used.sum(), 1e-9)
        values, vectors = np.linalg.eigh(spread)
        ratio = math.sqrt(max(float(values[1]), 0.0) / max(float(values[0]), 1e-12))
        still = vectors[:, 0]
        # The axis is the y direction turned by the angle: (-sin, cos).
        axis = math.atan2(-float(still[0]), float(still[1]))
        along = motion @ still
        scale = 1.4826 * float(np.median(np.abs(along[seen]))) + 1e-9
        distance = np.where(seen, along, 0.0) / (_TUKEY * scale)
        weights = np.where(seen & (np.abs(distance) < 1), (1 - distance**2) ** 2, 0.0)
    return wrap_half_turn(axis) if ratio > _LEAST_RATIO else None


def _own_motion(tracks_px: Floats, weights: Floats) -> Floats:
    """Remove each track's mean place and each view's mean shift, both weighted."""
    values = np.where(np.isfinite(tracks_px), tracks_px, 0.0)
    share = weights[..., None]
    for _ in range(30):
        for axis in (1, 0):
            total = np.maximum(share.sum(axis=axis, keepdims=True), 1e-9)
            values = values - (share * values).sum(axis=axis, keepdims=True) / total
    motion: Floats = values
    return motion
