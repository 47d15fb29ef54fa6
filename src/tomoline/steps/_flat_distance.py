"""The flats of one distance: how they are grouped in time, and images made of many of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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

_MEDIAN_OF_MOST, _MEDIAN_ROWS = 51, 16


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
    if len(kept) > _MEDIAN_OF_MOST:
        kept = kept[np.linspace(0, len(kept) - 1, _MEDIAN_OF_MOST).round().astype(int)]
    _, rows, columns = frames.shape
    median = np.empty((rows, columns), np.float32)
    # As many rows at a time as fit; the flats are read again for each band. numpy's median makes
    # a copy of its own.
    row_bytes = 2 * len(kept) * columns * frames.dtype.itemsize
    tall = max(1, min(rows, int(distance.context.engine.memory_bytes // (2 * row_bytes))))
    for top in range(0, rows, tall):
        band = np.stack([frames.read(int(flat))[top : top + tall] for flat in kept])
        starts = range(0, band.shape[1], _MEDIAN_ROWS)

        def make(start: int, band: NDArray[Any] = band, top: int = top) -> None:
            part = band[:, start : start + _MEDIAN_ROWS]
            median[top + start : top + start + part.shape[1]] = np.median(part, axis=0)

        for _ in distance.context.engine.map(
            make,
            starts,
            bytes_per_chunk=row_bytes * _MEDIAN_ROWS,
            label=f"median of the flats of {distance.name}",
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
