"""The look of a gold bead: one radial profile, from a sphere's shadow or averaged over beads.

Beads are spheres, so every view shows the same round shadow, and a profile along the radius says
all about it. A profile is 1 near the centre and 0 far outside; a bead in an image is
``amplitude * profile(|r - centre|)`` on a sloping background, with a negative amplitude for dark
beads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

STEP_PX = 0.125
"""Spacing of a profile's samples along the radius."""


@dataclass(frozen=True)
class BeadProfile:
    """Radial profile of a bead and its slope, at radii 0, `STEP_PX`, 2 `STEP_PX`, ...

    Attributes
    ----------
    values : (n,) float64
        About 1 at the centre, 0 at the end.
    slopes : (n,) float64
        Derivative along the radius, per pixel.
    diameter_px : float
        Diameter at half height.
    """

    values: Floats
    slopes: Floats
    diameter_px: float

    @property
    def extent_px(self) -> float:
        """Radius at which the table ends."""
        return (len(self.values) - 1) * STEP_PX


def make_profile(values: Floats) -> BeadProfile:
    """Return the profile with the given samples, forced to be flat at the centre and the end.

    >>> make_profile(np.exp(-((np.arange(80) * STEP_PX / 4) ** 2))).diameter_px > 6
    True
    """
    slopes = np.gradient(values, STEP_PX)
    slopes[0] = slopes[-1] = 0.0
    return BeadProfile(values, slopes, _half_height_diameter(values))


