"""A simulated X-ray scan, in memory or on disk in HiTT's layout, with a file of the truth."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.simulate import beam, fresnel, hitt_layout
from tomoline.simulate.ellipsoids import Image, project
from tomoline.simulate.scan_plan import magnified, plan_scan
from tomoline.simulate.scan_settings import ScanSimulation, tiny_scan
from tomoline.simulate.scan_truth import ScanTruth, true_delta
from tomoline.units import wavelength_m

__all__ = ["Scan", "ScanSimulation", "ScanTruth", "simulate_scan", "tiny_scan", "true_delta"]

_FADE_PX = 16
_PROJECTION, _FLAT, _DARK = 10, 11, 12


class Scan:
    """A scan whose frames are made when they are asked for, always the same.

    Parameters
    ----------
    settings : ScanSimulation
        What to simulate.

    Notes
    -----
    The specimen goes on above and below the frame, as far as the fringes reach, so that frames
    are cut out of a larger wave.
    """

    def __init__(self, settings: ScanSimulation) -> None:
        self.settings = settings
        self.truth = plan_scan(settings)
        shape = (settings.height_px, settings.width_px)
        size_m = settings.pixel_size_um * 1e-6
        self._strengths = [
            # A cone's fringes are those of a shorter distance, magnified.
            wavelength_m(settings.energy_kev) * z * magnified(settings, z) / size_m**2
            for z in settings.distances_m
        ]
        reach = max(self._strengths) * 0.5 * settings.oversampling
        wanted = _FADE_PX + math.ceil(2 * reach + settings.shift_px + 4)
        fine = settings.oversampling
        # Room at both sides, by as much as makes the sizes transform fast.
        self._shape = tuple(fine * scipy.fft.next_fast_len(size + 2 * wanted) for size in shape)
        self._margin = tuple(
            (full // fine - n) // 2 for full, n in zip(self._shape, shape, strict=True)
        )
        count = len(settings.distances_m)
        self._beams = [
            beam.Beam.draw(self._rng(3, d), shape, settings.stripes_percent / 100)
            for d in range(count)
        ]
        drift = (settings.stripe_drift_px, settings.flux_percent / 100)
        self._flat_states = [
            beam.wander(self._rng(4, d), settings.flats, *drift) for d in range(count)
        ]
        self._states = [beam.wander(self._rng(5, d), settings.angles, *drift) for d in range(count)]
        rng = self._rng(6)
        self._gain = 1 + (settings.gain_percent / 100 * rng.normal(size=shape)).astype(np.float32)
        rings = settings.rings_percent / 100 * rng.normal(size=(count, *shape))
        self._later_gain = (self._gain * (1 + rings)).astype(np.float32)
        pattern = 0.02 * settings.dark_counts * rng.normal(size=shape)
        self._dark = (settings.dark_counts + pattern).astype(np.float32)
        self._spectrum: tuple[tuple[int, float], fresnel.Wave] | None = None

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.settings.seed, *key])

    def projection(self, angle: int, magnification: float = 1.0) -> Image:
        """Return the phase (rows, columns) in rad, positive in matter, without shifts.

        Parameters
        ----------
        angle : int
            Place of the projection, from 0.
        magnification : float
            Relative to the first distance, about the middle of the frame.
        """
        rows, columns = self.settings.height_px, self.settings.width_px
        return self._project(angle, (rows, columns), (0.0, 0.0), 1.0, magnification)

    def _project(
        self,
        angle: int,
        shape: tuple[int, int],
        first_px: tuple[float, float],
        step_px: float,
        magnification: float,
    ) -> Image:
        """Project on a grid that starts at (row, column) `first_px` of the frame."""
        middle_row = geometry.centre(self.settings.height_px)
        middle_column = geometry.centre(self.settings.width_px)
        return project(
            self.truth.ellipsoids,
            self.truth.cylinder,
            math.radians(self.truth.angles_deg[angle]),
            shape,
            (
                (first_px[0] - middle_row) / magnification,
                (first_px[1] - middle_column) / magnification + middle_column - self.truth.axis_px,
            ),
            step_px / magnification,
            math.radians(self.truth.axis_tilt_deg),
        )

    def _exit_spectrum(self, angle: int, magnification: float) -> fresnel.Wave:
        """Return the wave's transform; the last one is kept, as distances share it."""
        kept = self._spectrum
        if kept is not None and kept[0] == (angle, magnification):
            return kept[1]
        fine = self.settings.oversampling
        shape = (self._shape[0], self._shape[1])
        edge = (fine - 1) / (2 * fine)
        first = (-self._margin[0] - edge, -self._margin[1] - edge)
        phase = self._project(angle, shape, first, 1 / fine, magnification)
        for axis, size in enumerate(shape):
            # What leaves the wave's grid at one side would make an edge at the other.
            place = np.minimum(np.arange(size), np.arange(size)[::-1]) / (fine * _FADE_PX)
            fade = np.sin(np.pi / 2 * np.minimum(place, 1)).astype(np.float32) ** 2
            phase *= fade[:, None] if axis == 0 else fade[None, :]
        spectrum = fresnel.exit_spectrum(phase, self.settings.beta_over_delta)
        self._spectrum = ((angle, magnification), spectrum)
        return spectrum

    def intensity(self, distance: int, angle: int) -> Image:
        """Return what an ideal detector sees, (rows, columns), 1 in air, shifts included."""
        fine = self.settings.oversampling
        magnification = float(self.truth.magnification[distance])
        spectrum = self._exit_spectrum(angle, magnification)
        dy, dx = (-fine * magnification * self.truth.shifts_px[angle, distance]).tolist()
        wave = fresnel.intensity(spectrum, self._strengths[distance] * fine**2, (dy, dx))
        seen = fresnel.binned(wave, fine)
        top, left = self._margin
        rows, columns = self.settings.height_px, self.settings.width_px
        return seen[top : top + rows, left : left + columns]

    def frame(self, distance: int, angle: int) -> NDArray[np.uint16]:
        """Return the projection `angle` as recorded at `distance`, (rows, columns) uint16."""
        rng = self._rng(_PROJECTION, distance, angle)
        damage = {(one.distance, one.angle): one.damage for one in self.truth.bad_frames}
        if damage.get((distance, angle)) == "blank":
            return self._detect(np.zeros_like(self._gain), self._gain, rng)
        photons = self._illumination(distance, self._states[distance][angle])
        photons *= self.intensity(distance, angle)
        return self._detect(photons, self._later_gain[distance], rng)

    def flat(self, distance: int, index: int) -> NDArray[np.uint16]:
        """Return a flat of a distance, (rows, columns) uint16."""
        photons = self._illumination(distance, self._flat_states[distance][index])
        return self._detect(photons, self._gain, self._rng(_FLAT, distance, index))

    def dark(self, index: int, distance: int = 0) -> NDArray[np.uint16]:
        """Return a dark, (rows, columns) uint16."""
        nothing = np.zeros_like(self._gain)
        return self._detect(nothing, self._gain, self._rng(_DARK, distance, index))

    def _illumination(self, distance: int, state: NDArray[np.float64]) -> Image:
        first, second, flux = (float(value) for value in state)
        return self._beams[distance].image((first, second), flux * self.settings.counts)

    def _detect(self, photons: Image, gain: Image, rng: np.random.Generator) -> NDArray[np.uint16]:
        frame = beam.detect(photons, gain, self._dark, rng if self.settings.noise else None)
        beam.add_zingers(frame, rng, self.settings.zingers)
        return frame


def simulate_scan(
    folder: Path,
    name: str,
    settings: ScanSimulation | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    **changes: Any,
) -> Path:
    """Write ``name.par``, its frames and flats as TIFF, and ``name_truth.json``.

    Parameters
    ----------
    folder : Path
        Where to write; made if it does not exist.
    name : str
        Root name.
    settings : ScanSimulation, optional
        What to simulate.
    progress : callable, optional
        Called with the number of projections written and of all projections.
    **changes
        Fields of `ScanSimulation` in place of those of `settings`, such as ``seed=3``.

    Returns
    -------
    Path
        The parameter file.
    """
    given = {} if settings is None else settings.model_dump()
    scan = Scan(ScanSimulation(**{**given, **changes}))
    folder.mkdir(parents=True, exist_ok=True)
    scan.truth.write(folder / f"{name}_truth.json")
    return hitt_layout.write(folder, name, scan, progress)
