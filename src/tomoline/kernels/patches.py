"""Patch tracking: pieces of the image followed through a tilt series that has no gold.

After tiltxcorr's patch tracking (its man page; `methods` of IMOD): a grid of patches on the view
of lowest tilt, each followed outward by correlation with cosine stretch, and the tracks chopped
into overlapping pieces. Here each patch is compared with the mean of the views just followed,
which lets errors grow more slowly from view to view.

Patches depend on nothing but themselves, so the caller may run `follow_patch` on threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._image import Image, move, taper
from tomoline.kernels.correlate import (
    BandPass,
    Peak,
    correlate,
    find_peak,
    padded_shape,
    spectrum_of,
)
from tomoline.kernels.correlator import projection, stretch

Floats = NDArray[np.float64]
Inside = Callable[[Floats], NDArray[np.bool_]]
Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True)
class PatchOptions:
    """How patches are laid out and followed; the names are tiltxcorr's where it has them."""

    size_px: tuple[int, int] = (100, 100)
    """Width and height of a patch (SizeOfPatchesXandY)."""
    overlap: tuple[float, float] = (0.33, 0.33)
    """Overlap of neighbouring patches in x and y, as a fraction (OverlapOfPatchesXandY)."""
    number: tuple[int, int] | None = None
    """Number of patches in x and y, instead of the overlap (NumberOfPatchesXandY)."""
    borders_px: tuple[int, int] | None = None
    """Part of the image at its edges to leave out; by default 5 % (BordersInXandY)."""
    band: BandPass = field(default_factory=lambda: BandPass(0.03, 0.25, 0.05))
    iterations: int = 2
    """Correlations of one patch, each starting where the last one ended
    (IterateCorrelations)."""
    limits_px: tuple[float, float] | None = None
    """Largest shift from where the patch is expected; by default a sixth of its size
    (ShiftLimitsXandY)."""
    averaged: int = 3
    """Views whose mean a patch is compared with."""
    refinements: int = 0
    """Rounds of comparing with the views on both sides, once all are followed; measured on
    simulated series, they gain nothing once the tracks are fitted together."""
    least_confidence: float = 0.33
    """Correlations less sure than this are dropped (see `Peak.confidence`)."""
    most_skipped: int = 5
    """A track ends when more views than this fail in a row."""
    most_blank: float = 0.3
    """Patches of which more is blank are skipped."""


@dataclass(frozen=True)
class PatchTracks:
    """Followed patches.

    Attributes
    ----------
    tracks_px : (patch, view, 2) float64
        (x, y) of each patch's centre relative to `centre_px` of the view; NaN where lost.
    centres_px : (patch, 2) float64
        Where each patch lies in the view of lowest tilt.
    confidence : (patch, view) float64
        Of each correlation, 0 to 1; 0 where lost.
    """

    tracks_px: Floats
    centres_px: Floats
    confidence: Floats


def patch_grid(
    shape: tuple[int, int], options: PatchOptions, inside: Inside | None = None
) -> Floats:
    """Lay a grid of patches over an image.

    Parameters
    ----------
    shape : (height, width)
    options : PatchOptions
    inside : callable, optional
        Tells for points (n, 2) relative to the image centre whether they lie inside a boundary;
        patches must lie inside with three quarters of their area.

    Returns
    -------
    (patch, 2) float64
        Centres (x, y) relative to the image centre, row by row.

    Examples
    --------
    >>> len(patch_grid((500, 500), PatchOptions(size_px=(150, 150), number=(3, 2))))
    6
    """
    axes = []
    for axis, extent in enumerate((shape[1], shape[0])):
        size = min(options.size_px[axis], extent)
        border = round(0.05 * extent) if options.borders_px is None else options.borders_px[axis]
        room = max(0.0, extent - 2 * border - size)
        if options.number is not None:
            count = options.number[axis]
        else:
            step = max(1.0, size * (1 - options.overlap[axis]))
            count = math.ceil(room / step) + 1
        axes.append(np.linspace(-room / 2, room / 2, count) if count > 1 else np.zeros(1))
    grid = np.array([(x, y) for y in axes[1] for x in axes[0]])
    if inside is None:
        return grid
    samples = np.linspace(-0.45, 0.45, 9)
    offsets = np.array([(x, y) for y in samples for x in samples]) * options.size_px
    share = np.array([inside(centre + offsets).mean() for centre in grid])
    kept: Floats = grid[share >= 0.75]
    return kept


