"""The flats of one distance: how they are grouped in time, and images made of many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import flats as kinds
from tomoline.files.frames import FrameLocation, Frames
from tomoline.files.open_frames import open_frames
from tomoline.steps._base import StepContext
from tomoline.steps._flat_survey import CHUNK_FRAMES, Survey
from tomoline.steps._flats_params import FlatsParams
from tomoline.steps.scan_layout import ScanLayout

if TYPE_CHECKING:
    from tomoline.kernels.flat_fields import FlatRepairs
    from tomoline.kernels.flat_match import FlatBasis

Real = NDArray[np.float32]

_MEDIAN_OF_MOST = 51


@dataclass(frozen=True)
class Distance:
    """One distance while it is prepared."""

    number: int
    layout: ScanLayout
    params: FlatsParams
    context: StepContext

    @property
    def name(self) -> str:
        """How messages call it."""
        several = len(self.layout.projections) > 1
        return f"distance {self.number + 1}" if several else "scan"

    def frames(self, location: FrameLocation | None, kind: str) -> Frames | None:
        """Open flats or darks and check their size."""
        if location is None or location.count == 0:
            return None
        expected = (self.layout.height_px, self.layout.width_px)
        if location.shape[1:] != expected:
            raise kinds.OTHER_SIZE.error(
                location.path,
                f"{kind} of {self.name} have {location.shape[1]} rows and {location.shape[2]} "
                f"columns, projections {expected[0]} and {expected[1]}.",
            )
        return open_frames(location)


def time_groups(distance: Distance, location: FrameLocation) -> list[list[int]]:
    """Divide flats by the gaps in time between them, where the method asks for it."""
    everything = [list(range(location.count))]
    if distance.params.method != "interpolated":
        return everything
    times = location.times
    own = distance.layout.projections[distance.number].times
    if not (times and own and np.isfinite(times).all() and np.isfinite(own).all()):
        distance.context.warn(
            kinds.NO_TIMES.notice(distance.name, "there are no times to interpolate by.")
        )
        return everything
    order = np.argsort(times, kind="stable")
    between = np.sort(own)
    # Flats with projections in between belong to different groups.
    places = np.searchsorted(between, np.asarray(times)[order])
    groups: list[list[int]] = []
    for index, flat in enumerate(order):
        if index == 0 or places[index] != places[index - 1]:
            groups.append([])
        groups[-1].append(int(flat))
    return groups


def group_means(
    distance: Distance, found: Survey, groups: list[list[int]], dark: Real | None
) -> tuple[Real, tuple[float, ...]]:
    """Return the mean of each group of flats, dark off, and its mean time."""
    location = distance.layout.flats[distance.number]
    times = location.times if location is not None else ()
    means, middles = [], []
    for statistics, group in zip(found.statistics, groups, strict=True):
        members = [flat for flat in group if found.used[flat]]
        if members:
            mean = statistics.mean()
            means.append(mean if dark is None else mean - dark)
            middles.append(float(np.mean([times[flat] for flat in members])) if times else 0.0)
    return np.stack(means), tuple(middles)


def median_flat(
    distance: Distance, frames: Frames, used: NDArray[np.bool_], dark: Real | None
) -> Real:
    """Return the median of the flats, dark off; of very many, of some at even steps."""
    kept = np.flatnonzero(used)
    room = distance.context.engine.memory_bytes // (4 * frames.shape[1] * frames.shape[2] * 4)
    most = max(3, min(_MEDIAN_OF_MOST, int(room)))
    if len(kept) > most:
        kept = kept[np.linspace(0, len(kept) - 1, most).round().astype(int)]
    stack = np.stack([frames.read(int(flat)) for flat in kept])
    median = np.empty(stack.shape[1:], np.float32)
    band = 16

    def make(row: int) -> None:
        median[row : row + band] = np.median(stack[:, row : row + band], axis=0)

    rows = range(0, len(median), band)
    for _ in distance.context.engine.map(
        make, rows, bytes_per_chunk=16 * stack[:, :band].size, label="median of the flats"
    ):
        pass
    return median if dark is None else median - dark


def component_flats(
    distance: Distance,
    frames: Frames,
    found: Survey,
    basis: FlatBasis,
    levels: NDArray[np.float64],
    mean: Real,
    dark: Real | None,
    repairs: FlatRepairs,
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Return principal components of the flats, (components, rows, columns), and their units."""
    from tomoline.kernels.pca_flats import combinations, finish, pack

    weights = combinations(basis, distance.params.components)
    kept = np.flatnonzero(found.used)
    pieces = [kept[first : first + CHUNK_FRAMES] for first in range(0, len(kept), CHUNK_FRAMES)]

    def combine(piece: NDArray[np.int64]) -> Real:
        sums = np.zeros((len(weights), *mean.shape), np.float32)
        for flat in piece:
            image = repairs.apply(frames.read(int(flat)).astype(np.float32), int(flat))
            if dark is not None:
                image -= dark
            for number, factor in enumerate(weights[:, flat] / levels[flat]):
                sums[number] += np.float32(factor) * image
        return sums

    total = np.zeros((len(weights), *mean.shape), np.float32)
    for sums in distance.context.engine.map(
        combine,
        pieces,
        bytes_per_chunk=4 * mean.size * (len(weights) + 3),
        label=f"principal flats of {distance.name}",
    ):
        total += sums
    return pack(finish(total, weights, mean))
