"""Tracks between the model file that IMOD's programs share and the arrays that kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.files import fiducial_points, imod_model, residuals
from tomoline.steps.acquisition import Acquisition

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Tracks:
    """Tracked positions, as the alignment takes them.

    Attributes
    ----------
    positions_px : (p, v, 2) float64
        (x, y) relative to the centre of the prealigned view, in raw pixels; NaN where not seen.
    model : Model
        What they were read from.
    binning : float
        Raw pixels in a pixel of the prealigned stack.
    """

    positions_px: Floats
    model: imod_model.Model
    binning: float

    @property
    def centre(self) -> Floats:
        """Centre of the prealigned view in its own pixels, (2,)."""
        return np.array([geometry.centre(size) for size in self.model.size_px[:2]])

    @property
    def pixel_size_nm(self) -> float | None:
        """Pixel size of the prealigned stack."""
        return self.model.pixel_size_nm


def read_tracks(path: Path, views: Acquisition) -> Tracks:
    """Read the tracked points; those of excluded views take no part."""
    model = imod_model.read(path)
    binning = _binning(model, views)
    centre = np.array([geometry.centre(size) for size in model.size_px[:2]])
    positions = np.full((len(model.contours), views.count, 2), np.nan)
    for row, contour in zip(positions, model.contours, strict=True):
        view = np.rint(contour.points[:, 2]).astype(int)
        kept = (view >= 0) & (view < views.count)
        row[view[kept]] = (contour.points[kept, :2] - centre) * binning
    positions[:, ~views.included] = np.nan
    return Tracks(positions, model, binning)


def _binning(model: imod_model.Model, views: Acquisition) -> float:
    if model.pixel_size_nm and views.pixel_size_nm:
        ratio = model.pixel_size_nm / views.pixel_size_nm
        if abs(ratio - round(ratio)) < 0.02 and round(ratio) >= 1:
            return float(round(ratio))
    return float(max(round(views.width_px / max(model.size_px[0], 1)), 1))


def points_model(
    tracks: Tracks, points_px: Floats, surface: NDArray[np.int_], views: Acquisition
) -> imod_model.Model:
    """Return the solved points as a model, one contour each, in pixels of the prealigned stack."""
    centre = np.array([*tracks.centre, 0.0])
    contours = tuple(
        imod_model.Contour((point / tracks.binning + centre)[None], surface=int(number))
        for point, number in zip(points_px, surface, strict=True)
        if np.isfinite(point).all()
    )
    part = imod_model.ModelObject(
        contours, name="solved points", flags=imod_model.SCATTERED, point_size_px=5
    )
    width, height, _ = tracks.model.size_px
    depth = max(int(np.ptp(points_px[:, 2][np.isfinite(points_px[:, 2])]) / tracks.binning), 1)
    size = views.pixel_size_nm * tracks.binning if views.pixel_size_nm else None
    return imod_model.Model((part,), (width, height, depth), size)


def read_points(path: Path, views: Acquisition) -> Floats:
    """Read what `points_model` made: (p, 3) raw pixels relative to the centre."""
    model = imod_model.read(path)
    binning = _binning(model, views)
    centre = np.array([*(geometry.centre(size) for size in model.size_px[:2]), 0.0])
    if not model.contours:
        return np.empty((0, 3))
    points = np.concatenate([contour.points for contour in model.contours])
    return np.asarray((points - centre) * binning, dtype=np.float64)


def points_table(
    tracks: Tracks, points_px: Floats, views: Acquisition
) -> fiducial_points.FiducialPoints:
    """Return the solved points for fid.xyz."""
    solved = np.flatnonzero(np.isfinite(points_px).all(axis=1))
    centre = np.array([*tracks.centre, 0.0])
    size = views.pixel_size_nm * tracks.binning if views.pixel_size_nm else None
    return fiducial_points.FiducialPoints(
        points_px=points_px[solved] / tracks.binning + centre,
        object_number=np.ones(len(solved), dtype=np.int64),
        contour_number=solved.astype(np.int64) + 1,
        pixel_size_nm=size,
        size_px=(tracks.model.size_px[0], tracks.model.size_px[1]),
    )


def residual_table(tracks: Tracks, residuals_px: Floats) -> residuals.Residuals:
    """Return the residual vectors for .resid, in pixels of the prealigned stack."""
    row, view = np.nonzero(np.isfinite(residuals_px).all(axis=2))
    return residuals.Residuals(
        points_px=tracks.positions_px[row, view] / tracks.binning + tracks.centre,
        view=view.astype(np.int64),
        vectors_px=residuals_px[row, view] / tracks.binning,
    )
