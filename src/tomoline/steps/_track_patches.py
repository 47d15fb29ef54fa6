"""Patches of the specimen followed through the views of a data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline import errors
from tomoline.files import imod_model
from tomoline.kernels._image import bin_mean, bin_offset, level
from tomoline.kernels.correlate import BandPass
from tomoline.kernels.patches import PatchOptions, chop_tracks, track_patches
from tomoline.kernels.seeds import inside_contours
from tomoline.steps._bead_views import BeadViews
from tomoline.steps._find_seeds import boundary_contours

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

# Patches are compared in images reduced to at most this size: views' centres came out a sixth
# nearer to the truth than in images of full size, where details at other depths disturb.
_SIZE_PX = 400
_LEVEL_RADIUS_PX = 16
_PATCHES_ACROSS = 5
# Least size of a patch in raw pixels, and in reduced ones.
_LEAST_PATCH_PX = 96
_LEAST_REDUCED_PX = 48
_LARGEST_SHARE = 0.4


@dataclass(frozen=True)
class PatchWork:
    """What following patches is to do; sizes are in raw pixels.

    Attributes
    ----------
    size_px : (int, int) or None
        Width and height of a patch; None for a fifth of the field.
    overlap : (float, float)
    number : (int, int) or None
    borders_px : (int, int) or None
    limits_px : (float, float) or None
    iterations : int
    band : BandPass
    boundary : Path or None
    piece_views : int or None
        Views of the pieces that tracks are chopped into.
    piece_overlap_views : int
    pieces : int or None
        Number of pieces instead.
    """

    size_px: tuple[int, int] | None
    overlap: tuple[float, float]
    number: tuple[int, int] | None
    borders_px: tuple[int, int] | None
    limits_px: tuple[float, float] | None
    iterations: int
    band: BandPass
    boundary: Path | None
    piece_views: int | None
    piece_overlap_views: int
    pieces: int | None


def follow_patches(views: BeadViews, axis_rad: float, work: PatchWork) -> Floats:
    """Follow patches through all included views.

    Returns
    -------
    (p, v, 2) float64
        Tracks, or their pieces, in the prealigned frame, raw pixels; NaN where lost.
    """
    count, height, width = views.stack.shape
    factor = max(1, math.ceil(max(height, width) / _SIZE_PX))
    images = views.run(lambda v: _prepared(views, v, factor), range(count), "preparing views")
    offset = np.array([bin_offset(width, factor), bin_offset(height, factor)])
    origin = np.zeros((1, 2))
    centres = np.array([views.to_raw(v, origin)[0] for v in range(count)])
    centres = (centres - offset) / factor
    found = track_patches(
        images,
        views.tilt_rad,
        axis_rad,
        _options(work, height, width, factor),
        centre_px=centres,
        included=views.views.included,
        inside=_boundary(views, work, factor),
        run=_spread(views, factor),
    )
    raw = (found.tracks_px + centres[None]) * factor + offset
    tracks = np.stack([views.to_prealigned(v, raw[:, v]) for v in range(count)], axis=1)
    return _chopped(views, tracks, work)


def _prepared(views: BeadViews, view: int, factor: int) -> Image:
    image = views.read(view)
    return level(bin_mean(image, factor) if factor > 1 else image, _LEVEL_RADIUS_PX)


def _spread(
    views: BeadViews, factor: int
) -> Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]:
    bound = 16 * 4 * 4 * (views.stack.shape[1] // factor // 2 + 64) ** 2

    def spread(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        return views.context.engine.map(
            function, list(items), bytes_per_chunk=bound, label="following patches"
        )

    return spread


def _options(work: PatchWork, height: int, width: int, factor: int) -> PatchOptions:
    across = min(height, width) / factor
    least = max(_LEAST_PATCH_PX / factor, _LEAST_REDUCED_PX)
    usual = round(max(across / _PATCHES_ACROSS, min(least, _LARGEST_SHARE * across)))

    def reduced(pair: tuple[int, int] | None) -> tuple[int, int] | None:
        return None if pair is None else (round(pair[0] / factor), round(pair[1] / factor))

    limits = work.limits_px
    return PatchOptions(
        size_px=reduced(work.size_px) or (usual, usual),
        overlap=work.overlap,
        number=work.number,
        borders_px=reduced(work.borders_px),
        band=work.band,
        iterations=work.iterations,
        limits_px=None if limits is None else (limits[0] / factor, limits[1] / factor),
    )


def _boundary(
    views: BeadViews, work: PatchWork, factor: int
) -> Callable[[Floats], NDArray[np.bool_]] | None:
    """Return a test for points relative to the specimen's centre, in reduced pixels."""
    if work.boundary is None:
        return None
    contours = [c.points for c in imod_model.read(work.boundary).contours if len(c.points) >= 3]
    if not contours:
        raise errors.tilt.BAD_BOUNDARY.error(
            work.boundary, "It holds no contour of three points or more."
        )
    moved = boundary_contours(views, contours)

    def inside(points_px: Floats) -> NDArray[np.bool_]:
        return inside_contours(points_px * factor, moved)

    return inside


def _chopped(views: BeadViews, tracks_px: Floats, work: PatchWork) -> Floats:
    """Return overlapping pieces of the tracks where that is asked for."""
    included = len(views.by_tilt)
    length = work.piece_views
    if length is None and work.pieces is not None and work.pieces > 1:
        overlap = work.piece_overlap_views
        length = math.ceil((included + (work.pieces - 1) * overlap) / work.pieces)
    if length is None or length >= included:
        return tracks_px
    pieces, _ = chop_tracks(tracks_px, views.tilt_rad, length, work.piece_overlap_views)
    return pieces
