"""One rotation axis from what several methods say, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tomoline.steps._axis_methods import Estimate

# What no method is trusted beyond, whatever its scatter, pixels.
_FLOORS_PX = {"pairs": 0.08, "halves": 0.03, "wedge": 0.15, "sharpness": 0.03}
# The same for what changes from the lowest row to the highest: the specimen differs over the rows,
# and so does what it does to each method.
_SLOPE_FLOORS_PX = {"pairs": 0.15, "halves": 0.04, "wedge": 0.15, "sharpness": 0.05}
# Methods less reliable than this do not count.
LEAST_RELIABILITY = 0.3
# A method that saw nothing at all is a bad sign.
_BLIND = 0.15
# One method alone must be this reliable.
_ALONE = 0.6
# Standard errors that a slope must differ from none by, and pixels it must make over the height.
_SLOPE_ERRORS, _SLOPE_PX = 4.0, 0.1


@dataclass(frozen=True)
class Verdict:
    """What the methods say together.

    Attributes
    ----------
    axis_px : float
        At the middle row.
    confidence : float
        0 to 1.
    agreeing, differing : tuple of Estimate
        Methods that it rests on; reliable ones that say something else.
    """

    axis_px: float
    confidence: float
    agreeing: tuple[Estimate, ...]
    differing: tuple[Estimate, ...]

    @property
    def support(self) -> float:
        """Sum of the reliabilities that it rests on."""
        return sum(one.reliability for one in self.agreeing)

    @property
    def source(self) -> str:
        """The methods that it rests on, in words."""
        return " and ".join(one.method for one in self.agreeing)


def tolerance_px(one: Estimate, two: Estimate, width: int) -> float:
    """Return how far two methods may be apart and still agree."""
    both = 2 * math.hypot(one.error_px, two.error_px)
    return max(1.5, width / 1000, min(both, width / 100))


def decide(estimates: Sequence[Estimate | None], width: int) -> Verdict | None:
    """Combine estimates; None where nothing is reliable, so that the axis is not known.

    The group of agreeing methods with the most reliability counts; within it, each in inverse
    proportion to its squared error. Fine detail does not overrule the pairs of a full turn:
    there, all angles see both ends of every ray, and a specimen that wobbles averages out.
    """
    usable = [
        one
        for one in estimates
        if one is not None
        and one.reliability >= LEAST_RELIABILITY
        and one.error_px < width / 20
        and 0 <= one.axis_px <= width - 1
    ]
    if not usable:
        return None
    groups = [
        [two for two in usable if abs(two.axis_px - one.axis_px) <= tolerance_px(one, two, width)]
        for one in usable
    ]
    group = max(groups, key=lambda members: sum(one.reliability for one in members))
    if len(group) == 1 and group[0].reliability < _ALONE:
        return None
    if all(one.method == "sharpness" for one in group):
        # It only ever looked near what the others had said.
        return None
    counted = [one for one in group if one.method == "halves" and one.reliability > 0.5] or group
    weights = [one.reliability / (one.error_px**2 + _FLOORS_PX[one.method] ** 2) for one in counted]
    axis = sum(weight * one.axis_px for weight, one in zip(weights, counted, strict=True))
    differing = tuple(one for one in usable if one not in group)
    doubt = math.prod(1 - one.reliability for one in group)
    confidence = 1 - doubt
    if len(group) == 1:
        # The halves of a full turn are many pairs already.
        confidence *= 0.9 if group[0].method == "halves" else 0.6
    for one in differing:
        confidence *= 1 - 0.5 * one.reliability
    if any(one is not None and one.reliability < _BLIND for one in estimates):
        confidence *= 0.6
    return Verdict(axis / sum(weights), confidence, tuple(group), differing)


@dataclass(frozen=True)
class Slope:
    """Change of the axis from row to row, and its standard error; 0 unless it is certain."""

    px_per_row: float
    error_px_per_row: float


def slope_of(estimates: Sequence[Estimate], rows: int) -> Slope:
    """Combine the slopes of agreeing methods; one that is not significant counts as none."""
    told = [one for one in estimates if math.isfinite(one.slope_error)]
    if not told or rows < 8:
        return Slope(0.0, math.inf)
    weights = [
        1 / (one.slope_error**2 + (2 * _SLOPE_FLOORS_PX[one.method] / rows) ** 2) for one in told
    ]
    total = sum(weights)
    mean = sum(weight * one.slope for weight, one in zip(weights, told, strict=True)) / total
    error = 1 / math.sqrt(total)
    if len(told) > 1:
        # Methods that contradict each other are all less certain than they say.
        misfit = sum(
            weight * (one.slope - mean) ** 2 for weight, one in zip(weights, told, strict=True)
        )
        error *= math.sqrt(max(1.0, misfit / (len(told) - 1)))
    else:
        error *= 2
    sure = abs(mean) > _SLOPE_ERRORS * error and abs(mean) * (rows - 1) > _SLOPE_PX
    return Slope(mean if sure else 0.0, error)
