"""Curves and bars as small SVG drawings, so that a report needs no plotting library.

All text is escaped here; coordinates are rounded to a tenth of a screen pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

# Okabe and Ito's colours, told apart with any kind of colour vision.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9"
)  # fmt: skip
GREY = "#888"

_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 30, 40


@dataclass(frozen=True)
class Series:
    """Points of one curve; values that are not finite are gaps."""

    x: Sequence[float]
    y: Sequence[float]
    label: str = ""
    colour: str = BLUE
    style: Literal["line", "points", "bars"] = "line"
    dots: bool = True
    """Whether a line has a dot at each point."""
    hints: Sequence[str] = ()
    """What each point says when the pointer rests on it."""


def number(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits, for a reader.

    >>> [number(v) for v in (0.12345, 1234.5, -0.0, 20.0, 1e-7)]
    ['0.123', '1234', '0', '20', '1e-07']
    """
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 10**digits and abs(value) < 1e7:
        return f"{value:.0f}"
    return f"{value:.{digits}g}"


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers that divide the range from `low` to `high` into about `count` parts.

    >>> ticks(-61.0, 58.0)
    [-60.0, -40.0, -20.0, 0.0, 20.0, 40.0]
    """
    span = high - low
    if not (span > 0 and math.isfinite(span)):
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.7)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _limits(values: list[float], least_span: float) -> tuple[float, float]:
    finite = [value for value in values if math.isfinite(value)] or [0.0]
    low, high = min(finite), max(finite)
    if high - low < least_span:
        middle = (low + high) / 2
        return middle - least_span / 2, middle + least_span / 2
    return low, high


def chart(
    series: Sequence[Series],
    *,
    title: str,
    x_label: str,
    y_label: str,
    width: int = 470,
    height: int = 230,
    from_zero: bool = False,
    least_span: float = 1e-6,
) -> str:
    """Draw curves, points or bars over common axes.

    Parameters
    ----------
    series : sequence of Series
        What to draw; several get a legend.
    title, x_label, y_label : str
        Titles, with units.
    width, height : int
        Size in screen pixels.
    from_zero : bool
        Whether the vertical axis begins at zero.
    least_span : float
        Smallest range of the vertical axis, so that a constant does not look like noise.

    Returns
    -------
    str
        An ``svg`` element; "" where there is not a single finite point.
    """
    points = [
        (x, y)
        for one in series
        for x, y in zip(one.x, one.y, strict=False)
        if math.isfinite(x) and math.isfinite(y)
    ]
    if not points:
        return ""
    x_low, x_high = _limits([x for x, _ in points], 1e-6)
    heights = [y for _, y in points]
    if from_zero:
        # Zero is in the range, and so is the least span above it.
        heights += [0.0, least_span]
    y_low, y_high = _limits(heights, least_span)
    margin_x, margin_y = 0.03 * (x_high - x_low), 0.06 * (y_high - y_low)
    x_low, x_high, y_high = x_low - margin_x, x_high + margin_x, y_high + margin_y
    y_low = y_low if from_zero and y_low == 0 else y_low - margin_y

    def across(x: float) -> float:
        return _LEFT + (x - x_low) / (x_high - x_low) * (width - _LEFT - _RIGHT)

    def down(y: float) -> float:
        return height - _BOTTOM - (y - y_low) / (y_high - y_low) * (height - _TOP - _BOTTOM)

    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" role="img">',
        f"<title>{escape(title)}</title>",
        f'<text class="t" x="{_LEFT}" y="16">{escape(title)}</text>',
    ]
    for tick in ticks(y_low, y_high, 4):
        y = down(tick)
        parts.append(
            f'<path class="g" d="M{_LEFT} {y:.1f}H{width - _RIGHT}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(tick, 4)}</text>'
        )
    for tick in ticks(x_low, x_high, 6):
        x = across(tick)
        parts.append(
            f'<path class="g" d="M{x:.1f} {_TOP}V{height - _BOTTOM}"/>'
            f'<text x="{x:.1f}" y="{height - _BOTTOM + 15}" text-anchor="middle">'
            f"{number(tick, 4)}</text>"
        )
    middle = (_TOP + height - _BOTTOM) / 2
    parts.append(
        f'<text x="{(_LEFT + width - _RIGHT) / 2}" y="{height - 8}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text transform="translate(14 {middle}) rotate(-90)" text-anchor="middle">'
        f"{escape(y_label)}</text>"
    )
    zero = down(max(y_low, min(0.0, y_high)))
    bar = max(2.0, 0.7 * (width - _LEFT - _RIGHT) / max(1, len(points)))
    for one in series:
        shown = [
            (across(x), down(y)) if math.isfinite(x) and math.isfinite(y) else None
            for x, y in zip(one.x, one.y, strict=False)
        ]
        parts.append(_drawn(one, shown, zero, bar))
    parts.append(_legend(series, width))
    parts.append("</svg>")
    return "".join(parts)


def _drawn(
    one: Series, shown: Sequence[tuple[float, float] | None], zero: float, bar: float
) -> str:
    """Draw one series at its screen positions."""
    parts = []
    if one.style == "line":
        pen = "M"
        path = ""
        for place in shown:
            if place is None:
                pen = "M"
                continue
            path += f"{pen}{place[0]:.1f} {place[1]:.1f}"
            pen = "L"
        parts.append(f'<path fill="none" stroke="{one.colour}" stroke-width="1.5" d="{path}"/>')
    for index, place in enumerate(shown):
        if place is None or (one.style == "line" and not one.dots):
            continue
        hint = f"<title>{escape(one.hints[index])}</title>" if index < len(one.hints) else ""
        x, y = place
        if one.style == "bars":
            top, size = min(y, zero), abs(zero - y)
            parts.append(
                f'<rect x="{x - bar / 2:.1f}" y="{top:.1f}" width="{bar:.1f}" '
                f'height="{size:.1f}" fill="{one.colour}">{hint}</rect>'
            )
        else:
            radius = 2 if one.style == "line" else 3
            parts.append(
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{one.colour}">{hint}'
                "</circle>"
            )
    return "".join(parts)


def _legend(series: Sequence[Series], width: int) -> str:
    named = [one for one in series if one.label]
    if not named:
        return ""
    parts, right = [], float(width - _RIGHT)
    for one in reversed(named):
        parts.append(
            f'<text x="{right:.0f}" y="16" text-anchor="end" fill="{one.colour}">'
            f"{escape(one.label)}</text>"
        )
        right -= 7.0 * len(one.label) + 14
    return "".join(parts)


@dataclass(frozen=True)
class Bar:
    """One horizontal bar: what it is called, its length, what stands at its end."""

    label: str
    value: float
    text: str
    colour: str = BLUE


def bars(rows: Sequence[Bar], *, title: str, width: int = 640) -> str:
    """Draw horizontal bars, one below the other, with words instead of an axis."""
    if not rows:
        return ""
    label_width, text_width, pitch = 150, 200, 22
    longest = max((row.value for row in rows if math.isfinite(row.value)), default=0.0) or 1.0
    height = pitch * len(rows) + 28
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" width="{width}" role="img">'
        f'<title>{escape(title)}</title><text class="t" x="0" y="16">{escape(title)}</text>'
    ]
    for index, row in enumerate(rows):
        y = 28 + index * pitch
        value = row.value if math.isfinite(row.value) else 0.0
        length = max(1.0, value / longest * (width - label_width - text_width))
        parts.append(
            f'<text x="{label_width - 8}" y="{y + 13}" text-anchor="end">{escape(row.label)}</text>'
            f'<rect x="{label_width}" y="{y + 2}" width="{length:.1f}" height="14" '
            f'fill="{row.colour}"/>'
            f'<text x="{label_width + length + 8:.1f}" y="{y + 13}">{escape(row.text)}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)
