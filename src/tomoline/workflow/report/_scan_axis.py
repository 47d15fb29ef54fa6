"""Where the rotation axis of a scan was found, how, and how sure that is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from tomoline.workflow.report._scan_overview import in_words
from tomoline.workflow.report._source import Source

_PNG = b"\x89PNG\r\n\x1a\n"


def axis(source: Source) -> str:
    """Tell the axis in words, what each method found, and show slices around it."""
    return _words(source) + _methods(source) + _sweep(source) + _joined(source)


def _words(source: Source) -> str:
    place = source.number("axis", "rotation_axis_px")
    if place is None:
        return ""
    text = f"The axis is at column {place:.2f} (the first is 0) in the middle row"
    slope = source.number("axis", "slope_px_per_row")
    tilt = source.number("axis", "rotation_axis_tilt_deg")
    if slope and tilt is not None:
        text += f", tilted by {tilt:.3f}°, which is {slope:+.4f} pixels a row"
    origin = source.value("axis", "source")
    text += f"; from {origin}." if origin else "."
    confidence = source.number("axis", "confidence")
    if confidence is None:
        return f"<p>{escape(text)}</p>"
    advice = {
        "sure": "the methods agree",
        "fairly sure": "have a look at the slices below",
        "not sure": "compare the slices below, and give axis.axis_px if another one is sharper",
    }[in_words(confidence)]
    text += f" Confidence {confidence:.2f} of 1, {in_words(confidence)}: {advice}."
    return f"<p>{escape(text)}</p>"


def _methods(source: Source) -> str:
    methods = source.value("axis", "methods")
    if not isinstance(methods, Mapping) or not methods:
        return ""
    rows = "".join(
        f"<tr><td>{escape(str(name))}</td>"
        + "".join(
            f'<td class="n">{_cell(found.get(key), digits)}</td>'
            for key, digits in (("axis_px", 2), ("error_px", 2), ("reliability", 2))
        )
        + "</tr>"
        for name, found in methods.items()
        if isinstance(found, Mapping)
    )
    guess = source.number("axis", "guess_px")
    if guess is not None:
        rows += f'<tr><td>guess that was given</td><td class="n">{guess:.2f}</td><td/><td/></tr>'
    return (
        "<table><tr><th>method</th><th>axis, pixels</th><th>error, pixels</th>"
        f"<th>reliability</th></tr>{rows}</table>"
    )


def _cell(value: object, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"


def _sweep(source: Source) -> str:
    """Show the picture of slices with the axis at several places, as the step drew it."""
    path = source.path("axis_sweep")
    picture = path.read_bytes() if path else b""
    if not picture.startswith(_PNG):
        return ""
    data = base64.b64encode(picture).decode()
    caption = (
        "The same part of a slice with the axis at several columns, which are stamped on it; the "
        "one in the middle is used. Wrong ones show arcs and double edges."
    )
    return (
        f'<figure><img alt="{escape(caption)}" style="max-width: 100%" '
        f'src="data:image/png;base64,{data}"/><figcaption>{escape(caption)}</figcaption></figure>'
    )


def _joined(source: Source) -> str:
    """Say how the halves of a full turn were joined."""
    if not source.value("stitch", "joined"):
        return ""
    side, overlap = source.value("stitch", "side"), source.number("stitch", "overlap_px")
    width, residual = source.number("stitch", "width_px"), source.number("stitch", "residual_px")
    text = f"The axis is at the {side} of the field, so the halves of the full turn were joined"
    text += f" with an overlap of {overlap:.1f} pixels" if overlap is not None else ""
    text += f", to {width:.0f} columns" if width is not None else ""
    text += f"; pairs agree within {residual:.2f} pixels rms" if residual is not None else ""
    return f"<p>{escape(text)}.</p>"
