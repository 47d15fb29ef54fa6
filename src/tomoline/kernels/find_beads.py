"""Finding gold beads in one view: matched filter, peaks, and a fit that judges each of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels import fourier
from tomoline.kernels.bead_model import BeadProfile, Floats, Image, kernel_image
from tomoline.kernels.centre_beads import refine_centres

_BLOCK_PX = 48
_WINDOW = 1.7
"""Radius of the filter's window in bead radii."""


@dataclass(frozen=True)
class Detections:
    """Candidate beads of one view, best first.

    Attributes
    ----------
    centres_px : (n, 2) float64
        (x, y) relative to the image's centre.
    score : (n,) float64
        Correlation with the profile times the square root of a height over noise, capped: near 1
        for a clear bead, 0 for nothing.
    amplitude : (n,) float64
        Height over the background.
    contrast : (n,) float64
        Height over noise.
    """

    centres_px: Floats
    score: Floats
    amplitude: Floats
    contrast: Floats


@dataclass(frozen=True)
class BeadFilter:
    """Matched filter for beads of one profile in images of one shape.

    Attributes
    ----------
    profile : BeadProfile
    light : bool
        Whether beads are brighter than their surroundings.
    shape : (int, int)
        Of the images.
    transfer : (y, x // 2 + 1) float32
        Spectrum of the zero-mean kernel, which is even, so that its spectrum is real.
    """

    profile: BeadProfile
    light: bool
    shape: tuple[int, int]
    transfer: Image

    @classmethod
    def make(
        cls, profile: BeadProfile, shape: tuple[int, int], *, light: bool = False
    ) -> BeadFilter:
        """Prepare the filter for images of `shape`."""
        padded = (fourier.good_size(shape[0]), fourier.good_size(shape[1]))
        kernel = kernel_image(profile, padded, _WINDOW * 0.5 * profile.diameter_px + 0.5)
        spectrum = fourier.forward_2d(kernel).real * np.float32(1.0 if light else -1.0)
        return cls(profile, light, shape, np.ascontiguousarray(spectrum))

    def response(self, image: Image) -> Image:
        """Correlate an image with the bead's zero-mean kernel; beads give positive peaks.

        Parameters
        ----------
        image : (y, x) float32

        Returns
        -------
        (y, x) float32
            In the image's unit; where noise is white it has the image's standard deviation.
        """
        height, width = image.shape
        shape = (fourier.good_size(height), fourier.good_size(width))
        level = np.float32(np.median(image[::7, ::7]))
        padded = np.zeros(shape, dtype=np.float32)
        np.subtract(image, level, out=padded[:height, :width])
        spectrum = fourier.forward_2d(padded)
        spectrum *= self.transfer
        return np.ascontiguousarray(fourier.inverse_2d(spectrum, shape)[:height, :width])


