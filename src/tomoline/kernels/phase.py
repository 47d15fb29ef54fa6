"""Phase retrieval of one angle: images of all distances in, one projection out, in one pass.

Images are padded to a fast size, such that each edge goes over into the opposite one along a
cosine: the whole is periodic and has no step for the filters to ring at. (With the edges fading to
a mean on the way, as is usual, errors at the edges were larger, most with little padding.) Above
and below, rows are padded only after their transform, which spares that of the padding. Each
distance's spectrum is weighted, moved and added to the sum while it is at hand; one transform leads
back.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels import _phase_numba, fourier
from tomoline.kernels.phase_filters import Optics, Retrieving, weights

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

# Below this transmission, which only noise and clouds can be, the logarithm goes on as a straight
# line: it stays finite, and small errors stay small.
_LEAST_TRANSMISSION = 1e-3
# Rows that stay in the cache from one operation to the next.
_ROWS_AT_A_TIME = 64


class PhaseTransform:
    """Filters and sizes for all angles of a scan; shared by threads, never changed.

    Parameters
    ----------
    shape : (height, width)
        Of an image.
    padding_px : int
        Least number of pixels on each side; half of those between an image and its next copy.
    retrieving : Retrieving
    optics : Optics
        With one distance for each image.
    """

    def __init__(
        self, shape: tuple[int, int], padding_px: int, retrieving: Retrieving, optics: Optics
    ) -> None:
        self.shape = shape
        self.padded = padded_shape(shape, padding_px)
        self.retrieving = retrieving
        self.distances = len(optics.distances_m)
        rows, columns = self.padded
        self._q_y, self._q_x = np.fft.fftfreq(rows), np.arange(columns // 2 + 1) / columns
        # Rows y and -y have the same weights.
        q_y = np.arange(rows // 2 + 1) / rows
        self._weights: Real = np.empty((self.distances, len(q_y), len(self._q_x)), np.float32)
        for first in range(0, len(q_y), _ROWS_AT_A_TIME):
            some = slice(first, first + _ROWS_AT_A_TIME)
            q_squared = q_y[some, None] ** 2 + self._q_x[None, :] ** 2
            self._weights[:, some] = weights(retrieving, optics, q_squared)
        # The filters act on what an image is without the beam, whose value is 1.
        self._offset = 0.0 if retrieving.logarithmic else float(self._weights[:, 0, 0].sum())
        self._fade_y, self._fade_x = (
            _fade(padded - size) for padded, size in zip(self.padded, shape, strict=True)
        )

    @property
    def workspace_bytes(self) -> int:
        """Size of a `Workspace`."""
        return workspace_bytes(self.shape, self.padded, self.distances)

    @property
    def shared_bytes(self) -> int:
        """Size of the filters, which all threads share."""
        return self._weights.nbytes

    def take(self, distance: int, shift_px: Floats | None, work: Workspace) -> None:
        """Take in the image of a distance, from the first to the last.

        Parameters
        ----------
        distance : int
        shift_px : (2,) float64 or None
            (dy, dx) by which the image is moved; not looked at for the first.
        work : Workspace
            Its `image` holds the image, which is lost.
        """
        height, width = self.shape
        _phase_numba.pad_rows(work.rows, width, self._fade_x)
        spectrum = work.spectra[min(distance, 1)]
        fourier.forward_rows(work.rows, out=spectrum[:height])
        parts, factors = spectrum.view(np.float32), self._weights[distance]
        _phase_numba.pad_columns(parts, height, self._fade_y)
        fourier.forward_along(spectrum, axis=0)
        if distance == 0:
            _phase_numba.weight(parts, factors)
            return
        total = work.spectra[0].view(np.float32)
        if shift_px is None or not shift_px.any():
            _phase_numba.add_weighted(total, parts, factors)
        else:
            ramp_y, ramp_x = _ramp(self._q_y * shift_px[0]), _ramp(self._q_x * shift_px[1])
            _phase_numba.add_moved(total, parts, factors, ramp_y, ramp_x)

    def finish(self, work: Workspace, out: Real) -> bool:
        """Make the projection of the images taken in.

        Parameters
        ----------
        work : Workspace
        out : (height, width) float32
            Projected phase in rad, or absorption -ln(transmission).

        Returns
        -------
        bool
            False where something in it is not finite, so that it must not be used.
        """
        total = work.spectra[0]
        fourier.inverse_along(total, axis=0)
        factor = np.float32(self.retrieving.log_factor)
        limits = np.float32(self._offset), np.float32(_LEAST_TRANSMISSION)
        for first in range(0, len(out), _ROWS_AT_A_TIME):
            part = out[first : first + _ROWS_AT_A_TIME]
            rows = work.rows[: len(part)]
            fourier.inverse_rows(total[first : first + len(part)], self.padded[1], out=rows)
            summed, below = _phase_numba.crop(rows, *limits, part)
            if not np.isfinite(summed):
                return False
            if self.retrieving.logarithmic:
                _logarithm(part, below > 0)
                part *= factor
        return True


class Workspace:
    """What one thread needs for one angle at a time; used again, for fresh memory costs more."""

    def __init__(self, transform: PhaseTransform) -> None:
        rows, columns = transform.padded
        self.rows: Real = np.empty((transform.shape[0], columns), np.float32)
        self.image: Real = self.rows[:, : transform.shape[1]]
        """Where to write an image, (height, width) float32, for `PhaseTransform.take`."""
        self.spectra = np.empty((min(transform.distances, 2), rows, columns // 2 + 1), np.complex64)
        """The sum, and the spectrum that is to be added."""


def workspace_bytes(shape: tuple[int, int], padded: tuple[int, int], distances: int) -> int:
    """Return the size of a `Workspace`."""
    spectrum = 8 * padded[0] * (padded[1] // 2 + 1)
    return min(distances, 2) * spectrum + 4 * shape[0] * padded[1]


def padded_shape(shape: tuple[int, int], padding_px: int) -> tuple[int, int]:
    """Return the size that images are padded to.

    >>> padded_shape((2048, 2048), 200)
    (2450, 2450)
    """
    height, width = (fourier.good_size(size + 2 * padding_px, sevens=True) for size in shape)
    return height, width


def _fade(gap: int) -> Real:
    """Return the part of one edge at 1, 2, ... pixels beyond it; the rest is the other's."""
    return (0.5 + 0.5 * np.cos(np.pi * np.arange(1, gap + 1) / (gap + 1))).astype(np.float32)


