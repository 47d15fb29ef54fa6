"""The simulated microscope: how views lie, what the beam and the detector make of a projection."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.simulate.specimen import Floats

READOUT_COUNTS = 3.0
"""Standard deviation of the noise that the detector adds to a pixel."""

DARK_SHARE = 0.004
"""Part of the beam that a view keeps when the shutter failed."""

# Mean free path of the beam in ice at 300 kV, which the slab's absorption follows.
_FREE_PATH_NM = 310.0
_COUNTS_PER_ELECTRON = 8.0
_MAX_COUNTS = 32000


def wander(rng: np.random.Generator, views: int, largest_px: float) -> Floats:
    """Draw drift: a random walk, partly smooth, whose largest excursion is `largest_px`.

    Returns
    -------
    (view, 2) float64
        Where the specimen's centre lies relative to the raw view's centre, x and y.
    """
    steps = rng.normal(size=(views, 2))
    smooth = np.cumsum(rng.normal(0, 0.35, (views, 2)), axis=0)
    walk = np.cumsum(steps + smooth - smooth.mean(axis=0), axis=0)
    walk -= np.median(walk, axis=0)
    largest = np.max(np.abs(walk))
    return np.round(walk * (largest_px / largest if largest > 0 else 0), 4)


def raw_to_aligned(offsets_px: Floats, axis_deg: Floats, magnification: Floats) -> Floats:
    """Return the transforms that undo the microscope's wander, turn and magnification.

    Parameters
    ----------
    offsets_px : (view, 2) float64
        Where the specimen's centre lies in each raw view, relative to the view's centre.
    axis_deg, magnification : (view,) float64
        Angle of the tilt axis in each raw view, and its magnification.
    """
    transforms = np.empty((len(offsets_px), 2, 3))
    for index, (offset, axis, scale) in enumerate(
        zip(offsets_px, axis_deg, magnification, strict=True)
    ):
        matrix = geometry.axis_to_vertical(float(axis)) / scale
        transforms[index, :, :2] = matrix
        transforms[index, :, 2] = -matrix @ offset
    return transforms


@dataclass(frozen=True)
class Lens:
    """What the contrast transfer depends on.

    Attributes
    ----------
    defocus_um : float
        Underfocus, positive.
    voltage_kv, spherical_mm, amplitude_contrast : float
        Of the microscope.
    pixel_size_nm : float
        Of the detector, on the specimen.
    """

    defocus_um: float
    voltage_kv: float
    pixel_size_nm: float
    spherical_mm: float = 2.7
    amplitude_contrast: float = 0.1

    def transfer(self, frequency_per_nm: Floats) -> Floats:
        """Return the contrast transfer, 2 (sqrt(1 - A^2) sin chi + A cos chi), where A is at 0.

        chi = pi lambda f^2 (defocus - lambda^2 Cs f^2 / 2), for a weak phase object.
        """
        volts = self.voltage_kv * 1e3
        wavelength_nm = 1.22643 / math.sqrt(volts * (1 + 0.978466e-6 * volts))
        squares = frequency_per_nm**2
        chi = math.pi * wavelength_nm * squares
        chi = chi * (
            self.defocus_um * 1e3 - wavelength_nm**2 * self.spherical_mm * 1e6 * squares / 2
        )
        phase = math.sqrt(1 - self.amplitude_contrast**2)
        contrast: Floats = 2 * (phase * np.sin(chi) + self.amplitude_contrast * np.cos(chi))
        return contrast

    def apply(self, projection: Floats) -> Floats:
        """Return a projection (y, x) as the lens shows it."""
        rows = np.fft.fftfreq(projection.shape[0], self.pixel_size_nm)
        columns = np.fft.rfftfreq(projection.shape[1], self.pixel_size_nm)
        spectrum = np.fft.rfft2(projection)
        spectrum *= self.transfer(np.hypot(rows[:, None], columns))
        seen: Floats = np.fft.irfft2(spectrum, projection.shape)
        return seen


def transmission(thickness_nm: float, tilt_rad: float, x_tilt_rad: float) -> float:
    """Part of the beam that passes a slab of ice which is rotated about x, then about y."""
    cosine = max(math.cos(tilt_rad) * math.cos(x_tilt_rad), 0.05)
    return math.exp(-thickness_nm / _FREE_PATH_NM / cosine)


def electrons(projection: Floats, beam: float) -> Floats:
    """Return the electrons expected in each pixel behind an attenuating projection (y, x)."""
    # The exponent is held where phase contrast would ask for more than a lens can focus.
    expected: Floats = beam * np.exp(-np.clip(projection, -0.7, 6.0))
    return expected


def detect(expected: Floats, rng: np.random.Generator | None) -> NDArray[np.int16]:
    """Count electrons: Poisson noise and readout noise, or neither when `rng` is None."""
    counts = expected if rng is None else rng.poisson(expected).astype(np.float32)
    counts = counts * np.float32(_COUNTS_PER_ELECTRON)
    if rng is not None:
        counts += rng.standard_normal(counts.shape, dtype=np.float32) * np.float32(READOUT_COUNTS)
    return np.clip(np.rint(counts), -_MAX_COUNTS, _MAX_COUNTS).astype(np.int16)


def spike(
    counts: NDArray[np.int16], rng: np.random.Generator, number: int
) -> list[tuple[int, int]]:
    """Add X-ray hits of 1 to 4 pixels to a view in place; return where, as (x, y)."""
    height, width = counts.shape
    level = float(np.median(counts[::8, ::8]))
    hits = []
    for _ in range(number):
        x, y = int(rng.integers(1, width - 1)), int(rng.integers(1, height - 1))
        strength = max(level, 300.0) * rng.uniform(1.5, 8.0)
        shape = [(0, 0), (1, 0), (0, 1), (1, 1)][: int(rng.integers(1, 5))]
        for dx, dy in shape:
            raised = counts[y + dy, x + dx] + strength * rng.uniform(0.5, 1.0)
            counts[y + dy, x + dx] = min(raised, _MAX_COUNTS)
        hits.append((x, y))
    return hits


def hot_pixels(rng: np.random.Generator, number: int, shape: tuple[int, int]) -> NDArray[np.int64]:
    """Draw pixels of the detector that are always too bright: (pixel, 2) of x and y."""
    return np.column_stack(
        [rng.integers(1, shape[1] - 1, number), rng.integers(1, shape[0] - 1, number)]
    )
