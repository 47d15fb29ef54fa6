"""Coarse alignment of a tilt series by correlation of neighbours, from low tilt outwards.

After tiltxcorr's published principle: each view is correlated with its neighbour on the side of
low tilt, after stretching it perpendicular to the tilt axis by the ratio of the cosines. Added
here: views are levelled first (`tomoline.kernels._image.level`), pairs that are not sure are
decided by a vote of several correlations, and all views are aligned once more to the mean of the
views before them.

The result is, for each view, where the centre of the specimen is seen: a point of a thin specimen
at x (2D) is seen at P x + s, with P the projection (cosine of the tilt across the axis) and s the
view's centre. Moving each view by -s aligns the series.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._coarse_series import CoarseAlignment, Series
from tomoline.kernels._image import Image
from tomoline.kernels.correlator import CoarseOptions, Correlator, projection

Floats = NDArray[np.float64]
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]
"""Applies a function to each item, in order: `map`, or something that does it on threads."""

__all__ = ["CoarseAlignment", "CoarseOptions", "align_neighbours", "centre_field"]


def align_neighbours(
    images: Sequence[Image],
    tilt_rad: Floats,
    axis_rad: float | None,
    options: CoarseOptions | None = None,
    *,
    included: NDArray[np.bool_] | None = None,
    run: Run = map,
) -> CoarseAlignment:
    """Align a tilt series by correlation.

    Parameters
    ----------
    images : sequence of (y, x) float32
        Levelled, reduced views (see `tomoline.kernels._image.level`), all of one size.
    tilt_rad : (view,) float64
        Tilt angles, in any order.
    axis_rad : float or None
        Tilt axis angle from the vertical, counter-clockwise. None: no cosine stretch.
    options : CoarseOptions, optional
    included : (view,) bool, optional
        Views that take part; others are bridged.
    run : callable
        Applies a function to a sequence of items, in order; the default does so one by one.

    Returns
    -------
    CoarseAlignment
    """
    options = options or CoarseOptions()
    count = len(images)
    keep = np.ones(count, bool) if included is None else included
    order = [int(view) for view in np.argsort(tilt_rad, kind="stable") if keep[view]]
    start = min(range(len(order)), key=lambda place: abs(float(tilt_rad[order[place]])))
    correlator = Correlator(images[0].shape, options)
    series = Series(images, tilt_rad, axis_rad, correlator)
    chains = (order[start:], order[start::-1])
    series.join(chains, options, run)
    for _ in range(options.refinements):
        series.refine(chains, run)
    return series.result(order, order[start])


def centre_field(
    centre_px: Floats,
    tilt_rad: Floats,
    axis_rad: float,
    included: NDArray[np.bool_] | None = None,
) -> Floats:
    """Choose the specimen point that is brought to the centre so that all views move least.

    The counterpart of xftoxg's average alignment (-nfit 0): of all points of a thin specimen, the
    one whose positions in the views have the least mean square distance from the image centre.

    Parameters
    ----------
    centre_px : (view, 2) float64
        Where one point of the specimen is seen.
    tilt_rad : (view,) float64
    axis_rad : float
    included : (view,) bool, optional
        Views that count.

    Returns
    -------
    (view, 2) float64
        Where the chosen point is seen.
    """
    matrices = np.array([projection(float(tilt), axis_rad) for tilt in tilt_rad])
    keep = np.ones(len(tilt_rad), bool) if included is None else included
    design = matrices[keep].reshape(-1, 2)
    offset, *_ = np.linalg.lstsq(design, -centre_px[keep].reshape(-1), rcond=None)
    moved: Floats = centre_px + matrices @ offset
    return moved
