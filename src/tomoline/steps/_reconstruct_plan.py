"""Deciding what to reconstruct: geometry, views, thickness and tilts, from what the files say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoline import errors
from tomoline.files import angles
from tomoline.steps._base import StepContext
from tomoline.steps._reconstruct_params import ReconstructParams
from tomoline.steps._rows import RowReader
from tomoline.steps._thickness import Position, choose_thickness
from tomoline.steps._views import binning_of
from tomoline.steps.acquisition import Acquisition

if TYPE_CHECKING:
    from tomoline.kernels.backproject import SliceGeometry

# Rows of a view that differ by less than this between top and bottom need no X tilt of their own.
_X_TILT_SPREAD_PX = 0.5


@dataclass(frozen=True)
class Plan:
    """What to reconstruct, once the files have been read."""

    geometry: SliceGeometry
    included: NDArray[np.intp]
    binning: int
    thickness_source: str
    position: Position
    pixel_size_nm: float | None
    tilt_offset_deg: float
    x_axis_tilt_deg: float
    """Of the whole specimen, without what single views have of their own."""


def given_or_found(given: float | None, found: float) -> float:
    return found if given is None else given


def make_plan(params: ReconstructParams, context: StepContext, path: Path) -> Plan:
    """Read what the step needs, and decide geometry and views."""
    from tomoline.kernels.backproject import SliceGeometry

    views = Acquisition.read(context.input("views"))
    tilt_deg = angles.read(context.input("tilt_angles"))
    position = Position.read(context.input("position")) if context.has("position") else Position()
    reader = RowReader(path)
    count = reader.header.shape[0]
    for number, what in ((len(tilt_deg), "tilt angles"), (views.count, "views in the list")):
        if number != count:
            raise errors.tilt.VIEWS_DO_NOT_MATCH.error(
                path, f"it has {count} views, but there are {number} {what}."
            )
    included = np.flatnonzero(views.included)
    binning = binning_of(reader.header, views)
    thickness, thickness_source = choose_thickness(
        params.thickness_px,
        params.binned_thickness_px,
        params.fallback_thickness_px,
        params.extra_thickness_px,
        position,
        max(views.height_px, views.width_px),
        binning,
        context,
    )
    x_tilt_deg, own_deg = _x_tilts(params, context, position, included, count)
    if np.abs(np.radians(own_deg)).max(initial=0) * thickness / 2 > _X_TILT_SPREAD_PX:
        context.warn(
            errors.tilt.X_TILTS_VARY.notice(
                "x_tilts", f"they differ by {np.ptp(own_deg):.2f} degrees."
            )
        )
    offset_deg = given_or_found(params.tilt_offset_deg, position.tilt_offset_deg)
    geometry = SliceGeometry(
        np.radians(tilt_deg[included] + offset_deg),
        reader.width,
        thickness,
        x_tilt_rad=float(np.radians(x_tilt_deg)),
        z_shift_px=position.z_shift_px / binning,
        view_x_tilt_rad=np.radians(own_deg) if own_deg.any() else None,
    )
    size = views.pixel_size_nm
    return Plan(
        geometry,
        included,
        binning,
        thickness_source,
        position,
        size * binning if size else None,
        offset_deg,
        given_or_found(params.x_axis_tilt_deg, position.x_axis_tilt_deg),
    )


def _x_tilts(
    params: ReconstructParams,
    context: StepContext,
    position: Position,
    included: NDArray[np.intp],
    count: int,
) -> tuple[float, NDArray[np.float64]]:
    """Return the X-axis tilt of all views, and each view's difference from it, in degrees."""
    common = given_or_found(params.x_axis_tilt_deg, position.x_axis_tilt_deg)
    if not context.has("x_tilts"):
        return common, np.zeros(len(included))
    each = angles.read(context.input("x_tilts"))
    if len(each) != count:
        raise errors.tilt.VIEWS_DO_NOT_MATCH.error(
            context.input("x_tilts"), f"it has {len(each)} X-axis tilts for {count} views."
        )
    own = each[included]
    return common + float(own.mean()), own - own.mean()
