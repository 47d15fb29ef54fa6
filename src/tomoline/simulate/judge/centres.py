"""How far a reconstruction's geometry is from the truth, apart from what nobody can know.

The centre of the true specimen is seen in the middle of every truly aligned view. A result that
maps the same raw points elsewhere is wrong only by what no choice of coordinates in the specimen
explains. With theta the true tilt angles, a result whose coordinates are

* shifted by (x, y, z) sees that centre at u = x cos(theta) + z sin(theta), v = y;
* turned in plane by a small angle g (an axis angle off by g), sees it moreover at v = g (x
  cos(theta) + z sin(theta)), and this also where no shift is seen in u, as the fitted centre of a
  result is that of its beads;
* pitched against the beam by p, at v = p (z cos(theta) - x sin(theta));
* scaled by s, at s times all that;
* rotated about the axis by a tilt offset, at other sums of cos(theta) and sin(theta) in u.

All these together are u = a cos + b sin, v = c + d cos + e sin, which is what is removed. Neither
is able to hide an error of a single view, nor a drift along u that is not a shift.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.simulate.specimen import Floats


@dataclass(frozen=True)
class CentreErrors:
    """Errors of the views' centres after the best change of the specimen's coordinates.

    Attributes
    ----------
    rms_px : float
        Root mean square over the views that count of the length of (u, v), in raw pixels.
    shift_only_rms_px : float
        The same when only a shift of the specimen, and the turn and scale that the transforms'
        matrices show, are removed: a stricter measure.
    per_view_px : (view, 2) float64
        Errors (u, v) of each view.
    shift_px : (float, float, float)
        Shift (x, y, z) of the specimen that was removed.
    turn_deg, scale : float
        In-plane rotation and magnification of the result against the truth.
    turned_around : bool
        True where the result's axis points the other way (by 180 degrees).
    same_hand : bool or None
        Whether the result's angles and axis together keep the hand; None if no angles were given.
    """

    rms_px: float
    shift_only_rms_px: float
    per_view_px: Floats
    shift_px: tuple[float, float, float]
    turn_deg: float
    scale: float
    turned_around: bool
    same_hand: bool | None


def centre_errors(
    transforms: Floats,
    true_transforms: Floats,
    tilt_deg: Floats | None,
    true_tilt_deg: Floats,
    views: NDArray[np.bool_] | None = None,
) -> CentreErrors:
    """Compare raw-to-aligned transforms with true ones.

    The two aligned frames may differ in size: transforms act about the centres.

    Parameters
    ----------
    transforms, true_transforms : (view, 2, 3) float64
        From the raw to the aligned views, of the result and of the truth.
    tilt_deg : (view,) float64, optional
        The result's tilt angles, which only tell its hand.
    true_tilt_deg : (view,) float64
        True tilt angles.
    views : (view,) bool, optional
        Views that count; all if left out.

    Examples
    --------
    A specimen that is shifted along its z axis is no error.

    >>> tilt = np.linspace(-60, 60, 5)
    >>> truth = geometry.identity_transforms(5)
    >>> result = truth.copy()
    >>> result[:, 0, 2] = 7 * np.sin(np.radians(tilt))
    >>> errors = centre_errors(result, truth, tilt, tilt)
    >>> errors.rms_px < 1e-12, round(errors.shift_px[2], 6), errors.same_hand
    (True, 7.0, True)
    """
    used = np.ones(len(transforms), np.bool_) if views is None else np.asarray(views, np.bool_)
    relative = geometry.compose(geometry.invert(true_transforms), transforms)
    matrices = relative[..., :2]
    turns = geometry.axis_of_transform(relative)
    turn = _mean_angle(turns[used])
    scale = float(np.mean(np.sqrt(np.abs(np.linalg.det(matrices[used])))))
    around = abs(turn) > 90
    # Where the result has the true centre, brought into the true frame's directions and scale.
    seen = relative[..., 2] @ geometry.axis_to_vertical(turn) / scale
    theta = np.radians(true_tilt_deg)
    waves = np.column_stack([np.cos(theta), np.sin(theta)])
    full = np.column_stack([waves, np.ones(len(theta))])
    shift_u, rest_u = _fit(waves, seen[:, 0], used)
    _, rest_v = _fit(full, seen[:, 1], used)
    shift_v, strict_v = _fit(full[:, 2:], seen[:, 1], used)
    errors = np.column_stack([rest_u, rest_v])
    strict = np.column_stack([rest_u, strict_v])
    return CentreErrors(
        rms_px=_rms(errors[used]),
        shift_only_rms_px=_rms(strict[used]),
        per_view_px=errors,
        shift_px=(float(shift_u[0]), float(shift_v[0]), float(shift_u[1])),
        turn_deg=turn,
        scale=scale,
        turned_around=around,
        same_hand=_same_hand(tilt_deg, true_tilt_deg, around),
    )


def truth_in_frame_of(
    transforms: Floats,
    tilt_deg: Floats,
    true_transforms: Floats,
    true_tilt_deg: Floats,
    views: NDArray[np.bool_] | None = None,
) -> tuple[Floats, Floats]:
    """Return the true geometry in the coordinates of a result, for a reconstruction to compare.

    Only what cannot be known is taken from the result: the shift of the specimen, the mean turn
    and scale, and the mean tilt. So the same thickness, Z shift and X-axis tilt suit both.

    Parameters
    ----------
    transforms, tilt_deg, true_transforms, true_tilt_deg, views
        As for `centre_errors`.

    Returns
    -------
    (view, 2, 3) float64, (view,) float64
        Transforms and tilt angles.
    """
    used = np.ones(len(transforms), np.bool_) if views is None else np.asarray(views, np.bool_)
    found = centre_errors(transforms, true_transforms, tilt_deg, true_tilt_deg, used)
    theta = np.radians(true_tilt_deg)
    x, y, z = found.shift_px
    shifts = np.column_stack([x * np.cos(theta) + z * np.sin(theta), np.full(len(theta), y)])
    turn = np.zeros((1, 2, 3))
    turn[0, :, :2] = found.scale * geometry.axis_to_vertical(found.turn_deg)
    moved = geometry.compose(true_transforms, geometry.shift_transforms(shifts))
    # A result of the other hand has its angles counted the other way.
    sign = 1.0 if found.same_hand is None or found.same_hand != found.turned_around else -1.0
    tilts = sign * true_tilt_deg
    return geometry.compose(moved, turn), tilts + float(np.mean((tilt_deg - tilts)[used]))


def axis_error_deg(
    transforms: Floats, true_transforms: Floats, views: NDArray[np.bool_] | None = None
) -> float:
    """Return by how much the result's mean tilt axis angle is off, either way it may point."""
    used = np.ones(len(transforms), np.bool_) if views is None else np.asarray(views, np.bool_)
    angles = geometry.axis_of_transform(transforms[used])
    true_angles = geometry.axis_of_transform(true_transforms[used])
    # Twice the angle is the same whichever way the axis points.
    return _mean_angle(2 * (angles - true_angles)) / 2


