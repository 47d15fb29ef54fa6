"""Step 5: beads or patches tracked through all views."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tomoline import errors
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._track_params import TrackParams
from tomoline.steps.artifacts import ARTIFACTS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from tomoline.steps._bead_views import BeadViews
    from tomoline.steps._follow_beads import Followed
    from tomoline.steps._track_patches import PatchWork

    Floats = NDArray[np.float64]
    from tomoline.steps._fiducials import Fiducials, LeaveOutScore

_FEW_POINTS = 3
_SURE_BEADS = 5
_COVERED_SHARE = 0.75


@dataclass(frozen=True)
class _Tracked:
    """One way of tracking and how well it does."""

    kind: Literal["beads", "patches"]
    tracks_px: Floats
    axis_rad: float
    score: LeaveOutScore
    bead_diameter_px: float | None = None


def run(params: TrackParams, context: StepContext) -> Values:
    """Track and write the model."""
    from tomoline.steps._fiducials import Fiducials

    plan = Fiducials.read(context.input("fiducials"))
    if plan.kind == "none":
        return _tell_nothing(context, "asked for")

    from tomoline.steps._bead_views import BeadViews

    views = BeadViews.open(context)
    values: Values = {}
    tried: list[_Tracked] = []
    if plan.kind == "beads":
        beads = _beads(params, plan, context, views, values)
        if beads is not None:
            tried.append(beads)
    doubtful = not plan.sure or not tried or len(tried[0].tracks_px) < _SURE_BEADS
    doubtful = doubtful or not _covers(views, tried[0])
    if plan.kind == "patches" or (doubtful and not plan.demanded):
        patches = _patches(params, context, views)
        if patches is not None and (plan.demanded or _covers(views, patches)):
            tried.append(patches)
    if not tried:
        found = f"{plan.kind} could not be followed through enough views."
        if plan.demanded:
            raise errors.tilt.NOT_TRACKED.error(context.root, found)
        found += " The coarse alignment is kept."
        context.warn(errors.tilt.OTHER_TRACKS.notice(context.root, found))
        return _tell_nothing(context, found)
    best = min(tried, key=lambda way: way.score.per_view_px or math.inf)
    if best.kind != plan.kind:
        context.warn(
            errors.tilt.OTHER_TRACKS.notice(
                context.root,
                f"{plan.kind} were planned, {best.kind} predict left-out points better.",
            )
        )
    return _write(context, views, best, tried, values)


def _covers(views: BeadViews, way: _Tracked) -> bool:
    """Whether most views hold enough points for an alignment to be better than none."""
    import numpy as np

    points = np.isfinite(way.tracks_px[..., 0]).sum(axis=0)[views.views.included]
    return bool((points >= _FEW_POINTS).mean() >= _COVERED_SHARE)


def _tell_nothing(context: StepContext, reason: str) -> Values:
    from tomoline.steps._fiducials import TrackInfo

    with context.writing("track_info") as path:
        TrackInfo(kind="none").write(path)
    return {"kind": "none", "reason": reason}


def _beads(
    params: TrackParams, plan: Fiducials, context: StepContext, views: BeadViews, values: Values
) -> _Tracked | None:
    """Follow beads; None where too few could be followed."""
    from tomoline.files.stack import open_stack
    from tomoline.steps._follow_beads import Following, follow_beads
    from tomoline.steps._track_models import read_tracks

    prealigned = open_stack(context.input("prealigned_stack"))
    binning = max(1, round(views.stack.shape[2] / prealigned.shape[2]))
    seeds = read_tracks(context.input("seeds"), shape=prealigned.shape, binning=binning)
    diameter = plan.sphere_diameter_px or views.views.gold_diameter_px
    if diameter is None or not len(seeds):
        return None
    work = Following(
        sphere_diameter_px=diameter,
        light=plan.light,
        rounds=params.rounds * params.runs,
        add_beads=params.add_beads and plan.target is None,
        local_size_px=float(max(params.local_area_size_px)) if params.local_areas else None,
        prepare=_preparation(params, diameter),
    )
    followed = follow_beads(views, seeds, _coarse_axis_rad(context), work)
    values["seed_beads"] = len(seeds)
    values["added_beads"] = followed.added
    _report_moved(context, views, followed)
    if followed.solution is None:
        return None
    score = _score(followed.tracks_px, views, followed.solution.common_rotation_rad)
    return _Tracked(
        "beads",
        followed.tracks_px,
        followed.solution.common_rotation_rad,
        score,
        followed.bead_diameter_px,
    )


def _preparation(
    params: TrackParams, diameter_px: float
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]] | None:
    """Return the filter for centring by rims, or None."""
    if not params.sobel_centring:
        return None
    from tomoline.kernels.gradient import gradient_filter

    sigma = params.sobel_sigma_px
    smoothing = params.sobel_sigma_diameters * diameter_px if sigma is None else sigma
    return lambda image: gradient_filter(image, smoothing)


def _report_moved(context: StepContext, views: BeadViews, followed: Followed) -> None:
    from tomoline.steps._fiducials import numbers_text

    limit = 0.04 * views.stack.shape[2]
    moved = {v: px for v, px in sorted(followed.moved_px.items()) if px > limit}
    if moved:
        numbers = numbers_text(views.views.views[v].number for v in moved)
        context.warn(
            errors.tilt.COARSE_CORRECTED.notice(
                f"views {numbers}",
                f"beads lie up to {max(moved.values()):.0f} pixels from where they should.",
            )
        )


def _patches(params: TrackParams, context: StepContext, views: BeadViews) -> _Tracked | None:
    """Follow patches; None where none could be followed."""
    from tomoline.files.stack import open_stack
    from tomoline.kernels.bundle import BundleOptions, solvable, solve_bundle
    from tomoline.steps._track_patches import follow_patches

    prealigned = open_stack(context.input("prealigned_stack"))
    binning = max(1, round(views.stack.shape[2] / prealigned.shape[2]))
    axis_rad = _coarse_axis_rad(context)
    tracks = follow_patches(views, axis_rad, _patch_work(params, context, binning))
    if not solvable(tracks):
        return None
    options = BundleOptions(weight_whole_tracks=True)
    solution = solve_bundle(tracks, views.tilt_rad, axis_rad, options)
    score = _score(tracks, views, solution.common_rotation_rad)
    return _Tracked("patches", tracks, solution.common_rotation_rad, score)


def _beside(folder: Path, root: str, params: TrackParams) -> Sequence[Path]:
    from tomoline.steps._carry_boundary import mark_of

    given = params.patch_boundary_model
    return [folder / given, mark_of(folder / given)] if given is not None else []


def _patch_work(params: TrackParams, context: StepContext, binning: int) -> PatchWork:
    """Return what is asked of patches, in raw pixels."""
    from tomoline.kernels.correlate import BandPass
    from tomoline.steps._carry_boundary import mark_of
    from tomoline.steps._track_patches import PatchWork

    def raw(pair: tuple[int, int] | None) -> tuple[int, int] | None:
        return None if pair is None else (pair[0] * binning, pair[1] * binning)

    boundary = params.patch_boundary_model
    if boundary is not None:
        boundary = context.folder / boundary
        own = context.folder / ARTIFACTS["boundary"].file_name(context.root)
        if boundary == own and not own.exists() and mark_of(own).exists():
            boundary = None  # the set-up has told why it could not be carried over
    length = params.piece_length_views
    return PatchWork(
        size_px=raw(params.patch_size_px),
        overlap=params.patch_overlap,
        number=params.patch_number,
        borders_px=raw(params.patch_borders_px),
        limits_px=raw(params.patch_limits_px),
        iterations=params.patch_iterations,
        band=BandPass(
            params.patch_filter_sigma1_per_px,
            params.patch_filter_radius2_per_px,
            params.patch_filter_sigma2_per_px,
        ),
        boundary=boundary,
        # Etomo writes -1 where tracks are to stay whole.
        piece_views=length[0] if length and length[0] > 0 else None,
        piece_overlap_views=params.piece_overlap_views,
        pieces=params.pieces,
    )


def _coarse_axis_rad(context: StepContext) -> float:
    told = json.loads(context.input("coarse").read_text(encoding="utf-8"))
    return math.radians(float(told["tilt_axis_deg"]))


def _score(tracks_px: Floats, views: BeadViews, axis_rad: float) -> LeaveOutScore:
    import numpy as np

    from tomoline.kernels.bundle import leave_out_error
    from tomoline.steps._fiducials import LeaveOutScore

    error = leave_out_error(tracks_px, views.tilt_rad, axis_rad)
    points = np.isfinite(tracks_px[..., 0]).sum(axis=0)[views.views.included]
    per_view = error.rms_px / math.sqrt(max(1.0, float(points.mean())))
    return LeaveOutScore(
        tracks=len(tracks_px),
        leave_out_px=round(error.rms_px, 5) if math.isfinite(error.rms_px) else None,
        per_view_px=round(per_view, 5) if math.isfinite(per_view) else None,
    )


def _report_thin(context: StepContext, views: BeadViews, points: list[int]) -> None:
    """Warn of views with no or few points, in one warning each."""
    from tomoline.steps._fiducials import numbers_text

    included = [(v, n) for v, n in zip(views.views.views, points, strict=True) if not v.excluded]
    empty = [view.number for view, count in included if count == 0]
    thin = [view.number for view, count in included if 0 < count < _FEW_POINTS]
    if empty:
        where = f"views {numbers_text(empty)}"
        context.warn(errors.tilt.VIEW_NOT_TRACKED.notice(where, "nothing was found in them."))
    if thin:
        where = f"views {numbers_text(thin)}"
        context.warn(errors.tilt.FEW_POINTS.notice(where, f"fewer than {_FEW_POINTS} points."))


def _write(
    context: StepContext,
    views: BeadViews,
    best: _Tracked,
    tried: list[_Tracked],
    values: Values,
) -> Values:
    """Write model and information, warn of views with few points, and return the values."""
    import numpy as np

    from tomoline.files.stack import open_stack
    from tomoline.steps._fiducials import TrackInfo
    from tomoline.steps._track_models import write_tracks

    prealigned = open_stack(context.input("prealigned_stack"))
    binning = max(1, round(views.stack.shape[2] / prealigned.shape[2]))
    with context.writing("tracks") as path:
        write_tracks(
            path,
            best.tracks_px,
            shape=prealigned.shape,
            binning=binning,
            pixel_size_nm=prealigned.pixel_size_nm,
            name=best.kind,
            radius_px=0.5 * (best.bead_diameter_px or 0.0) / binning,
        )
    points = [int(n) for n in np.isfinite(best.tracks_px[..., 0]).sum(axis=0)]
    _report_thin(context, views, points)
    scores = {way.kind: way.score for way in tried}
    info = TrackInfo(
        kind=best.kind,
        tracks=len(best.tracks_px),
        points_per_view=tuple(points),
        binning=binning,
        bead_diameter_px=best.bead_diameter_px,
        tilt_axis_deg=math.degrees(best.axis_rad),
        scores=scores,
    )
    with context.writing("track_info") as path:
        info.write(path)
    included = views.views.included
    return {
        "kind": best.kind,
        "tracks": len(best.tracks_px),
        "points": sum(points),
        "points_per_view": points,
        "share_tracked": round(
            float(np.sum(points) / max(1, included.sum() * len(best.tracks_px))), 4
        ),
        "tilt_axis_deg": round(math.degrees(best.axis_rad), 4),
        "leave_out_px": {kind: score.leave_out_px for kind, score in scores.items()},
        "leave_out_per_view_px": {kind: score.per_view_px for kind, score in scores.items()},
        "bead_diameter_px": None
        if best.bead_diameter_px is None
        else round(best.bead_diameter_px, 3),
        **values,
    }


def _memory_bytes(shape: Shape, params: TrackParams) -> int:
    from tomoline.steps._fiducials import view_bytes

    return view_bytes(shape.height, shape.width)


TRACK = Step(
    name="track",
    number=5,
    title="beads or patches tracked",
    params=TrackParams,
    run=run,
    reads=("fixed_stack", "views", "coarse_transforms", "coarse", "prealigned_stack", "fiducials"),
    optional=("seeds",),
    writes=("tracks", "track_info"),
    memory_bytes=_memory_bytes,
    beside=_beside,
)
