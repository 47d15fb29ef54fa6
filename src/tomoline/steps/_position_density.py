"""A coarse tomogram's energy in boxes, for positioning by the density."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.stack import Stack
from tomoline.kernels import backproject, filters
from tomoline.kernels._image import bin_mean, bin_offset, level
from tomoline.kernels.find_section import add_energy
from tomoline.kernels.resample import transform_image
from tomoline.steps._base import StepContext
from tomoline.steps._views import read_clean

Floats = NDArray[np.float64]
Real = NDArray[np.float32]

BOX_PX = 16
"""Side of a box in pixels of the coarse tomogram; two boxes are one chunk of slices."""
# Width of the coarse tomogram unless told otherwise, and at most.
_USUAL_PX, _MOST_PX = 320, 640
_CLIP_SD, _LOOSE_CLIP_SD = 2.5, 6.0
_RADIAL = filters.RadialFilter(cutoff_per_px=0.2, falloff_per_px=0.05)


@dataclass(frozen=True)
class Geometry:
    """What the coarse tomogram is made with.

    Attributes
    ----------
    transforms : (view, 2, 3) float64
        From raw to aligned views, raw pixels, of the views that take part.
    views : (view,) int
        Their places in the stack.
    tilt_rad : (view,) float64
    binning : int
    thickness : int
        In binned pixels.
    size : (height, width)
        Of the aligned views, in binned pixels.
    gold : bool
        Whether there may be gold, which is cut down so that it does not decide alone.
    """

    transforms: Floats
    views: NDArray[np.intp]
    tilt_rad: Floats
    binning: int
    thickness: int
    size: tuple[int, int]
    gold: bool = True


def view_bytes(shape: tuple[int, int], binning: int, size: tuple[int, int]) -> int:
    """Bound on the memory of preparing one view."""
    binned = (shape[0] // binning + 1) * (shape[1] // binning + 1)
    return 8 * shape[0] * shape[1] + 80 * binned + 8 * size[0] * size[1]


def energy(
    stack: Stack, geometry: Geometry, context: StepContext, whole: bool
) -> tuple[Floats, Floats]:
    """Return the mean product of the even and the odd views' tomograms in boxes.

    Parameters
    ----------
    stack : Stack
        Raw views without X-rays.
    geometry : Geometry
    context : StepContext
    whole : bool
        All rows, or three samples of them.

    Returns
    -------
    energy : (y, z, x) float64
        Boxes of `BOX_PX` along y and x; what is left over at the edges is left out on both sides.
    rows_px : (y,) float64
        Centres of the boxes along y, in binned pixels relative to the centre.
    """
    aligned = _aligned(stack, geometry, context)
    order = np.argsort(geometry.tilt_rad, kind="stable")
    plans = [_Plan.make(geometry, half) for half in (order[0::2], order[1::2])]
    height, width = geometry.size
    columns, count = width // BOX_PX, height // (2 * BOX_PX)
    left, top = (width - columns * BOX_PX) // 2, (height - count * 2 * BOX_PX) // 2
    chunks = list(range(count))
    if not whole and count > 3:
        chunks = [count // 8, count // 2, count - 1 - count // 8]

    def work(chunk: int) -> Floats:
        volumes = [plan.slices(aligned, top + chunk * 2 * BOX_PX) for plan in plans]
        out = np.zeros((2, geometry.thickness, columns))
        for y in range(2 * BOX_PX):
            first, second = (volume[y, :, left:] for volume in volumes)
            add_energy(first, second, BOX_PX, out[y // BOX_PX])
        return out / BOX_PX**2

    bound = 4 * 32 * (2 * geometry.thickness * width) + plans[0].bytes
    boxes = list(context.engine.map(work, chunks, bytes_per_chunk=bound, label="coarse tomogram"))
    rows = np.array([2 * chunk + half for chunk in chunks for half in (0, 1)])
    rows_px = top + (rows + 0.5) * BOX_PX - height / 2
    return np.concatenate(boxes), rows_px


def _aligned(stack: Stack, geometry: Geometry, context: StepContext) -> Real:
    """Return binned, levelled, aligned views, (view, y, x); gold and edges are cut off."""
    binning = geometry.binning
    _, height, width = stack.shape
    offset = np.array([bin_offset(width, binning), bin_offset(height, binning)]) / binning

    def prepare(index: int) -> Real:
        image, _, _ = read_clean(stack, int(geometry.views[index]))
        small = bin_mean(image, binning) if binning > 1 else image
        radius = min(32, max(4, min(small.shape) // 8))
        flat = level(small, radius, _CLIP_SD if geometry.gold else _LOOSE_CLIP_SD)
        move = geometry.transforms[index].copy()
        move[:, 2] = move[:, 2] / binning + move[:, :2] @ offset
        return transform_image(flat, move, geometry.size, order=1, fill=0.0)

    views = context.engine.map(
        prepare,
        range(len(geometry.views)),
        bytes_per_chunk=view_bytes((height, width), binning, geometry.size),
        label="views for positioning",
    )
    result = np.empty((len(geometry.views), *geometry.size), dtype=np.float32)
    for index, view in enumerate(views):
        result[index] = view
    return result


@dataclass(frozen=True)
class _Plan:
    """One half of the views, ready to be back-projected."""

    views: NDArray[np.intp]
    slices_of: backproject.SliceGeometry
    padded: int
    weights: Real

    @classmethod
    def make(cls, geometry: Geometry, views: NDArray[np.intp]) -> _Plan:
        tilt = geometry.tilt_rad[views]
        slices = backproject.SliceGeometry(tilt, geometry.size[1], geometry.thickness)
        padded = filters.padded_size(geometry.size[1], slices.margin)
        return cls(views, slices, padded, filters.radial_weights(tilt, padded, _RADIAL))

    @property
    def bytes(self) -> int:
        return 4 * 32 * len(self.views) * (self.slices_of.columns + 3 * self.padded)

    def slices(self, aligned: Real, first: int) -> Real:
        rows = np.ascontiguousarray(aligned[self.views, first : first + 2 * BOX_PX])
        data = backproject.filter_to_lanes(rows, self.weights, self.padded, self.slices_of)
        return backproject.backproject(data, self.slices_of, 2 * BOX_PX)


def choose_binning(asked: int | None, height: int, width: int) -> int:
    """Return the binning of the coarse tomogram.

    >>> choose_binning(None, 2048, 2048), choose_binning(1, 2048, 1024), choose_binning(3, 512, 512)
    (7, 4, 3)
    """
    size = max(height, width)
    return max(asked or math.ceil(size / _USUAL_PX), math.ceil(size / _MOST_PX))


def default_thickness_px(height: int, width: int) -> int:
    """Return how thick a tomogram to search the specimen in, raw pixels (batchruntomo's rule)."""
    size = max(height, width)
    return 250 if size <= 512 else 400 if size <= 1024 else 500 if size <= 2048 else 600