class PatchTracker:
    """What following the patches of one series shares: images, geometry, filter.

    Parameters
    ----------
    images : sequence of (y, x) float32
        Levelled views (`tomoline.kernels._image.level`), in any order of tilt.
    tilt_rad : (view,) float64
    axis_rad : float
        Direction of the tilt axis in the images, from the vertical, counter-clockwise.
    options : PatchOptions
    centre_px : (view, 2) float64, optional
        Where the specimen's centre is seen in each view, relative to the image centre: zero, the
        default, in prealigned views.
    included : (view,) bool, optional
        Views that take part.
    """

    def __init__(
        self,
        images: Sequence[Image],
        tilt_rad: Floats,
        axis_rad: float,
        options: PatchOptions,
        *,
        centre_px: Floats | None = None,
        included: NDArray[np.bool_] | None = None,
    ) -> None:
        count = len(images)
        self.images, self.tilt, self.axis, self.options = images, tilt_rad, axis_rad, options
        self.centre = np.zeros((count, 2)) if centre_px is None else centre_px
        keep = np.ones(count, bool) if included is None else included
        order = np.argsort(tilt_rad, kind="stable")
        self.order = [int(view) for view in order if keep[view]]
        self.start = min(
            range(len(self.order)), key=lambda place: abs(float(tilt_rad[self.order[place]]))
        )
        height, width = images[0].shape
        self.shape = min(options.size_px[1], height), min(options.size_px[0], width)
        self.window = taper(self.shape, 0.2)
        self.padded = padded_shape(self.shape, 1.3)
        self.weights = options.band.weights(self.padded)
        self.limits = options.limits_px or (self.shape[1] / 6, self.shape[0] / 6)
        self._projections = [projection(float(tilt), axis_rad) for tilt in tilt_rad]

    def follow(self, centre_px: Floats) -> tuple[Floats, Floats]:
        """Follow one patch through all views.

        Parameters
        ----------
        centre_px : (2,) float64
            Where it lies in the view of lowest tilt, relative to that view's `centre_px`.

        Returns
        -------
        (view, 2) float64
            Where it is seen, relative to each view's `centre_px`; NaN where lost.
        (view,) float64
            Confidence.
        """
        count = len(self.images)
        track, confidence = np.full((count, 2), np.nan), np.zeros(count)
        reference = self.order[self.start]
        # On the untilted specimen; the view of lowest tilt may be tilted.
        flat = np.linalg.solve(self._projections[reference], centre_px).astype(np.float64)
        if self._blank(reference, centre_px):
            return track, confidence
        track[reference], confidence[reference] = centre_px, 1.0
        for side in (self.order[self.start :], self.order[self.start :: -1]):
            self._outward(side, flat, track, confidence)
        for _ in range(self.options.refinements):
            self._refine(flat, track, confidence)
        return track, confidence

    def _outward(self, side: list[int], flat: Floats, track: Floats, confidence: Floats) -> None:
        followed = [side[0]]
        skipped = 0
        for view in side[1:]:
            near = followed[-self.options.averaged :]
            expected = self._expected(view, followed, flat, track)
            found = self._compare(view, near, expected, track)
            if found is None:
                skipped += 1
                if skipped > self.options.most_skipped:
                    return
                continue
            track[view], confidence[view] = found[0], found[1].confidence
            followed.append(view)
            skipped = 0

    def _expected(self, view: int, followed: list[int], flat: Floats, track: Floats) -> Floats:
        """Return where a patch should be: as a point of a thin specimen, plus its last offset."""
        last = followed[-1]
        offset = track[last] - self._projections[last] @ flat
        expected: Floats = self._projections[view] @ flat + offset
        return expected

    def _refine(self, flat: Floats, track: Floats, confidence: Floats) -> None:
        """Compare every view with its neighbours on both sides, all at the same time."""
        places = [view for view in self.order if np.isfinite(track[view, 0])]
        changed = track.copy()
        reach = self.options.averaged // 2
        for place, view in enumerate(places):
            near = places[max(0, place - reach) : place] + places[place + 1 : place + 1 + reach]
            if not near:
                continue
            found = self._compare(view, near, track[view], track)
            if found is not None:
                changed[view], confidence[view] = found[0], found[1].confidence
        track[:] = changed

    def _compare(
        self, view: int, near: Sequence[int], expected: Floats, track: Floats
    ) -> tuple[Floats, Peak] | None:
        """Find a patch in a view by the mean of others; return its place and how sure it is."""
        if self._blank(view, expected):
            return None
        frame = min(near, key=lambda other: abs(float(self.tilt[other])))
        if abs(float(self.tilt[view])) < abs(float(self.tilt[frame])):
            frame = view
        total = np.zeros(self.shape, np.float32)
        for other in near:
            total += self._cut(other, track[other], frame)
        reference = spectrum_of(total, self.window, self.padded)
        matrix = stretch(float(self.tilt[frame]), float(self.tilt[view]), self.axis)
        position, peak = expected, None
        for _ in range(self.options.iterations):
            cut = spectrum_of(self._cut(view, position, frame), self.window, self.padded)
            peak = find_peak(correlate(reference, cut, self.weights, self.padded), self.limits)
            if peak is None or peak.confidence < self.options.least_confidence:
                return None
            position = position - np.linalg.solve(matrix, peak.shift_px)
            if math.hypot(*peak.shift_px) < 0.02:
                break
        if peak is None or not self._within(position - expected):
            return None
        return position, peak

    def _within(self, moved: Floats) -> bool:
        x, y = self.limits
        return float((moved[0] / x) ** 2 + (moved[1] / y) ** 2) <= 1.0

    def _cut(self, view: int, position: Floats, frame: int) -> Image:
        """Return a patch of a view as view `frame` would show it."""
        matrix = stretch(float(self.tilt[frame]), float(self.tilt[view]), self.axis)
        return move(
            self.images[view], matrix, -(matrix @ (position + self.centre[view])), self.shape
        )

    def _blank(self, view: int, position: Floats) -> bool:
        cut = move(self.images[view], np.eye(2), -(position + self.centre[view]), self.shape)
        return float((cut == 0).mean()) > self.options.most_blank


