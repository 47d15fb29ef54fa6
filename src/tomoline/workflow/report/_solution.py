"""How the alignment was solved, in words and numbers, and the points that fit worst."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import number

_ALIGNED = (
    ("points", "points solved", ""),
    ("measured", "positions measured", ""),
    ("points_by_surface", "points on each surface", ""),
    ("residual_mean_px", "mean residual", "px"),
    ("residual_weighted_px", "weighted mean residual", "px"),
    ("residual_sd_px", "standard deviation of the residuals", "px"),
    ("leave_out_error_px", "rms error on points left out", "px"),
    ("leave_out_error_nm", "rms error on points left out", "nm"),
    ("low_weight_fraction", "fraction of positions with a robust weight below 0.5", ""),
    ("rotation", "rotation of the views", ""),
    ("tilt", "tilt angles", ""),
    ("magnification", "magnification", ""),
    ("beam_tilt_deg", "beam tilt", "°"),
    ("measurement_ratio", "measurements for each unknown", ""),
    ("restrictions", "restricted, for want of measurements", ""),
    ("tilt_axis_deg", "tilt axis, solved", "°"),
    ("tilt_offset_deg", "tilt offset, added to all angles", "°"),
)
_TRACKED = (
    ("kind", "what was tracked", ""),
    ("reason", "because", ""),
    ("seed_beads", "beads to begin with", ""),
    ("tracks", "tracks", ""),
    ("share_tracked", "share of all positions that were found", ""),
    ("bead_diameter_px", "diameter of the beads, measured", "px"),
    ("leave_out_px", "error on points left out, before fine alignment", "px"),
)
_COARSE = (
    ("tilt_axis_given_deg", "tilt axis, from file or parameter", "°"),
    ("tilt_axis_found_deg", "tilt axis, from the images", "°"),
    ("largest_shift_px", "largest coarse shift", "px"),
)
_WORST = 12


def solution(source: Source) -> str:
    """List what the alignment solved for and what came out."""
    tables = [
        _rows(source, "align", _ALIGNED),
        _rows(source, "track", _TRACKED) + _rows(source, "coarse_align", _COARSE),
    ]
    drawn = "".join(f"<table>{''.join(rows)}</table>" for rows in tables if rows)
    if not drawn:
        return ""
    return f'<h3>In numbers</h3><div class="row">{drawn}</div>{_worst(source)}'


def _rows(source: Source, step: str, table: tuple[tuple[str, str, str], ...]) -> list[str]:
    values = source.step(step).get("values") or {}
    return [
        f'<tr><td>{words}</td><td class="n">{escape(_word(values[name], unit))}</td></tr>'
        for name, words, unit in table
        if values.get(name) not in (None, [], {}, "")
    ]


def _word(value: Any, unit: str) -> str:
    if isinstance(value, list):
        return ", ".join(_word(item, "") for item in value)
    if isinstance(value, Mapping):
        return "; ".join(f"{name} {_word(one, unit)}" for name, one in value.items())
    if isinstance(value, float):
        gap = "" if unit == "°" else " "
        return f"{number(value)}{gap}{unit}".strip()
    return f"{value} {unit}".strip()


def _worst(source: Source) -> str:
    points = source.value("align", "worst_points")
    points = [one for one in points if isinstance(one, Mapping)] if isinstance(points, list) else []
    if not points:
        return ""
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td class="n">{escape(str(one.get(key, "")))}</td>'
            for key in ("track", "view", "residual_px")
        )
        + "</tr>"
        for one in points[:_WORST]
    )
    return (
        f"<details><summary>{len(points)} positions with a high residual</summary><table>"
        f"<tr><th>track</th><th>view</th><th>residual, px</th></tr>{rows}</table></details>"
    )
