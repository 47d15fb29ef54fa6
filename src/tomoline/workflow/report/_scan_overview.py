"""The figures that tell how a scan went."""

from __future__ import annotations

import numpy as np

from tomoline.workflow.report._overview import card
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import number

SURE, FAIR = 0.8, 0.5
"""Confidences from which on an axis is called sure, and fairly sure."""


def in_words(confidence: float) -> str:
    """Say what a confidence between 0 and 1 means.

    >>> in_words(0.6)
    'fairly sure'
    """
    if confidence >= SURE:
        return "sure"
    return "fairly sure" if confidence >= FAIR else "not sure"


def _projections(source: Source) -> str:
    layout = source.layout
    if layout is None or not layout.angles:
        return ""
    left_out = set(layout.excluded) | {int(one) for one in retrieved_without(source)}
    used = layout.angles - len(left_out)
    text = f"{used}" if not left_out else f"{used} of {layout.angles}"
    low, high = number(min(layout.angles_deg), 4), number(max(layout.angles_deg), 4)
    return card(text, f"projections used, {low}° to {high}°")


def retrieved_without(source: Source) -> dict[str, str]:
    """Return the projections left out when frames were read, by place from 0, with the reason."""
    excluded = source.json("retrieval").get("excluded")
    return dict(excluded) if isinstance(excluded, dict) else {}


def _beam(source: Source) -> str:
    layout = source.layout
    if layout is None:
        return ""
    pixel = f"pixel {number(layout.pixel_size_um, 4)} µm" if layout.pixel_size_um else ""
    if layout.energy_kev:
        return card(f"{number(layout.energy_kev, 4)} keV", pixel or "energy")
    return card(pixel.removeprefix("pixel "), "pixel of the detector") if pixel else ""


def _distances(source: Source) -> str:
    layout = source.layout
    if layout is None:
        return ""
    count = len(layout.projections)
    label = "distance" if count == 1 else "distances"
    if layout.distances_m:
        low, high = (
            number(1000 * one, 4) for one in (min(layout.distances_m), max(layout.distances_m))
        )
        label += f", {low} mm" if low == high else f", {low} to {high} mm"
    return card(str(count), label)


def _method(source: Source) -> str:
    method = source.value("retrieve", "method")
    if source.value("retrieve", "quantity") == "absorption":
        return card("absorption", "no phase is retrieved")
    return card(str(method), "phase retrieval") if method else ""


def _axis(source: Source) -> str:
    axis = source.number("axis", "rotation_axis_px")
    if axis is None:
        return ""
    confidence = source.number("axis", "confidence")
    label = "rotation axis, column"
    if confidence is not None:
        label += f", {in_words(confidence)} ({confidence:.2f})"
    return card(f"{axis:.2f} px", label)


def _tilt(source: Source) -> str:
    tilt = source.number("axis", "rotation_axis_tilt_deg")
    return card(f"{tilt:.3f}°", "tilt of the axis") if tilt is not None else ""


def _shifts(source: Source) -> str:
    largest = source.numbers("register", "largest_shift_px")
    if largest is None or len(largest) < 2:
        return ""
    return card(f"{number(float(np.nanmax(largest)), 3)} px", "largest shift between distances")


def _flats(source: Source) -> str:
    scores = source.numbers("retrieve", "mean_flat_score")
    if scores is None or not np.isfinite(scores).any():
        return ""
    return card(f"{np.nanmean(scores):.3f}", "mean likeness of frames and their flats")


def _volume(source: Source) -> str:
    shape = source.value("output", "shape")
    if not (isinstance(shape, list) and len(shape) == 3):
        return ""
    z, y, x = shape
    size = source.number("output", "voxel_um")
    label = "volume, x y z" + (f", voxel {number(size, 4)} µm" if size else "")
    return card(f"{x} × {y} × {z}", label)


CARDS = (_projections, _beam, _distances, _method, _flats, _shifts, _axis, _tilt, _volume)