def _logarithm(image: Real, some_are_low: bool) -> None:
    """Take the logarithm in place, a straight line below the least transmission."""
    if not some_are_low:
        np.log(image, out=image)
        return
    least = np.float32(_LEAST_TRANSMISSION)
    line = np.minimum(image - least, 0) / least
    np.log(np.maximum(image, least), out=image)
    image += line


def _ramp(turns: Floats) -> Real:
    """Return exp(-2 pi i turns) as (2, n) float32, real and imaginary parts."""
    angle = -2 * np.pi * turns
    return np.stack([np.cos(angle), np.sin(angle)]).astype(np.float32)


def retrieve(
    images: Real,
    optics: Optics,
    retrieving: Retrieving,
    *,
    padding_px: int = 0,
    shifts_px: Floats | None = None,
) -> Real:
    """Retrieve one projection: for a few of them, and for tests.

    Parameters
    ----------
    images : (distances, y, x) float32
        Flat-corrected, about 1 where there is only beam.
    optics : Optics
    retrieving : Retrieving
    padding_px : int
    shifts_px : (distances, 2) float64, optional
        (dy, dx) by which each image is moved.

    Returns
    -------
    (y, x) float32

    Raises
    ------
    ValueError
        If there is not one distance for each image.
    """
    if len(images) != len(optics.distances_m):
        raise ValueError(f"{len(images)} images of {len(optics.distances_m)} distances")
    height, width = images.shape[1:]
    transform = PhaseTransform((height, width), padding_px, retrieving, optics)
    work = Workspace(transform)
    for distance, image in enumerate(images):
        work.image[...] = image
        transform.take(distance, None if shifts_px is None else shifts_px[distance], work)
    out = np.empty((height, width), np.float32)
    transform.finish(work, out)
    return out
