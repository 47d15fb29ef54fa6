"""Where the points lie in the specimen, and how the tomogram was placed around them."""

from __future__ import annotations

from html import escape

import numpy as np

from tomoline.errors import TomolineError
from tomoline.geometry import Floats
from tomoline.workflow.report._picture import row
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import GREEN, ORANGE, Series, chart, number

_WORDS = (
    ("tilt_offset_deg", "added to all tilt angles to level the specimen", "°"),
    ("x_axis_tilt_deg", "rotation about x to level it along the axis", "°"),
    ("z_shift_px", "shift in z, raw pixels", ""),
    ("thickness_px", "thickness of the tomogram, raw pixels", ""),
    ("thickness_source", "where the thickness comes from", ""),
)


def position(source: Source) -> str:
    """Draw the points from both sides with the tomogram's limits, and tell the numbers."""
    found = {**(source.step("position").get("values") or {}), **source.json("position")}
    rows = []
    for name, words, unit in _WORDS:
        value = found.get(name)
        if value is None:
            continue
        text = number(float(value), 4) + unit if isinstance(value, int | float) else str(value)
        rows.append(f'<tr><td>{words}</td><td class="n">{escape(text)}</td></tr>')
    table = f"<table>{''.join(rows)}</table>" if rows else ""
    return _sketch(source) + table


def solved_points(source: Source) -> Floats | None:
    """Return the solved positions (point, 3) relative to their own middle, raw pixels."""
    from tomoline.files.imod_model import read

    path = source.path("fiducials_3d")
    if path is None:
        return None
    try:
        model = read(path)
    except TomolineError:
        return None
    contours = [c.points for o in model.objects for c in o.contours if len(c.points)]
    if not contours:
        return None
    points = np.concatenate(contours).astype(np.float64) * source.binning("prealigned_stack")
    points -= np.nanmedian(points, axis=0)
    return points


def _sketch(source: Source) -> str:
    points = solved_points(source)
    if points is None or len(points) < 2:
        return ""
    charts = []
    for axis, name in ((0, "x"), (1, "y")):
        charts.append(
            chart(
                [
                    Series(points[:, axis].tolist(), points[:, 2].tolist(), "", ORANGE, "points"),
                    *_surface(points, axis),
                ],
                title=f"Points seen along {'y' if name == 'x' else 'x'}",
                x_label=f"{name}, pixels",
                y_label="z, pixels",
                least_span=20.0,
            )
        )
    words = f"{len(points)} points; line: the plane through them."
    return row(charts) + f'<p class="quiet">{words}</p>'


def _surface(points: Floats, axis: int) -> list[Series]:
    """Return the line of the plane that fits the points, seen from the side."""
    if len(points) < 4:
        return []
    design = np.column_stack([points[:, :2], np.ones(len(points))])
    plane, *_ = np.linalg.lstsq(design, points[:, 2], rcond=None)
    ends = np.array([points[:, axis].min(), points[:, axis].max()])
    other = float(points[:, 1 - axis].mean())
    heights = plane[axis] * ends + plane[1 - axis] * other + plane[2]
    return [Series(ends.tolist(), heights.tolist(), colour=GREEN)]
