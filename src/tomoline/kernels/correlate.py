"""Cross-correlation of two images: band-pass, sub-pixel peak, and how sure the peak is.

The band-pass is tiltxcorr's (its man page): an inverted Gaussian below, a Gaussian roll-off
above, frequencies in cycles per pixel of the images that are correlated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels.fourier import (
    Real,
    Spectrum,
    forward_2d,
    frequencies_2d,
    good_size,
    inverse_2d,
)

# Values from which the background of a correlation is told.
_SAMPLE = 4096


@dataclass(frozen=True)
class BandPass:
    """Band-pass of a correlation, in cycles per pixel; the names are tiltxcorr's."""

    sigma1: float = 0.03
    """Sigma of the inverted Gaussian that removes low frequencies; 0 for none."""
    radius2: float = 0.25
    """Where the roll-off at high frequencies starts."""
    sigma2: float = 0.05
    """Sigma of that roll-off; 0 for none."""

    def weights(self, shape: tuple[int, int]) -> NDArray[np.float32]:
        """Return the weight of each coefficient of the half spectrum of images of `shape`."""
        frequency = frequencies_2d(shape).astype(np.float64)
        weight = np.ones_like(frequency)
        if self.sigma1 > 0:
            weight = 1.0 - np.exp(-(frequency**2) / (2 * self.sigma1**2))
        if self.sigma2 > 0:
            above = np.maximum(frequency - self.radius2, 0.0)
            weight *= np.exp(-(above**2) / (2 * self.sigma2**2))
        weight[0, 0] = 0.0
        return weight.astype(np.float32)


@dataclass(frozen=True)
class Peak:
    """Where a correlation is highest.

    Attributes
    ----------
    shift_px : (2,) float64
        (dx, dy) by which the second image must move to lie on the first.
    height : float
        Correlation coefficient at the peak, of the band-passed images.
    strength : float
        Height above the background in standard deviations of the background.
    lead : float
        Ratio of its height above the background to that of the next peak elsewhere; 1 = a tie.
    """

    shift_px: NDArray[np.float64]
    height: float
    strength: float
    lead: float

    @property
    def confidence(self) -> float:
        """0 to 1: how sure it is that this is the true peak, from strength and lead.

        0.5 lies where the peak leads the next by a fifth and stands 8 deviations high.
        """
        by_lead = (self.lead - 1.0) / 0.2
        by_strength = self.strength / 8.0
        score = max(0.0, min(by_lead, by_strength))
        return score / (1.0 + score)


def padded_shape(shape: tuple[int, int], factor: float = 1.5) -> tuple[int, int]:
    """Return a fast transform size that keeps shifts of up to (factor - 1) of the size apart."""
    return good_size(int(shape[0] * factor)), good_size(int(shape[1] * factor))


def spectrum_of(image: Real, window: Real | None, shape: tuple[int, int]) -> Spectrum:
    """Return the spectrum of an image, less its mean, tapered and padded with zeros to `shape`.

    Parameters
    ----------
    image : (y, x) float32
    window : (y, x) float32, optional
        Weight of each pixel, 0 at the edges.
    shape : (int, int)
        Size to pad to; the image lies in its first corner.
    """
    padded = np.zeros(shape, np.float32)
    height, width = image.shape
    if window is None:
        padded[:height, :width] = image - image.mean()
    else:
        total = float(window.sum())
        mean = np.float32((image * window).sum() / total) if total > 0 else np.float32(0)
        np.multiply(image - mean, window, out=padded[:height, :width])
    return forward_2d(padded)


def correlate(first: Spectrum, second: Spectrum, weights: Real, shape: tuple[int, int]) -> Real:
    """Return the correlation of two spectra as a map over shifts, zero shift in its corner.

    The value is the correlation coefficient of the band-passed images (if both were real images
    without padding); the second image moved by the peak's position lies on the first.
    """
    product = first * np.conj(second) * weights
    power = np.sqrt(_power(first, weights, shape) * _power(second, weights, shape))
    scale = np.float32(shape[0] * shape[1] / power) if power > 0 else np.float32(0)
    return inverse_2d(product, shape) * scale


def _power(spectrum: Spectrum, weights: Real, shape: tuple[int, int]) -> float:
    squares = (spectrum.real**2 + spectrum.imag**2) * weights
    # The half spectrum holds every column but the first, and the last of even sizes, once of two.
    total = 2.0 * float(squares.sum(dtype=np.float64))
    total -= float(squares[:, 0].sum(dtype=np.float64))
    if shape[1] % 2 == 0:
        total -= float(squares[:, -1].sum(dtype=np.float64))
    return total


