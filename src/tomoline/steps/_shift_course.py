"""The course of the shifts over a scan, from what was measured at some of its angles.

Everything here looks at a few anchors only, so that the shifts of an angle are known soon after
its frames: a scan that is followed while it is recorded gets the same numbers as afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tomoline.steps._register_params import RegisterParams
from tomoline.steps._shifts import Shifts

Floats = NDArray[np.float64]

# Anchors on each side of the one that a fit is for; 7 stand for about a hundred angles.
_NEIGHBOURS = 3
# Refined angles on each side of the one that a fit is for.
_CLOSE = 3
# Further than this from the course an anchor is called an outlier, in pixels.
_OUTLIER_PX = 0.75
# Error of a measurement that does not tell it; and how many errors are within reason.
_ERROR_PX, _SIGMAS = 0.05, 3.0


def LOOK_AHEAD_ANGLES(params: RegisterParams) -> int:  # noqa: N802 (named as a constant of the step)
    """Return how many angles later, at most, the last measurement lies that an angle needs.

    Counted in angles that take part.
    """
    return (_NEIGHBOURS + 1) * params.every_angles


@dataclass(frozen=True)
class Measurement:
    """Shifts measured at one angle.

    Attributes
    ----------
    shifts_px : (distances, 2) float64
        (dy, dx) that move the image of each distance onto that of the first.
    quality : (distances,) float64
        Correlation coefficient of the filtered images.
    usable : (distances,) bool
        Whether the shift is sure enough to count.
    beyond_px : tuple of ((float, float) or None)
        For each distance where outside the search range the images agree better, if anywhere.
    fault : str
        Why nothing could be measured, else empty.
    error_px : (distances,) float64
        Standard deviation of the shifts by the noise of the images; 0 where it is not known.
    """

    shifts_px: Floats
    quality: Floats
    usable: NDArray[np.bool_]
    beyond_px: tuple[tuple[float, float] | None, ...]
    fault: str = ""
    error_px: Floats = field(default_factory=lambda: np.zeros(0))

    def error_of(self, distance: int) -> float:
        """Return the standard deviation of a distance's shifts, by guess where it is not known."""
        known = float(self.error_px[distance]) if distance < len(self.error_px) else 0.0
        return known if known > 0 else _ERROR_PX

    @classmethod
    def failed(cls, distances: int, fault: str) -> Measurement:
        """Return that an angle told nothing, and why."""
        nothing = np.zeros(distances)
        return cls(
            np.zeros((distances, 2)),
            nothing,
            nothing > 0,
            (None,) * distances,
            fault,
            nothing.copy(),
        )


