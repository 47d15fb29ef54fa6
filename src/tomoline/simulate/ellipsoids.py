"""Ellipsoids in a cylinder: how they are drawn, their exact projections and their voxels.

A table of ellipsoids is (ellipsoid, 10) float64: centre x, y, z; the upper triangle xx, xy, xz, yy,
yz, zz of the matrix M; and the density. A point p is inside where (p - c)' M (p - c) <= 1. All
lengths are in pixels of the first distance, relative to the point where the axis meets the middle
row; z is along the rows.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

_LINES = 6
"""Lines of which a pixel's part inside an ellipsoid consists, where the rim crosses it."""
_FILLED = 0.12
"""Part of the cylinder that ellipsoids fill."""


def draw_ellipsoids(
    rng: np.random.Generator, radius_px: float, height_px: float, count: int | None
) -> Floats:
    """Draw ellipsoids that lie in a cylinder and reach beyond its visible height.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of all that is random.
    radius_px, height_px : float
        Radius of the cylinder and the height that is seen.
    count : int, optional
        How many; as many as fill the cylinder evenly if left out.

    Returns
    -------
    (ellipsoid, 10) float64
        Densities are relative: most are about 1, a fifth are holes in what is round them.
    """
    typical = 0.06 * radius_px
    reach = height_px / 2 + 3 * typical
    if count is None:
        volume = math.pi * radius_px**2 * 2 * reach
        count = max(8, round(_FILLED * volume / (4.19 * 1.5 * typical**3)))
    sizes = typical * np.exp(rng.normal(0, 0.45, (count, 1))) * rng.uniform(0.65, 1.5, (count, 3))
    sizes = np.clip(sizes, 1.5, 0.3 * radius_px)
    turns, _ = np.linalg.qr(rng.normal(size=(count, 3, 3)))
    matrices = turns @ (np.swapaxes(turns, 1, 2) / sizes[:, :, None] ** 2)
    # The centres keep the largest half-axis away from the cylinder's surface.
    distance = (radius_px - sizes.max(axis=1)) * np.sqrt(rng.random(count))
    around = rng.uniform(0, 2 * math.pi, count)
    density = rng.uniform(0.5, 1.6, count)
    density[rng.random(count) < 0.2] = -0.25
    upper = matrices[:, [0, 0, 0, 1, 1, 2], [0, 1, 2, 1, 2, 2]]
    return np.column_stack(
        [
            distance * np.cos(around),
            distance * np.sin(around),
            rng.uniform(-reach, reach, count),
            upper,
            density,
        ]
    )


def project(
    ellipsoids: Floats,
    cylinder: Floats,
    angle_rad: float,
    shape: tuple[int, int],
    origin_px: tuple[float, float],
    step_px: float,
    tilt_rad: float = 0.0,
) -> Image:
    """Return the line integrals of the density, averaged over each pixel's area.

    Parameters
    ----------
    ellipsoids : (ellipsoid, 10) float64
        See the module.
    cylinder : (4,) float64
        Centre x and y, radius and density of a cylinder along z without ends.
    angle_rad : float
        Angle of the projection.
    shape : (int, int)
        Rows and columns of the result.
    origin_px : (float, float)
        Where the centre of pixel (0, 0) lies relative to the axis at the middle row: (v, u).
    step_px : float
        Distance of the result's pixels.
    tilt_rad : float
        Tilt of the axis; positive where it leans to higher columns in higher rows.

    Returns
    -------
    (rows, columns) float32
        Density times pixels of the first distance.
    """
    image = np.zeros(shape)
    forms = _seen(ellipsoids, angle_rad, tilt_rad)
    _add_ellipsoids(image, forms, origin_px[0], origin_px[1], step_px)
    x, y, radius, density = cylinder
    if density != 0:
        along = x * math.cos(angle_rad) + y * math.sin(angle_rad)
        v = (origin_px[0] + step_px * np.arange(shape[0]))[:, None]
        u = (origin_px[1] + step_px * np.arange(shape[1]))[None, :]
        across = u * math.cos(tilt_rad) - v * math.sin(tilt_rad) - along
        width = step_px * math.cos(tilt_rad)
        area = _circle_area(across + width / 2, radius) - _circle_area(across - width / 2, radius)
        image += density / width * area
    return image.astype(np.float32)