def track_patches(
    images: Sequence[Image],
    tilt_rad: Floats,
    axis_rad: float,
    options: PatchOptions | None = None,
    *,
    centre_px: Floats | None = None,
    included: NDArray[np.bool_] | None = None,
    inside: Inside | None = None,
    run: Run = map,
) -> PatchTracks:
    """Follow a grid of patches through a tilt series.

    Parameters
    ----------
    images : sequence of (y, x) float32
        Levelled views (`tomoline.kernels._image.level`), raw or prealigned, in any order.
    tilt_rad : (view,) float64
    axis_rad : float
        Direction of the tilt axis in the images, from the vertical, counter-clockwise.
    options : PatchOptions, optional
    centre_px : (view, 2) float64, optional
        Where the specimen's centre is seen in each view (minus the shift of its coarse
        transform); zero, the default, in prealigned views.
    included : (view,) bool, optional
        Views that take part; in others all patches are lost.
    inside : callable, optional
        Boundary: for points (n, 2) relative to the centre of the view of lowest tilt, whether
        they lie inside.
    run : callable
        Applies a function to a sequence of items, in order; each item is one patch.

    Returns
    -------
    PatchTracks
        Patches that were followed into at least 3 views.
    """
    options = options or PatchOptions()
    tracker = PatchTracker(
        images, tilt_rad, axis_rad, options, centre_px=centre_px, included=included
    )
    grid = patch_grid(images[0].shape, options, inside)
    results = list(run(tracker.follow, [np.asarray(centre) for centre in grid]))
    if not results:
        count = len(images)
        return PatchTracks(np.empty((0, count, 2)), np.empty((0, 2)), np.empty((0, count)))
    tracks = np.array([track for track, _ in results])
    confidence = np.array([sure for _, sure in results])
    kept = np.isfinite(tracks[:, :, 0]).sum(axis=1) >= 3
    return PatchTracks(tracks[kept], grid[kept], confidence[kept])


def chop_tracks(
    tracks_px: Floats, tilt_rad: Floats, length: int, overlap: int = 4
) -> tuple[Floats, NDArray[np.intp]]:
    """Chop tracks into overlapping pieces, as imodchopconts does.

    A patch shows another part of the specimen's depth at every tilt, so one point fits a short
    piece better than a whole track.

    Parameters
    ----------
    tracks_px : (track, view, 2) float64
        NaN where lost.
    tilt_rad : (view,) float64
    length : int
        Views of a piece.
    overlap : int
        Views that neighbouring pieces share at least.

    Returns
    -------
    (piece, view, 2) float64
    (piece,) int
        The track that each piece is of.

    Examples
    --------
    >>> pieces, of = chop_tracks(np.zeros((1, 10, 2)), np.arange(10.0), length=6, overlap=2)
    >>> np.isfinite(pieces[:, :, 0]).sum(axis=1).tolist(), of.tolist()
    ([6, 6], [0, 0])
    """
    order = np.argsort(tilt_rad, kind="stable")
    pieces, of = [], []
    for index, track in enumerate(tracks_px):
        seen = [int(view) for view in order if np.isfinite(track[view, 0])]
        for first, last in _spans(len(seen), length, overlap):
            piece = np.full_like(track, np.nan)
            piece[seen[first:last]] = track[seen[first:last]]
            pieces.append(piece)
            of.append(index)
    if not pieces:
        return np.empty((0, *tracks_px.shape[1:])), np.empty(0, np.intp)
    return np.array(pieces), np.array(of, np.intp)


def _spans(count: int, length: int, overlap: int) -> list[tuple[int, int]]:
    """Return the ranges of evenly spread pieces that cover `count` views."""
    if count <= length or length <= overlap:
        return [(0, count)] if count else []
    number = math.ceil((count - overlap) / (length - overlap))
    starts = np.round(np.linspace(0, count - length, number)).astype(int)
    spans = [(int(start), int(start) + length) for start in starts]
    return [span for span, after in pairwise([*spans, (-1, -1)]) if span != after]
