"""Multi-resolution pyramids: each level is the mean of 2 x 2 x 2 voxels of the level before.

A voxel of level l is the mean of the 8**l voxels that it covers, so its centre lies at
(2**l - 1) / 2 voxels of level 0 in each axis. At an end with one voxel left over, that voxel
counts twice, which is the mean of what is there. Each level is made from the float32 values of the
level before, so a volume may be cut anywhere between two slices of its coarsest level: the bytes
do not depend on it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
VolumeShape = tuple[int, int, int]


def half(size: int) -> int:
    """Return the number of voxels that `size` voxels become, the last perhaps of one alone.

    >>> half(7), half(8), half(1)
    (4, 4, 1)
    """
    return (size + 1) // 2


def level_shapes(shape: VolumeShape, smallest: int = 256) -> tuple[VolumeShape, ...]:
    """Return the shapes (z, y, x) of all levels, the first as given, the last with no longer side.

    Parameters
    ----------
    shape : (z, y, x)
        Of the volume.
    smallest : int
        Levels are added until no side is longer, voxels.

    >>> level_shapes((100, 600, 600))
    ((100, 600, 600), (50, 300, 300), (25, 150, 150))
    """
    shapes = [shape]
    while max(shapes[-1]) > smallest:
        z, y, x = shapes[-1]
        shapes.append((half(z), half(y), half(x)))
    return tuple(shapes)


def level_factors(shape: VolumeShape, levels: int) -> tuple[VolumeShape, ...]:
    """Return how many voxels of level 0 a voxel of each level is long, (z, y, x).

    An axis of one voxel is not halved any more, so its voxels do not grow either.

    >>> level_factors((3, 600, 600), 4)
    ((1, 1, 1), (2, 2, 2), (4, 4, 4), (4, 8, 8))
    """
    factors = [(1, 1, 1)]
    for _ in range(1, levels):
        z, y, x = (
            factor * (2 if size > 1 else 1) for factor, size in zip(factors[-1], shape, strict=True)
        )
        factors.append((z, y, x))
        shape = (half(shape[0]), half(shape[1]), half(shape[2]))
    return tuple(factors)


def halve(slices: Floats, out: Floats | None = None) -> Floats:
    """Return the means of 2 x 2 x 2 voxels.

    Parameters
    ----------
    slices : (z, y, x) float32
        Slices, or bands of rows of slices, that begin at an even slice, row and column.
    out : (half z, half y, half x) float32, optional
        Where to put them.

    >>> halve(np.arange(12, dtype=np.float32).reshape(1, 3, 4))
    array([[[ 2.5,  4.5],
            [ 8.5, 10.5]]], dtype=float32)
    """
    depth, height, width = slices.shape
    if out is None:
        out = np.empty((half(depth), half(height), half(width)), np.float32)
    _halve(slices, out)
    return out


# Sums stay in the order written: the values must not depend on how the compiler groups them.
@njit(nogil=True, cache=True)
def _halve(slices, out):  # type: ignore[no-untyped-def]
    depth, height, width = slices.shape
    eighth = np.float32(0.125)
    pairs = width // 2
    for z in range(out.shape[0]):
        near, far = slices[2 * z], slices[min(2 * z + 1, depth - 1)]
        for y in range(out.shape[1]):
            below = min(2 * y + 1, height - 1)
            a, b, c, d = near[2 * y], near[below], far[2 * y], far[below]
            row = out[z, y]
            for x in range(pairs):
                left = (a[2 * x] + b[2 * x]) + (c[2 * x] + d[2 * x])
                right = (a[2 * x + 1] + b[2 * x + 1]) + (c[2 * x + 1] + d[2 * x + 1])
                row[x] = (left + right) * eighth
            if width % 2:
                last = (a[width - 1] + b[width - 1]) + (c[width - 1] + d[width - 1])
                row[pairs] = (last + last) * eighth