def tilt_errors_deg(
    tilt_deg: Floats, true_tilt_deg: Floats, views: NDArray[np.bool_] | None = None
) -> tuple[float, Floats]:
    """Return the tilt offset and what is left of each view's tilt error, (view,) degrees."""
    used = np.ones(len(tilt_deg), np.bool_) if views is None else np.asarray(views, np.bool_)
    difference = tilt_deg - true_tilt_deg
    offset = float(np.mean(difference[used]))
    return offset, difference - offset


def _fit(design: Floats, values: Floats, used: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Fit by least squares over the views in use; return coefficients and all residuals."""
    solution = np.linalg.lstsq(design[used], values[used], rcond=None)[0]
    coefficients = np.asarray(solution, dtype=np.float64)
    residuals: Floats = values - design @ coefficients
    return coefficients, residuals


def _rms(errors: Floats) -> float:
    return float(np.sqrt(np.mean(np.sum(errors**2, axis=1))))


def _mean_angle(angles_deg: Floats) -> float:
    """Mean of angles that may jump by 360 degrees."""
    turn = np.mean(np.exp(1j * np.radians(angles_deg)))
    return float(np.degrees(np.angle(turn)))


def _same_hand(tilt_deg: Floats | None, true_tilt_deg: Floats, around: bool) -> bool | None:
    if tilt_deg is None or np.ptp(true_tilt_deg) == 0:
        return None
    centred = true_tilt_deg - np.mean(true_tilt_deg)
    return bool((np.dot(tilt_deg, centred) > 0) != around)
