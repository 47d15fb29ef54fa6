"""From views around the lowest tilt to the beads that tracking starts with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.kernels.bead_model import average_profile, rescale, sphere_profile
from tomoline.kernels.bundle import BundleOptions, BundleSolution, solvable, solve_bundle
from tomoline.kernels.centre_beads import refine_centres
from tomoline.kernels.complete_beads import drop_duplicates, more_beads
from tomoline.kernels.find_beads import BeadFilter, Detections, first_of_each, score_threshold
from tomoline.kernels.seeds import choose_seeds, inside_contours
from tomoline.kernels.track_beads import TrackOptions, track_outward
from tomoline.steps._bead_views import BeadViews, find_in

Floats = NDArray[np.float64]

_SIZE_FACTORS = (0.6, 0.67, 0.74, 0.82, 0.9, 1.0, 1.1, 1.22, 1.35, 1.45)
_SIZE_VIEWS = 3
_CANDIDATE_DIAMETER_PX = 3.0
_SEED_VIEWS = 9
_SEED_RANGE_DEG = 20.0
_LEAST_SHARE = 0.7
_GOOD_RESIDUAL_PX = 1.5
_GOOD_SCORE = 0.6


@dataclass(frozen=True)
class Sphere:
    """The size of bead that fits best.

    Attributes
    ----------
    diameter_px : float
        Of the sphere whose shadow it is.
    score : float
        Mean score of the best candidates, 1 for perfect beads.
    """

    diameter_px: float
    score: float


def central_views(views: BeadViews, count: int = _SEED_VIEWS) -> list[int]:
    """Return up to `count` included views nearest to the lowest tilt, in order of tilt."""
    tilt = views.views.tilt_deg
    included = np.array(views.by_tilt)
    reference = included[np.argmin(np.abs(tilt[included]))]
    away = np.abs(tilt[included] - tilt[reference])
    nearest = included[np.argsort(away, kind="stable")]
    near = [int(v) for v in nearest[:count] if abs(tilt[v] - tilt[reference]) <= _SEED_RANGE_DEG]
    chosen = near if len(near) >= 5 else [int(v) for v in nearest[: min(count, 5)]]
    return sorted(chosen, key=lambda v: float(tilt[v]))


def measure_sphere(
    views: BeadViews, nominal_px: float, *, light: bool, adjust: bool, expected: int
) -> Sphere:
    """Find the diameter near the nominal one at which the best candidates score highest.

    Parameters
    ----------
    views : BeadViews
    nominal_px : float
        What the size of the gold and the pixel size say.
    light : bool
    adjust : bool
        Whether other diameters, from 0.6 to 1.45 times the nominal one, are tried.
    expected : int
        Beads that are expected in a view.
    """
    factors = np.array(_SIZE_FACTORS if adjust else (1.0,))
    spheres = [sphere_profile(nominal_px * float(f)) for f in factors]
    # Candidates of a few sizes will do, and of small images; the fits that judge are at full size.
    reduce = max(1, int(nominal_px * float(factors[0]) / _CANDIDATE_DIAMETER_PX))
    height, width = (size // reduce for size in views.stack.shape[1:])
    filters = [
        BeadFilter.make(rescale(sphere, reduce), (height, width), light=light)
        for sphere in spheres[1::3] or spheres
    ]

    def one(view: int) -> Floats:
        image = views.read(view)
        found = [find_in(image, f, reduce, 4 * expected) for f in filters]
        starts = np.concatenate([d.centres_px for d in found])
        contrast = np.concatenate([d.contrast for d in found])
        order = np.argsort(-contrast, kind="stable")
        order = order[first_of_each(starts[order], 0.4 * nominal_px)]
        starts, contrast = starts[order], contrast[order]
        scores = np.zeros(len(factors))
        for k, sphere in enumerate(spheres):
            reach = 0.5 * sphere.diameter_px
            fits = refine_centres(
                image,
                starts,
                sphere,
                max_move_px=reach,
                light=light,
                avoid_px=starts[:0],
                iterations=6,
            )
            score = np.nan_to_num(fits.correlation) * np.sqrt(np.minimum(contrast / 12.0, 1.0))
            order = np.argsort(-score, kind="stable")
            order = order[np.isfinite(fits.centres_px[order, 0])]
            single = first_of_each(fits.centres_px[order], reach)
            # Fewer candidates than beads: what is missing scores nothing.
            scores[k] = score[order[single]][:expected].sum() / expected
        return scores

    chosen = central_views(views, _SIZE_VIEWS)
    scores = np.mean(views.run(one, chosen, "measuring beads"), axis=0)
    best = int(np.argmax(scores))
    diameter = nominal_px * float(factors[best])
    if 0 < best < len(factors) - 1:
        # Parabola through the three best, in the logarithm of the size.
        left, top, right = scores[best - 1 : best + 2]
        curve = left + right - 2 * top
        if curve < 0:
            step = 0.5 * math.log(factors[best + 1] / factors[best - 1])
            diameter *= math.exp(0.5 * (left - right) / curve * step)
    return Sphere(diameter, float(scores[best]))


@dataclass(frozen=True)
class Seeds:
    """Beads for tracking to start with, and how they were found.

    Attributes
    ----------
    tracks_px : (p, v, 2) float64
        In the prealigned frame; NaN in all but the central views.
    points_px : (p, 3) float64
        (x, y) in the prealigned frame at the lowest tilt, and height.
    bead_diameter_px : float or None
        At half height, in raw pixels; None where too few were found.
    candidates : int
        Good beads from which they were chosen.
    threshold : float
        Score above which a detection counted as a bead.
    residual_px : float
    views : tuple of int
        The central views.
    """

    tracks_px: Floats
    points_px: Floats
    bead_diameter_px: float | None
    candidates: int
    threshold: float
    residual_px: float
    views: tuple[int, ...]


def find_seeds(
    views: BeadViews,
    sphere: Sphere,
    axis_rad: float,
    *,
    light: bool,
    target: int,
    two_surfaces: bool,
    contours_px: Sequence[Floats] = (),
    exclude_inside: bool = False,
) -> Seeds:
    """Find beads in the central views, follow them through these, and choose among them.

    Parameters
    ----------
    views : BeadViews
    sphere : Sphere
    axis_rad : float
    light : bool
    target : int
        Number of beads to choose.
    two_surfaces : bool
    contours_px : sequence of (m, 2) float64
        Areas in the prealigned frame; beads only inside them.
    exclude_inside : bool
        Beads only outside the areas.
    """
    chosen = central_views(views)
    found, sums = views.detect(chosen, sphere.diameter_px, light=light)
    diameter_at = sphere_profile(sphere.diameter_px).diameter_px
    profile = average_profile(list(sums.values()), diameter_at)
    diameter = profile.diameter_px if profile else None
    detections: list[Detections | None] = [found.get(v) for v in range(views.views.count)]
    threshold = score_threshold(np.concatenate([d.score for d in found.values()]))
    nothing = Seeds(
        np.empty((0, views.views.count, 2)),
        np.empty((0, 3)),
        diameter,
        0,
        threshold,
        0.0,
        tuple(chosen),
    )
    followed = _follow(views, detections, chosen, axis_rad, threshold, diameter_at)
    if followed is None:
        return nothing
    tracks, solution = followed
    seen = np.isfinite(tracks[..., 0]).sum(axis=1)
    residual = np.nan_to_num(np.nanmean(solution.residual_lengths_px, axis=1), nan=np.inf)
    # Seen in the middle of the central views; the solution's own frame is turned to the axis.
    middle = min(chosen, key=lambda v: abs(float(views.views.tilt_deg[v])))
    points = np.column_stack([solution.predicted_px[:, middle], solution.points_px[:, 2]])
    good = (seen >= math.ceil(_LEAST_SHARE * len(chosen))) & (residual < _GOOD_RESIDUAL_PX)
    good &= np.isfinite(points).all(axis=1)
    good &= _in_field(views, points)
    good &= _mean_scores(tracks, detections) >= _GOOD_SCORE
    if contours_px:
        inside = inside_contours(points[:, :2], contours_px)
        good &= ~inside if exclude_inside else inside
    tracks, points, residual = tracks[good], points[good], residual[good]
    if not len(points):
        return nothing
    share = np.isfinite(tracks[..., 0]).sum(axis=1) / len(chosen)
    quality = share - 0.3 * residual
    height, width = views.stack.shape[1:]
    picked = choose_seeds(
        points,
        quality,
        target,
        diameter_px=diameter_at,
        area_px=float(height * width),
        two_surfaces=two_surfaces,
    )
    return Seeds(
        tracks[picked],
        points[picked],
        diameter,
        len(points),
        threshold,
        float(np.median(residual[picked])),
        tuple(chosen),
    )


def _mean_scores(tracks_px: Floats, detections: list[Detections | None]) -> Floats:
    """Return the mean score, (p,), of the detections that tracks consist of."""
    total, count = np.zeros(len(tracks_px)), np.zeros(len(tracks_px))
    for view, found in enumerate(detections):
        seen = np.flatnonzero(np.isfinite(tracks_px[:, view, 0]))
        if found is None or not len(seen) or not len(found.score):
            continue
        offsets = tracks_px[seen, view][:, None] - found.centres_px[None]
        total[seen] += found.score[np.hypot(offsets[..., 0], offsets[..., 1]).argmin(axis=1)]
        count[seen] += 1
    return total / np.maximum(count, 1)


def _follow(
    views: BeadViews,
    detections: list[Detections | None],
    chosen: list[int],
    axis_rad: float,
    threshold: float,
    diameter_px: float,
) -> tuple[Floats, BundleSolution] | None:
    """Follow the beads of the lowest view, then those that it did not show."""
    reference = min(chosen, key=lambda v: abs(float(views.views.tilt_deg[v])))
    start = detections[reference]
    if start is None:
        return None
    strong = start.score >= threshold
    tracks = np.full((int(strong.sum()), views.views.count, 2), np.nan)
    tracks[:, reference] = start.centres_px[strong]
    if not len(tracks):
        return None
    options = track_options(views, threshold, axis=False)
    tracks = track_outward(detections, tracks, views.tilt_rad, axis_rad, options).tracks_px
    tracks = tracks[np.isfinite(tracks[..., 0]).sum(axis=1) >= 3]
    if not solvable(tracks):
        return None
    # On large images a degree of error in the axis is pixels at the edges.
    rotation: Literal["one", "fixed"] = "one" if len(tracks) >= 6 else "fixed"
    bundle = BundleOptions(rotation=rotation, magnification="fixed")
    solution = solve_bundle(tracks, views.tilt_rad, axis_rad, bundle)
    more = more_beads(
        detections,
        solution,
        fields_px=views.fields_px,
        bead_diameter_px=diameter_px,
        least_score=0.8 * threshold,
        tolerance_px=2.0,
        least_share=_LEAST_SHARE,
    )
    kept = drop_duplicates(tracks, solution.points_px, 0.6 * diameter_px)
    tracks = np.concatenate([tracks[kept], more])
    return tracks, solve_bundle(tracks, views.tilt_rad, axis_rad, bundle)


def track_options(views: BeadViews, threshold: float, *, axis: bool) -> TrackOptions:
    """Return options whose distances suit the size of the images."""
    height, width = views.stack.shape[1:]
    return TrackOptions(
        depth_px=0.25 * min(height, width),
        near_px=max(12.0, 0.03 * width),
        far_px=0.15 * width,
        score=threshold,
        axis=axis,
    )


def _in_field(views: BeadViews, points_px: Floats) -> NDArray[np.bool_]:
    """Tell which points are off the border, 32 pixels of 1024, that autofidseed excludes."""
    height, width = views.stack.shape[1:]
    mean = 0.5 * (height + width)
    border = 32.0 * mean / 1024 if mean <= 2048 else 64.0 + 24.0 * (mean - 2048) / 1024
    half = np.array([width / 2 - border, height / 2 - border])
    return np.asarray((np.abs(points_px[:, :2]) <= half).all(axis=1))


def boundary_contours(views: BeadViews, model_points: Sequence[Floats]) -> list[Floats]:
    """Move contours (m, 3) drawn on the raw stack into the prealigned frame, (m, 2)."""
    centre = np.array(
        [geometry.centre(views.stack.shape[2]), geometry.centre(views.stack.shape[1])]
    )
    moved = []
    for points in model_points:
        view = int(np.clip(round(float(np.median(points[:, 2]))), 0, views.views.count - 1))
        moved.append(views.to_prealigned(view, points[:, :2] - centre))
    return moved
