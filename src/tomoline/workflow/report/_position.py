"""Where the points lie in the specimen, and how the tomogram was placed around them."""

from __future__ import annotations

import math
from html import escape

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError
from tomoline.geometry import Floats, centre
from tomoline.workflow.report._picture import row
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import BLUE, GREEN, ORANGE, PURPLE, Series, chart, number

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
    return row([*_sketch(source), _profile(source)]) + table


def _profile(source: Source) -> str:
    """Draw how much structure there is at each height, and where the specimen was seen to end."""
    profile = source.numbers("position", "section_profile")
    binning = source.number("position", "coarse_binning") or 1.0
    if profile is None or profile.ndim != 1:
        return ""
    height = (np.arange(len(profile)) - centre(len(profile))) * binning
    ends = [source.number("position", name) for name in ("section_low_px", "section_high_px")]
    top = float(np.nanmax(profile))
    lines = [
        Series(
            [end, end], [0.0, top], "end of the specimen" if not index else "", ORANGE, dots=False
        )
        for index, end in enumerate(ends)
        if end is not None
    ]
    return chart(
        [Series(height.tolist(), profile.tolist(), dots=False), *lines],
        title="Structure at each height",
        x_label="z, raw pixels",
        y_label="structure",
        from_zero=True,
    )


def solved_points(source: Source) -> tuple[Floats, NDArray[np.int_]] | None:
    """Return the solved points (point, 3) in raw pixels from the centre, and their surfaces."""
    from tomoline.files.imod_model import read

    path = source.path("fiducials_3d")
    if path is None:
        return None
    try:
        model = read(path)
    except TomolineError:
        return None
    contours = [contour for contour in model.contours if len(contour.points)]
    if not contours:
        return None
    middle = np.array([centre(model.size_px[0]), centre(model.size_px[1]), 0.0])
    points = np.concatenate([contour.points for contour in contours]) - middle
    surface = np.concatenate([np.full(len(one.points), one.surface) for one in contours])
    return points * source.binning("prealigned_stack"), surface


def _sketch(source: Source) -> list[str]:
    found = solved_points(source)
    if found is None or len(found[0]) < 2:
        return []
    surface = found[1]
    points, half = _in_tomogram(source, found[0])
    charts = []
    for axis, name, other in ((0, "x", "y"), (1, "y", "x")):
        parts = [
            Series(
                points[surface == number, axis].tolist(),
                points[surface == number, 2].tolist(),
                f"surface {number}" if number else "off the surfaces" * bool(surface.any()),
                (ORANGE, GREEN, PURPLE)[min(int(number), 2)],
                "points",
            )
            for number in np.unique(surface)
        ]
        charts.append(
            chart(
                [*parts, *_limits(half, points[:, axis])],
                title=f"Points seen along {other}",
                x_label=f"{name}, raw pixels",
                y_label="z, raw pixels",
                least_span=20.0,
            )
        )
    return charts


def _in_tomogram(source: Source, points: Floats) -> tuple[Floats, float | None]:
    """Return the points in the frame of the tomogram, and half its thickness, raw pixels."""
    placed = source.json("position")
    slope = math.radians(_number(placed.get("x_axis_tilt_deg")) or 0.0)
    x, y, z = points.T
    level = z * math.cos(slope) - y * math.sin(slope) + (_number(placed.get("z_shift_px")) or 0.0)
    along = y * math.cos(slope) + z * math.sin(slope)
    thickness = source.number("reconstruct", "thickness_px") or _number(placed.get("thickness_px"))
    return np.column_stack([x, along, level]), None if thickness is None else thickness / 2


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _limits(half: float | None, across: Floats) -> list[Series]:
    """Return the lower and the upper face of the tomogram, seen from the side."""
    if half is None:
        return []
    ends = [float(across.min()), float(across.max())]
    return [
        Series(ends, [height, height], "tomogram" if height > 0 else "", BLUE, dots=False)
        for height in (half, -half)
    ]
