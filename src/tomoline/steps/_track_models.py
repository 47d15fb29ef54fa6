"""Tracks of beads and patches as IMOD models, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoline.files import imod_model
from tomoline.files.imod_model import SCATTERED, Contour, Model, ModelObject

Floats = NDArray[np.float64]


def write_tracks(
    path: Path,
    tracks_px: Floats,
    *,
    shape: tuple[int, int, int],
    binning: float,
    pixel_size_nm: float | None,
    name: str,
    radius_px: float = 0.0,
    surfaces: Sequence[int] = (),
) -> None:
    """Write tracks as a model on the prealigned stack, one contour for each bead or patch.

    Parameters
    ----------
    path : Path
    tracks_px : (p, v, 2) float64
        (x, y) relative to the image's centre, in raw pixels; NaN where missing.
    shape : (view, y, x)
        Of the prealigned stack.
    binning : float
        Raw pixels for each pixel of the prealigned stack.
    pixel_size_nm : float or None
        Of the prealigned stack.
    name : str
        Of the object.
    radius_px : float
        Of the beads, for display, in pixels of the prealigned stack.
    surfaces : sequence of int, optional
        Surface of each track, from 1.
    """
    views, height, width = shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    contours = []
    for k, track in enumerate(tracks_px):
        seen = np.flatnonzero(np.isfinite(track[:, 0]))
        points = np.column_stack([track[seen] / binning + centre, seen])
        contours.append(Contour(points, surface=surfaces[k] if surfaces else 0))
    objects = ModelObject(
        tuple(contours), name=name, flags=SCATTERED, point_size_px=round(radius_px)
    )
    imod_model.write(path, Model((objects,), (width, height, views), pixel_size_nm))


def read_tracks(path: Path, *, shape: tuple[int, int, int], binning: float) -> Floats:
    """Read what `write_tracks` wrote, or another program's model of the same kind.

    Returns
    -------
    (p, v, 2) float64
        (x, y) relative to the image's centre, in raw pixels; NaN where missing.
    """
    views, height, width = shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    contours = imod_model.read(path).contours
    tracks = np.full((len(contours), views, 2), np.nan)
    for track, contour in zip(tracks, contours, strict=True):
        number = np.rint(contour.points[:, 2]).astype(np.intp)
        valid = (number >= 0) & (number < views)
        track[number[valid]] = (contour.points[valid, :2] - centre) * binning
    kept: Floats = tracks[np.isfinite(tracks[..., 0]).any(axis=1)]
    return kept