def _half_height_diameter(values: Floats) -> float:
    half = 0.5 * float(values[: max(2, len(values) // 8)].max())
    below = np.flatnonzero(values < half)
    if below.size == 0 or below[0] == 0:
        return 2.0 * STEP_PX * len(values)
    i = int(below[0])
    part = (values[i - 1] - half) / (values[i - 1] - values[i])
    return 2.0 * STEP_PX * (i - 1 + float(part))


def sphere_profile(diameter_px: float, blur_px: float = 0.7) -> BeadProfile:
    """Return the profile of an absorbing ball's shadow, blurred by the microscope and the pixels.

    The shadow is between that of a chord (thin absorption) and of a disc (saturated); the mean of
    the two describes gold at 100 to 300 kV well enough to find beads.

    Parameters
    ----------
    diameter_px : float
        Diameter of the ball.
    blur_px : float
        Standard deviation of the blur.
    """
    radius = diameter_px / 2
    extent = 1.6 * radius + 3 * blur_px + 1
    fine = 8
    half = math.ceil(extent) * fine
    # One central row of the blurred 2D shadow is its profile.
    coordinate = np.arange(-half, half + 1) / fine
    square = coordinate[:, None] ** 2 + coordinate[None, :] ** 2
    inside = square < radius**2
    shadow = np.where(inside, 0.5 + 0.5 * np.sqrt(np.maximum(0, 1 - square / radius**2)), 0.0)
    kernel = np.exp(-0.5 * (coordinate / blur_px) ** 2)
    kernel /= kernel.sum()
    columns = kernel @ shadow
    row = np.convolve(columns, kernel, mode="same")
    radii = np.arange(int(extent / STEP_PX) + 1) * STEP_PX
    values = np.interp(radii, coordinate[half:], row[half:])
    return make_profile(values / values[0])


def rescale(profile: BeadProfile, factor: float) -> BeadProfile:
    """Return the profile in an image reduced by `factor`, in pixels of that image."""
    radii = np.arange(int(profile.extent_px / factor / STEP_PX) + 1) * STEP_PX
    table = np.arange(len(profile.values)) * STEP_PX
    return make_profile(np.interp(radii * factor, table, profile.values, right=0.0))


def kernel_image(profile: BeadProfile, shape: tuple[int, int], window_px: float) -> Image:
    """Draw the profile as a filter kernel about pixel (0, 0), wrapped, with zero mean.

    The mean over a soft round window is taken off within the window, so that the filter answers
    neither to a background nor (by symmetry) to its slope.

    Parameters
    ----------
    profile : BeadProfile
    shape : (int, int)
        Rows and columns.
    window_px : float
        Radius of the window.

    Returns
    -------
    (y, x) float32
        Scaled so that its product with itself sums to 1.
    """
    y = np.fft.fftfreq(shape[0], 1 / shape[0])
    x = np.fft.rfftfreq(2 * shape[1], 1 / (2 * shape[1]))[: shape[1]]
    x = np.minimum(x, shape[1] - x)
    radius = np.hypot(y[:, None], x[None, :])
    radii = np.arange(len(profile.values)) * STEP_PX
    bead = np.interp(radius, radii, profile.values, right=0.0)
    window = np.clip(window_px - radius + 0.5, 0, 1)
    kernel = window * (bead - (bead * window).sum() / window.sum())
    result: Image = (kernel / math.sqrt(float((kernel**2).sum()))).astype(np.float32)
    return result


@dataclass(frozen=True)
class ProfileSums:
    """Sums over pixels by their distance from a bead's centre; they add up over views.

    Attributes
    ----------
    sums, counts : (n,) float64
        Weighted values and weights at radii 0, `STEP_PX`, ...
    beads : int
        Beads that took part.
    """

    sums: Floats
    counts: Floats
    beads: int

    def __add__(self, other: ProfileSums) -> ProfileSums:
        return ProfileSums(
            self.sums + other.sums, self.counts + other.counts, self.beads + other.beads
        )


def gather_profile(image: Image, centres_px: Floats, diameter_px: float) -> ProfileSums:
    """Sum up what the beads of one view look like.

    Every pixel near a bead is a sample of the profile at its own radius. Beads are brought to the
    same height and background first, which the means inside and around them tell.

    Parameters
    ----------
    image : (y, x) float32
    centres_px : (n, 2) float64
        (x, y) of isolated beads, relative to the image's centre; NaN and those at the edge are
        skipped.
    diameter_px : float
        About the beads' diameter; sets how far out the profile goes. Only sums of the same
        diameter can be added.
    """
    extent = _extent(diameter_px)
    sums = np.zeros(math.ceil(extent / STEP_PX) + 2)
    counts = np.zeros_like(sums)
    inside = np.ascontiguousarray(centres_px[np.isfinite(centres_px).all(axis=1)])
    beads = _gather(image, inside, 0.5 * diameter_px, extent, sums, counts)
    return ProfileSums(sums, counts, int(beads))


def average_profile(parts: list[ProfileSums], diameter_px: float) -> BeadProfile | None:
    """Return the average profile of beads summed up by `gather_profile`.

    The average is round by construction, so centring on it has no preferred direction.

    Returns
    -------
    BeadProfile or None
        None where fewer than three beads were usable.
    """
    beads = sum(part.beads for part in parts)
    if beads < 3:
        return None
    sums = np.sum([part.sums for part in parts], axis=0)
    counts = np.sum([part.counts for part in parts], axis=0)
    return make_profile(_smooth(sums, counts, _extent(diameter_px), diameter_px))


def _extent(diameter_px: float) -> float:
    return 0.75 * diameter_px + 2.0


def _smooth(sums: Floats, counts: Floats, extent: float, diameter_px: float) -> Floats:
    """Return the profile from sums and counts per radius bin, lightly smoothed, ending at 0."""
    radii = np.arange(len(sums)) * STEP_PX
    # The bins near the centre hold few pixels: the width of smoothing grows towards it.
    width = np.maximum(0.3, 0.8 - 0.25 * radii)
    distance = (radii[:, None] - radii[None, :]) / width[:, None]
    kernel = np.exp(-0.5 * distance**2)
    mirrored = np.exp(-0.5 * ((radii[:, None] + radii[None, :]) / width[:, None]) ** 2)
    kernel += mirrored * (radii[None, :] > 0)
    smooth = (kernel @ sums) / np.maximum(kernel @ counts, 1e-9)
    far = radii > 0.5 * diameter_px * 1.35 + 0.7
    values = smooth - np.average(smooth[far], weights=counts[far] + 1e-9)
    fade = np.clip((extent - radii) / 1.0, 0, 1)
    values = values * fade
    peak = float(values[: max(3, len(values) // 6)].max())
    return np.asarray(values / (peak if peak > 0 else 1.0))


@njit(nogil=True, cache=True)
def _gather(
    image: Image,
    centres: Floats,
    radius: float,
    extent: float,
    sums: Floats,
    counts: Floats,
) -> int:
    height, width = image.shape
    middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
    reach = int(extent) + 1
    used = 0
    for i in range(centres.shape[0]):
        x, y = centres[i, 0] + middle_x, centres[i, 1] + middle_y
        column, row = round(x), round(y)
        if not (reach <= column < width - reach and reach <= row < height - reach):
            continue
        inner = outer = 0.0
        inner_count = outer_count = 0
        for r in range(row - reach, row + reach + 1):
            for c in range(column - reach, column + reach + 1):
                distance = math.sqrt((c - x) ** 2 + (r - y) ** 2)
                if distance < 0.6 * radius:
                    inner += image[r, c]
                    inner_count += 1
                elif 1.35 * radius + 0.7 < distance < extent:
                    outer += image[r, c]
                    outer_count += 1
        if inner_count == 0 or outer_count == 0:
            continue
        background = outer / outer_count
        rise = inner / inner_count - background
        if rise == 0.0:
            continue
        used += 1
        for r in range(row - reach, row + reach + 1):
            for c in range(column - reach, column + reach + 1):
                distance = math.sqrt((c - x) ** 2 + (r - y) ** 2)
                if distance >= extent:
                    continue
                place = distance / STEP_PX
                k = int(place)
                part = place - k
                value = (image[r, c] - background) / rise
                sums[k] += (1 - part) * value
                counts[k] += 1 - part
                sums[k + 1] += part * value
                counts[k + 1] += part
    return used