def find_peak(
    correlation: Real,
    limits_px: tuple[float, float],
    *,
    centre_px: tuple[float, float] = (0.0, 0.0),
    exclude_central: bool = False,
    separation_px: float = 6.0,
) -> Peak | None:
    """Find the highest peak of a correlation map within an ellipse of shifts.

    Parameters
    ----------
    correlation : (y, x) float32
        Zero shift in the corner, as `correlate` gives it.
    limits_px : (float, float)
        Half axes (x, y) of the ellipse.
    centre_px : (float, float)
        Its centre (x, y).
    exclude_central : bool
        Pass over a narrow peak at zero shift, which fixed-pattern noise of a camera gives, if
        another peak stands clear of the background.
    separation_px : float
        How far away a second peak must lie to be another one.

    Returns
    -------
    Peak or None
        None where there is no true maximum within the ellipse.
    """
    window, x0, y0 = _window(correlation, limits_px, centre_px)
    peaks = _two_peaks(window, x0, y0, limits_px, centre_px, separation_px, False)
    if exclude_central and peaks[0, 3] > 0 and np.hypot(*peaks[0, :2]) < 1.5:
        others = _two_peaks(window, x0, y0, limits_px, centre_px, separation_px, True)
        background = _background(correlation)
        if others[0, 3] > 0 and others[0, 2] > 6.0 * background[1] + background[0]:
            peaks = others
    if peaks[0, 3] == 0:
        return None
    middle, deviation = _background(correlation)
    height = float(peaks[0, 2])
    second = float(peaks[1, 2]) if peaks[1, 3] > 0 else middle + deviation
    above = max(second - middle, deviation, 1e-12)
    return Peak(
        shift_px=peaks[0, :2].copy(),
        height=height,
        strength=(height - middle) / max(deviation, 1e-12),
        lead=(height - middle) / above,
    )


def _window(
    correlation: Real, limits_px: tuple[float, float], centre_px: tuple[float, float]
) -> tuple[Real, int, int]:
    """Cut out the part of a wrapped map that holds the ellipse, one pixel more on each side."""
    height, width = correlation.shape
    x_half = min(int(np.ceil(limits_px[0])) + 2, (width - 1) // 2)
    y_half = min(int(np.ceil(limits_px[1])) + 2, (height - 1) // 2)
    x0, y0 = round(centre_px[0]) - x_half, round(centre_px[1]) - y_half
    rows = np.arange(y0, y0 + 2 * y_half + 1) % height
    columns = np.arange(x0, x0 + 2 * x_half + 1) % width
    return np.ascontiguousarray(correlation[rows][:, columns]), x0, y0


def _background(correlation: Real) -> tuple[float, float]:
    """Return median and robust standard deviation of a map; a sample of it is enough.

    At large shifts padded images share little, and the map is quieter than near zero.
    """
    height, width = correlation.shape
    step = max(1, int((correlation.size / 4 / _SAMPLE) ** 0.5))
    rows = np.arange(-height // 4, height // 4, step)
    columns = np.arange(-width // 4, width // 4, step)
    sample = correlation[np.ix_(rows, columns)]
    middle = float(np.median(sample))
    return middle, 1.4826 * float(np.median(np.abs(sample - np.float32(middle))))


@njit(nogil=True, cache=True)
def _two_peaks(
    window: Real,
    x0: int,
    y0: int,
    limits: tuple[float, float],
    centre: tuple[float, float],
    separation: float,
    skip_centre: bool,
) -> NDArray[np.float64]:
    """Return the two highest separate maxima: rows (dx, dy, height, found)."""
    result = np.zeros((2, 4))
    height, width = window.shape
    for which in range(2):
        best, best_x, best_y = -np.inf, -1, -1
        for y in range(1, height - 1):
            dy = y0 + y
            in_y = ((dy - centre[1]) / limits[1]) ** 2
            for x in range(1, width - 1):
                value = window[y, x]
                if value <= best:
                    continue
                dx = x0 + x
                if in_y + ((dx - centre[0]) / limits[0]) ** 2 > 1.0:
                    continue
                if skip_centre and abs(dx) <= 2 and abs(dy) <= 2:
                    continue
                if which == 1:
                    away = (dx - result[0, 0]) ** 2 + (dy - result[0, 1]) ** 2
                    if away < separation * separation:
                        continue
                if (
                    value >= window[y, x - 1]
                    and value >= window[y, x + 1]
                    and value >= window[y - 1, x]
                    and value >= window[y + 1, x]
                ):
                    best, best_x, best_y = value, x, y
        if best_x < 0:
            return result
        fx, fy = _vertex(window, best_x, best_y)
        result[which, 0] = x0 + best_x + fx
        result[which, 1] = y0 + best_y + fy
        result[which, 2] = best
        result[which, 3] = 1.0
    return result


@njit(nogil=True, cache=True)
def _vertex(window: Real, x: int, y: int) -> tuple[float, float]:
    """Return where the quadratic through the 3 x 3 values peaks, relative to their middle."""
    gx = gy = gxx = gyy = 0.0
    for offset in range(-1, 2):
        # Rows and columns beside the middle steady the estimate; the middle counts double.
        weight = 2.0 if offset == 0 else 1.0
        gx += weight * (window[y + offset, x + 1] - window[y + offset, x - 1]) / 2
        gxx += weight * (
            window[y + offset, x + 1] - 2 * window[y + offset, x] + window[y + offset, x - 1]
        )
        gy += weight * (window[y + 1, x + offset] - window[y - 1, x + offset]) / 2
        gyy += weight * (
            window[y + 1, x + offset] - 2 * window[y, x + offset] + window[y - 1, x + offset]
        )
    gxy = window[y + 1, x + 1] - window[y + 1, x - 1] - window[y - 1, x + 1] + window[y - 1, x - 1]
    # All are 4 times the derivative.
    determinant = gxx * gyy - gxy * gxy
    if gxx >= 0 or gyy >= 0 or determinant <= 0:
        return 0.0, 0.0
    fx = -(gx * gyy - gy * gxy) / determinant
    fy = -(gy * gxx - gx * gxy) / determinant
    return max(-1.0, min(1.0, fx)), max(-1.0, min(1.0, fy))
