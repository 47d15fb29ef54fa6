"""Curves of the alignment over the tilt angle: drift, axis, tilt, magnification, residuals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError
from tomoline.geometry import Floats, axis_of_transform
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import BLUE, GREEN, ORANGE, RED, Series, chart, number
from tomoline.workflow.report._tracks import Tracks


def curves(source: Source, tracks: Tracks | None) -> list[str]:
    """Draw all curves that the data set has."""
    drawn = [_shifts(source), _rotation(source), _tilts(source), _magnification(source)]
    drawn += [_residuals(source, tracks), _points_per_view(source, tracks)]
    drawn += [_confidence(source), _axis_search(source)]
    return [one for one in drawn if one]


def _tilt_deg(source: Source, count: int) -> Floats | None:
    """Return the tilt angles to plot over: those of the recording."""
    views = source.acquisition
    if views is None or views.count != count:
        return None
    return views.tilt_deg


def _used(source: Source, count: int) -> NDArray[np.bool_]:
    views = source.acquisition
    if views is None or views.count != count:
        return np.ones(count, dtype=bool)
    return views.included


def _over_tilt(
    source: Source,
    curves: list[tuple[Floats, str, str]],
    *,
    title: str,
    y_label: str,
    from_zero: bool = False,
    least_span: float = 1e-6,
) -> str:
    """Draw values per view over the tilt angle (over the view number where angles are missing)."""
    count = len(curves[0][0])
    angles = _tilt_deg(source, count)
    used = np.flatnonzero(_used(source, count))
    over = np.arange(1.0, count + 1) if angles is None else angles
    order = used[np.argsort(over[used], kind="stable")]
    hints = [
        f"view {view + 1}" + ("" if angles is None else f", {over[view]:.2f}°") for view in order
    ]
    series = [
        Series(
            over[order].tolist(),
            values[order].tolist(),
            label=label,
            colour=colour,
            hints=[
                f"{hint}: {number(float(values[view]), 4)}"
                for hint, view in zip(hints, order, strict=True)
            ],
        )
        for values, label, colour in curves
        if len(values) == count
    ]
    return chart(
        series,
        title=title,
        x_label="view" if angles is None else "tilt angle, degrees",
        y_label=y_label,
        from_zero=from_zero,
        least_span=least_span,
    )


def _shifts(source: Source) -> str:
    transforms = source.transforms("transforms")
    if transforms is None:
        transforms = source.transforms("coarse_transforms")
    if transforms is None:
        return ""
    # Where the centre of the aligned frame lies in the raw view: the drift, free of the rotation.
    drift = -(np.linalg.inv(transforms[:, :, :2]) @ transforms[:, :, 2:])[..., 0]
    return _over_tilt(
        source,
        [(drift[:, 0], "x", BLUE), (drift[:, 1], "y", ORANGE)],
        title="Shift of the views",
        y_label="pixels",
        least_span=1.0,
    )


def _rotation(source: Source) -> str:
    transforms = source.transforms("transforms")
    if transforms is None:
        return ""
    angles = np.degrees(np.unwrap(np.radians(axis_of_transform(transforms))))
    return _over_tilt(
        source,
        [(angles, "", BLUE)],
        title="Tilt axis in each view",
        y_label="degrees",
        least_span=0.2,
    )


def _tilts(source: Source) -> str:
    from tomoline.files.angles import read

    path, views = source.path("tilt_angles"), source.acquisition
    if path is None or views is None:
        return ""
    try:
        solved = read(path)
    except TomolineError:
        return ""
    if len(solved) != views.count:
        return ""
    return _over_tilt(
        source,
        [(solved - views.tilt_deg, "", BLUE)],
        title="Solved minus recorded tilt angle",
        y_label="degrees",
        least_span=0.2,
    )


def _magnification(source: Source) -> str:
    transforms = source.transforms("transforms")
    if transforms is None:
        return ""
    scale = 100 * (1 / np.sqrt(np.abs(np.linalg.det(transforms[:, :, :2]))) - 1)
    return _over_tilt(
        source,
        [(scale, "", BLUE)],
        title="Magnification of each view",
        y_label="% from the mean",
        least_span=0.1,
    )


def _residuals(source: Source, tracks: Tracks | None) -> str:
    values = source.numbers("align", "residual_per_view_px")
    if values is None or values.ndim != 1:
        if tracks is None or not np.isfinite(tracks.residuals_px).any():
            return ""
        lengths = np.linalg.norm(tracks.residuals_px, axis=-1)
        seen = np.isfinite(lengths).sum(axis=0)
        values = np.where(seen > 0, np.nansum(lengths, axis=0) / np.maximum(seen, 1), np.nan)
    return _over_tilt(
        source,
        [(values, "", RED)],
        title="Mean residual of each view",
        y_label="pixels",
        from_zero=True,
        least_span=0.2,
    )


def _points_per_view(source: Source, tracks: Tracks | None) -> str:
    if tracks is None:
        return ""
    seen = np.isfinite(tracks.points_px[..., 0]).sum(axis=0).astype(float)
    return _over_tilt(
        source,
        [(seen, "", GREEN)],
        title="Points seen in each view",
        y_label="points",
        from_zero=True,
        least_span=4.0,
    )


def _confidence(source: Source) -> str:
    values = source.numbers("coarse_align", "confidence")
    if values is None or values.ndim != 1 or not np.isfinite(values).any():
        return ""
    return _over_tilt(
        source,
        [(values, "", BLUE)],
        title="How sure the coarse alignment is",
        y_label="confidence",
        from_zero=True,
    )


def _axis_search(source: Source) -> str:
    """Draw how well the images agree with each angle of the tilt axis."""
    angles = source.numbers("coarse_align", "axis_search_angles_deg")
    scores = source.numbers("coarse_align", "axis_search_agreement")
    if angles is None or scores is None or angles.shape != scores.shape or angles.ndim != 1:
        return ""
    order = np.argsort(angles, kind="stable")
    return chart(
        [Series(angles[order].tolist(), scores[order].tolist(), dots=False)],
        title="Search for the tilt axis",
        x_label="tilt axis angle, degrees",
        y_label="agreement of the images",
    )