def _circle_area(across: Floats, radius: float) -> Floats:
    """Area of a circle to the left of a line: the integral of its chords, exact."""
    u = np.clip(across, -radius, radius)
    area: Floats = u * np.sqrt(radius**2 - u**2) + radius**2 * np.arcsin(u / radius)
    return area


def _seen(ellipsoids: Floats, angle_rad: float, tilt_rad: float) -> Floats:
    """Return for each ellipsoid the centre (u, v), the form (uu, uv, vv) and the largest chord.

    With the ray's direction d, a chord is 2 sqrt(1 - Q(u, v)) / sqrt(d' M d), where Q is the
    quadratic form M - M d d' M / (d' M d) in the plane of the detector.
    """
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    columns = np.array([[cosine, sine, 0.0], [0.0, 0.0, 1.0]])
    turn = np.array(
        [
            [math.cos(tilt_rad), math.sin(tilt_rad)],
            [-math.sin(tilt_rad), math.cos(tilt_rad)],
        ]
    )
    plane = turn @ columns  # rows are the detector's u and v in the specimen
    ray = np.array([-sine, cosine, 0.0])
    matrices = ellipsoids[:, [[3, 4, 5], [4, 6, 7], [5, 7, 8]]]
    along = matrices @ ray
    length = along @ ray
    forms = matrices - along[:, :, None] * along[:, None, :] / length[:, None, None]
    seen = plane @ forms @ plane.T
    centres = ellipsoids[:, :3] @ plane.T
    chords = 2 * ellipsoids[:, 9] / np.sqrt(length)
    return np.column_stack([centres, seen[:, 0, 0], seen[:, 0, 1], seen[:, 1, 1], chords])


@njit(nogil=True, cache=True, inline="always")
def _chord_integral(middle, half, form, rest):  # type: ignore[no-untyped-def]
    """Integrate sqrt(rest - form a^2) over the part of middle +- half where it is real."""
    radius = math.sqrt(rest / form)
    first = min(max((middle - half) / radius, -1.0), 1.0)
    last = min(max((middle + half) / radius, -1.0), 1.0)
    upper = last * math.sqrt(1.0 - last * last) + math.asin(last)
    lower = first * math.sqrt(1.0 - first * first) + math.asin(first)
    return 0.5 * radius * math.sqrt(rest) * (upper - lower)


@njit(nogil=True, cache=True)
def _add_ellipsoids(image, forms, v_first, u_first, step):  # type: ignore[no-untyped-def]
    """Add chords averaged over pixels: four Gauss points inside, exact lines at the rim."""
    rows, columns = image.shape
    gauss = step * 0.5 / math.sqrt(3.0)
    for index in range(len(forms)):
        u_centre, v_centre, uu, uv, vv, chord = forms[index]
        determinant = uu * vv - uv * uv
        v_reach = math.sqrt(uu / determinant)
        first = max(0, math.ceil((v_centre - v_reach - v_first) / step - 0.5))
        last = min(rows - 1, math.floor((v_centre + v_reach - v_first) / step + 0.5))
        for row in range(first, last + 1):
            dv = v_first + row * step - v_centre
            low = max(dv - 0.5 * step, -v_reach)
            high = min(dv + 0.5 * step, v_reach)
            # The row's widest place within the pixel's height.
            near = max(abs(dv) - 0.5 * step, 0.0)
            inside = 1.0 - near * near * determinant / uu
            half = math.sqrt(max(inside, 0.0) / uu) + abs(uv / uu) * step
            middle = u_centre - uv / uu * dv
            left = max(0, math.ceil((middle - half - u_first) / step - 0.5))
            right = min(columns - 1, math.floor((middle + half - u_first) / step + 0.5))
            for column in range(left, right + 1):
                du = u_first + column * step - u_centre
                farthest = 0.0
                for sign in (-1.0, 1.0):
                    a, b = du + 0.5 * step, dv + sign * 0.5 * step
                    farthest = max(farthest, uu * a * a + 2 * uv * a * b + vv * b * b)
                    a = du - 0.5 * step
                    farthest = max(farthest, uu * a * a + 2 * uv * a * b + vv * b * b)
                total = 0.0
                if farthest < 0.9:
                    for sign in (-1.0, 1.0):
                        b = dv + sign * gauss
                        for other in (-1.0, 1.0):
                            a = du + other * gauss
                            total += math.sqrt(1.0 - uu * a * a - 2 * uv * a * b - vv * b * b)
                    total *= 0.25
                else:
                    for i in range(_LINES):
                        b = low + (i + 0.5) / _LINES * (high - low)
                        rest = 1.0 - b * b * determinant / uu
                        if rest > 0.0:
                            middle_a = du + uv / uu * b
                            total += _chord_integral(middle_a, 0.5 * step, uu, rest)
                    total *= (high - low) / (_LINES * step * step)
                image[row, column] += chord * total


