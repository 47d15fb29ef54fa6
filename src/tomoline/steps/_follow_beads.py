"""From seeds to beads centred in all views."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels.bead_model import (
    BeadProfile,
    ProfileSums,
    average_profile,
    sphere_profile,
)
from tomoline.kernels.bundle import BundleOptions, BundleSolution, solvable, solve_bundle
from tomoline.kernels.complete_beads import (
    Measurements,
    believable,
    drop_duplicates,
    more_beads,
)
from tomoline.kernels.find_beads import Detections, score_threshold
from tomoline.kernels.track_beads import place_again, track_outward
from tomoline.steps._bead_views import BeadViews
from tomoline.steps._find_seeds import track_options

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

_PROFILE_NEIGHBOURS = 3
_LEAST_SHARE = 0.2
_SHARE_OF_NEW = 0.6
_MOST_BEADS = 200


@dataclass(frozen=True)
class Following:
    """What following beads is to do.

    Attributes
    ----------
    sphere_diameter_px : float
    light : bool
    rounds : int
        Passes of centring, each with better averages and predictions.
    add_beads : bool
        Whether beads that are no seeds are taken in.
    local_size_px : float or None
        Size of areas within which beads move alike; None where only the global solution predicts.
    prepare : callable or None
        Filter of the images in which beads are centred.
    """

    sphere_diameter_px: float
    light: bool
    rounds: int
    add_beads: bool
    local_size_px: float | None
    prepare: Callable[[Image], Image] | None = None


@dataclass(frozen=True)
class Followed:
    """Beads in all views.

    Attributes
    ----------
    tracks_px : (p, v, 2) float64
        In the prealigned frame; NaN where a bead was not found.
    solution : BundleSolution or None
        None where nothing could be solved.
    moved_px : dict
        Views whose coarse alignment was off, and by what.
    added : int
        Beads that were no seeds.
    bead_diameter_px : float or None
    """

    tracks_px: Floats
    solution: BundleSolution | None
    moved_px: dict[int, float]
    added: int
    bead_diameter_px: float | None


def follow_beads(views: BeadViews, seeds_px: Floats, axis_rad: float, work: Following) -> Followed:
    """Follow beads from the seeds through all views, and centre them.

    Parameters
    ----------
    views : BeadViews
    seeds_px : (p, v, 2) float64
    axis_rad : float
        Tilt axis angle to within a few degrees.
    work : Following
    """
    diameter = sphere_profile(work.sphere_diameter_px).diameter_px
    found, sums = views.detect(views.by_tilt, work.sphere_diameter_px, light=work.light)
    detections: list[Detections | None] = [found.get(v) for v in range(views.views.count)]
    threshold = score_threshold(np.concatenate([d.score for d in found.values()]))
    options = track_options(views, threshold, axis=True)
    outward = track_outward(detections, seeds_px, views.tilt_rad, axis_rad, options)
    tracks = _well_tracked(views, outward.tracks_px)
    if not solvable(tracks):
        return Followed(tracks, None, outward.moved_px, 0, None)
    axis_rad = outward.axis_rad
    solution = solve_bundle(tracks, views.tilt_rad, axis_rad, BundleOptions())
    seeds, moved = len(tracks), dict(outward.moved_px)
    profiles = _profiles(views, sums, diameter, None)
    for number in range(max(1, work.rounds)):
        if work.add_beads and len(tracks) < _MOST_BEADS:
            tracks = _with_more(views, detections, tracks, solution, threshold, diameter)
            solution = solve_bundle(tracks, views.tilt_rad, axis_rad, BundleOptions())
        again = _lost_views(views, tracks)
        if again:
            tracks, found_again = place_again(
                detections, tracks, views.tilt_rad, axis_rad, options, again
            )
            moved.update(found_again)
            solution = solve_bundle(tracks, views.tilt_rad, axis_rad, BundleOptions())
        expected = _expected(views, solution, work.local_size_px)
        if number == 0 and work.prepare is not None:
            # Averages of filtered images exist only after a first pass over them.
            _, sums = views.centre(
                expected,
                profiles,
                diameter,
                reach_px=0.05,
                light=work.light,
                prepare=work.prepare,
            )
            profiles = _profiles(views, sums, diameter, profiles)
        reach = max(2.0, 0.35 * diameter)
        fits, sums = views.centre(
            expected, profiles, diameter, reach_px=reach, light=work.light, prepare=work.prepare
        )
        measured = Measurements.join(fits, len(tracks))
        good = believable(measured, expected, reach)
        tracks = _well_tracked(views, np.where(good[..., None], measured.centres_px, np.nan))
        if not solvable(tracks):
            return Followed(tracks, None, moved, 0, None)
        solution = solve_bundle(tracks, views.tilt_rad, axis_rad, BundleOptions())
        profiles = _profiles(views, sums, diameter, profiles)
    kept = drop_duplicates(tracks, solution.points_px, 0.6 * diameter)
    tracks = _without_outliers(tracks[kept], solution.residual_lengths_px[kept])
    tracks = _well_tracked(views, tracks)
    if not solvable(tracks):
        return Followed(tracks, None, moved, 0, None)
    solution = solve_bundle(tracks, views.tilt_rad, axis_rad, BundleOptions())
    return Followed(
        tracks,
        solution,
        moved,
        max(0, len(tracks) - seeds),
        float(np.median([p.diameter_px for p in profiles.values()])) if profiles else None,
    )


def _well_tracked(views: BeadViews, tracks_px: Floats) -> Floats:
    """Return the tracks that are seen in enough views to be trusted."""
    seen = np.isfinite(tracks_px[..., 0]).sum(axis=1)
    least = max(4, int(np.ceil(_LEAST_SHARE * len(views.by_tilt))))
    kept: Floats = tracks_px[seen >= min(least, len(views.by_tilt))]
    return kept


def _lost_views(views: BeadViews, tracks_px: Floats) -> list[int]:
    """Return included views that hold few of the beads, compared with the others."""
    counts = np.isfinite(tracks_px[..., 0]).sum(axis=0)
    usual = float(np.median(counts[views.by_tilt]))
    return [view for view in views.by_tilt if counts[view] < 0.5 * usual]


def _profiles(
    views: BeadViews,
    sums: dict[int, ProfileSums],
    diameter_px: float,
    before: dict[int, BeadProfile] | None,
) -> dict[int, BeadProfile]:
    """Return each view's profile, averaged over beads of the view and its neighbours."""
    order = views.by_tilt
    whole = average_profile(list(sums.values()), diameter_px)
    profiles: dict[int, BeadProfile] = {}
    for k, view in enumerate(order):
        near = order[max(0, k - _PROFILE_NEIGHBOURS) : k + _PROFILE_NEIGHBOURS + 1]
        parts = [sums[v] for v in near if v in sums]
        profile = average_profile(parts, diameter_px) if parts else None
        known = profile or whole or (before or {}).get(view)
        profiles[view] = known or sphere_profile(diameter_px / 0.9)
    return profiles