def find_beads(
    image: Image,
    bead_filter: BeadFilter,
    *,
    max_count: int = 500,
    min_contrast: float = 3.5,
) -> Detections:
    """Find what looks like a bead of the given profile.

    The matched filter is the profile with its mean over a round window taken off, which ignores
    backgrounds and their slopes. Peaks that stand out of the noise around them are fitted with
    the profile, which tells how bead-like they are.

    Parameters
    ----------
    image : (y, x) float32
        Best reduced so that beads are 5 to 9 pixels wide.
    bead_filter : BeadFilter
        For images of this shape.
    max_count : int
        At most this many, the best, are returned.
    min_contrast : float
        Lowest height of a peak, in standard deviations of the filtered image around it.

    Returns
    -------
    Detections
    """
    profile = bead_filter.profile
    response = bead_filter.response(image)
    noise = _local_noise(response)
    peaks, heights = _peaks(
        response, noise, 0.5 * profile.diameter_px, min_contrast, 3 * max_count // 2
    )
    order = np.argsort(-heights, kind="stable")
    middle = np.array([(image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2])
    starts = peaks[order] - middle
    fits = refine_centres(
        image,
        starts,
        profile,
        max_move_px=0.6 * profile.diameter_px,
        light=bead_filter.light,
        avoid_px=np.empty((0, 2)),
        iterations=6,
    )
    good = np.isfinite(fits.centres_px[:, 0]) & (fits.correlation > 0.2)
    contrast = heights[order]
    score = np.where(good, fits.correlation * np.sqrt(np.minimum(contrast / 12.0, 1.0)), 0.0)
    best = np.argsort(-score, kind="stable")
    best = best[good[best]]
    best = best[first_of_each(fits.centres_px[best], 0.5 * profile.diameter_px)][:max_count]
    return Detections(fits.centres_px[best], score[best], fits.amplitude[best], contrast[best])


def score_threshold(scores: Floats, fallback: float = 0.55) -> float:
    """Return the score at the dip between what is noise and what is beads.

    The kernel-smoothed histogram is walked down from its upper end until a clear dip, as
    imodfindbeads does; kernels from narrow to wide are tried.

    Parameters
    ----------
    scores : (n,) float64
        Scores of all candidates of a few views.
    fallback : float
        Returned where the histogram has no dip.
    """
    grid = np.linspace(0.2, 1.0, 161)
    if scores.size < 5:
        return fallback
    for width in (0.1, 0.07, 0.05, 0.035):
        density = np.exp(-0.5 * ((grid[:, None] - scores[None, :]) / width) ** 2).sum(axis=1)
        upper = float(scores.max())
        inner = np.flatnonzero((density[1:-1] <= density[:-2]) & (density[1:-1] < density[2:])) + 1
        for k in inner[::-1]:
            beads = density[k:].max()
            if grid[k] < upper and density[k] < 0.7 * beads and beads > 1.5:
                return float(grid[k])
    return fallback


def first_of_each(points: Floats, distance_px: float) -> NDArray[np.intp]:
    """Return the indices of points that have no earlier point within the distance."""
    kept = np.ones(len(points), dtype=np.bool_)
    _drop_near(points, distance_px, kept)
    return np.flatnonzero(kept)


@njit(nogil=True, cache=True)
def _drop_near(points: Floats, distance: float, kept: NDArray[np.bool_]) -> None:
    for i in range(points.shape[0]):
        for j in range(i):
            if kept[j] and (
                (points[i, 0] - points[j, 0]) ** 2 + (points[i, 1] - points[j, 1]) ** 2
                < distance * distance
            ):
                kept[i] = False
                break


def _local_noise(response: Image) -> Image:
    """Return robust standard deviations of blocks (rows, columns) of the response."""
    rows = max(1, response.shape[0] // _BLOCK_PX)
    columns = max(1, response.shape[1] // _BLOCK_PX)
    noise = np.empty((rows, columns), dtype=np.float32)
    _block_noise(response, noise)
    floor = 0.2 * float(np.median(noise))
    return np.maximum(noise, np.float32(floor if floor > 0 else 1e-6))


@njit(nogil=True, cache=True)
def _block_noise(response: Image, noise: Image) -> None:
    height, width = response.shape
    rows, columns = noise.shape
    samples = np.empty((height // rows + 2) * (width // columns + 2), dtype=np.float32)
    for i in range(rows):
        for j in range(columns):
            count = 0
            # Every second pixel of every second row: the filter has made neighbours alike.
            for r in range(i * height // rows, (i + 1) * height // rows, 2):
                for c in range(j * width // columns, (j + 1) * width // columns, 2):
                    samples[count] = abs(response[r, c])
                    count += 1
            noise[i, j] = 1.4826 * np.median(samples[:count])


@njit(nogil=True, cache=True)
def _peaks(
    response: Image, noise: Image, radius: float, min_contrast: float, max_count: int
) -> tuple[Floats, Floats]:
    """Return sub-pixel places (x, y) and contrasts of local maxima over a bead's radius."""
    height, width = response.shape
    reach = max(1, round(0.7 * radius))
    places = np.empty((max_count, 2))
    contrasts = np.empty(max_count)
    count = 0
    rows, columns = noise.shape
    for r in range(reach, height - reach):
        block_row = min(rows - 1, r * rows // height)
        for c in range(reach, width - reach):
            value = response[r, c]
            local = noise[block_row, min(columns - 1, c * columns // width)]
            if value < min_contrast * local:
                continue
            highest = True
            for i in range(r - reach, r + reach + 1):
                for j in range(c - reach, c + reach + 1):
                    other = response[i, j]
                    if other > value or (other == value and (i, j) < (r, c)):
                        highest = False
                        break
                if not highest:
                    break
            if not highest:
                continue
            if count == max_count:
                # Full: the weakest makes room.
                k = int(np.argmin(contrasts))
                if contrasts[k] >= value / local:
                    continue
            else:
                k = count
                count += 1
            left, right = response[r, c - 1], response[r, c + 1]
            below, above = response[r - 1, c], response[r + 1, c]
            curve_x, curve_y = left + right - 2 * value, below + above - 2 * value
            places[k, 0] = c + (0.5 * (left - right) / curve_x if curve_x < 0 else 0.0)
            places[k, 1] = r + (0.5 * (below - above) / curve_y if curve_y < 0 else 0.0)
            contrasts[k] = value / local
    return places[:count], contrasts[:count]
