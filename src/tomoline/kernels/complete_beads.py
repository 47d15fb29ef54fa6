"""Beads looked for where the solved geometry expects them, and which of these finds to believe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._bead_sweep import cameras, sweep
from tomoline.kernels.bead_model import BeadProfile, Floats, Image
from tomoline.kernels.bundle import BundleSolution
from tomoline.kernels.centre_beads import BeadFits, refine_centres
from tomoline.kernels.find_beads import Detections

Bools = NDArray[np.bool_]

_LEAST_CORRELATION = 0.45
_LEAST_RELATIVE_HEIGHT = 0.35
_LEAST_HEIGHT_OVER_NOISE = 1.2


@dataclass(frozen=True)
class Measurements:
    """Fits of all beads in all views.

    Attributes
    ----------
    centres_px : (p, v, 2) float64
    amplitude, correlation, noise : (p, v) float64
        As `BeadFits` has them; NaN where there is no fit.
    """

    centres_px: Floats
    amplitude: Floats
    correlation: Floats
    noise: Floats

    @classmethod
    def join(cls, views: list[BeadFits | None], beads: int) -> Measurements:
        """Put the fits of single views side by side; None where a view takes no part."""
        centres = np.full((beads, len(views), 2), np.nan)
        numbers = np.full((3, beads, len(views)), np.nan)
        for v, fits in enumerate(views):
            if fits is not None:
                centres[:, v] = fits.centres_px
                numbers[:, :, v] = fits.amplitude, fits.correlation, fits.noise
        return cls(centres, *numbers)


def centre_view(
    image: Image,
    expected_px: Floats,
    profile: BeadProfile,
    *,
    reach_px: float,
    light: bool = False,
) -> BeadFits:
    """Centre the beads of one view from where they are expected.

    Parameters
    ----------
    image : (y, x) float32
    expected_px : (p, 2) float64
        (x, y) relative to the image's centre; NaN for beads that are not looked for.
    profile : BeadProfile
    reach_px : float
        How far from the expected place a bead may be.
    light : bool

    Returns
    -------
    BeadFits
        With NaN for beads that are at the edge, hidden by another, or not there.
    """
    fits = refine_centres(
        image,
        np.nan_to_num(expected_px, nan=-1e9),
        profile,
        max_move_px=reach_px,
        light=light,
    )
    # Two beads that overlap in this view cannot be told apart, and one hit twice is one bead.
    for points in (expected_px, fits.centres_px):
        offsets = points[:, None] - points[None]
        distance = np.hypot(offsets[..., 0], offsets[..., 1])
        np.fill_diagonal(distance, np.inf)
        hidden = (distance < 0.75 * profile.diameter_px).any(axis=1)
        fits.centres_px[hidden] = np.nan
    return fits


def believable(measured: Measurements, expected_px: Floats, reach_px: float) -> Bools:
    """Tell which fits are the bead: near its place, shaped like one, and of its usual height.

    A bead's height varies with the view (thicker, darker) and with the bead (what lies around
    it): a fit must reach a share of the product of both.

    Returns
    -------
    (p, v) bool
    """
    offset = measured.centres_px - expected_px
    near = np.hypot(offset[..., 0], offset[..., 1]) <= reach_px
    good = near & (measured.correlation > _LEAST_CORRELATION)
    good &= np.abs(measured.amplitude) > _LEAST_HEIGHT_OVER_NOISE * measured.noise
    if not good.any():
        return good
    heights = np.where(good, np.log(np.abs(measured.amplitude) + 1e-12), np.nan)
    of_view = nan_median(heights, axis=0)
    of_bead = nan_median(heights - of_view[None], axis=1)
    unusual = heights - of_view[None] - of_bead[:, None] < np.log(_LEAST_RELATIVE_HEIGHT)
    return np.asarray(good & ~unusual)


def nan_median(values: Floats, axis: int) -> Floats:
    """Return the median along an axis without the NaN; 0 where there is nothing else."""
    empty = ~np.isfinite(values).any(axis=axis)
    filled = np.where(np.expand_dims(empty, axis), 0.0, values)
    return np.asarray(np.nanmedian(filled, axis=axis))


def more_beads(
    detections: list[Detections | None],
    solution: BundleSolution,
    *,
    fields_px: Floats,
    bead_diameter_px: float,
    least_score: float,
    tolerance_px: float,
    least_share: float = 0.6,
) -> Floats:
    """Find beads that are in most views but were not tracked yet.

    Parameters
    ----------
    detections : list of Detections or None
        Of each view, in the frame of the solution.
    solution : BundleSolution
    fields_px : (v, 4) float64
        Lowest and highest x, lowest and highest y at which beads can be seen in each view.
    bead_diameter_px : float
        Detections nearer than this to a tracked bead belong to it.
    least_score : float
        Detections below are left out.
    tolerance_px : float
        How far rays may miss each other.
    least_share : float
        Share of the views in which a bead must be found.

    Returns
    -------
    (q, v, 2) float64
        New tracks.
    """
    free: list[Floats] = []
    scores: list[Floats] = []
    for v, found in enumerate(detections):
        if found is None or not solution.view_solved[v]:
            free.append(np.empty((0, 2)))
            scores.append(np.empty(0))
            continue
        taken = solution.predicted_px[:, v]
        taken = taken[np.isfinite(taken[:, 0])]
        offsets = found.centres_px[:, None] - taken[None]
        clear = (np.hypot(offsets[..., 0], offsets[..., 1]) > 0.8 * bead_diameter_px).all(axis=1)
        clear &= found.score >= least_score
        free.append(found.centres_px[clear])
        scores.append(found.score[clear])
    depths = solution.points_px[:, 2]
    depths = depths[np.isfinite(depths)]
    margin = 0.5 * float(np.ptp(depths)) + 30.0
    by_tilt = np.argsort(solution.tilt_rad, kind="stable")
    starts = [int(v) for v in by_tilt if len(free[v])]
    return sweep(
        free,
        scores,
        cameras(
            solution.rotation_rad, solution.tilt_rad, solution.magnification, solution.shift_px
        ),
        starts[:: max(1, len(starts) // 8)],
        fields_px=fields_px,
        depth_px=(float(depths.min()) - margin, float(depths.max()) + margin),
        tolerance_px=tolerance_px,
        least_share=least_share,
    )


def drop_duplicates(tracks_px: Floats, points_px: Floats, distance_px: float) -> Bools:
    """Tell which tracks to keep where several follow the same bead: the one with most views.

    Parameters
    ----------
    tracks_px : (p, v, 2) float64
    points_px : (p, 3) float64
    distance_px : float
        Points nearer than this are one bead.

    Returns
    -------
    (p,) bool
    """
    views = np.isfinite(tracks_px[..., 0]).sum(axis=1)
    kept = np.zeros(len(tracks_px), dtype=np.bool_)
    for i in np.argsort(-views, kind="stable"):
        others = points_px[kept]
        if not np.isfinite(points_px[i]).all():
            continue
        kept[i] = not (np.linalg.norm(others - points_px[i], axis=1) < distance_px).any()
    return kept
