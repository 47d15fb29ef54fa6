"""The beam of a synchrotron, striped by its monochromator and never still, and the detector."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

READOUT_COUNTS = 1.5
"""Standard deviation of the noise that reading the detector adds."""

_STRIPES = 24
_NORMAL_FROM = 400.0


@dataclass(frozen=True)
class Beam:
    """The beam on the detector at one distance: a smooth profile times stripes that move.

    Attributes
    ----------
    across : (2, stripe, 3) float64
        For each of two groups of stripes the frequency (1/px), phase and strength of each.
    along : (2, stripe, columns) float32
        How each stripe's strength changes along the rows.
    rows, columns : int
        Of the detector.
    """

    across: Floats
    along: Image
    rows: int
    columns: int

    @classmethod
    def draw(cls, rng: np.random.Generator, shape: tuple[int, int], contrast: float) -> Beam:
        """Draw a beam whose stripes have a standard deviation of `contrast`."""
        rows, columns = shape
        # Two groups, for two optical elements, that do not move together.
        strength = contrast * np.array([0.92, 0.39])
        frequency = np.exp(rng.uniform(math.log(1 / 60), math.log(1 / 4), (2, _STRIPES)))
        phase = rng.uniform(0, 2 * math.pi, (2, _STRIPES))
        weights = rng.uniform(0.5, 1.0, (2, _STRIPES))
        weights *= strength[:, None] / np.sqrt((weights**2).sum(axis=1, keepdims=True) / 2)
        places = np.arange(columns) / columns
        waves = rng.uniform(0.3, 2.0, (2, _STRIPES, 1)) * places + rng.random((2, _STRIPES, 1))
        along = (1 + 0.35 * np.cos(2 * math.pi * waves)).astype(np.float32)
        return cls(np.stack([frequency, phase, weights], axis=-1), along, rows, columns)

    def image(self, shifts_px: tuple[float, float], flux: float) -> Image:
        """Return the relative intensity (rows, columns) with its stripes moved down by `shifts_px`.

        Parameters
        ----------
        shifts_px : (float, float)
            Where the two groups of stripes are; the profile goes with the first, at half its pace.
        flux : float
            Mean intensity.
        """
        rows = np.arange(self.rows)
        stripes = np.ones((self.rows, self.columns), np.float32)
        for group, shift in enumerate(shifts_px):
            frequency, phase, weight = self.across[group].T
            lines = np.cos(2 * math.pi * frequency * (rows[:, None] - shift) + phase) * weight
            # Not a matrix product: its library would start threads of its own.
            stripes += np.einsum("rk,kc->rc", lines.astype(np.float32), self.along[group])
        v = (rows - (self.rows - 1) / 2 - shifts_px[0] / 2) / max(self.rows, 64)
        u = (np.arange(self.columns) - 0.48 * self.columns) / self.columns
        profile = np.exp(-0.5 * (v / 0.8) ** 2)[:, None] * np.exp(-0.5 * (u / 0.75) ** 2)[None, :]
        profile *= flux / profile.mean()
        return (profile * np.maximum(stripes, 0.15)).astype(np.float32)


def wander(rng: np.random.Generator, count: int, drift_px: float, flux_change: float) -> Floats:
    """Draw where the beam is in each frame: (frame, 3) of two shifts (px) and the mean intensity.

    The first group of stripes wanders slowly and trembles, the second group less so.
    """
    slow = np.empty((count + 1, 3))
    slow[0] = rng.normal(size=3)
    memory = 0.9
    for frame in range(count):
        slow[frame + 1] = memory * slow[frame] + math.sqrt(1 - memory**2) * rng.normal(size=3)
    quick = rng.normal(size=(count, 3))
    mixed = np.clip(0.8 * slow[1:] + 0.6 * quick, -2.5, 2.5)
    scale = np.array([drift_px, 0.25 * drift_px, flux_change])
    states: Floats = np.array([0.0, 0.0, 1.0]) + mixed * scale
    return states


def detect(
    photons: Image, gain: Image, dark: Image, rng: np.random.Generator | None
) -> NDArray[np.uint16]:
    """Count photons as a detector does.

    Parameters
    ----------
    photons : (rows, columns) float32
        Expected photons in each pixel.
    gain, dark : (rows, columns) float32
        Counts for a photon, and counts without any.
    rng : numpy.random.Generator, optional
        For Poisson noise and readout noise; without it there is none.
    """
    counts = photons
    if rng is not None:
        if float(photons.min()) >= _NORMAL_FROM:
            # Ten times as fast, and the difference from Poisson's law is below its own noise.
            counts = rng.standard_normal(photons.shape, np.float32) * np.sqrt(photons)
            counts += photons
        else:
            counts = rng.poisson(np.maximum(photons, 0)).astype(np.float32)
    counts = counts * gain + dark
    if rng is not None:
        counts += rng.standard_normal(counts.shape, np.float32) * np.float32(READOUT_COUNTS)
    return np.clip(np.rint(counts), 0, 65535).astype(np.uint16)


def add_zingers(frame: NDArray[np.uint16], rng: np.random.Generator, count: int) -> None:
    """Light up `count` places of 1 or 2 pixels of a frame, in place."""
    rows, columns = frame.shape
    for _ in range(count):
        row, column = int(rng.integers(0, rows)), int(rng.integers(0, columns - 1))
        bright = float(np.median(frame[::7, ::7])) * rng.uniform(0.8, 4.0) + 500
        for step in range(int(rng.integers(1, 3))):
            frame[row, column + step] = min(65535, int(frame[row, column + step] + bright))
