"""The state of a coarse alignment while it grows outward from the reference."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._image import Image
from tomoline.kernels.correlate import Peak
from tomoline.kernels.correlator import CoarseOptions, Correlator, stretch

Floats = NDArray[np.float64]
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]

# Views whose mean a view is aligned to again, and how far it may move, of the image size. The mean
# of more views blurs specimens of some thickness.
_AVERAGED = 3
_REFINED = 0.06
# Images of noise alone reach this confidence.
_CHANCE = 0.3
# A peak's shift is shared by others within this fraction of the width.
_AGREEMENT = 0.02


@dataclass(frozen=True)
class CoarseAlignment:
    """Where the specimen's centre is seen in each view.

    Attributes
    ----------
    centre_px : (view, 2) float64
        (x, y) relative to the image centre, pixels of the images given; excluded views follow
        their neighbours.
    scale : (view,) float64
        Size of the specimen in each view relative to the reference; 1 unless it was searched.
    confidence : (view,) float64
        0 to 1, of the correlation that joined the view; 1 for the reference, nan if excluded.
    height : (view,) float64
        Correlation coefficient of that correlation.
    reference : int
        The view of lowest tilt, from which the alignment starts.
    """

    centre_px: Floats
    scale: Floats
    confidence: Floats
    height: Floats
    reference: int


class Series:
    """The state of an alignment: each view's centre, scale and confidence."""

    def __init__(
        self,
        images: Sequence[Image],
        tilt_rad: Floats,
        axis_rad: float | None,
        correlator: Correlator,
    ) -> None:
        count = len(images)
        self.images, self.tilt, self.axis = images, tilt_rad, axis_rad
        self.correlator = correlator
        self.centre = np.full((count, 2), np.nan)
        self.scale = np.ones(count)
        self.confidence = np.full(count, np.nan)
        self.height = np.full(count, np.nan)

    def between(self, low: int, high: int) -> Floats:
        """Return the matrix that makes view `high` look like view `low`, sizes included."""
        matrix = stretch(float(self.tilt[low]), float(self.tilt[high]), self.axis)
        scaled: Floats = matrix * (self.scale[low] / self.scale[high])
        return scaled

    def pair(self, pair: tuple[int, int]) -> tuple[Peak | None, float]:
        """Correlate view `high` with its neighbour `low`; return peak and change of size."""
        low, high = pair
        matrix = stretch(float(self.tilt[low]), float(self.tilt[high]), self.axis)
        if high not in self.correlator.options.scale_views:
            return self._scaled(low, high, matrix, 1.0), 1.0
        best, best_scale = self._scaled(low, high, matrix, 1.0), 1.0
        step = 0.02
        while step > 0.001:
            tried = [best_scale - step, best_scale + step]
            for scale in tried:
                peak = self._scaled(low, high, matrix, scale)
                if peak is not None and (best is None or peak.height > best.height):
                    best, best_scale = peak, scale
            step /= 2
        return best, best_scale

    def _scaled(self, low: int, high: int, matrix: Floats, scale: float) -> Peak | None:
        moved = self.correlator.moved(self.images[high], matrix / scale, np.zeros(2))
        return self.correlator(self.images[low], moved)

    def join(self, chains: tuple[list[int], list[int]], options: CoarseOptions, run: Run) -> None:
        """Place every view, outward from the reference."""
        reference = chains[0][0]
        self.centre[reference] = 0.0
        self.confidence[reference] = self.height[reference] = 1.0
        pairs = [pair for chain in chains for pair in pairwise(chain)]
        if options.cumulative:
            for chain in chains:
                self._join_to_sum(chain)
            return
        for (low, high), (peak, scale) in zip(pairs, run(self.pair, pairs), strict=True):
            self.scale[high] = self.scale[low] * scale
            inverse = np.linalg.inv(self.between(low, high))
            self.confidence[high] = 0.0 if peak is None else peak.confidence
            self.height[high] = 0.0 if peak is None else peak.height
            # The peak moves the stretched view onto its neighbour: M s_high + shift = s_low.
            shift = np.zeros(2) if peak is None else peak.shift_px
            self.centre[high] = inverse @ (self.centre[low] - shift)
            if self.confidence[high] < options.sure:
                chain = chains[0] if high in chains[0] else chains[1]
                self._vote(chain, chain.index(high))
            if self.confidence[high] < _CHANCE:
                # A peak of chance may lie anywhere; the neighbour's place is the better guess.
                self.centre[high] = inverse @ self.centre[low]

    def _join_to_sum(self, chain: list[int]) -> None:
        total = self.images[chain[0]]
        for low, high in pairwise(chain):
            matrix = self.between(low, high)
            moved = self.correlator.moved(self.images[high], matrix, np.zeros(2))
            peak = self.correlator(total, moved)
            inverse = np.linalg.inv(matrix).astype(np.float64)
            shift = self._guess(low, matrix) if peak is None else -peak.shift_px
            self.centre[high] = inverse @ shift
            self.confidence[high] = 0.0 if peak is None else peak.confidence
            self.height[high] = 0.0 if peak is None else peak.height
            total = self.correlator.moved(total, inverse, np.zeros(2))
            total = total + self.correlator.moved(self.images[high], np.eye(2), -self.centre[high])

    def _guess(self, low: int, matrix: Floats) -> Floats:
        """Return the stretched centre of a view without a peak: where its neighbour's is."""
        guess: Floats = matrix @ self.centre[low]
        return guess

    def _vote(self, chain: list[int], place: int) -> None:
        """Decide an unsure view by several correlations; those that agree count together."""
        high = chain[place]
        lower = self.correlator.lower()
        votes: list[tuple[Floats, Peak]] = []
        for low in chain[max(0, place - 3) : place]:
            matrix = self.between(low, high)
            moved = self.correlator.moved(self.images[high], matrix, np.zeros(2))
            for correlator in (self.correlator, lower):
                peak = correlator(self.images[low], moved)
                if peak is not None:
                    at = np.linalg.solve(matrix, self.centre[low] - peak.shift_px).astype(
                        np.float64
                    )
                    votes.append((at, peak))
        low = chain[place - 1]
        total = self._mean_in_frame(chain[max(0, place - 5) : place], low)
        moved = self.correlator.moved(self.images[high], self.between(low, high), np.zeros(2))
        for correlator in (self.correlator, lower):
            peak = correlator(total, moved)
            if peak is not None:
                at = np.linalg.solve(self.between(low, high), -peak.shift_px).astype(np.float64)
                votes.append((at, peak))
        if not votes:
            return
        near = _AGREEMENT * self.correlator.shape[1]

        def support(vote: tuple[Floats, Peak]) -> float:
            return sum(
                other.confidence + 0.05 for at, other in votes if math.dist(at, vote[0]) <= near
            )

        best = max(votes, key=support)
        agreeing = [peak for at, peak in votes if math.dist(at, best[0]) <= near]
        positions = [at for at, _ in votes if math.dist(at, best[0]) <= near]
        self.centre[high] = np.mean(positions, axis=0)
        self.height[high] = max(peak.height for peak in agreeing)
        # Agreement of independent correlations is worth as much as a clear single peak.
        shared = len(agreeing) / len(votes)
        self.confidence[high] = max(best[1].confidence, shared - 0.25)

    def _mean_in_frame(self, views: Sequence[int], frame: int) -> Image:
        """Return the mean of views as view `frame` would show them, centred."""
        total = np.zeros(self.correlator.shape, np.float32)
        for view in views:
            matrix = self.between(frame, view)
            total += self.correlator.moved(self.images[view], matrix, -(matrix @ self.centre[view]))
        return total

    def refine(self, chains: tuple[list[int], list[int]], run: Run) -> None:
        """Align every view once more, to the mean of the views before it on its side."""
        height, width = self.correlator.shape
        limits = (_REFINED * width, _REFINED * height)

        def sweep(chain: list[int]) -> None:
            # The two sides share the reference only, which stays where it is.
            for place in range(1, len(chain)):
                view, near = chain[place], chain[max(0, place - _AVERAGED) : place]
                matrix = self.between(near[-1], view)
                reference = self._mean_in_frame(near, near[-1])
                moved = self.correlator.moved(
                    self.images[view], matrix, -(matrix @ self.centre[view])
                )
                peak = self.correlator(reference, moved, limits)
                if peak is not None and peak.confidence >= self.correlator.options.sure:
                    self.centre[view] -= np.linalg.solve(matrix, peak.shift_px)

        for _ in run(sweep, chains):
            pass

    def result(self, order: list[int], reference: int) -> CoarseAlignment:
        """Return the state, with excluded views between their neighbours."""
        tilts = self.tilt[order]
        for view in range(len(self.images)):
            if np.isnan(self.centre[view, 0]):
                for axis in (0, 1):
                    self.centre[view, axis] = np.interp(
                        self.tilt[view], tilts, self.centre[order, axis]
                    )
        return CoarseAlignment(self.centre, self.scale, self.confidence, self.height, reference)
