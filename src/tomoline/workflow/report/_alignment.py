"""How the views were aligned: pictures before and after, tracks and residual vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline.geometry import Floats, centre
from tomoline.workflow.report._curves import curves
from tomoline.workflow.report._picture import circles, figure, polyline, row
from tomoline.workflow.report._solution import solution
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import BLUE, ORANGE, RED, SKY
from tomoline.workflow.report._tracks import Tracks, read_tracks

VECTOR_SCALE, SMALL_VECTOR_SCALE = 10, 50
"""Residual vectors are drawn so many times longer than they are: 10 as in Etomo, 50 if small."""

_SMALL_PX = 0.2

_STRIP_WIDTH = 318


def alignment(source: Source) -> str:
    """Draw everything about the alignment that the data set has."""
    tracks = read_tracks(source)
    shown = row(curves(source, tracks))
    return (
        _strip(source, tracks)
        + _track_figures(source, tracks)
        + (f"<h3>View by view</h3>{shown}" if shown else "")
        + solution(source)
    )


def shown_views(source: Source) -> list[int]:
    """Return the indices of the views of the lowest, nearest-to-zero and highest tilt."""
    views = source.acquisition
    if views is None or not views.included.any():
        return []
    used = np.flatnonzero(views.included)
    angles = views.tilt_deg[used]
    chosen = (np.argmin(angles), np.argmin(np.abs(angles)), np.argmax(angles))
    return list(dict.fromkeys(int(used[index]) for index in chosen))


def _radius(source: Source, tracks: Tracks) -> float:
    """Return the radius, raw pixels, of the circles that mark points."""
    views = source.acquisition
    diameter = views.gold_diameter_px if views else None
    if diameter:
        return 0.85 * diameter
    spread = np.nanmax(np.abs(tracks.points_px)) if np.isfinite(tracks.points_px).any() else 100.0
    return float(max(4.0, spread / 40))


def _strip(source: Source, tracks: Tracks | None) -> str:
    """Draw low, zero and high tilt: raw views above, aligned views below, points marked."""
    chosen, views = shown_views(source), source.acquisition
    if not chosen or views is None:
        return ""
    before, after = [], []
    raw = source.map("fixed_stack")
    raw = source.map("raw_stack") if raw is None else raw
    aligned = source.map("aligned_stack")
    coarse = source.transforms("coarse_transforms")
    for view in chosen:
        angle = f"{views.tilt_deg[view]:.1f}°"
        if raw is not None and view < len(raw):
            marks = ""
            if tracks is not None and coarse is not None and view < len(coarse):
                middle = np.array([centre(raw.shape[2]), centre(raw.shape[1])])
                marks = circles(
                    tracks.in_raw(view, coarse) + middle, _radius(source, tracks), ORANGE
                )
            before.append(
                figure(
                    np.asarray(raw[view]),
                    caption=f"view {views.views[view].number}, {angle}, as recorded",
                    width=_STRIP_WIDTH,
                    pixel_size_nm=source.pixel_size_nm,
                    marks=marks,
                )
            )
        if aligned is not None and view < len(aligned):
            after.append(_aligned_figure(source, aligned, view, tracks, f"{angle}, aligned"))
    if not before and not after:
        return ""
    return "<h3>Views before and after alignment</h3>" + row(before) + row(after)


def _aligned_places(source: Source, stack: NDArray[np.generic], tracks: Tracks) -> Floats | None:
    """Return the points in pixels of the aligned stack, (track, view, 2)."""
    fine = source.from_prealigned
    if fine is None or len(fine) != tracks.points_px.shape[1]:
        return None
    middle = np.array([centre(stack.shape[2]), centre(stack.shape[1])])
    places: Floats = tracks.in_aligned(fine) / source.binning("aligned_stack") + middle
    return places


def _aligned_figure(
    source: Source, stack: NDArray[np.generic], view: int, tracks: Tracks | None, caption: str
) -> str:
    middle = centre(stack.shape[2])
    # The tilt axis, so that everyone can see the specimen turn about it.
    axis = polyline(np.array([[middle, 0.0], [middle, stack.shape[1] - 1.0]]), SKY, 0.9)
    places = None if tracks is None else _aligned_places(source, stack, tracks)
    if places is not None and tracks is not None and view < places.shape[1]:
        radius = _radius(source, tracks) / source.binning("aligned_stack")
        axis += circles(places[:, view], radius, ORANGE)
    return figure(
        np.asarray(stack[view]),
        caption=caption,
        width=_STRIP_WIDTH,
        pixel_size_nm=source.pixel_nm("aligned_stack"),
        marks=axis,
    )


def _track_figures(source: Source, tracks: Tracks | None) -> str:
    """Draw the paths of the points through all views, and their residuals, over the middle view."""
    stack, views = source.map("aligned_stack"), source.acquisition
    if tracks is None or stack is None or views is None:
        return ""
    places = _aligned_places(source, stack, tracks)
    if places is None:
        return ""
    zero = shown_views(source)[len(shown_views(source)) // 2]
    order = np.argsort(views.tilt_deg, kind="stable")
    radius = _radius(source, tracks) / source.binning("aligned_stack")
    at_zero = _at_view(places, zero, order)
    paths = "".join(polyline(place[order], BLUE, 0.7) for place in places)
    paths += circles(at_zero, radius, ORANGE)
    size = source.pixel_nm("aligned_stack")
    figures = [
        figure(
            np.asarray(stack[zero]),
            caption=f"Paths of {len(places)} points through all views; along x if all is right",
            width=486,
            pixel_size_nm=size,
            marks=paths,
            largest=800,
        )
    ]
    scale = _vector_scale(tracks)
    vectors = _vectors(source, tracks, at_zero, scale)
    if vectors:
        figures.append(
            figure(
                np.asarray(stack[zero]),
                caption=f"Residual vectors of all views, drawn {scale} times longer",
                width=486,
                pixel_size_nm=size,
                marks=circles(at_zero, radius, ORANGE) + vectors,
                largest=800,
            )
        )
    return "<h3>Tracked points</h3>" + row(figures)


def _at_view(places: Floats, view: int, order: NDArray[np.intp]) -> Floats:
    """Return where each point lies at `view`, or at the nearest view in tilt that shows it."""
    rank = np.empty(len(order), dtype=int)
    rank[order] = np.arange(len(order))
    found = np.full((len(places), 2), np.nan)
    for index, place in enumerate(places):
        seen = np.flatnonzero(np.isfinite(place[:, 0]))
        if len(seen):
            found[index] = place[seen[np.argmin(np.abs(rank[seen] - rank[view]))]]
    return found


def _vector_scale(tracks: Tracks) -> int:
    lengths = np.linalg.norm(tracks.residuals_px, axis=-1)
    seen = lengths[np.isfinite(lengths)]
    return SMALL_VECTOR_SCALE if len(seen) and seen.mean() < _SMALL_PX else VECTOR_SCALE


def _vectors(source: Source, tracks: Tracks, at_zero: Floats, scale: int) -> str:
    fine = source.from_prealigned
    if fine is None or not np.isfinite(tracks.residuals_px).any():
        return ""
    turned = (fine[None, :, :, :2] @ tracks.residuals_px[..., None])[..., 0]
    vectors = turned * (scale / source.binning("aligned_stack"))
    lines = []
    for place, arrows in zip(at_zero, vectors, strict=True):
        kept = arrows[np.isfinite(arrows).all(axis=-1)]
        if np.isfinite(place).all() and len(kept):
            path = "".join(f"M{place[0]:.1f} {place[1]:.1f}l{dx:.1f} {dy:.1f}" for dx, dy in kept)
            lines.append(f'<path d="{path}" stroke="{RED}" opacity="0.75"/>')
    return "".join(lines)