def _with_more(
    views: BeadViews,
    detections: list[Detections | None],
    tracks_px: Floats,
    solution: BundleSolution,
    threshold: float,
    diameter_px: float,
) -> Floats:
    """Return the tracks without duplicates, and with beads that were not tracked yet."""
    kept = drop_duplicates(tracks_px, solution.points_px, 0.6 * diameter_px)
    new = more_beads(
        detections,
        solution,
        fields_px=views.fields_px,
        bead_diameter_px=diameter_px,
        least_score=0.75 * threshold,
        tolerance_px=2.0,
        least_share=_SHARE_OF_NEW,
    )
    return np.concatenate([tracks_px[kept], new[: max(0, _MOST_BEADS - int(kept.sum()))]])


def _expected(views: BeadViews, solution: BundleSolution, local_size_px: float | None) -> Floats:
    """Return where beads should be: as solved, plus what their neighbours do in each view."""
    expected = np.array(solution.predicted_px)
    if local_size_px is not None:
        for view in views.by_tilt:
            residual = solution.residuals_px[:, view]
            known = np.isfinite(residual[:, 0]) & np.isfinite(expected[:, view, 0])
            if known.sum() < 8:
                continue
            here = expected[:, view]
            offsets = here[:, None] - here[None, known]
            distance = np.hypot(offsets[..., 0], offsets[..., 1])
            weight = np.exp(-0.5 * (distance / (0.25 * local_size_px)) ** 2)
            weight *= solution.weights[known, view]
            weight = np.nan_to_num(weight)
            # One unit of weight on no change keeps lonely beads at their solved place.
            expected[:, view] += (weight @ residual[known]) / (1 + weight.sum(axis=1))[:, None]
    expected[:, ~views.views.included] = np.nan
    fields = views.fields_px
    outside = (expected[..., 0] < fields[:, 0]) | (expected[..., 0] > fields[:, 1])
    outside |= (expected[..., 1] < fields[:, 2]) | (expected[..., 1] > fields[:, 3])
    expected[outside] = np.nan
    return expected


def _without_outliers(tracks_px: Floats, residual_px: Floats) -> Floats:
    """Drop positions whose residual is far beyond the usual one of their view."""
    usual = np.nan_to_num(
        np.nanmedian(np.where(np.isnan(residual_px).all(axis=0), 1.0, residual_px), axis=0), nan=1.0
    )
    limit = np.maximum(2.5, 8 * usual)
    tracks = tracks_px.copy()
    tracks[residual_px > limit] = np.nan
    return tracks
