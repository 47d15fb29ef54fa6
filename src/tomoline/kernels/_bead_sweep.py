"""Beads that were no seeds: where rays through detections of many views meet."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels.bead_model import Floats

Indices = NDArray[np.int64]


def cameras(
    rotation_rad: Floats, tilt_rad: Floats, magnification: Floats, shift_px: Floats
) -> Floats:
    """Return matrices (v, 2, 4) that project (x, y, z, 1) into each view."""
    cos, sin = np.cos(rotation_rad), np.sin(rotation_rad)
    turned = magnification[:, None, None] * np.stack(
        [np.stack([cos, -sin], axis=-1), np.stack([sin, cos], axis=-1)], axis=1
    )
    flat = np.zeros((len(tilt_rad), 2, 3))
    flat[:, 0, 0], flat[:, 0, 2], flat[:, 1, 1] = np.cos(tilt_rad), np.sin(tilt_rad), 1.0
    return np.concatenate([turned @ flat, shift_px[:, :, None]], axis=2)


def sweep(
    detected: list[Floats],
    scores: list[Floats],
    matrices: Floats,
    starts: list[int],
    *,
    fields_px: Floats,
    depth_px: tuple[float, float],
    tolerance_px: float,
    least_share: float,
) -> Floats:
    """Find points in space that many views hold a detection of.

    Each detection of the starting views is a ray. Along the ray, places in small steps of z are
    projected into all views; where enough views have a detection there, a bead is.

    Parameters
    ----------
    detected : list of (n, 2) float64
        Detections of each view that no bead has claimed; empty for views without a part.
    scores : list of (n,) float64
    matrices : (v, 2, 4) float64
        From `cameras`.
    starts : list of int
        Views whose detections are followed up.
    fields_px : (v, 4) float64
        Lowest and highest x, lowest and highest y at which a bead can be seen in each view.
    depth_px : (float, float)
        Range of z.
    tolerance_px : float
    least_share : float
        Share of the views that could see the bead in which it must have been found.

    Returns
    -------
    (q, v, 2) float64
        New tracks, NaN where no detection belongs; no detection is in two of them.
    """
    order = [np.argsort(points[:, 1], kind="stable") for points in detected]
    points = [p[o] for p, o in zip(detected, order, strict=True)]
    first = np.concatenate([[0], np.cumsum([len(p) for p in points])]).astype(np.int64)
    if first[-1] == 0:
        return np.empty((0, len(detected), 2))
    flat = np.concatenate(points)
    score = np.concatenate([s[o] for s, o in zip(scores, order, strict=True)])
    candidates = np.concatenate([np.arange(first[v], first[v + 1]) for v in starts])
    candidates = candidates[np.argsort(-score[candidates], kind="stable")]
    view_of = np.repeat(np.arange(len(points)), np.diff(first)).astype(np.int64)
    steepest = float(np.abs(matrices[:, :, 2]).max())
    step = 0.7 * tolerance_px / max(steepest, 0.1)
    depths = np.arange(depth_px[0], depth_px[1] + step, step)
    used = (np.diff(first) > 0).astype(np.int64)
    hits = _sweep(
        flat,
        score,
        first,
        view_of,
        candidates,
        matrices,
        used,
        depths,
        fields_px,
        tolerance_px,
        least_share,
    )
    tracks = np.full((len(hits), len(detected), 2), np.nan)
    bead, view = np.nonzero(hits >= 0)
    tracks[bead, view] = flat[hits[bead, view]]
    return tracks


@njit(nogil=True, cache=True)
def _nearest(
    flat: Floats, claimed: Indices, low: int, high: int, x: float, y: float, tolerance: float
) -> int:
    """Return the free point of flat[low:high], sorted by y, nearest to (x, y), or -1."""
    left, right = low, high
    while left < right:
        middle = (left + right) // 2
        if flat[middle, 1] < y - tolerance:
            left = middle + 1
        else:
            right = middle
    best, least = -1, tolerance * tolerance
    for k in range(left, high):
        if flat[k, 1] > y + tolerance:
            break
        square = (flat[k, 0] - x) ** 2 + (flat[k, 1] - y) ** 2
        if square < least and claimed[k] == 0:
            best, least = k, square
    return best


@njit(nogil=True, cache=True)
def _sweep(
    flat: Floats,
    score: Floats,
    first: Indices,
    view_of: Indices,
    candidates: Indices,
    matrices: Floats,
    used: Indices,
    depths: Floats,
    fields: Floats,
    tolerance: float,
    least_share: float,
) -> Indices:
    views = len(first) - 1
    claimed = np.zeros(len(flat), dtype=np.int64)
    found = np.full((len(candidates), views), -1, dtype=np.int64)
    hits = np.empty(views, dtype=np.int64)
    best_hits = np.empty(views, dtype=np.int64)
    count = 0
    for i in range(len(candidates)):
        start = candidates[i]
        if claimed[start] != 0:
            continue
        home = view_of[start]
        m = matrices[home]
        determinant = m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0]
        if abs(determinant) < 0.2:
            continue
        best = 0.0
        for j in range(len(depths)):
            z = depths[j]
            right_x = flat[start, 0] - m[0, 2] * z - m[0, 3]
            right_y = flat[start, 1] - m[1, 2] * z - m[1, 3]
            x = (m[1, 1] * right_x - m[0, 1] * right_y) / determinant
            y = (m[0, 0] * right_y - m[1, 0] * right_x) / determinant
            total = 0.0
            visible = 0
            hit = 0
            for v in range(views):
                hits[v] = -1
                if used[v] == 0:
                    continue
                n = matrices[v]
                seen_x = n[0, 0] * x + n[0, 1] * y + n[0, 2] * z + n[0, 3]
                seen_y = n[1, 0] * x + n[1, 1] * y + n[1, 2] * z + n[1, 3]
                if seen_x < fields[v, 0] or seen_x > fields[v, 1]:
                    continue
                if seen_y < fields[v, 2] or seen_y > fields[v, 3]:
                    continue
                visible += 1
                k = _nearest(flat, claimed, first[v], first[v + 1], seen_x, seen_y, tolerance)
                if k >= 0:
                    hits[v] = k
                    hit += 1
                    away = math.hypot(flat[k, 0] - seen_x, flat[k, 1] - seen_y) / tolerance
                    total += score[k] * (1.0 - 0.5 * away)
            if hit >= 4 and hit >= least_share * visible and total > best:
                best = total
                best_hits[:] = hits
        if best > 0:
            for v in range(views):
                found[count, v] = best_hits[v]
                if best_hits[v] >= 0:
                    claimed[best_hits[v]] = 1
            count += 1
    return found[:count]