def voxels(ellipsoids: Floats, cylinder: Floats, heights_px: Floats, size: int) -> Image:
    """Return the density of slices, averaged over each voxel.

    Parameters
    ----------
    ellipsoids, cylinder
        See `project`.
    heights_px : (slice,) float64
        z of each slice's middle.
    size : int
        Voxels along y and x; the axis is at the centre of the slice.

    Returns
    -------
    (slice, y, x) float32
    """
    volume = np.zeros((len(heights_px), size, size), np.float32)
    x, y, radius, density = cylinder
    if density != 0:
        share = np.zeros((size, size), np.float32)
        _fill_circle(share, x + (size - 1) / 2, y + (size - 1) / 2, radius)
        volume += np.float32(density) * share
    _fill_ellipsoids(volume, ellipsoids, np.asarray(heights_px, np.float64))
    return volume


@njit(nogil=True, cache=True)
def _fill_circle(share, x_centre, y_centre, radius):  # type: ignore[no-untyped-def]
    for y in range(share.shape[0]):
        for x in range(share.shape[1]):
            distance = math.hypot(x - x_centre, y - y_centre)
            if distance < radius - 1:
                share[y, x] = 1
            elif distance < radius + 1:
                count = 0
                for i in range(8):
                    for j in range(8):
                        dx = x - x_centre + (i - 3.5) / 8
                        dy = y - y_centre + (j - 3.5) / 8
                        count += dx * dx + dy * dy <= radius * radius
                share[y, x] = count / 64


@njit(nogil=True, cache=True)
def _fill_ellipsoids(volume, ellipsoids, heights):  # type: ignore[no-untyped-def]
    size = volume.shape[1]
    middle = (size - 1) / 2
    for index in range(len(ellipsoids)):
        cx, cy, cz, xx, xy, xz, yy, yz, zz, density = ellipsoids[index]
        determinant = xx * (yy * zz - yz * yz) - xy * (xy * zz - yz * xz) + xz * (xy * yz - yy * xz)
        x_reach = math.sqrt((yy * zz - yz * yz) / determinant) + 0.5
        y_reach = math.sqrt((xx * zz - xz * xz) / determinant) + 0.5
        z_reach = math.sqrt((xx * yy - xy * xy) / determinant) + 0.5
        x0 = max(0, math.ceil(middle + cx - x_reach))
        x1 = min(size - 1, math.floor(middle + cx + x_reach))
        y0 = max(0, math.ceil(middle + cy - y_reach))
        y1 = min(size - 1, math.floor(middle + cy + y_reach))
        for slice_index in range(len(heights)):
            dz = heights[slice_index] - cz
            if abs(dz) > z_reach:
                continue
            for y in range(y0, y1 + 1):
                dy = y - middle - cy
                for x in range(x0, x1 + 1):
                    dx = x - middle - cx
                    form = xx * dx * dx + yy * dy * dy + zz * dz * dz
                    form += 2 * (xy * dx * dy + xz * dx * dz + yz * dy * dz)
                    # How much the form may change up to the voxel's corners.
                    gx = abs(xx * dx + xy * dy + xz * dz)
                    gy = abs(xy * dx + yy * dy + yz * dz)
                    gz = abs(xz * dx + yz * dy + zz * dz)
                    change = gx + gy + gz + 0.25 * (xx + yy + zz)
                    change += 0.5 * (abs(xy) + abs(xz) + abs(yz))
                    if form + change <= 1.0:
                        volume[slice_index, y, x] += density
                    elif form - change < 1.0:
                        count = 0
                        for i in range(3):
                            a = dx + (i - 1) / 3
                            for j in range(3):
                                b = dy + (j - 1) / 3
                                for k in range(3):
                                    c = dz + (k - 1) / 3
                                    at = xx * a * a + yy * b * b + zz * c * c
                                    at += 2 * (xy * a * b + xz * a * c + yz * b * c)
                                    count += at <= 1.0
                        volume[slice_index, y, x] += density * count / 27