class ShiftCourse:
    """Takes measurements in any order, says what else to measure, and gives the shifts.

    Parameters
    ----------
    taking_part : sequence of bool
        For each angle whether its frames are there.
    distances : int
        Number of distances.
    params : RegisterParams
        The step's parameters.
    """

    def __init__(self, taking_part: Sequence[bool], distances: int, params: RegisterParams) -> None:
        self.angles, self.distances = len(taking_part), distances
        self._limit_px = params.refine_above_px
        self._included = np.flatnonzero(np.asarray(taking_part, bool))
        places = self._included[:: params.every_angles].tolist()
        if len(self._included) and places[-1] != self._included[-1]:
            places.append(int(self._included[-1]))
        self.anchors: tuple[int, ...] = tuple(places)
        self.measured: dict[int, Measurement] = {}
        # Fits at anchors whose whole window was measured; later measurements do not change them.
        self._fits: dict[tuple[int, int], Floats | None] = {}
        # Shifts of angles that were ready.
        self._known_shifts: dict[int, Floats] = {}

    def add(self, angle: int, measurement: Measurement) -> None:
        """Take what was measured at an angle."""
        self.measured[angle] = measurement

    def wanted(self) -> list[int]:
        """Return the angles that are to be measured, as far as can be told now, in order.

        Anchors that are missing; and the angles between anchors whose neighbours, all measured,
        do not follow a smooth course.
        """
        angles = [angle for angle in self.anchors if angle not in self.measured]
        for interval in range(len(self.anchors) - 1):
            if self._known(interval) and self._rough(interval):
                angles += [one for one in self._within(interval) if one not in self.measured]
        return sorted(angles)

    def ready(self, angle: int) -> bool:
        """Whether all that the shifts at `angle` depend on was measured."""
        if not self.anchors:
            return True
        interval = self._interval(angle)
        if not self._known(interval):
            return False
        # Angles close to the interval's begin look at those of the interval before.
        return not self._rough(interval) or all(
            one in self.measured
            for part in (interval - 1, interval)
            if part >= 0 and self._rough(part)
            for one in self._within(part)
        )

    def at(self, angle: int) -> Floats:
        """Return the shifts (distances, 2) at an angle that is `ready`, to a millionth pixel."""
        if angle not in self._known_shifts:
            shifts = self._shifts_at(angle)
            if not self.ready(angle):
                return shifts
            self._known_shifts[angle] = shifts
        return self._known_shifts[angle].copy()

    def _shifts_at(self, angle: int) -> Floats:
        shifts = np.zeros((self.distances, 2))
        if not self.anchors:
            return shifts
        interval = self._interval(angle)
        first = self.anchors[interval]
        last = self.anchors[min(interval + 1, len(self.anchors) - 1)]
        part = min(max((angle - first) / max(last - first, 1), 0.0), 1.0)
        rough = self._rough(interval)
        for distance in range(1, self.distances):
            close = self._close(interval, angle, distance) if rough else None
            if close is None:
                begin = self._smooth(interval, distance)
                end = self._smooth(min(interval + 1, len(self.anchors) - 1), distance)
                close = (1 - part) * begin + part * end
            shifts[distance] = close
        rounded: Floats = np.round(shifts, 6) + 0.0
        return rounded

    def shifts(self, magnification: Sequence[float]) -> Shifts:
        """Return the shifts of all angles."""
        every = [self.at(angle) for angle in range(self.angles)]
        return Shifts(
            np.array(every).reshape(self.angles, self.distances, 2),
            tuple(magnification),
            tuple(self.outliers()),
        )

    def outliers(self) -> list[int]:
        """Return the measured angles that lie far from the course, or told nothing."""
        found = []
        for angle in sorted(self.measured):
            one = self.measured[angle]
            away = np.abs(one.shifts_px - self.at(angle)).max(axis=1)
            if one.fault or bool(np.any((away > _OUTLIER_PX)[1:] | ~one.usable[1:])):
                found.append(angle)
        return found

    def residuals(self) -> Floats:
        """Return the distance of each usable measurement of each distance from the course."""
        away = [
            np.hypot(*(one.shifts_px[distance] - self.at(angle)[distance]))
            for angle, one in sorted(self.measured.items())
            for distance in range(1, self.distances)
            if one.usable[distance]
        ]
        return np.array(away, np.float64)

    def refined(self) -> list[int]:
        """Return the angles that were measured besides the anchors."""
        return sorted(set(self.measured) - set(self.anchors))

    def _interval(self, angle: int) -> int:
        """Return the number of the anchor at or before an angle."""
        place = int(np.searchsorted(self.anchors, angle, side="right")) - 1
        return min(max(place, 0), max(len(self.anchors) - 2, 0))

    def _within(self, interval: int) -> list[int]:
        """Return the angles between an anchor and the next, both left out."""
        last = self.anchors[min(interval + 1, len(self.anchors) - 1)]
        begin = int(np.searchsorted(self._included, self.anchors[interval], side="right"))
        end = int(np.searchsorted(self._included, last, side="left"))
        inside: list[int] = self._included[begin:end].tolist()
        return inside

    def _window(self, anchor: int) -> tuple[int, ...]:
        """Return the anchors that the fit of an anchor looks at."""
        return self.anchors[max(0, anchor - _NEIGHBOURS) : anchor + _NEIGHBOURS + 1]

    def _known(self, interval: int) -> bool:
        ends = {interval, min(interval + 1, len(self.anchors) - 1)}
        return all(one in self.measured for end in ends for one in self._window(end))

    def _smooth(self, anchor: int, distance: int) -> Floats:
        """Return the course at an anchor; where nothing near it is known, that of the last one."""
        while anchor >= 0:
            if (anchor, distance) not in self._fits:
                window = self._window(anchor)
                self._fits[anchor, distance] = self._fit(window, self.anchors[anchor], distance)
            fit = self._fits[anchor, distance]
            if fit is not None:
                return fit
            anchor -= 1
        return np.zeros(2)

    def _close(self, interval: int, angle: int, distance: int) -> Floats | None:
        """Return the course at an angle from what was measured close to it, up to the next anchor.

        Nothing later than that, so that it is known as soon as the anchors allow.
        """
        inside = [self.anchors[interval], *self._within(interval)]
        inside.append(self.anchors[min(interval + 1, len(self.anchors) - 1)])
        if interval > 0 and self._rough(interval - 1):
            inside += self._within(interval - 1)
        near = sorted(one for one in inside if abs(one - angle) <= _CLOSE and one in self.measured)
        if sum(bool(self.measured[one].usable[distance]) for one in near) < 3:
            return None
        fit = self._fit(near, angle, distance, quadratic_from=99)
        own = self.measured.get(angle)
        if fit is None or own is None or not own.usable[distance]:
            return fit
        away: Floats = own.shifts_px[distance] - fit
        error = own.error_of(distance)
        typical, variance = self._scatter(sorted(inside), distance)
        limit = max(2 * _SIGMAS * max(typical, error), _OUTLIER_PX)
        if float(np.hypot(*away)) > limit:
            # Alone, it is an outlier; at a jump one of the next is with it.
            beside = [one for one in near if one != angle and self.measured[one].usable[distance]]
            beside.sort(key=lambda one: abs(one - angle))
            lone = [
                self.measured[one].shifts_px[distance] - own.shifts_px[distance] for one in beside
            ]
            if all(float(np.hypot(*one)) > limit for one in lone[:2]):
                return fit
        variance = max(variance, self._scatter(near, distance, whole=True)[1])
        # A stage that jitters from angle to angle scatters measurements by more than their
        # errors; an angle's own counts by the share of the scatter that is real, as James and
        # Stein shrink means.
        result: Floats = fit + max(0.0, 1.0 - error**2 / max(variance, 1e-12)) * away
        return result

    def _scatter(
        self, angles: Sequence[int], distance: int, whole: bool = False
    ) -> tuple[float, float]:
        """Return how far measurements lie from their course: typically, and the mean square.

        Told by how they differ from the mean of their neighbours; of one component, in pixels.
        The mean leaves outliers away, or is of the whole.
        """
        known = [
            self.measured[one].shifts_px[distance]
            for one in angles
            if one in self.measured and self.measured[one].usable[distance]
        ]
        if len(known) < (3 if whole else 5):
            return 0.0, 0.0
        every = np.array(known)
        bent = every[1:-1] - (every[:-2] + every[2:]) / 2
        # Three points of variance 1 have a bend of variance 1.5.
        lengths = np.hypot(bent[:, 0], bent[:, 1]) / 1.5**0.5
        # Of two Gaussian components of variance 1, the median of the length is 1.18.
        typical = float(np.median(lengths)) / 1.18
        inner = lengths if whole else lengths[lengths <= 2 * _SIGMAS * typical]
        return typical, float(np.mean(np.square(inner))) / 2 if len(inner) else 0.0

    def _fit(
        self, angles: Sequence[int], at: int, distance: int, quadratic_from: int = 6
    ) -> Floats | None:
        from tomoline.kernels.smooth_shifts import local_fit

        found = [self.measured[one] for one in angles]
        return local_fit(
            np.array(angles, np.float64),
            np.array([one.shifts_px[distance] for one in found]).reshape(-1, 2),
            np.array([one.usable[distance] for one in found], bool),
            float(at),
            quadratic_from=quadratic_from,
        )

    def _rough(self, interval: int) -> bool:
        """Whether an end of the interval lies far from the smooth course."""
        for anchor in {interval, min(interval + 1, len(self.anchors) - 1)}:
            one = self.measured[self.anchors[anchor]]
            for distance in range(1, self.distances):
                away = one.shifts_px[distance] - self._smooth(anchor, distance)
                # What noise explains is not looked at closer.
                limit = max(self._limit_px, _SIGMAS * one.error_of(distance))
                if one.usable[distance] and float(np.hypot(*away)) > limit:
                    return True
        return False


def shifts_from_anchors(
    measured: Mapping[int, Measurement],
    taking_part: Sequence[bool],
    distances: int,
    params: RegisterParams,
    magnification: Sequence[float],
) -> Shifts:
    """Return the shifts of all angles from the measurements of those that were wanted."""
    course = ShiftCourse(taking_part, distances, params)
    course.measured.update(measured)
    return course.shifts(magnification)
