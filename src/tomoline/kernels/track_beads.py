"""Following beads through the views: detections joined by geometry.

Beads are detected in each view by themselves; what belongs together is decided by where a running
3D solution predicts the beads. A vote over all of them first finds the shift of the view, so a
view whose coarse alignment is wrong is not lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._bead_match import assign, fit_drift, vote_shift
from tomoline.kernels._bead_solve import LinearSolution, refine_axis, solve_linear, turn
from tomoline.kernels.bead_model import Floats
from tomoline.kernels.find_beads import Detections

_MIN_VIEWS_FOR_AXIS = 6
_MIN_RANGE_FOR_AXIS_RAD = 0.3
_CLEAR_SHARE = 0.5
_LEAST_SHARE = 0.2


@dataclass(frozen=True)
class TrackOptions:
    """How beads are followed.

    Attributes
    ----------
    tolerance_px : float
        How far a detection may lie from its prediction.
    depth_px : float
        Standard deviation of the beads' z.
    near_px, far_px : float
        Shifts looked for at first, and where that fails.
    score : float
        Detections below this score are used by nearest position only, not for the vote.
    axis : bool
        Whether the axis angle is refined on the way.
    """

    tolerance_px: float = 3.0
    depth_px: float = 150.0
    near_px: float = 15.0
    far_px: float = 100.0
    score: float = 0.6
    axis: bool = True


@dataclass(frozen=True)
class Tracking:
    """Beads followed through views.

    Attributes
    ----------
    tracks_px : (p, v, 2) float64
        (x, y) relative to the image's centre, NaN where a bead was not seen.
    axis_rad : float
        Axis angle, refined.
    solution : LinearSolution
        Last linear solution, in the turned frame.
    drift : (v, 2, 3) float64
        Turned positions of each view as seen from those predicted without a shift.
    lost : tuple of int
        Views whose shift the vote did not find.
    moved_px : dict
        Views whose coarse alignment was off by more than `TrackOptions.near_px` / 2, and by what.
    """

    tracks_px: Floats
    axis_rad: float
    solution: LinearSolution
    drift: Floats
    lost: tuple[int, ...] = ()
    moved_px: dict[int, float] = field(default_factory=dict)


def track_outward(
    detections: Sequence[Detections | None],
    seeds_px: Floats,
    tilt_rad: Floats,
    axis_rad: float,
    options: TrackOptions,
) -> Tracking:
    """Follow beads from the views of the seeds to all others, nearest tilt first.

    Parameters
    ----------
    detections : sequence of Detections or None
        One for each view, in one common frame of pixels relative to the centre; None for views
        that take no part.
    seeds_px : (p, v, 2) float64
        The beads in at least one view each; NaN elsewhere.
    tilt_rad : (v,) float64
    axis_rad : float
        Axis angle, to within a few degrees.
    options : TrackOptions

    Returns
    -------
    Tracking
    """
    tracks = seeds_px.copy()
    tilt_rad = np.asarray(tilt_rad, dtype=np.float64)
    drift = np.full((len(tilt_rad), 2, 3), np.nan)
    seeded: NDArray[np.bool_] = np.asarray(np.isfinite(tracks[..., 0]).any(axis=0))
    done = seeded.copy()
    solution = solve_linear(turn(tracks, axis_rad), tilt_rad, options.depth_px)
    lost: list[int] = []
    moved: dict[int, float] = {}
    waiting = [v for v, found in enumerate(detections) if found is not None and not done[v]]
    while waiting and seeded.any():
        nearest = [float(np.abs(tilt_rad[v] - tilt_rad[done]).min()) for v in waiting]
        view = waiting.pop(int(np.argmin(nearest)))
        found = detections[view]
        if found is None:
            continue
        seen = turn(found.centres_px, axis_rad)
        step = _place_view(solution, seen, found.score, tilt_rad, view, done, options)
        if step is None:
            lost.append(view)
            continue
        beads, places, change, shift = step
        tracks[beads, view] = found.centres_px[places]
        drift[view] = change
        if np.hypot(*shift) > 0.5 * options.near_px:
            moved[view] = float(np.hypot(*shift))
        done[view] = True
        if options.axis and _axis_is_determined(tilt_rad[done]):
            axis_rad = refine_axis(tracks, tilt_rad, axis_rad, options.depth_px, 0.03)
        solution = solve_linear(turn(tracks, axis_rad), tilt_rad, options.depth_px)
        tracks = _without_outliers(tracks, solution, seeded, options)
    return Tracking(tracks, axis_rad, solution, drift, tuple(sorted(lost)), moved)


def place_again(
    detections: Sequence[Detections | None],
    tracks_px: Floats,
    tilt_rad: Floats,
    axis_rad: float,
    options: TrackOptions,
    views: Sequence[int],
) -> tuple[Floats, dict[int, float]]:
    """Look once more for the beads of views that were lost, now that all others are known.

    Parameters
    ----------
    detections, tilt_rad, axis_rad, options
        As for `track_outward`.
    tracks_px : (p, v, 2) float64
    views : sequence of int
        The views; what the tracks hold in them is not used.

    Returns
    -------
    tracks_px : (p, v, 2) float64
        With the beads of the views that were found again; other views are as they were.
    moved_px : dict
        Views found again, and how far they were from where they should be.
    """
    tracks = tracks_px.copy()
    tracks[:, list(views)] = np.nan
    done: NDArray[np.bool_] = np.asarray(np.isfinite(tracks[..., 0]).any(axis=0))
    moved: dict[int, float] = {}
    result = tracks_px.copy()
    if not done.any():
        return result, moved
    solution = solve_linear(turn(tracks, axis_rad), tilt_rad, options.depth_px)
    for view in views:
        found = detections[view]
        if found is None:
            continue
        seen = turn(found.centres_px, axis_rad)
        step = _place_view(solution, seen, found.score, tilt_rad, view, done, options)
        if step is None:
            continue
        beads, places, _, shift = step
        if len(beads) <= np.isfinite(result[:, view, 0]).sum():
            continue
        result[:, view] = np.nan
        result[beads, view] = found.centres_px[places]
        moved[view] = float(np.hypot(*shift))
    return result, moved


def _axis_is_determined(tilt_rad: Floats) -> bool:
    enough = len(tilt_rad) >= _MIN_VIEWS_FOR_AXIS and len(tilt_rad) % 4 == 0
    return bool(enough and np.ptp(tilt_rad) > _MIN_RANGE_FOR_AXIS_RAD)


def _place_view(
    solution: LinearSolution,
    seen: Floats,
    score: Floats,
    tilt_rad: Floats,
    view: int,
    done: NDArray[np.bool_],
    options: TrackOptions,
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats] | None:
    """Find which detection is which bead in one view; None where the vote fails."""
    usable = np.isfinite(solution.points_px[:, 0])
    predicted = solution.predict(float(tilt_rad[view]))
    # The neighbour's shift is the best guess of this view's.
    known = np.flatnonzero(done)
    neighbour = known[np.argmin(np.abs(tilt_rad[known] - tilt_rad[view]))]
    guess = solution.shifts_px[neighbour]
    predicted = predicted + np.where(np.isfinite(guess), guess, 0.0)
    spread = solution.spread(float(tilt_rad[view]))
    usual = float(np.median(spread[usable])) if usable.any() else 1.0
    strong = score >= options.score
    # Where few stand out, the best are taken.
    strong[: min(len(strong), int(usable.sum()))] = True
    shift = _vote(predicted[usable], seen[strong], usual, options)
    if shift is None:
        return None
    predicted = predicted + shift
    rows = np.arange(len(predicted))
    beads, places = rows[:0], rows[:0]
    change = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    for tighten in (1.5, 1.2, 1.0):
        moved = predicted @ change[:, :2].T + change[:, 2]
        moved[~usable] = np.nan
        tolerance = np.stack(
            [tighten * options.tolerance_px + 2.5 * spread, np.full(len(spread), 1.0)], axis=1
        )
        tolerance[:, 1] = tighten * options.tolerance_px
        beads, places = assign(moved, seen, tolerance)
        if not len(beads):
            return None
        certain = spread[beads] <= max(1.0, 1.5 * usual)
        if certain.sum() >= 1:
            change = fit_drift(predicted[beads[certain]], seen[places[certain]])
    total = change.copy()
    total[:, 2] += total[:, :2] @ (predicted - solution.predict(float(tilt_rad[view])))[0]
    return beads, places, total, shift


def _vote(
    predicted: Floats, seen: Floats, usual_spread_px: float, options: TrackOptions
) -> Floats | None:
    """Return the shift that most beads agree on, near or far, or None where too few do."""
    box = (min(2.0 + usual_spread_px, 40.0), 2.5)
    near = vote_shift(predicted, seen, options.near_px + box[0], box)
    if near.votes >= max(2, _CLEAR_SHARE * len(predicted)) and near.votes > near.runner_up:
        return near.shift_px
    far = vote_shift(predicted, seen, options.far_px + box[0], box)
    # What chance puts into a box, and how far the best of all boxes stands out of it.
    field = np.ptp(seen, axis=0) if len(seen) > 1 else np.array([np.inf, np.inf])
    share = (2 * box[0] + 1) * (2 * box[1] + 1) / max(float(np.prod(field)), 1e3)
    chance = len(predicted) * len(seen) * share
    needed = max(2 if len(predicted) < 6 else 4, chance + 4 * np.sqrt(chance) + 1)
    best = far if far.votes > 1.2 * near.votes else near
    if best.votes < max(needed, _LEAST_SHARE * len(predicted)):
        return None
    return best.shift_px if best.runner_up <= 0.9 * best.votes else None


def _without_outliers(
    tracks: Floats, solution: LinearSolution, seeded: NDArray[np.bool_], options: TrackOptions
) -> Floats:
    """Drop positions far from the solution; those of the seeds stay."""
    distance = np.hypot(solution.residuals_px[..., 0], solution.residuals_px[..., 1])
    views = np.isfinite(tracks[..., 0]).sum(axis=1)
    limit = 2.0 * options.tolerance_px
    bad = (distance > limit) & (views >= 5)[:, None] & ~seeded[None, :]
    if not bad.any():
        return tracks
    kept = tracks.copy()
    kept[bad] = np.nan
    return kept
