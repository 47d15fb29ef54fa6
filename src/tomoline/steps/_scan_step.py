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

    distances = found.distances_m or (0.0,) * len(found.projections)
    shortest = int(np.argmin(distances))
    frames = _open(found.projections[shortest], region)
    flats, darks = found.flats[shortest], found.darks[shortest]
    dark = _mean(_open(darks, region)) if darks is not None else np.float32(0)
    flat = _mean(_open(flats, region)) - dark if flats is not None else np.float32(1)
    count = frames.shape[0]
    wanted = [place for place in frames_to_compare(count) if place not in excluded]
    _, rows, columns = frames.shape

    def look(place: int) -> Image | None:
        image = _small(frames, place)
        if image is None:
            return None
        transmission = (image - dark) / np.maximum(flat, 1e-6)
        return -np.log(np.maximum(transmission, _LEAST_TRANSMISSION)).astype(np.float32)

    looked = list(
        engine.map(
            look,
            wanted,
            bytes_per_chunk=rows * columns * 8,
            label="looking for the angles",
        )
    )
    places = [place for place, image in zip(wanted, looked, strict=True) if image is not None]
    images = [image for image in looked if image is not None]
    # Of a scan that has only begun nothing can be said.
    if len(images) < 4 or len(images) < len(wanted) / 2:
        return None
    return find_step(np.stack(images), np.array(places, dtype=np.int64), count)


def _open(location: FrameLocation, region: Region | None) -> Frames:
    return open_frames(replace(location, region=region))


def _mean(frames: Frames) -> Image:
    """Return the mean of some frames, spread evenly, at low resolution."""
    chosen = np.unique(np.linspace(0, frames.shape[0] - 1, _MOST_FLATS).round().astype(int))
    small = [_small(frames, int(place)) for place in chosen]
    whole = [image for image in small if image is not None]
    if not whole:
        return np.float32(1) * np.ones(_small_shape(frames), np.float32)
    mean: Image = np.mean(whole, axis=0, dtype=np.float32)
    return mean


def _bins(frames: Frames) -> tuple[int, int]:
    _, rows, columns = frames.shape
    return max(1, rows // _ROWS), max(1, columns // _COLUMNS)


def _small_shape(frames: Frames) -> tuple[int, int]:
    high, wide = _bins(frames)
    return frames.shape[1] // high, frames.shape[2] // wide


def _small(frames: Frames, place: int) -> Image | None:
    """Return a frame at low resolution, None if it cannot be read: others will do."""
    try:
        frame = frames.read(place)
    except TomolineError:
        return None
    high, wide = _bins(frames)
    rows, columns = _small_shape(frames)
    # Rows first: their sums run along the memory.
    added = frame[: rows * high].reshape(rows, high, -1).sum(axis=1, dtype=np.float32)
    blocks = added[:, : columns * wide].reshape(rows, columns, wide)
    small: Image = blocks.mean(axis=2, dtype=np.float32) / np.float32(high)
    return small
