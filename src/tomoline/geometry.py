"""The conventions of all parts, stated once, in code.

Volumes are indexed ``(z, y, x)``, images ``(y, x)``, stacks ``(view, y, x)``. Pixel centres lie at
integers, so the centre of n pixels is (n - 1) / 2. A view's transform is a 2 x 3 array ``[A | d]``
that acts on columns (x, y) about the centres of the two images::

    (x, y)_out - centre_out = A ((x, y)_in - centre_in) + d

These are the numbers of a line of IMOD's ``.xf`` file, whose edge-based centres differ from ours by
the same half pixel on both sides. The tilt axis angle is counted from the vertical (+y, towards
higher rows), counter-clockwise. In the aligned frame, where the axis is vertical, a specimen point
(x, y, z) relative to the centre is seen at tilt angle theta at

    u = x cos(theta) + z sin(theta),   v = y.

A scan turns the specimen about a vertical axis; slices are perpendicular to it. A point (x, y) of
a slice, relative to the slice's centre, is seen at angle theta at the column

    u = axis_px + x cos(theta) + y sin(theta),

so the first projection (theta = 0) is along +y, and the axis lies at the centre of each slice.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def centre(size: int) -> float:
    """Return the coordinate of the centre of `size` pixels.

    >>> centre(4)
    1.5
    """
    return (size - 1) / 2


def identity_transforms(count: int) -> Floats:
    """Return `count` transforms that change nothing, float64 (view, 2, 3)."""
    transforms = np.zeros((count, 2, 3))
    transforms[:, 0, 0] = transforms[:, 1, 1] = 1.0
    return transforms


def shift_transforms(shifts_px: Floats) -> Floats:
    """Return the transforms (view, 2, 3) that move each view by its (dx, dy), (view, 2) pixels."""
    transforms = identity_transforms(len(shifts_px))
    transforms[:, :, 2] = shifts_px
    return transforms


def axis_to_vertical(tilt_axis_deg: float) -> Floats:
    """Return the 2 x 2 matrix that turns a tilt axis at the given angle onto the vertical.

    >>> axis = np.array([-np.sin(np.radians(30)), np.cos(np.radians(30))])
    >>> np.allclose(axis_to_vertical(30.0) @ axis, [0, 1])
    True
    """
    phi = math.radians(tilt_axis_deg)
    return np.array([[math.cos(phi), math.sin(phi)], [-math.sin(phi), math.cos(phi)]])


def axis_of_transform(transforms: Floats) -> Floats:
    """Return the tilt axis angle in degrees that raw-to-aligned transforms (..., 2, 3) imply."""
    a = transforms[..., :2, :2]
    return np.degrees(np.arctan2(a[..., 0, 1] - a[..., 1, 0], a[..., 0, 0] + a[..., 1, 1]))


def compose(first: Floats, then: Floats) -> Floats:
    """Return the transforms that apply `first` and then `then`, both (..., 2, 3).

    The same as IMOD's ``xfproduct first then``.
    """
    result = np.empty(np.broadcast_shapes(first.shape, then.shape))
    result[..., :2] = then[..., :2] @ first[..., :2]
    result[..., 2] = (then[..., :2] @ first[..., 2:])[..., 0] + then[..., 2]
    return result


def invert(transforms: Floats) -> Floats:
    """Return the inverse transforms, (..., 2, 3).

    >>> t = np.array([[0.0, -1.0, 3.0], [1.0, 0.0, 2.0]])
    >>> np.allclose(compose(t, invert(t)), identity_transforms(1)[0])
    True
    """
    matrices = np.linalg.inv(transforms[..., :2])
    result = np.empty_like(transforms, dtype=np.float64)
    result[..., :2] = matrices
    result[..., 2] = -(matrices @ transforms[..., 2:])[..., 0]
    return result


def apply(transforms: Floats, points_px: Floats) -> Floats:
    """Move points (..., 2), given as (x, y) relative to the centre, by transforms (..., 2, 3)."""
    moved: Floats = (transforms[..., :2] @ points_px[..., None])[..., 0] + transforms[..., 2]
    return moved


def project(points_px: Floats, tilt_rad: Floats, x_tilt_rad: float = 0.0) -> Floats:
    """Project specimen points into the aligned frame of each view.

    Parameters
    ----------
    points_px : (point, 3) float64
        (x, y, z) relative to the centre.
    tilt_rad : (view,) float64
        Tilt angles.
    x_tilt_rad : float
        Rotation of the specimen about x before it is tilted, as tilt's XAXISTILT.

    Returns
    -------
    (view, point, 2) float64
        (u, v) relative to the centre of the aligned view.
    """
    x, y, z = np.moveaxis(points_px, -1, 0)
    cos_x, sin_x = math.cos(x_tilt_rad), math.sin(x_tilt_rad)
    y_turned, z_turned = y * cos_x - z * sin_x, y * sin_x + z * cos_x
    u = np.cos(tilt_rad)[:, None] * x + np.sin(tilt_rad)[:, None] * z_turned
    return np.stack([u, np.broadcast_to(y_turned, u.shape)], axis=-1)
