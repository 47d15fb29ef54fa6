"""Step 6: the fine alignment, by one bundle adjustment for beads and patches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tomoline.steps._align_params import AlignParams
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def run(params: AlignParams, context: StepContext) -> Values:
    """Solve the alignment and write what IMOD's newstack and tilt take."""
    import numpy as np

    from tomoline import geometry
    from tomoline.files import fiducial_points, imod_model, residuals
    from tomoline.files import transforms as transform_files
    from tomoline.steps import _align_values
    from tomoline.steps._align_tracks import points_model, points_table, read_tracks, residual_table
    from tomoline.steps.acquisition import Acquisition

    views = Acquisition.read(context.input("views"))
    coarse = transform_files.read(context.input("coarse_transforms"))
    axis_deg = float(json.loads(context.input("coarse").read_text("utf-8"))["tilt_axis_deg"])
    kind = _kind(context)
    if kind == "none":
        offset = params.angle_offset_deg or 0.0
        turn = geometry.identity_transforms(len(coarse))
        turn[:, :, :2] = geometry.axis_to_vertical(axis_deg)
        _write(context, coarse, turn, views.tilt_deg + offset, np.zeros(len(coarse)))
        return _align_values.without_tracks(views, axis_deg, offset)
    from tomoline.steps._align_solve import solve

    tracks = read_tracks(context.input("tracks"), views)
    found = solve(params, kind, tracks.positions_px, views.tilt_deg, axis_deg)
    _align_values.warn(context, kind, found, views, axis_deg)
    _write(context, coarse, found.solution.transforms(), found.tilt_deg, found.x_tilt_deg)
    points = found.points_px
    surface = np.zeros(len(points), dtype=int)
    if found.surfaces is not None:
        surface = found.surfaces.surface
    with context.writing("fiducials_3d") as path:
        imod_model.write(path, points_model(tracks, points, surface, views))
    with context.writing("fiducial_points") as path:
        fiducial_points.write(path, points_table(tracks, points, views))
    with context.writing("residuals") as path:
        residuals.write(path, residual_table(tracks, found.solution.residuals_px))
    result = _align_values.values(params, kind, found, views, axis_deg)
    context.log(
        f"aligned with {result['points']} {kind}: mean residual {result['residual_mean_px']} px, "
        f"left out {result['leave_out_error_px']} px, axis {result['tilt_axis_deg']} degrees, "
        f"tilt offset {result['tilt_offset_deg']} degrees"
    )
    return result


def _kind(context: StepContext) -> str:
    """Return what was tracked: beads, patches or none."""
    told = {"kind": "beads"}
    if context.has("track_info"):
        told = json.loads(context.input("track_info").read_text("utf-8"))
    return str(told.get("kind", "beads")) if context.has("tracks") else "none"


def _write(
    context: StepContext, coarse: Floats, fine: Floats, tilt_deg: Floats, x_tilt_deg: Floats
) -> None:
    """Write the transforms and angles of all views, excluded ones included."""
    from tomoline import geometry
    from tomoline.files import angles
    from tomoline.files import transforms as transform_files

    with context.writing("fiducial_transforms") as path:
        transform_files.write(path, fine)
    with context.writing("transforms") as path:
        transform_files.write(path, geometry.compose(coarse, fine))
    with context.writing("tilt_angles") as path:
        angles.write(path, tilt_deg)
    with context.writing("x_tilts") as path:
        angles.write(path, x_tilt_deg)


def _memory_bytes(shape: Shape, params: AlignParams) -> int:
    # Blocks between views and points of up to 4000 tracks, some of them twice.
    return (32 << 20) + 4000 * shape.views * 6 * 3 * 8 * 3


ALIGN = Step(
    name="align",
    number=6,
    title="fine alignment by bundle adjustment",
    params=AlignParams,
    run=run,
    reads=("views", "coarse_transforms", "coarse"),
    optional=("tracks", "track_info"),
    writes=(
        "fiducial_transforms",
        "transforms",
        "tilt_angles",
        "x_tilts",
        "residuals",
        "fiducials_3d",
        "fiducial_points",
    ),
    memory_bytes=_memory_bytes,
)
