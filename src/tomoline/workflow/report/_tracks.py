"""Tracked beads or patches, with their residuals, in the frames that a report draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tomoline.errors import TomolineError
from tomoline.geometry import Floats, apply, centre, invert
from tomoline.workflow.report._source import Source


@dataclass(frozen=True)
class Tracks:
    """Positions of tracked points, and how far the solution misses them.

    Attributes
    ----------
    points_px : (track, view, 2) float64
        (x, y) relative to the centre of the prealigned view, raw pixels; NaN where not seen.
    residuals_px : (track, view, 2) float64
        Measured minus solved position, raw pixels, same frame; NaN where not known.
    """

    points_px: Floats
    residuals_px: Floats

    def in_raw(self, view: int, coarse: Floats) -> Floats:
        """Return the points of a view in the raw view, (track, 2)."""
        return apply(invert(coarse[view]), self.points_px[:, view])

    def in_aligned(self, from_prealigned: Floats) -> Floats:
        """Return all points in the aligned frame, (track, view, 2)."""
        return apply(from_prealigned[None], self.points_px)


def read_tracks(source: Source) -> Tracks | None:
    """Read the tracked points and their residuals; None where there are none."""
    from tomoline.files.imod_model import read

    path, stack = source.path("tracks"), source.map("prealigned_stack")
    if path is None or stack is None:
        return None
    try:
        model = read(path)
    except TomolineError:
        return None
    views, height, width = stack.shape
    contours = [c.points for o in model.objects for c in o.contours if len(c.points)]
    if not contours:
        return None
    binning = source.binning("prealigned_stack")
    middle = np.array([centre(width), centre(height)])
    points = np.full((len(contours), views, 2), np.nan)
    for index, contour in enumerate(contours):
        view = np.rint(contour[:, 2]).astype(int)
        kept = (view >= 0) & (view < views)
        points[index, view[kept]] = (contour[kept, :2] - middle) * binning
    return Tracks(points, _residuals(source, points, middle, binning))


def _residuals(source: Source, points: Floats, middle: Floats, binning: float) -> Floats:
    """Give each point the residual vector that the residual file has nearest to it."""
    from tomoline.files.residuals import read

    found = np.full(points.shape, np.nan)
    path = source.path("residuals")
    if path is None:
        return found
    try:
        table = read(path)
    except TomolineError:
        return found
    places = (table.points_px - middle) * binning
    for view in np.unique(table.view):
        if not 0 <= view < points.shape[1]:
            continue
        rows = np.flatnonzero(table.view == view)
        for track in np.flatnonzero(np.isfinite(points[:, view, 0])):
            away = np.hypot(*(places[rows] - points[track, view]).T)
            nearest = int(np.argmin(away))
            if away[nearest] < 1.5 * binning:
                found[track, view] = table.vectors_px[rows[nearest]] * binning
    return found
