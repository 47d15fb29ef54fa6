"""Which projections of a full turn face each other, and how they lie on each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.sinograms import Sinograms

Floats = NDArray[np.float64]
Real = NDArray[np.float32]

# Parts of an angular step: closer than the first, a projection is taken as it is; gaps wider than
# the second are not bridged.
_EXACT, _GAP = 0.02, 2.5
_LEAST_RANGE_DEG = 300.0


@dataclass(frozen=True)
class HalfTurn:
    """Pairs of projections half a turn apart, in order of the first.

    Attributes
    ----------
    first : tuple of int
        Projections of the first half turn, by place.
    second : tuple of (int, int)
        Those about half a turn later: two neighbours, or the same twice.
    weight : tuple of float
        Weight of the latter of the two neighbours.
    alone : tuple of int
        Projections of the first half turn without a partner.
    """

    first: tuple[int, ...]
    second: tuple[tuple[int, int], ...]
    weight: tuple[float, ...]
    alone: tuple[int, ...]

    @property
    def interpolated(self) -> int:
        """Number of pairs whose second lies between two projections."""
        return sum(one[0] != one[1] for one in self.second)


def find_partners(angles_deg: Floats, taking_part: NDArray[np.bool_]) -> HalfTurn:
    """Pair the projections of the first half turn with those 180 degrees on.

    Where no projection lies there, its two neighbours stand in, weighted by their distance: with
    an odd number of projections over 360 degrees every partner lies half a step off.

    Parameters
    ----------
    angles_deg : (angle,) float64
        In either direction.
    taking_part : (angle,) bool
        Which projections may be used.

    >>> turn = find_partners(np.arange(5) * 72.0, np.ones(5, bool))
    >>> turn.first, turn.second
    ((0, 1, 2), ((2, 3), (3, 4), (4, 0)))
    """
    places = np.flatnonzero(taking_part)
    nothing = HalfTurn((), (), (), tuple(int(one) for one in places))
    if len(places) < 4:
        return nothing
    angles = angles_deg[places].astype(np.float64)
    angles = (angles - angles[0]) * (1.0 if angles[-1] >= angles[0] else -1.0)
    order = np.argsort(angles, kind="stable")
    angles, places = angles[order] - angles.min(), places[order]
    step = float(np.median(np.diff(angles)))
    if step <= 0 or angles[-1] + step < _LEAST_RANGE_DEG:
        return nothing
    # The turn closes: after the last angle comes the first one again.
    around = angles < angles[-1] - 360 + 3 * step
    later = np.concatenate([angles, angles[around] + 360])
    later_places = np.concatenate([places, places[around]])
    rising = np.argsort(later, kind="stable")
    later, later_places = later[rising], later_places[rising]
    first: list[int] = []
    second: list[tuple[int, int]] = []
    weights: list[float] = []
    alone = []
    for angle, place in zip(angles, places.tolist(), strict=True):
        if angle >= 180 - 0.25 * step:
            break
        after = int(np.searchsorted(later, angle + 180))
        before = max(after - 1, 0)
        after = min(after, len(later) - 1)
        gaps = angle + 180 - later[before], later[after] - angle - 180
        near = before if abs(gaps[0]) <= abs(gaps[1]) else after
        if min(abs(gaps[0]), abs(gaps[1])) <= _EXACT * step:
            pair, weight = (int(later_places[near]),) * 2, 0.0
        elif gaps[0] >= 0 and gaps[1] >= 0 and gaps[0] + gaps[1] <= _GAP * step:
            pair = int(later_places[before]), int(later_places[after])
            weight = float(gaps[0] / (gaps[0] + gaps[1]))
        else:
            alone.append(int(place))
            continue
        first.append(int(place))
        second.append((pair[0], pair[1]))
        weights.append(weight)
    return HalfTurn(tuple(first), tuple(second), tuple(weights), tuple(alone))


class OverlapMeasurer:
    """Measures how the mirrored second of a pair lies on the first, where both show the same.

    Parameters
    ----------
    sinograms : Sinograms
        All projections.
    turn : HalfTurn
        The pairs.
    axis_px : float
        Column of the axis at the middle row.
    mask_px : int
        Columns at the edges that are not used.
    search_px : float
        Largest shift in y and in x.
    """

    def __init__(
        self, sinograms: Sinograms, turn: HalfTurn, axis_px: float, mask_px: int, search_px: float
    ) -> None:
        from tomoline.kernels.distance_shift import DistanceMatcher

        self._sinograms, self._turn = sinograms, turn
        rows, _, width = sinograms.shape
        # The second shows column u of the first at column `_sum` - u, but for a part of a pixel.
        self._sum = round(2 * axis_px)
        self._part = 2 * axis_px - self._sum
        self._low = max(mask_px, self._sum - (width - 1 - mask_px))
        self._high = min(width - 1 - mask_px, self._sum - mask_px)
        self.columns = self._high - self._low + 1
        self._matcher: DistanceMatcher | None = None
        if self.columns >= 8:
            self._matcher = DistanceMatcher(
                (rows, self.columns), None, 2, search_px=search_px, binning=1, whiten=True
            )

    @property
    def chance_coefficient(self) -> float:
        """Standard deviation of the coefficient where both show nothing in common."""
        return self._matcher.chance_coefficient if self._matcher else 1.0

    @property
    def bytes_per_pair(self) -> int:
        """Bound on the memory of one call of `measure`."""
        rows, _, width = self._sinograms.shape
        extra = self._matcher.bytes_per_image if self._matcher else 0
        return 4 * 4 * rows * width + 3 * extra

    def measure(self, pair: int) -> tuple[Floats, float, float]:
        """Return (dy, dx) that moves the mirrored second onto the first, coefficient and lead."""
        if self._matcher is None:
            return np.zeros(2), 0.0, 1.0
        turn = self._turn
        first = self._sinograms.read_angle(turn.first[pair])[:, self._low : self._high + 1]
        begin, end = self._sum - self._high, self._sum - self._low + 1
        earlier, later = turn.second[pair]
        second = self._sinograms.read_angle(earlier)[:, begin:end]
        if later != earlier:
            weight = np.float32(turn.weight[pair])
            other = self._sinograms.read_angle(later)[:, begin:end]
            second = (1 - weight) * second + weight * other
        match = self._matcher.measure(
            self._matcher.prepare(np.ascontiguousarray(first)),
            np.ascontiguousarray(second[:, ::-1]),
            (0, 1),
        )
        return np.array([match.dy_px, match.dx_px - self._part]), match.coefficient, match.lead
