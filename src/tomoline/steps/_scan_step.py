"""The step between projections, found from the frames themselves at low resolution."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError
from tomoline.files.frames import FrameLocation, Frames
from tomoline.files.open_frames import open_frames
from tomoline.files.scan_files import Region, ScanFiles
from tomoline.steps._base import Engine

if TYPE_CHECKING:
    from tomoline.kernels.scan_angles import FoundStep

# Enough to tell mirror images from others; finer detail is noise and fringes.
_COLUMNS, _ROWS = 200, 32
# Where half a turn ends is told by finer detail along the rows.
_SEAM_COLUMNS = 1024
# How far distances may be shifted against each other, in pixels, twice as the mirror shows it.
_SHIFTED_PX = 6.0
_MOST_FLATS = 16
_LEAST_TRANSMISSION = 1e-3

Image = NDArray[np.float32]


def step_from_images(
    found: ScanFiles, region: Region | None, excluded: Collection[int], engine: Engine
) -> FoundStep | None:
    """Return the step between projections, None where too few frames can be read.

    Parameters
    ----------
    found : ScanFiles
        The scan. The shortest distance is looked at, whose fringes are the narrowest.
    region : tuple of int or None
        Part of the frames that is used.
    excluded : collection of int
        Projections that take no part.
    engine : Engine
        Reads frames side by side.
    """
    from tomoline.kernels.scan_angles import find_step, frames_to_compare
    from tomoline.kernels.seam_lag import settle_step

    distances = found.distances_m or (0.0,) * len(found.projections)
    shortest = int(np.argmin(distances))
    look = _Looker(found, region, shortest, _COLUMNS)
    count = look.count
    wanted = [place for place in frames_to_compare(count) if place not in excluded]
    looked = list(
        engine.map(
            look,
            wanted,
            bytes_per_chunk=look.frame_bytes,
            label="looking for the angles",
        )
    )
    places = [place for place, image in zip(wanted, looked, strict=True) if image is not None]
    images = [image for image in looked if image is not None]
    # Of a scan that has only begun nothing can be said.
    if len(images) < 4 or len(images) < len(wanted) / 2:
        return None
    seen = find_step(np.stack(images), np.array(places, dtype=np.int64), count)
    if seen.confidence == 0:
        return seen
    axis_px = ((len(images[0][0]) - 1 + seen.shift_px) / 2) * look.wide + (look.wide - 1) / 2
    seams = list(
        engine.map(
            lambda distance: _seam(found, region, distance, seen.step_deg, axis_px, look.wide),
            range(len(found.projections)),
            bytes_per_chunk=4 * look.frame_bytes,
            label="looking for the end of half a turn",
        )
    )
    return settle_step(seen, [one for one in seams if one is not None], count)


def _seam(
    found: ScanFiles,
    region: Region | None,
    distance: int,
    step_deg: float,
    axis_px: float,
    error_px: float,
) -> float | None:
    """Return how many frames half a turn takes as a distance shows it, None where it does not."""
    from tomoline.kernels.seam_lag import groups, seam_lag

    look = _Looker(found, region, distance, _SEAM_COLUMNS)
    # A whole turn ends as it began, wherever the axis is.
    whole_turn = 360 / step_deg <= look.count + 1
    lag = (360 if whole_turn else 180) / step_deg
    images, places = [], []
    for wanted in groups(look.columns // look.wide, lag, look.count):
        seen = {place: look(place) for place in wanted.tolist()}
        whole = {place: image for place, image in seen.items() if image is not None}
        if not whole:
            return None
        places.append(np.array(list(whole), dtype=np.int64))
        images.append(np.stack(list(whole.values())))
    columns = images[0].shape[2]
    middle_px = (axis_px - (look.wide - 1) / 2) / look.wide
    lag_found = seam_lag(
        images[0],
        places[0],
        images[1],
        places[1],
        lag,
        0.0 if whole_turn else 2 * middle_px - (columns - 1),
        (2 * error_px + _SHIFTED_PX) / look.wide,
        mirrored=not whole_turn,
    )
    return lag_found / 2 if lag_found is not None and whole_turn else lag_found


class _Looker:
    """Reads frames of a distance at low resolution, as attenuation."""

    def __init__(
        self, found: ScanFiles, region: Region | None, distance: int, columns: int
    ) -> None:
        self._frames = _open(found.projections[distance], region)
        self.count, rows, self.columns = self._frames.shape
        self.frame_bytes = rows * self.columns * 8
        self.wide = max(1, self.columns // columns)
        bins = max(1, rows // _ROWS), self.wide
        self._bins = bins
        flats, darks = found.flats[distance], found.darks[distance]
        nothing = np.zeros((1, 1), np.float32)
        self._dark = nothing if darks is None else _mean(_open(darks, region), bins)
        self._flat = (
            nothing + 1 if flats is None else _mean(_open(flats, region), bins) - self._dark
        )

    def __call__(self, place: int) -> Image | None:
        """Return a frame, None if it cannot be read."""
        image = _small(self._frames, place, self._bins)
        if image is None:
            return None
        transmission = (image - self._dark) / np.maximum(self._flat, 1e-6)
        attenuation: Image = -np.log(np.maximum(transmission, _LEAST_TRANSMISSION))
        return attenuation.astype(np.float32)


def _open(location: FrameLocation, region: Region | None) -> Frames:
    return open_frames(replace(location, region=region))


def _mean(frames: Frames, bins: tuple[int, int]) -> Image:
    """Return the mean of some frames, spread evenly, at low resolution."""
    chosen = np.unique(np.linspace(0, frames.shape[0] - 1, _MOST_FLATS).round().astype(int))
    small = [_small(frames, int(place), bins) for place in chosen]
    whole = [image for image in small if image is not None]
    if not whole:
        return np.ones(_small_shape(frames, bins), np.float32)
    mean: Image = np.mean(whole, axis=0, dtype=np.float32)
    return mean


def _small_shape(frames: Frames, bins: tuple[int, int]) -> tuple[int, int]:
    return frames.shape[1] // bins[0], frames.shape[2] // bins[1]


def _small(frames: Frames, place: int, bins: tuple[int, int]) -> Image | None:
    """Return a frame at low resolution, None if it cannot be read: others will do."""
    try:
        frame = frames.read(place)
    except TomolineError:
        return None
    high, wide = bins
    rows, columns = _small_shape(frames, bins)
    # Rows first: their sums run along the memory.
    added = frame[: rows * high].reshape(rows, high, -1).sum(axis=1, dtype=np.float32)
    blocks = added[:, : columns * wide].reshape(rows, columns, wide)
    small: Image = blocks.mean(axis=2, dtype=np.float32) / np.float32(high)
    return small
