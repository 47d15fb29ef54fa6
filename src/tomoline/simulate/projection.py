"""Exact projections of an analytic specimen on the pixels of a view.

The microscope's point spread and the pixel's own area are together a Gaussian of `BLUR_PX`. As
the projection of a density that is blurred in three dimensions is the projection blurred in two,
every primitive is exact here too: Gaussians keep their marginals, segments give error functions,
and balls a radial profile that a quadrature tabulates once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.simulate.specimen import Floats, Specimen, blurred_ball, blurred_filament

BLUR_PX = 0.5
"""Sigma of the point spread of the simulated microscope and detector together."""

# Gaussians are cut where they have fallen to exp(-12.5) = 4e-6 of their peak.
_CUT = 5.0


@dataclass(frozen=True)
class Profiles:
    """Radial profiles of the projected balls, in one row after the other.

    Attributes
    ----------
    step_px : (ball,) float64
        Distance between the entries of a ball's profile.
    start : (ball + 1,) int64
        Where each profile starts in `values`.
    values : (entry,) float64
        Line integrals at distances 0, step, 2 step ... from the projected centre; the last is 0.
    """

    step_px: Floats
    start: NDArray[np.int64]
    values: Floats


def ball_projection(distance_px: Floats, radius_px: float, sigma_px: float) -> Floats:
    """Line integrals through a unit ball blurred by a Gaussian, at distances from its centre.

    Parameters
    ----------
    distance_px : (n,) float64
        Distances of the lines from the centre.
    radius_px, sigma_px : float
        Of the ball and of the Gaussian (> 0).

    Notes
    -----
    The density along a line is as smooth as the Gaussian, so that sums in steps h over the whole
    line miss the integral only by exp(-2 (pi sigma / h)^2), here 3e-9.
    """
    step = 0.7 * sigma_px * np.sqrt(2)
    count = math.ceil((radius_px + 7 * sigma_px) / step)
    along = step * np.arange(-count, count + 1)
    radius = np.sqrt(distance_px[:, None] ** 2 + along**2)
    projected: Floats = step * np.sum(blurred_ball(radius, radius_px, sigma_px), axis=1)
    return projected


def ball_profiles(balls: Floats, blur_px: float = BLUR_PX) -> Profiles:
    """Tabulate the projections of `Specimen.balls`, densities included."""
    steps, starts, values = [], [0], [np.zeros(0)]
    for _, _, _, outer, inner, sigma, density in balls:
        width = math.hypot(sigma, blur_px)
        # Linear interpolation in steps of a 24th of sigma is right to about 1e-4 of the rim.
        step = width / 24
        distance = np.arange(0, outer + _CUT * width + step, step)
        profile = ball_projection(distance, outer, width)
        if inner > 0:
            profile -= ball_projection(distance, inner, width)
        profile[-1] = 0
        steps.append(step)
        values.append(density * profile)
        starts.append(starts[-1] + len(profile))
    return Profiles(
        np.array(steps, dtype=np.float64), np.array(starts, dtype=np.int64), np.concatenate(values)
    )


def rotation(tilt_rad: float, x_tilt_rad: float) -> Floats:
    """Return the 3 x 3 rotation from the specimen to a tilted view: about x, then about y.

    Its first two rows give (u, v) of a point, as `geometry.project` does.

    >>> point = np.array([[1.0, 2.0, 3.0]])
    >>> np.allclose(rotation(0.3, 0.1)[:2] @ point[0],
    ...             geometry.project(point, np.array([0.3]), 0.1)[0, 0])
    True
    """
    cos_t, sin_t = math.cos(tilt_rad), math.sin(tilt_rad)
    cos_x, sin_x = math.cos(x_tilt_rad), math.sin(x_tilt_rad)
    about_x = np.array([[1, 0, 0], [0, cos_x, -sin_x], [0, sin_x, cos_x]])
    about_y = np.array([[cos_t, 0, sin_t], [0, 1, 0], [-sin_t, 0, cos_t]])
    both: Floats = about_y @ about_x
    return both


def project_view(
    specimen: Specimen,
    profiles: Profiles,
    tilt_rad: float,
    x_tilt_rad: float,
    transform: Floats,
    shape: tuple[int, int],
    blur_px: float = BLUR_PX,
) -> Floats:
    """Project a specimen onto the pixels of one raw view.

    Parameters
    ----------
    specimen : Specimen
        What is projected.
    profiles : Profiles
        ``ball_profiles(specimen.balls, blur_px)``, made once for all views.
    tilt_rad, x_tilt_rad : float
        Tilt angle of the specimen, and its rotation about x before.
    transform : (2, 3) float64
        From the raw to the aligned view.
    shape : (int, int)
        Rows and columns of the raw view.
    blur_px : float
        Sigma of the point spread.

    Returns
    -------
    (y, x) float64
        Line integrals of the blurred density, dimensionless.
    """
    image = np.zeros(shape)
    turn = rotation(tilt_rad, x_tilt_rad)
    inverse = geometry.invert(transform[None])[0]
    balls = specimen.balls
    if len(balls):
        centres = np.ascontiguousarray(balls[:, :3] @ turn[:2].T)
        _add_balls(
            image, transform, inverse, centres, profiles.step_px, profiles.start, profiles.values
        )
    if len(specimen.blobs):
        _add_blobs(image, *_marginals(specimen.blobs, turn, inverse, blur_px))
    if len(specimen.filaments):
        _add_filaments(
            image, transform, inverse, _projected_filaments(specimen.filaments, turn, blur_px)
        )
    return image


def _marginals(
    blobs: Floats, turn: Floats, inverse: Floats, blur_px: float
) -> tuple[Floats, Floats, Floats]:
    """Return the Gaussians on the raw view: centres (blob, 2), covariances xx xy yy, peaks."""
    xx, xy, xz, yy, yz, zz = blobs[:, 3:9].T
    covariance = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape(-1, 3, 3)
    flat = turn[:2] @ covariance @ turn[:2].T + blur_px**2 * np.eye(2)
    # The integral over the plane is that over space, whatever the blur.
    mass = blobs[:, 9] * np.sqrt(2 * math.pi * np.linalg.det(covariance))
    peaks = mass / np.sqrt(np.linalg.det(flat))
    raw = inverse[:, :2] @ flat @ inverse[:, :2].T
    centres = blobs[:, :3] @ turn[:2].T @ inverse[:, :2].T + inverse[:, 2]
    return centres, np.stack([raw[:, 0, 0], raw[:, 0, 1], raw[:, 1, 1]], axis=-1), peaks


def _projected_filaments(filaments: Floats, turn: Floats, blur_px: float) -> Floats:
    """Return rows of u, v of one end, unit direction, length, sigma, value in the middle."""
    starts, ends = filaments[:, :3] @ turn[:2].T, filaments[:, 3:6] @ turn[:2].T
    length = np.linalg.norm(filaments[:, 3:6] - filaments[:, :3], axis=1)
    rows = np.empty((len(filaments), 7))
    for index, row in enumerate(filaments):
        sigma, peak = blurred_filament(row[6], row[7], blur_px)
        step = ends[index] - starts[index]
        # A segment seen end on is a point: a length far below sigma gives that limit.
        flat = max(float(np.linalg.norm(step)), 1e-4 * sigma)
        direction = step / flat if np.linalg.norm(step) == flat else np.array([1.0, 0.0])
        middle = peak * math.sqrt(2 * math.pi) * sigma * length[index] / flat
        rows[index] = (*starts[index], *direction, flat, sigma, middle)
    return rows


@njit(nogil=True, cache=True)
def _window(inverse, shape, low_u, high_u, low_v, high_v):  # type: ignore[no-untyped-def]
    """Return the half-open raw pixel ranges that hold a box of the aligned frame."""
    middle_u, middle_v = (low_u + high_u) / 2, (low_v + high_v) / 2
    half_u, half_v = (high_u - low_u) / 2, (high_v - low_v) / 2
    x = inverse[0, 0] * middle_u + inverse[0, 1] * middle_v + inverse[0, 2] + (shape[1] - 1) / 2
    y = inverse[1, 0] * middle_u + inverse[1, 1] * middle_v + inverse[1, 2] + (shape[0] - 1) / 2
    reach_x = abs(inverse[0, 0]) * half_u + abs(inverse[0, 1]) * half_v
    reach_y = abs(inverse[1, 0]) * half_u + abs(inverse[1, 1]) * half_v
    x0, x1 = max(0, math.ceil(x - reach_x)), min(shape[1], math.floor(x + reach_x) + 1)
    y0, y1 = max(0, math.ceil(y - reach_y)), min(shape[0], math.floor(y + reach_y) + 1)
    return x0, x1, y0, y1


@njit(nogil=True, cache=True)
def _add_balls(image, transform, inverse, centres, steps, starts, values):  # type: ignore[no-untyped-def]
    middle_x, middle_y = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
    for ball in range(len(centres)):
        u, v = centres[ball]
        last = starts[ball + 1] - starts[ball] - 1
        reach = last * steps[ball]
        x0, x1, y0, y1 = _window(inverse, image.shape, u - reach, u + reach, v - reach, v + reach)
        for row in range(y0, y1):
            for column in range(x0, x1):
                x, y = column - middle_x, row - middle_y
                du = transform[0, 0] * x + transform[0, 1] * y + transform[0, 2] - u
                dv = transform[1, 0] * x + transform[1, 1] * y + transform[1, 2] - v
                place = math.sqrt(du * du + dv * dv) / steps[ball]
                index = int(place)
                if index < last:
                    share = place - index
                    entry = starts[ball] + index
                    image[row, column] += (1 - share) * values[entry] + share * values[entry + 1]


@njit(nogil=True, cache=True)
def _add_blobs(image, centres, covariances, peaks):  # type: ignore[no-untyped-def]
    middle_x, middle_y = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
    for blob in range(len(centres)):
        centre_x, centre_y = centres[blob, 0] + middle_x, centres[blob, 1] + middle_y
        xx, xy, yy = covariances[blob]
        reach_x, reach_y = _CUT * math.sqrt(xx), _CUT * math.sqrt(yy)
        x0 = max(0, math.ceil(centre_x - reach_x))
        x1 = min(image.shape[1], math.floor(centre_x + reach_x) + 1)
        y0 = max(0, math.ceil(centre_y - reach_y))
        y1 = min(image.shape[0], math.floor(centre_y + reach_y) + 1)
        determinant = xx * yy - xy * xy
        a, b, c = -yy / (2 * determinant), xy / determinant, -xx / (2 * determinant)
        # Along a row the exponent is quadratic, so that the value changes from pixel to pixel by
        # a factor which itself changes by a constant one: no exponential for each pixel.
        growth = math.exp(2 * a)
        for row in range(y0, y1):
            x, y = x0 - centre_x, row - centre_y
            value = peaks[blob] * math.exp(a * x * x + b * x * y + c * y * y)
            factor = math.exp(a * (2 * x + 1) + b * y)
            for column in range(x0, x1):
                image[row, column] += value
                value *= factor
                factor *= growth


@njit(nogil=True, cache=True, fastmath=True)
def _add_filaments(image, transform, inverse, rows):  # type: ignore[no-untyped-def]
    middle_x, middle_y = (image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2
    for segment in range(len(rows)):
        u, v, along_u, along_v, length, sigma, middle = rows[segment]
        reach = _CUT * sigma
        end_u, end_v = u + along_u * length, v + along_v * length
        x0, x1, y0, y1 = _window(
            inverse,
            image.shape,
            min(u, end_u) - reach,
            max(u, end_u) + reach,
            min(v, end_v) - reach,
            max(v, end_v) + reach,
        )
        scale = 1 / (math.sqrt(2.0) * sigma)
        for row in range(y0, y1):
            for column in range(x0, x1):
                x, y = column - middle_x, row - middle_y
                du = transform[0, 0] * x + transform[0, 1] * y + transform[0, 2] - u
                dv = transform[1, 0] * x + transform[1, 1] * y + transform[1, 2] - v
                along = (du * along_u + dv * along_v) * scale
                across = (dv * along_u - du * along_v) * scale
                if abs(across) * math.sqrt(2.0) < _CUT:
                    ends = math.erf(along) - math.erf(along - length * scale)
                    image[row, column] += middle * math.exp(-across * across) * ends / 2
