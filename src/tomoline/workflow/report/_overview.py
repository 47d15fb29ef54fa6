"""The head of a report: how it went, the figures that matter, warnings in plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, TypeAlias

import numpy as np

from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import ORANGE, Series, chart, number

Notice: TypeAlias = Mapping[str, Any]

MOST_SHOWN = 4
"""Warnings of one kind that are shown before the rest is folded away."""

_STATES = {
    "finished": "finished",
    "failed": "stopped with an error",
    "partial": "part of the recipe was run",
}


def state(source: Source) -> str:
    """Say whether the recipe is finished, failed, or was run in part."""
    states = [step.get("state") for step in source.steps]
    if "failed" in states or source.failures:
        return "failed"
    done = states and all(one in ("finished", "off") for one in states)
    return "finished" if done and source.path(source.result) else "partial"


def head(source: Source) -> str:
    """Draw the title with the state, the program's version and the time it took."""
    now = state(source)
    seconds = sum(float(step.get("seconds") or 0.0) for step in source.steps)
    started = min((str(s["started"]) for s in source.steps if s.get("started")), default="")
    facts = [
        f"recipe {source.record.get('recipe', '')}".strip(),
        f"begun {started.replace('T', ' ').replace('+00:00', ' UTC')}" if started else "",
        f"{seconds:.1f} s of computing",
        f"tomoline {source.record.get('tomoline', '')}".strip(),
    ]
    given = source.record.get("source")
    return (
        f'<h1>{escape(source.root)}<span class="badge {now}">{_STATES[now]}</span></h1>'
        f'<p class="quiet">{escape(" · ".join(fact for fact in facts if fact))}'
        + (f"<br/>from <code>{escape(str(given))}</code>" if given else "")
        + "</p>"
    )


def cards(source: Source, makers: Sequence[Callable[[Source], str]]) -> str:
    """Draw the figures that tell a good result from a bad one, those that the data set has."""
    shown = [made for made in (make(source) for make in makers) if made]
    return '<div class="cards">' + "".join(shown) + "</div>" if shown else ""


def card(value: str, label: str) -> str:
    """Draw one figure with what it is."""
    return f'<div class="card"><b>{escape(value)}</b><span>{escape(label)}</span></div>'


def _views(source: Source) -> str:
    views = source.acquisition
    if views is None:
        return ""
    used, angles = int(views.included.sum()), views.tilt_deg
    text = f"{used}" if used == views.count else f"{used} of {views.count}"
    low, high = number(float(angles.min())), number(float(angles.max()))
    return card(text, f"views used, {low}° to {high}°")


def _pixel(source: Source) -> str:
    size = source.pixel_size_nm
    return card(f"{number(size, 4)} nm", "pixel of the raw views") if size else ""


def _axis(source: Source) -> str:
    for step, name in (
        ("align", "tilt_axis_deg"),
        ("coarse_align", "tilt_axis_deg"),
    ):
        angle = source.number(step, name)
        if angle is not None:
            return card(f"{angle:.2f}°", "tilt axis, from the vertical")
    return ""


def kind(source: Source) -> str:
    """Say what the alignment is made of: ``beads``, ``patches``, ``none``, or nothing known."""
    named = source.value("track", "kind") or source.json("track_info").get("kind")
    return str(named or source.value("align", "kind") or "")


def _points(source: Source) -> str:
    count = source.number("align", "points")
    if count is None:
        count = source.number("track", "tracks")
    what = {"beads": "gold beads tracked", "patches": "patches tracked"}.get(kind(source), "")
    if kind(source) == "none":
        return card("none", "points: aligned by correlation alone")
    return card(f"{count:.0f}", what or "points tracked") if count is not None else ""


def _residual(source: Source) -> str:
    pixels = source.number("align", "residual_mean_px")
    if pixels is None:
        return ""
    size = source.pixel_size_nm
    label = "mean residual" + (f" = {number(pixels * size, 2)} nm" if size else "")
    return card(f"{number(pixels, 2)} px", label)


def _leave_out(source: Source) -> str:
    pixels = source.number("align", "leave_out_error_px")
    return (
        card(f"{number(pixels, 2)} px", "rms error on points left out of the fit") if pixels else ""
    )


def _tomogram(source: Source) -> str:
    volume = source.volume
    if volume is None:
        return ""
    z, y, x = volume.shape
    size = source.pixel_nm(source.volume_name)
    label = "tomogram, x y z" + (f", voxel {number(size, 4)} nm" if size else "")
    return card(f"{x} × {y} × {z}", label)


CARDS = (_views, _pixel, _axis, _points, _residual, _leave_out, _tomogram)


def notices(source: Source) -> str:
    """Write errors and warnings in plain words; that there are none is worth saying too."""
    parts = [_note([failure], "error") for failure in source.failures]
    kinds: dict[tuple[str, str], list[Notice]] = {}
    for warning in source.notices:
        kind = (str(warning.get("code") or ""), str(warning.get("remedy") or ""))
        kinds.setdefault(kind, []).append(warning)
    parts += [_note(warnings, "") for warnings in kinds.values()]
    if not parts:
        return '<div class="note good">No warnings.</div>'
    return "".join(parts)


def _note(notices: Sequence[Notice], style: str) -> str:
    """Draw notices of one kind, which share their remedy, as one."""
    found = [_found(notice) for notice in notices]
    text = "<br/>".join(found[:MOST_SHOWN])
    if len(found) > MOST_SHOWN:
        rest = "<br/>".join(found[MOST_SHOWN:])
        text += f"<details><summary>and {len(found) - MOST_SHOWN} more</summary>{rest}</details>"
    first = {key: str(notices[0].get(key) or "") for key in ("code", "remedy", "step")}
    return (
        f'<div class="note {style}">{text}<div>{escape(first["remedy"])}</div>'
        f'<span class="quiet">{escape(first["code"])}, step {escape(first["step"])}</span></div>'
    )


def _found(notice: Notice) -> str:
    where = str(notice.get("where") or notice.get("step") or "")
    return (f"<b>{escape(where)}</b>: " if where else "") + escape(str(notice.get("found") or ""))


def views_left_out(source: Source) -> str:
    """List the views that take no part, with the reason."""
    views = source.acquisition
    left_out = [view for view in views.views if view.excluded] if views else []
    if not left_out:
        return ""
    rows = "".join(
        f'<tr><td class="n">{view.number}</td><td class="n">{view.tilt_deg:.2f}</td>'
        f"<td>{escape(str(view.excluded))}</td></tr>"
        for view in left_out
    )
    return (
        "<h3>Views that take no part</h3><table><tr><th>view</th><th>tilt, degrees</th>"
        f"<th>why</th></tr>{rows}</table>"
    )


def x_rays(source: Source) -> str:
    """Draw how many pixels were replaced in each view, if the step tells."""
    counts = source.numbers("preprocess", "xrays")
    if counts is None or counts.ndim != 1 or not np.nansum(counts):
        return ""
    numbers = list(range(1, len(counts) + 1))
    return chart(
        [Series(numbers, counts.tolist(), colour=ORANGE, style="bars")],
        title="X-rays and hot pixels replaced",
        x_label="view",
        y_label="places",
        from_zero=True,
    )
