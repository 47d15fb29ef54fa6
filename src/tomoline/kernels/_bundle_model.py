"""The projection model of the bundle adjustment and its normal equations.

A view has six parameters, in this order: rotation, tilt, magnification, beam tilt, dx, dy. It sees
a specimen point at::

    position = magnification * R(rotation) * (u, v) + (dx, dy)

where (u, v) are the first two of ``Rx(b) Ry(tilt) Rx(-b) (x, y, z)``, b is the beam tilt, R turns
counter-clockwise, and Ry, Rx are those of `tomoline.geometry`.
This is the order of operations of IMOD's tiltalign (its man page; Mastronarde 2007).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROTATION, TILT, MAGNIFICATION, BEAM_TILT, DX, DY = range(6)
PARAMETERS = 6


@njit(nogil=True, cache=True)
def project(points: Floats, views: Floats) -> Floats:
    """Project points (p, 3) into views with parameters (v, 6), giving (p, v, 2)."""
    count, n_views = points.shape[0], views.shape[0]
    out = np.empty((count, n_views, 2))
    for j in range(n_views):
        cr, sr = math.cos(views[j, 0]), math.sin(views[j, 0])
        ct, st = math.cos(views[j, 1]), math.sin(views[j, 1])
        cb, sb = math.cos(views[j, 3]), math.sin(views[j, 3])
        for i in range(count):
            x, y, z = points[i, 0], points[i, 1], points[i, 2]
            depth = z * cb - y * sb
            u = x * ct + depth * st
            v = cb * (y * cb + z * sb) - sb * (depth * ct - x * st)
            out[i, j, 0] = views[j, 2] * (cr * u - sr * v) + views[j, 4]
            out[i, j, 1] = views[j, 2] * (sr * u + cr * v) + views[j, 5]
    return out


@njit(nogil=True, cache=True)
def normal_equations(
    tracks: Floats, weights: Floats, points: Floats, views: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Sum up the blocks of the weighted normal equations.

    Parameters
    ----------
    tracks : (p, v, 2) float64
        Measured positions; anything where the weight is 0.
    weights : (p, v) float64
    points : (p, 3) float64
    views : (v, 6) float64

    Returns
    -------
    view_blocks : (v, 6, 6), view_gradient : (v, 6)
        J'WJ and J'Wr of each view's parameters.
    point_blocks : (p, 3, 3), point_gradient : (p, 3)
    mixed : (p, v, 6, 3)
        J'WJ between a view's parameters and a point.
    """
    count, n_views = weights.shape
    view_blocks = np.zeros((n_views, 6, 6))
    view_gradient = np.zeros((n_views, 6))
    point_blocks = np.zeros((count, 3, 3))
    point_gradient = np.zeros((count, 3))
    mixed = np.zeros((count, n_views, 6, 3))
    jac = np.zeros((2, 9))
    for i in range(count):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for j in range(n_views):
            weight = weights[i, j]
            if weight <= 0.0:
                continue
            cr, sr = math.cos(views[j, 0]), math.sin(views[j, 0])
            ct, st = math.cos(views[j, 1]), math.sin(views[j, 1])
            cb, sb = math.cos(views[j, 3]), math.sin(views[j, 3])
            mag = views[j, 2]
            depth = z * cb - y * sb
            depth_b = -z * sb - y * cb
            turned = depth * ct - x * st
            u = x * ct + depth * st
            v = cb * (y * cb + z * sb) - sb * turned
            # Derivatives of (u, v) for tilt, beam tilt, x, y, z.
            u_t, v_t = turned, sb * u
            u_b = depth_b * st
            v_b = -sb * (y * cb + z * sb) + cb * depth - cb * turned - sb * depth_b * ct
            u_x, v_x = ct, sb * st
            u_y, v_y = -sb * st, cb * cb + sb * sb * ct
            u_z, v_z = cb * st, cb * sb - sb * cb * ct
            px, py = cr * u - sr * v, sr * u + cr * v
            rx = tracks[i, j, 0] - mag * px - views[j, 4]
            ry = tracks[i, j, 1] - mag * py - views[j, 5]
            jac[0, 0], jac[1, 0] = -mag * py, mag * px
            jac[0, 1], jac[1, 1] = mag * (cr * u_t - sr * v_t), mag * (sr * u_t + cr * v_t)
            jac[0, 2], jac[1, 2] = px, py
            jac[0, 3], jac[1, 3] = mag * (cr * u_b - sr * v_b), mag * (sr * u_b + cr * v_b)
            jac[0, 4], jac[1, 4] = 1.0, 0.0
            jac[0, 5], jac[1, 5] = 0.0, 1.0
            jac[0, 6], jac[1, 6] = mag * (cr * u_x - sr * v_x), mag * (sr * u_x + cr * v_x)
            jac[0, 7], jac[1, 7] = mag * (cr * u_y - sr * v_y), mag * (sr * u_y + cr * v_y)
            jac[0, 8], jac[1, 8] = mag * (cr * u_z - sr * v_z), mag * (sr * u_z + cr * v_z)
            for a in range(6):
                ja0, ja1 = weight * jac[0, a], weight * jac[1, a]
                view_gradient[j, a] += ja0 * rx + ja1 * ry
                for b in range(6):
                    view_blocks[j, a, b] += ja0 * jac[0, b] + ja1 * jac[1, b]
                for b in range(3):
                    mixed[i, j, a, b] = ja0 * jac[0, 6 + b] + ja1 * jac[1, 6 + b]
            for a in range(3):
                ja0, ja1 = weight * jac[0, 6 + a], weight * jac[1, 6 + a]
                point_gradient[i, a] += ja0 * rx + ja1 * ry
                for b in range(3):
                    point_blocks[i, a, b] += ja0 * jac[0, 6 + b] + ja1 * jac[1, 6 + b]
    return view_blocks, view_gradient, point_blocks, point_gradient, mixed


def equivalent_angles(views: Floats) -> tuple[Floats, Floats, Floats]:
    """Return rotation, tilt and X-axis tilt of each view that show the same without beam tilt.

    The turn ``Rz(rotation) Rx(b) Ry(tilt) Rx(-b)`` of a view is written as
    ``Rz(rotation') Ry(tilt') Rx(x_tilt')``; without beam tilt nothing changes.

    Parameters
    ----------
    views : (v, 6) float64

    Returns
    -------
    rotation_rad, tilt_rad, x_tilt_rad : (v,) float64
    """
    theta, beam = views[:, TILT], views[:, BEAM_TILT]
    ct, st, cb, sb = np.cos(theta), np.sin(theta), np.cos(beam), np.sin(beam)
    # Rows of the turn: u = (ct, -sb st, cb st), v = (sb st, cb^2 + sb^2 ct, cb sb (1 - ct)),
    # depth = (-cb st, cb sb (1 - ct), sb^2 + cb^2 ct). In Rz Ry Rx the third row is
    # (-sin t, cos t sin a, cos t cos a) and the first column (cos t cos r, cos t sin r, -sin t).
    tilt = np.arctan2(cb * st, np.hypot(cb * sb * (1 - ct), sb**2 + cb**2 * ct))
    x_tilt = np.arctan2(cb * sb * (1 - ct), sb**2 + cb**2 * ct)
    rotation = views[:, ROTATION] + np.arctan2(sb * st, ct)
    return rotation, tilt, x_tilt
