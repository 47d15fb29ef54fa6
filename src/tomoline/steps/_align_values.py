"""What the fine alignment measured, for the record and the report, and what it warns of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline import errors
from tomoline.steps._align_params import AlignParams
from tomoline.steps._align_solve import Alignment
from tomoline.steps._base import StepContext, Values
from tomoline.steps.acquisition import Acquisition

Floats = NDArray[np.float64]

_MOST_LISTED = 50
# A view is bad when its mean residual is so many times the others', and a pixel at least.
_BAD_VIEW = 3.0
_BAD_VIEW_PX = 1.0
# Errors of left-out points that are too high, in pixels and as a part of the width of a view, the
# greater of the two; patches are followed less well, and are more.
_HIGH = {"beads": (2.0, 0.0015), "patches": (4.0, 0.004)}
_AXIS_MOVED_DEG = 3.0


def values(
    params: AlignParams, kind: str, found: Alignment, views: Acquisition, axis_deg: float
) -> Values:
    """Return the values of an alignment by tracks."""
    solution = found.solution
    lengths = solution.residual_lengths_px
    seen = np.isfinite(lengths)
    mean = solution.mean_residual_px
    size = views.pixel_size_nm
    sd = float(lengths[seen].std()) if seen.any() else math.nan
    planes = found.surfaces
    return {
        "kind": kind,
        "points": int(np.isfinite(solution.points_px).all(axis=1).sum()),
        "measured": int(seen.sum()),
        "tilt_axis_deg": _round(math.degrees(solution.common_rotation_rad), 3),
        "tilt_axis_before_deg": _round(axis_deg, 3),
        "residual_mean_px": _round(mean),
        "residual_sd_px": _round(sd),
        "residual_weighted_px": _round(solution.weighted_residual_px),
        "residual_mean_nm": _round(mean * size) if size else None,
        "leave_out_error_px": _round(found.leave_out.rms_px),
        "leave_out_mean_px": _round(found.leave_out.mean_px),
        "leave_out_error_nm": _round(found.leave_out.rms_px * size) if size else None,
        "low_weight_fraction": _round(float((solution.weights[seen] < 0.5).mean())),
        "rotation": solution.options.rotation,
        "tilt": solution.options.tilt,
        "magnification": solution.options.magnification,
        "beam_tilt_deg": _round(math.degrees(solution.beam_tilt_rad)),
        "robust": solution.options.robust,
        "restrictions": list(found.restricted.applied),
        "measurement_ratio": _round(found.restricted.ratio, 2),
        "iterations": solution.iterations,
        "converged": solution.converged,
        "tilt_offset_deg": _round(found.offset_deg, 3),
        "tilt_offset_refused": found.offset_refused or None,
        "x_axis_tilt_deg": _round(planes.x_axis_tilt_deg, 3) if planes else None,
        "tilt_offset_sd_deg": _round(planes.tilt_offset_sd_deg, 3) if planes else None,
        "surfaces": planes.count if planes else 0,
        "points_by_surface": _by_surface(found),
        "points_thickness_px": _round(planes.thickness_px, 1) if planes else None,
        "points_scatter_px": _round(planes.scatter_px, 2) if planes else None,
        "rotation_per_view_deg": _list(np.degrees(solution.equivalent()[0]), 4),
        "tilt_per_view_deg": _list(found.tilt_deg, 4),
        "tilt_change_per_view_deg": _list(found.tilt_deg - views.tilt_deg, 4),
        "magnification_per_view": _list(solution.magnification, 6),
        "x_shift_per_view_px": _list(solution.shift_px[:, 0], 3),
        "y_shift_per_view_px": _list(solution.shift_px[:, 1], 3),
        "residual_per_view_px": _list(_mean(lengths, 0), 4),
        "points_per_view": [int(count) for count in seen.sum(axis=0)],
        "worst_points": worst_points(lengths, params.report_above_sd, views),
    }


def without_tracks(views: Acquisition, axis_deg: float, offset_deg: float) -> Values:
    """Return the values of an alignment by correlation alone."""
    return {
        "kind": "none",
        "points": 0,
        "tilt_axis_deg": _round(axis_deg, 3),
        "tilt_offset_deg": _round(offset_deg, 3),
        "tilt_per_view_deg": _list(views.tilt_deg + offset_deg, 4),
    }


def worst_points(lengths: Floats, above_sd: float, views: Acquisition) -> list[dict[str, Any]]:
    """List the points whose residual is so many SD above the mean, the worst first."""
    seen = np.isfinite(lengths)
    if not seen.any():
        return []
    limit = lengths[seen].mean() + above_sd * lengths[seen].std()
    row, view = np.nonzero(seen & (np.nan_to_num(lengths) > limit))
    order = np.argsort(-lengths[row, view], kind="stable")[:_MOST_LISTED]
    return [
        {
            "track": int(row[index]) + 1,
            "view": views.views[view[index]].number,
            "residual_px": _round(float(lengths[row[index], view[index]]), 2),
        }
        for index in order
    ]


def warn(
    context: StepContext, kind: str, found: Alignment, views: Acquisition, axis_deg: float
) -> None:
    """Tell what a microscopist should know about the alignment."""
    kinds, solution = errors.tilt, found.solution
    if found.restricted.applied:
        context.warn(
            kinds.RESTRICTED.notice(
                "",
                f"{'; '.join(found.restricted.applied)}: with all variables there would be "
                f"{found.restricted.ratio_before:.1f} measurements for each unknown.",
            )
        )
    if found.fallback:
        context.warn(kinds.FALLBACK.notice("", f"{found.fallback}."))
    if found.implausible_offset:
        context.warn(kinds.NOT_LEVELLED.notice("", found.offset_refused))
    lost = [
        view.number
        for view, solved in zip(views.views, solution.view_solved, strict=True)
        if view.excluded is None and not solved
    ]
    if lost:
        where = f"views {_numbers(lost)}"
        context.warn(kinds.VIEW_WITHOUT_POINTS.notice(where, "no usable point lies in them."))
    error = found.leave_out.rms_px
    pixels, share = _HIGH.get(kind, _HIGH["beads"])
    if not error <= max(pixels, share * views.width_px):
        told = (
            f"points left out are missed by {error:.1f} pixels."
            if math.isfinite(error)
            else "there are too few points or views to leave out: nothing tells how good it is."
        )
        context.warn(kinds.HIGH_RESIDUAL.notice("", told))
    moved = math.remainder(math.degrees(solution.common_rotation_rad) - axis_deg, 180.0)
    if abs(moved) > _AXIS_MOVED_DEG:
        context.warn(
            kinds.AXIS_MOVED.notice(
                "",
                f"thought at {axis_deg:.1f} degrees, solved "
                f"{math.degrees(solution.common_rotation_rad):.1f}.",
            )
        )
    _warn_of_views(context, found, views)


def _warn_of_views(context: StepContext, found: Alignment, views: Acquisition) -> None:
    per_view = _mean(found.solution.residual_lengths_px, 0)
    if not np.isfinite(per_view).any():
        return
    limit = max(_BAD_VIEW * float(np.nanmedian(per_view)), _BAD_VIEW_PX)
    bad = [
        (view.number, float(residual))
        for view, residual in zip(views.views, per_view, strict=True)
        if residual > limit
    ]
    if bad:
        context.warn(
            errors.tilt.BAD_TRACK_VIEW.notice(
                f"views {_numbers([number for number, _ in bad])}",
                f"mean residuals up to {max(residual for _, residual in bad):.2f} pixels; half "
                f"the views have less than {np.nanmedian(per_view):.2f}.",
            )
        )


def _numbers(numbers: list[int]) -> str:
    return ", ".join(str(number) for number in numbers)


def _by_surface(found: Alignment) -> list[int]:
    if found.surfaces is None:
        return []
    counts = np.bincount(found.surfaces.surface, minlength=3)[1:]
    return [int(count) for count in counts[: found.surfaces.count]]


def _mean(lengths: Floats, axis: int) -> Floats:
    seen = np.isfinite(lengths)
    total = np.where(seen, lengths, 0.0).sum(axis=axis)
    count = seen.sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _round(value: float, digits: int = 4) -> float | None:
    return round(float(value), digits) if math.isfinite(value) else None


def _list(numbers: Floats, digits: int) -> list[float | None]:
    return [_round(float(number), digits) for number in numbers]
