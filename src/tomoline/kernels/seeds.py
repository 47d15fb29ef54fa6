"""Choosing beads to track: good ones, spread over the field and over the surfaces."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels.bead_model import Floats

Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]

_CLUSTERED = 0.3
"""Penalty on the quality of a bead nearer than two diameters to another."""


def choose_spread(
    points_px: Floats, quality: Floats, target: int, least_spacing_px: float, area_px: float
) -> Indices:
    """Choose up to `target` points of high quality that lie spread over the field.

    The best points are taken first, none nearer to another than an even spread would have it;
    that spacing is then relaxed until there are enough, as pickbestseed does.

    Parameters
    ----------
    points_px : (n, 2) float64
    quality : (n,) float64
        Higher is better.
    target : int
    least_spacing_px : float
        Points nearer to each other are never taken both.
    area_px : float
        Area of the field.

    Returns
    -------
    (k,) intp
        Indices, best first.

    Examples
    --------
    >>> points = np.array([[0.0, 0], [1, 0], [50, 0], [0, 50]])
    >>> choose_spread(points, np.array([1.0, 0.9, 0.5, 0.4]), 3, 0.5, 2500.0)
    array([0, 2, 3])
    """
    order = np.argsort(-quality, kind="stable")
    chosen: list[int] = []
    taken = np.zeros(len(points_px), dtype=np.bool_)
    spacing = float(np.sqrt(area_px / max(target, 1)))
    while len(chosen) < min(target, len(points_px)):
        for i in order:
            if len(chosen) >= target:
                break
            if taken[i]:
                continue
            away = np.hypot(*(points_px[chosen] - points_px[i]).T) if chosen else np.array([np.inf])
            if away.min() >= spacing:
                chosen.append(int(i))
                taken[i] = True
        if spacing <= least_spacing_px:
            break
        spacing = max(0.75 * spacing, least_spacing_px)
    return np.array(chosen, dtype=np.intp)


def choose_seeds(
    points_px: Floats,
    quality: Floats,
    target: int,
    *,
    diameter_px: float,
    area_px: float,
    two_surfaces: bool,
) -> Indices:
    """Choose beads for tracking, half of them from each surface where there are two.

    Parameters
    ----------
    points_px : (n, 3) float64
        (x, y, z) of candidates.
    quality : (n,) float64
    target : int
    diameter_px : float
    area_px : float
    two_surfaces : bool
        Whether beads lie on two surfaces, which the gap in z tells apart.

    Returns
    -------
    (k,) intp
        Indices; a surface short of beads leaves its share to the other.
    """
    flat = points_px[:, :2]
    judged = quality - _CLUSTERED * clustered(flat, 2 * diameter_px)
    spacing = 0.85 * diameter_px
    if not two_surfaces or len(points_px) < 4:
        return choose_spread(flat, judged, target, spacing, area_px)
    upper = on_upper_surface(points_px)
    sides = [np.flatnonzero(upper), np.flatnonzero(~upper)]
    wanted = [target - target // 2, target // 2]
    missing = [max(0, w - len(side)) for w, side in zip(wanted, sides, strict=True)]
    shares = [wanted[0] + missing[1], wanted[1] + missing[0]]
    parts = [
        side[choose_spread(flat[side], judged[side], share, spacing, area_px)]
        for side, share in zip(sides, shares, strict=True)
    ]
    return np.concatenate(parts)


def clustered(points_px: Floats, distance_px: float) -> Bools:
    """Tell which points (n, 2) have another within the distance."""
    offsets = points_px[:, None] - points_px[None]
    distance = np.hypot(offsets[..., 0], offsets[..., 1])
    np.fill_diagonal(distance, np.inf)
    return np.asarray((distance < distance_px).any(axis=1))


def on_upper_surface(points_px: Floats) -> Bools:
    """Split points (n, 3) by height above their common plane where the two groups differ most.

    The split is the one that leaves the least variance within the groups.
    """
    plane = np.column_stack([points_px[:, :2], np.ones(len(points_px))])
    height = points_px[:, 2]
    for _ in range(3):
        # Both groups share the plane's slopes; each has its own height.
        order = np.sort(height)
        cuts = np.arange(1, len(order))
        means = np.cumsum(order)
        low = means[:-1] / cuts
        high = (means[-1] - means[:-1]) / (len(order) - cuts)
        between = cuts * (len(order) - cuts) * (high - low) ** 2
        cut = int(np.argmax(between))
        limit = 0.5 * (order[cut] + order[cut + 1])
        upper = height > limit
        design = np.column_stack([plane, upper])
        answer = np.linalg.lstsq(design, points_px[:, 2], rcond=None)[0]
        height = points_px[:, 2] - plane[:, :2] @ answer[:2]
    return np.asarray(upper)


def inside_contours(points_px: Floats, contours_px: Sequence[Floats]) -> Bools:
    """Tell which points (n, 2) lie inside any of the closed contours, each (m, 2).

    >>> square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    >>> inside_contours(np.array([[1.0, 1], [5, 1]]), [square])
    array([ True, False])
    """
    inside = np.zeros(len(points_px), dtype=np.bool_)
    x, y = points_px[:, :1], points_px[:, 1:]
    for contour in contours_px:
        if len(contour) < 3:
            continue
        ax, ay = contour.T
        bx, by = np.roll(contour, -1, axis=0).T
        spans = (ay > y) != (by > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = ax + (y - ay) * (bx - ax) / (by - ay)
        inside |= (spans & (x < crossing)).sum(axis=1) % 2 == 1
    return inside
