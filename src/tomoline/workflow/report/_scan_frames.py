"""What was found for each frame of a scan: shifts, likeness of the flats, frames left out."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from tomoline.steps._shifts import Shifts
from tomoline.workflow.report._picture import row
from tomoline.workflow.report._scan_overview import retrieved_without
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    SKY,
    Series,
    chart,
    number,
)

Floats = NDArray[np.float64]

_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, GREY)
_MOST_POINTS = 900
_MOST_ROWS = 40


def shifts(source: Source) -> str:
    """Draw how each distance is shifted to the first, over the angle."""
    path = source.path("shifts")
    if path is None:
        return ""
    try:
        found = Shifts.read(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ""
    if found.distances < 2 or not found.angles:
        return ""
    over, label = _over(source, found.angles)
    drawn = []
    for axis, name in ((1, "x"), (0, "y")):
        series = [
            _curve(over, found.shifts_px[:, distance, axis], _distance(source, distance), distance)
            for distance in range(1, found.distances)
        ]
        series += _outliers(found, over, axis)
        drawn.append(
            chart(
                series,
                title=f"Shift along {name}",
                x_label=label,
                y_label="pixels",
                least_span=0.5,
            )
        )
    return row(drawn) + _shift_words(source, found)


def _outliers(found: Shifts, over: Floats, axis: int) -> list[Series]:
    """Return marks at the angles whose measurement was not used, at the largest shift there."""
    places = [one for one in found.outliers if 0 <= one < found.angles]
    if not places:
        return []
    values = found.shifts_px[places, 1:, axis]
    largest = np.take_along_axis(values, np.abs(values).argmax(axis=1)[:, None], axis=1)[:, 0]
    return [Series(over[places].tolist(), largest.tolist(), "not used", RED, "points")]


def _shift_words(source: Source, found: Shifts) -> str:
    words = []
    residual = source.number("register", "residual_px")
    if residual is not None:
        words.append(f"measurements lie {number(residual, 2)} pixels rms from the curves")
    if found.outliers:
        words.append(f"{len(found.outliers)} measurements were not used")
    growth = max(abs(one - 1) for one in found.magnification)
    if growth > 1e-6:
        values = ", ".join(f"{one:.5f}" for one in found.magnification)
        words.append(f"magnification {values}")
    return f'<p class="quiet">{escape("; ".join(words).capitalize())}.</p>' if words else ""


def flats(source: Source) -> str:
    """Draw how like their flats the frames are, over the angle, and tell how flats are used."""
    return _scores(source) + _flat_words(source)


def _scores(source: Source) -> str:
    path = source.path("flat_choice")
    if path is None:
        return ""
    # Opened here, since numpy leaves a damaged file open.
    with path.open("rb") as file, np.load(file) as content:
        scores, chosen = content["scores"], content["chosen"]
    if not scores.size or not chosen.size:
        return ""
    picked = np.take_along_axis(scores, np.maximum(chosen, 0), axis=2)
    picked = np.where((chosen >= 0) & np.isfinite(picked), picked, np.nan)
    counts = np.isfinite(picked).sum(axis=2)
    sums = np.nansum(picked, axis=2)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    over, label = _over(source, means.shape[1])
    best = np.where(chosen[:, :, 0] >= 0, chosen[:, :, 0] + 1.0, np.nan)
    return row(
        [
            chart(
                [
                    _curve(over, one, _distance(source, place) if len(means) > 1 else "", place)
                    for place, one in enumerate(means)
                ],
                title="Likeness to the flats",
                x_label=label,
                y_label="score, 1 is the same",
                least_span=0.01,
            ),
            chart(
                [
                    Series(*_thinned(over, one), "", _COLOURS[place % len(_COLOURS)], "points")
                    for place, one in enumerate(best)
                ],
                title="Best flat",
                x_label=label,
                y_label="number of the flat",
                from_zero=True,
            )
            if scores.shape[2] > 1
            else "",
        ]
    )


def _flat_words(source: Source) -> str:
    method = source.value("flats", "method")
    if not method:
        return ""
    said = {
        "best": "each frame is divided by the mean of the flats that are most like it",
        "fitted": "each frame is divided by a fitted mixture of the flats most like it",
        "pca": "each frame is divided by a fitted mixture of the flats' components",
        "mean": "all frames are divided by the mean flat",
        "median": "all frames are divided by the median flat",
        "none": "frames are not divided by flats",
    }
    words = [said.get(str(method), f"method {method}")]
    used = source.value("flats", "flats_used")
    if isinstance(used, list) and used:
        words.append("flats used: " + ", ".join(str(one) for one in used))
    noise = source.numbers("flats", "noise_percent")
    if noise is not None and np.isfinite(noise).any():
        words.append(f"noise of a flat {number(float(np.nanmean(noise)), 2)} %")
    bad = source.numbers("flats", "bad_pixels")
    if bad is not None and np.nansum(bad):
        words.append(f"bad pixels replaced: {np.nansum(bad):.0f}")
    text = "; ".join(words)
    return f'<p class="quiet">{escape(text[:1].upper() + text[1:])}.</p>'


def left_out(source: Source) -> str:
    """List the projections that take no part, with the reason."""
    layout = source.layout
    if layout is None:
        return ""
    reasons = {**{int(p): w for p, w in retrieved_without(source).items()}, **layout.excluded}
    if not reasons:
        return ""
    rows = [
        f'<tr><td class="n">{place + 1}</td><td class="n">{layout.angles_deg[place]:.2f}</td>'
        f"<td>{escape(str(why))}</td></tr>"
        for place, why in sorted(reasons.items())
        if 0 <= place < layout.angles
    ]
    more = len(rows) - _MOST_ROWS
    return (
        "<table><tr><th>projection</th><th>angle, degrees</th><th>why</th></tr>"
        + "".join(rows[:_MOST_ROWS])
        + "</table>"
        + (f'<p class="quiet">and {more} more.</p>' if more > 0 else "")
    )


def _over(source: Source, count: int) -> tuple[Floats, str]:
    """Return what to plot values per projection over, and its name."""
    layout = source.layout
    if layout is None or layout.angles != count:
        return np.arange(1.0, count + 1), "projection"
    return np.array(layout.angles_deg, np.float64), "angle, degrees"


def _distance(source: Source, place: int) -> str:
    layout = source.layout
    if layout is None or place >= len(layout.distances_m):
        return f"distance {place + 1}"
    return f"{number(1000 * layout.distances_m[place], 4)} mm"


def _curve(over: Floats, values: Floats, label: str, place: int) -> Series:
    colour = _COLOURS[place % len(_COLOURS)]
    return Series(*_thinned(over, values), label, colour, dots=len(values) < 100)


def _thinned(over: Floats, values: Floats) -> tuple[list[float], list[float]]:
    """Return not too many points: a page of a long scan shall stay small."""
    step = max(1, -(-len(values) // _MOST_POINTS))
    return over[::step].tolist(), np.asarray(values, np.float64)[::step].tolist()
