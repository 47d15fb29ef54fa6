"""Shift between two images of one view that were recorded at different distances.

Free propagation shows the same specimen with other fringes at each distance, so the images cannot
be compared as they are. In the linear (CTF) picture of a homogeneous object the spectrum of the
contrast at distance d is A_d(q) times that of the phase, with ``A_d = sin chi + r cos chi``,
``chi = pi lambda z q^2`` and r = beta/delta (Cloetens et al., J. Phys. D 32 (1999) A145).
The cross-spectrum of two distances multiplied by A_0 A_d is therefore positive wherever there is
signal, whatever the signs of the fringes: a matched filter. (Dividing by A instead, as a retrieval
does, makes the slow structure, which says least about a shift, outweigh the rest.)

Horizontal stripes that a drifting beam leaves after the flat field correction would correlate at
their own shift, so each row loses its mean and its slope first, and waves that are long along the
rows do not count.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels.correlate import find_peak
from tomoline.kernels.fourier import Real, Spectrum, forward_2d, good_size, inverse_2d

Floats = NDArray[np.float64]

# Cycles per pixel of the images that are correlated: sigma of the high-pass, where the low-pass
# starts and how it falls. Structure of matter falls steeply with frequency; `_SLOPE` and `_KNEE`
# describe that for the matched filter: 1 / (q + knee)^slope.
_HIGH_PASS, _LOW_PASS, _FALL = 0.03, 0.2, 0.03
# Sigma of the notch along the rows. On simulated scans of 8000 counts whose flats were matched,
# it takes the rms error in y from 1.5 pixels to 0.04.
_NOTCH = 0.03
_KNEE, _SLOPE = 0.02, 2.0
_TAPER = 0.15
_LARGEST = 1100
_FREE = 0.08
# By how much noise counts for more because taper and padding make neighbouring waves alike.
_NEIGHBOURS = 1.4


@dataclass(frozen=True)
class Match:
    """How one image lies on another.

    Attributes
    ----------
    dy_px, dx_px : float
        What the second image must be moved by to lie on the first.
    coefficient : float
        Correlation coefficient of the filtered images there, -1 to 1.
    lead : float
        Height above the background over that of the next peak within the range; 1 is a tie.
    beyond_px : (float, float) or None
        Where outside the range, if anywhere, the images agree better: (dy, dx).
    error_px : float
        Standard deviation of each of the two shifts by the images' noise.
    """

    dy_px: float
    dx_px: float
    coefficient: float
    lead: float
    beyond_px: tuple[float, float] | None = None
    error_px: float = 0.0


class DistanceMatcher:
    """Measures shifts between images of different distances.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the images.
    fresnel : sequence of float or None
        For each distance lambda z / pixel^2, which makes chi = pi fresnel q^2 with q in cycles
        per pixel; None where energy, distances or pixel size are unknown: plain band-pass.
    beta_over_delta : float
        Ratio of the homogeneous object.
    search_px : float
        Largest shift in y and in x.
    binning : int, optional
        Pixels averaged in each direction first; by default so that the longer side is about a
        thousand.
    whiten : bool
        For retrieved projections, whose spectrum falls where that of frames is flat: count all
        frequencies alike.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        fresnel: Sequence[float] | None,
        distances: int,
        *,
        beta_over_delta: float = 0.1,
        search_px: float = 20.0,
        binning: int | None = None,
        whiten: bool = False,
    ) -> None:
        self.binning = binning or max(1, math.ceil(max(shape) / _LARGEST))
        rows, columns = shape[0] // self.binning, shape[1] // self.binning
        self._size = good_size(rows), good_size(columns)
        self._shape = rows, columns
        self._search = max(2.0, search_px / self.binning)
        q_y: Floats = np.fft.fftfreq(self._size[0]).astype(np.float64)
        q_x: Floats = np.fft.rfftfreq(self._size[1]).astype(np.float64)
        q_square = q_y[:, None] ** 2 + q_x[None, :] ** 2
        self._q_y, self._q_x = q_y, q_x
        self._band = _band(np.sqrt(q_square), q_x, 0.0 if whiten else _SLOPE)
        self._transfers: list[Real] = []
        for distance in range(distances):
            if fresnel is None:
                transfer = np.ones_like(q_square)
            else:
                chi = math.pi * fresnel[distance] / self.binning**2 * q_square
                transfer = np.sin(chi) + beta_over_delta * np.cos(chi)
            self._transfers.append(transfer.astype(np.float32))
        # Beyond the low-pass nothing counts, and need not be computed.
        self._columns = int(np.count_nonzero(self._band.any(axis=0)))

    @property
    def bytes_per_image(self) -> int:
        """Bound on what `prepare` and `match` hold for one image."""
        return 4 * 4 * self._size[0] * self._size[1]

    @property
    def chance_coefficient(self) -> float:
        """Standard deviation of the coefficient of images that have nothing in common."""
        # What taper and band leave of the image's degrees of freedom.
        return 1.0 / math.sqrt(_FREE * self._shape[0] * self._shape[1])

    def prepare(self, image: Real, window_px: tuple[float, float] = (0.0, 0.0)) -> Spectrum:
        """Return the spectrum of an image, binned, without stripes, and tapered.

        Parameters
        ----------
        image : (row, column) float32
            Transmission, about 1 in air.
        window_px : (float, float)
            How far (y, x) the window that tapers the image is moved.
        """
        padded = np.zeros(self._size, np.float32)
        rows, columns = (
            _taper(size, moved / self.binning)
            for size, moved in zip(self._shape, window_px, strict=True)
        )
        _condition(image, self.binning, rows, columns, padded)
        return forward_2d(padded)

    def measure(self, first: Spectrum, image: Real, distances: tuple[int, int]) -> Match:
        """Measure how an image must be moved to lie on the first.

        Seen through the same window, the two would show different parts of the specimen, which
        pulls the answer towards zero. So the window goes along with the answer once.

        Parameters
        ----------
        first : complex64
            As `prepare` gives it.
        image : (row, column) float32
        distances : (int, int)
            Which distances the two belong to.
        """
        match = self.match(first, self.prepare(image), distances)
        if match.beyond_px or math.hypot(match.dy_px, match.dx_px) < 0.1 * self.binning:
            return match
        moved = self.prepare(image, (-match.dy_px, -match.dx_px))
        return self.match(first, moved, distances)

    def match(self, first: Spectrum, second: Spectrum, distances: tuple[int, int]) -> Match:
        """Measure how the second image must be moved to lie on the first.

        Parameters
        ----------
        first, second : complex64
            As `prepare` gives them.
        distances : (int, int)
            Which distances they belong to.
        """
        product = np.zeros_like(first)
        power = _cross(
            first,
            second,
            self._transfers[distances[0]],
            self._transfers[distances[1]],
            self._band,
            self._columns,
            product,
        )
        if power <= 0:
            return Match(0.0, 0.0, 0.0, 1.0)
        scale = np.float32(self._size[0] * self._size[1] / power)
        correlation = inverse_2d(product, self._size) * scale
        limits = (
            min(self._search, self._size[1] / 2 - 3),
            min(self._search, self._size[0] / 2 - 3),
        )
        peak = find_peak(correlation, limits)
        beyond = self._beyond(correlation, peak.height if peak else 0.0)
        if peak is None:
            return Match(0.0, 0.0, 0.0, 1.0, beyond)
        start = np.array([peak.shift_px[1], peak.shift_px[0]])
        found = _climb(product, self._q_y, self._q_x, self._columns, start)
        dy, dx = found * self.binning
        error = _error(product, self._q_y, self._q_x, self._columns, found) * self.binning
        return Match(float(dy), float(dx), peak.height, peak.lead, beyond, float(error))

    def _beyond(self, correlation: Real, height: float) -> tuple[float, float] | None:
        """Return the shift of a clearly higher correlation outside the range, if there is one."""
        row, column = np.unravel_index(int(np.argmax(correlation)), correlation.shape)
        if correlation[row, column] < 1.1 * height + 0.02:
            return None
        dy = (int(row) + self._size[0] // 2) % self._size[0] - self._size[0] // 2
        dx = (int(column) + self._size[1] // 2) % self._size[1] - self._size[1] // 2
        return float(dy * self.binning), float(dx * self.binning)


def _taper(size: int, moved_px: float = 0.0) -> Real:
    """Return 1 with cosine edges, moved by parts of a pixel, (size,)."""
    place = (np.arange(size) + 0.5 - moved_px) / size
    distance = np.clip(np.minimum(place, 1.0 - place) / _TAPER, 0.0, 1.0)
    window: Real = (0.5 - 0.5 * np.cos(np.pi * distance)).astype(np.float32)
    return window


def _band(q: Floats, q_x: Floats, slope: float) -> Real:
    """Return the weight of each frequency that does not depend on the distance."""
    high = 1.0 - np.exp(-(q**2) / (2 * _HIGH_PASS**2))
    low = np.exp(-(np.maximum(q - _LOW_PASS, 0.0) ** 2) / (2 * _FALL**2))
    notch = 1.0 - np.exp(-(q_x**2) / (2 * _NOTCH**2))
    band = high * low * notch / (q + _KNEE) ** slope
    return np.where(band > 1e-3 * band.max(), band, 0.0).astype(np.float32)


@njit(nogil=True, cache=True)
def _condition(image: Real, binning: int, window_y: Real, window_x: Real, out: Real) -> None:
    """Bin, take mean and slope from each row, taper."""
    rows, columns = len(window_y), len(window_x)
    weight_sum, moment_sum, square_sum = 0.0, 0.0, 0.0
    for x in range(columns):
        weight_sum += window_x[x]
        moment_sum += window_x[x] * x
    # About the window's centre, mean and slope do not mix.
    middle = np.float32(moment_sum / weight_sum)
    for x in range(columns):
        square_sum += window_x[x] * (x - middle) ** 2
    share = np.float32(1.0 / (binning * binning))
    for y in range(rows):
        line = out[y]
        for part in range(binning):
            source = image[y * binning + part]
            if binning == 1:
                for x in range(columns):
                    line[x] = source[x]
            elif binning == 2:
                for x in range(columns):
                    line[x] += source[2 * x] + source[2 * x + 1]
            else:
                for x in range(columns):
                    for k in range(binning):
                        line[x] += source[x * binning + k]
        total, moment = 0.0, 0.0
        for x in range(columns):
            weighted = line[x] * window_x[x]
            total += weighted
            moment += weighted * (x - middle)
        mean = np.float32(total / weight_sum)
        slope = np.float32(moment / square_sum)
        factor = window_y[y] * share
        for x in range(columns):
            line[x] = (line[x] - mean - slope * (x - middle)) * window_x[x] * factor


@njit(nogil=True, cache=True)
def _cross(
    first: Spectrum,
    second: Spectrum,
    first_transfer: Real,
    second_transfer: Real,
    band: Real,
    columns: int,
    product: Spectrum,
) -> float:
    """Fill the weighted cross-spectrum; return the root of the product of the two powers."""
    one, two = 0.0, 0.0
    for y in range(first.shape[0]):
        for x in range(columns):
            weight = band[y, x]
            if weight == 0:
                continue
            # The half spectrum holds every column but the first once of two.
            twice = 1.0 if x == 0 else 2.0
            a, b = first_transfer[y, x], second_transfer[y, x]
            f, s = first[y, x], second[y, x]
            one += twice * weight * a * a * (f.real * f.real + f.imag * f.imag)
            two += twice * weight * b * b * (s.real * s.real + s.imag * s.imag)
            product[y, x] = f * np.conj(s) * (weight * a * b)
    return math.sqrt(one * two)


@njit(nogil=True, cache=True)
def _climb(product: Spectrum, q_y: Floats, q_x: Floats, columns: int, start: Floats) -> Floats:
    """Return the maximum near `start` of the correlation that a cross-spectrum means, by Newton.

    The correlation is a sum of few waves, smooth at the scale of a pixel, so this is exact where
    a parabola through pixels is not.
    """
    place = start.copy()
    turn = 2 * math.pi
    for _ in range(6):
        along_x = np.exp(1j * turn * q_x[:columns] * place[1])
        g_y = g_x = h_yy = h_yx = h_xx = 0.0
        for y in range(product.shape[0]):
            phase = np.exp(1j * turn * q_y[y] * place[0])
            r_0 = r_1 = r_2 = i_0 = i_1 = 0.0
            for x in range(columns):
                value = product[y, x] * along_x[x] * (1.0 if x == 0 else 2.0)
                i_0 += (value * phase).imag
                i_1 += (value * phase).imag * q_x[x]
                real = (value * phase).real
                r_0 += real
                r_1 += real * q_x[x]
                r_2 += real * q_x[x] * q_x[x]
            g_y -= i_0 * q_y[y]
            g_x -= i_1
            h_yy -= r_0 * q_y[y] * q_y[y]
            h_yx -= r_1 * q_y[y]
            h_xx -= r_2
        determinant = h_yy * h_xx - h_yx * h_yx
        if h_yy >= 0 or determinant <= 0:
            break
        step_y = -(h_xx * g_y - h_yx * g_x) / determinant / turn
        step_x = -(h_yy * g_x - h_yx * g_y) / determinant / turn
        length = math.hypot(step_y, step_x)
        if length > 0.5:
            step_y, step_x = step_y * 0.5 / length, step_x * 0.5 / length
        place[0] += step_y
        place[1] += step_x
        if length < 1e-4:
            break
    # It may not leave the peak that it started from.
    if math.hypot(place[0] - start[0], place[1] - start[1]) > 1.5:
        return start
    return place


@njit(nogil=True, cache=True)
def _error(product: Spectrum, q_y: Floats, q_x: Floats, columns: int, place: Floats) -> float:
    """Return the standard deviation of a shift, root mean square of both directions.

    At the right shift the waves of the cross-spectrum are real but for noise; what is imaginary
    tells how far noise moves the maximum, against the curvature that the real part makes.
    """
    turn = 2 * math.pi
    v_y = v_x = h_y = h_x = 0.0
    along_x = np.exp(1j * turn * q_x[:columns] * place[1])
    for y in range(product.shape[0]):
        phase = np.exp(1j * turn * q_y[y] * place[0])
        square_y = (turn * q_y[y]) ** 2
        for x in range(columns):
            value = product[y, x] * along_x[x] * phase
            twice = 1.0 if x == 0 else 2.0
            square_x = (turn * q_x[x]) ** 2
            noise = (twice * value.imag) ** 2
            v_y += noise * square_y
            v_x += noise * square_x
            h_y += twice * value.real * square_y
            h_x += twice * value.real * square_x
    if h_y <= 0 or h_x <= 0:
        return math.inf
    return math.sqrt(_NEIGHBOURS * (v_y / h_y**2 + v_x / h_x**2) / 2)
