"""How close a reconstructed scan is to its truth: volumes and shifts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.simulate.scan_truth import ScanTruth, true_delta


@dataclass(frozen=True)
class VolumeScore:
    """What regression of a volume on the truth says.

    Attributes
    ----------
    correlation : float
        Pearson's.
    slope : float
        Of the volume over the truth; 1 where its scale is right.
    offset, rmse : float
        Of the volume, in its unit: the volume where the truth is 0, and the root mean square of
        the differences.
    """

    correlation: float
    slope: float
    offset: float
    rmse: float


def compare_volume(
    volume: NDArray[np.float32],
    truth: ScanTruth | Mapping[str, Any],
    rows: range | None = None,
    *,
    share: float = 0.9,
    margin_rows: int | None = None,
) -> VolumeScore:
    """Compare a reconstruction with the specimen's delta.

    Parameters
    ----------
    volume : (row, y, x) float32
        Delta, with the axis at the centre of each slice.
    truth : ScanTruth or mapping
        Of the scan, or the content of its ``_truth.json``.
    rows : range, optional
        Rows of the frames that the slices are; all if left out.
    share : float
        Radius of the compared circle relative to the field's.
    margin_rows : int, optional
        Rows at the top and the bottom of the frames that do not count, for what lies beyond them
        is not known there. A tenth of the height, at most 12, if left out.
    """
    if not isinstance(truth, ScanTruth):
        truth = ScanTruth.from_json(truth)
    height = truth.settings["height_px"]
    if rows is None:
        rows = range(height)
    if margin_rows is None:
        margin_rows = min(12, height // 10)
    size = volume.shape[-1]
    place = np.arange(size) - (size - 1) / 2
    circle = np.hypot(place[:, None], place[None, :]) <= share * truth.field_radius_px
    used = [at for at, row in enumerate(rows) if margin_rows <= row < height - margin_rows]
    # Sums instead of whole volumes, as these may be large.
    sums = np.zeros(5)
    count = 0
    for at in used:
        true = true_delta(truth, np.array([rows[at]], np.float64), size)[0][circle].astype(float)
        found = volume[at][circle].astype(float)
        sums += true.sum(), found.sum(), true @ true, found @ found, true @ found
        count += len(true)
    mean_true, mean_found, tt, ff, tf = sums / max(count, 1)
    variance, covariance = tt - mean_true**2, tf - mean_true * mean_found
    slope = covariance / variance
    return VolumeScore(
        correlation=float(covariance / np.sqrt(variance * (ff - mean_found**2))),
        slope=float(slope),
        offset=float(mean_found - slope * mean_true),
        rmse=float(np.sqrt(max(ff - 2 * tf + tt, 0.0))),
    )


def compare_shifts(found_px: NDArray[np.float64], truth: ScanTruth | NDArray[np.float64]) -> float:
    """Return the root mean square error of shifts in pixels.

    Parameters
    ----------
    found_px : (angle, distance, 2) float64
        (dy, dx), as `ScanTruth.shifts_px`.
    truth : ScanTruth or array
        Of the scan, or its `shifts_px`.

    Returns
    -------
    float
        Over all angles, both directions, and the distances after the first.
    """
    true = truth.shifts_px if isinstance(truth, ScanTruth) else np.asarray(truth)
    errors = (np.asarray(found_px) - true)[:, 1:]
    return float(np.sqrt(np.mean(errors**2))) if errors.size else 0.0
