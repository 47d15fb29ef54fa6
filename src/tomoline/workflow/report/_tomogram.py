"""The central slices of the tomogram, in the report and as separate PNG files, and its contrast."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tomoline.files.atomic import writing
from tomoline.files.png import png
from tomoline.workflow.report._picture import contrast, figure, grey
from tomoline.workflow.report._slices import Slices, middle
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import GREY, RED, Series, chart

BINS = 128
_PAGE_WIDTH = 980


def slice_names(root: str) -> dict[str, str]:
    """Return the file names of the three slices, by plane."""
    return {plane: f"{root}_slice_{plane}.png" for plane in ("xy", "xz", "yz")}


def write_slices(source: Source) -> list[str]:
    """Write the central slices as PNG files, at the tomogram's own size; return their names."""
    slices = source.slices
    if slices is None:
        return []
    limits = _limits(slices)
    names = slice_names(source.root)
    for plane, image in (("xy", slices.xy), ("xz", slices.xz), ("yz", slices.zy)):
        with writing(source.folder / names[plane]) as path:
            path.write_bytes(png(grey(image, limits)))
    return list(names.values())


def _limits(slices: Slices) -> tuple[float, float]:
    return contrast(slices.xy, 4.5)


def tomogram(source: Source) -> str:
    """Draw the three central slices with scale bars, laid out as orthogonal views."""
    slices = source.slices
    if slices is None:
        return ""
    limits = _limits(slices)
    size = source.pixel_nm(source.volume_name) or source.pixel_size_nm
    names = slice_names(source.root)
    columns = slices.xy.shape[1]
    thickness = len(slices.xz)
    scale = min((_PAGE_WIDTH - 20) / (columns + thickness), 640 / columns, 4.0)
    wide, deep = max(60, round(columns * scale)), max(40, round(thickness * scale))
    z, y, x = slices.averaged

    def shown(image: NDArray[np.float32], plane: str, width: int, across: str) -> str:
        return figure(
            image,
            caption=across,
            width=width,
            pixel_size_nm=size if width > 150 else None,
            limits=limits,
            link=names[plane],
            largest=1100,
        )

    return (
        f'<div class="ortho" style="grid-template-columns: {wide}px {deep}px">'
        + shown(slices.xy, "xy", wide, f"across z: x to the right, y up (mean of {z} slices)")
        + shown(slices.zy, "yz", deep, f"across x: z right, y up (mean of {x})")
        + shown(slices.xz, "xz", wide, f"across y: x to the right, z up (mean of {y} slices)")
        + "</div>"
        + '<p class="quiet">The same pictures at full size: '
        + ", ".join(f'<a href="{_quoted(name)}">{_text(name)}</a>' for name in names.values())
        + "</p>"
        + _histogram(source, slices)
        + _untrimmed(source)
    )


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name)


def _text(name: str) -> str:
    from html import escape

    return escape(name)


def _histogram(source: Source, slices: Slices) -> str:
    """Draw how the voxels of the middle slices are distributed, and the scaling, where known."""
    volume = source.volume
    if volume is None:
        return ""
    first, last = middle(volume.shape[0])
    sample = np.asarray(volume[first:last, ::2, ::2], dtype=np.float32).ravel()
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return ""
    low, high = (float(value) for value in np.percentile(sample, (0.01, 99.99)))
    if not high > low:
        return '<p class="quiet">All voxels of the middle slices have the same value.</p>'
    whole = volume.dtype.kind in "iu"
    # Bins of whole numbers, or else some would hold more of them than others.
    width = math.ceil((high - low) / BINS) if whole else (high - low) / BINS
    counts, edges = np.histogram(sample, bins=np.arange(low - 0.5 * whole, high + width, width))
    middles = (edges[:-1] + edges[1:]) / 2
    series = [Series(middles.tolist(), (100 * counts / sample.size).tolist())]
    if whole:
        limits = np.iinfo(volume.dtype.name)
        cut = float(np.mean((sample <= limits.min) | (sample >= limits.max))) * 100
        note = f"{cut:.2g} % of them at the ends of the range" if cut else "none is cut off"
        colour = RED if cut > 1 else GREY
    else:
        note, colour = "", GREY
    mean, deviation = float(sample.mean()), float(sample.std())
    words = f"Voxels of the middle slices: mean {mean:.4g}, SD {deviation:.4g}"
    words += f", {note}" if note else ""
    words += _scaling(source)
    return (
        chart(series, title="Voxel values", x_label="value", y_label="% of voxels", from_zero=True)
        + f'<p class="quiet" style="color:{colour}">{words}.</p>'
    )


def _scaling(source: Source) -> str:
    """Say which densities became black and white."""
    black, white = (source.number("trim", f"{name}_density") for name in ("black", "white"))
    if black is None or white is None or source.volume_name != "tomogram":
        return ""
    return f"; densities from {black:.3g} to {white:.3g} became the range of bytes"


def _untrimmed(source: Source) -> str:
    if source.volume_name == "tomogram":
        return ""
    return '<p class="quiet">From the whole tomogram; it is not trimmed yet.</p>'
