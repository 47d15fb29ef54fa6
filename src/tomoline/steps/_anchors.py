"""Measuring the shifts between distances at one angle of a scan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError, register
from tomoline.files.frames import Frames
from tomoline.steps._register_params import RegisterParams
from tomoline.steps._shift_course import (
    LOOK_AHEAD_ANGLES,
    Measurement,
    ShiftCourse,
    shifts_from_anchors,
)
from tomoline.steps.scan_layout import ScanLayout
from tomoline.units import wavelength_m

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tomoline.kernels.distance_shift import DistanceMatcher, Match

__all__ = [
    "LOOK_AHEAD_ANGLES",
    "AnchorMeasurer",
    "Measurement",
    "ShiftCourse",
    "magnifications",
    "shifts_from_anchors",
]

Real = NDArray[np.float32]
Floats = NDArray[np.float64]

_BETA_OVER_DELTA = 0.1
# Below this the images hardly agree, and the peak may be one of noise.
_LEAST_COEFFICIENT, _LEAST_LEAD = 0.03, 1.25
_LEAST_SIGMAS = 3.0


class Corrector(Protocol):
    """What is needed of `tomoline.steps._correction.FrameCorrector`."""

    def fault(self, raw: NDArray[Any]) -> str | None:
        """Say what is wrong with a frame, or None."""

    def choose(self, raw: NDArray[Any]) -> Any:
        """Choose flats."""

    def correct(self, raw: NDArray[Any], choice: Any, time: float | None, out: Real) -> object:
        """Write the transmission to `out`."""


def magnifications(layout: ScanLayout, params: RegisterParams) -> tuple[float, ...]:
    """Return the magnification of each distance relative to the first.

    Raises
    ------
    TomolineError
        REGISTER-06 if the parameter has another number of them, or the first is not 1.
    """
    count = len(layout.projections)
    given = params.magnification
    if given is not None:
        if len(given) != count or abs(given[0] - 1) > 1e-9 or min(given) <= 0:
            raise register.WRONG_COUNT.error(
                "register.magnification",
                f"it is {', '.join(f'{one:g}' for one in given)}; the scan has {count} distances.",
            )
        return given
    source = layout.source_distance_m
    if source is None or len(layout.distances_m) != count:
        return (1.0,) * count
    first = source + layout.distances_m[0]
    return tuple((source + distance) / first for distance in layout.distances_m)


def _fresnel(layout: ScanLayout) -> list[float] | None:
    """Return lambda z / pixel^2 of each distance, in the plane of the specimen, if known."""
    energy, pixel = layout.energy_kev, layout.pixel_size_um
    if not energy or not pixel or len(layout.distances_m) != len(layout.projections):
        return None
    source = layout.source_distance_m
    size_m = pixel * 1e-6
    if source is None:
        return [wavelength_m(energy) * z / size_m**2 for z in layout.distances_m]
    # All images are brought to the magnification of the first.
    size_m /= (source + layout.distances_m[0]) / source
    return [
        wavelength_m(energy) * z * source / (source + z) / size_m**2 for z in layout.distances_m
    ]


class AnchorMeasurer:
    """Measures, at any angle, how the image of each distance lies on that of the first.

    A pure function of the frames of that angle; from any thread.

    Parameters
    ----------
    layout : ScanLayout
        The scan.
    frames : sequence of Frames
        Projections of each distance.
    correctors : sequence of FrameCorrector
        Of each distance.
    params : RegisterParams
        The step's parameters.
    """

    def __init__(
        self,
        layout: ScanLayout,
        frames: Sequence[Frames],
        correctors: Sequence[Corrector],
        params: RegisterParams,
    ) -> None:
        self._layout, self._frames, self._correctors = layout, frames, correctors
        self.magnification = magnifications(layout, params)
        self._shape = layout.height_px, layout.width_px
        self._search_px = params.search_px
        self._matcher = self._make_matcher(self._shape, params)
        self._half: DistanceMatcher | None = None
        self._params = params

    @classmethod
    def open(cls, layout: ScanLayout, flat_fields: Path, params: RegisterParams) -> AnchorMeasurer:
        """Open the frames of a scan.

        Parameters
        ----------
        layout : ScanLayout
            The scan.
        flat_fields : Path
            What the step ``flats`` wrote.
        params : RegisterParams
            The step's parameters.
        """
        from tomoline.files.open_frames import open_frames
        from tomoline.steps._correction import FrameCorrector

        count = len(layout.projections)
        return cls(
            layout,
            [open_frames(location) for location in layout.projections],
            [FrameCorrector.open(layout, flat_fields, number) for number in range(count)],
            params,
        )

    def _make_matcher(self, shape: tuple[int, int], params: RegisterParams) -> DistanceMatcher:
        from tomoline.kernels.distance_shift import DistanceMatcher

        ratio = params.beta_over_delta
        if ratio is None:
            ratio = self._layout.hints.beta_over_delta
        return DistanceMatcher(
            shape,
            _fresnel(self._layout),
            len(self._frames),
            beta_over_delta=_BETA_OVER_DELTA if ratio is None else ratio,
            search_px=params.search_px,
            binning=params.binning,
        )

    @property
    def distances(self) -> int:
        """Number of distances."""
        return len(self._frames)

    @property
    def width_px(self) -> int:
        """Columns of a frame."""
        return self._shape[1]

    @property
    def bytes_per_angle(self) -> int:
        """Bound on the memory of one call of `measure`."""
        pixels = self._shape[0] * self._shape[1]
        raw = self._frames[0].dtype.itemsize
        return pixels * (raw + 12) + 4 * self._matcher.bytes_per_image

    def measure(self, angle: int) -> Measurement:
        """Measure the shifts at an angle.

        Frames that cannot be read, or are blank, give a measurement that is not usable.
        """
        count = self.distances
        result = Measurement.failed(count, "")
        beyond: list[tuple[float, float] | None] = [None] * count
        image = np.empty(self._shape, np.float32)
        fault = self._corrected(0, angle, image)
        if fault:
            return Measurement.failed(count, fault)
        first = self._matcher.prepare(image)
        result.quality[0], result.usable[0] = 1.0, True
        faults = []
        for distance in range(1, count):
            fault = self._corrected(distance, angle, image)
            if fault:
                faults.append(fault)
                continue
            match = self._matcher.measure(first, image, (0, distance))
            result.shifts_px[distance] = match.dy_px, match.dx_px
            result.quality[distance] = match.coefficient
            result.error_px[distance] = match.error_px
            result.usable[distance] = self._sure(match)
            beyond[distance] = match.beyond_px
        return Measurement(
            result.shifts_px,
            result.quality,
            result.usable,
            tuple(beyond),
            "; ".join(faults),
            result.error_px,
        )

    def scale_errors(self, angle: int) -> Floats:
        """Return by how much each distance's magnification seems to be wrong, (distances,).

        From the difference between the shifts of the left and the right half of the images,
        relative to their distance; NaN where it cannot be told.
        """
        rows, columns = self._shape
        half = columns // 2
        if self._half is None:
            self._half = self._make_matcher((rows, half), self._params)
        errors = np.full(self.distances, np.nan)
        image = np.empty(self._shape, np.float32)
        if self._corrected(0, angle, image):
            return errors
        sides = slice(0, half), slice(columns - half, columns)
        first = [self._half.prepare(np.ascontiguousarray(image[:, side])) for side in sides]
        for distance in range(1, self.distances):
            if self._corrected(distance, angle, image):
                continue
            left, right = (
                self._half.measure(one, np.ascontiguousarray(image[:, side]), (0, distance))
                for one, side in zip(first, sides, strict=True)
            )
            if self._sure(left) and self._sure(right):
                # An image that is still too large must be moved inwards at both sides.
                errors[distance] = (left.dx_px - right.dx_px) / (columns - half)
        return errors

    def _sure(self, match: Match) -> bool:
        chance = _LEAST_SIGMAS * self._matcher.chance_coefficient
        return (
            match.coefficient >= max(_LEAST_COEFFICIENT, chance)
            and match.lead >= _LEAST_LEAD
            and match.beyond_px is None
            and max(abs(match.dy_px), abs(match.dx_px)) < self._search_px - 0.5
        )

    def _corrected(self, distance: int, angle: int, out: Real) -> str:
        """Write the corrected image of a distance, at the scale of the first; or say the fault."""
        frames, corrector = self._frames[distance], self._correctors[distance]
        try:
            raw = frames.read(angle)
        except TomolineError as error:
            return f"{error.where}: {error.found}"
        fault = corrector.fault(raw)
        if fault:
            return f"{frames.label(angle)}: {fault}"
        times = self._layout.projections[distance].times
        time = times[angle] if times else None
        corrector.correct(raw, corrector.choose(raw), time, out)
        magnification = self.magnification[distance]
        if abs(magnification - 1) > 1e-9:
            from tomoline.kernels.resample import transform_image

            shrink = np.array([[1 / magnification, 0.0, 0.0], [0.0, 1 / magnification, 0.0]])
            out[...] = transform_image(out, shrink, fill=1.0)
        return ""
