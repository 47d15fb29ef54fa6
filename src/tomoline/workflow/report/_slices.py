"""The central slices of a tomogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tomoline.files.mrc import release_pages

AVERAGED = 5
"""Slices that a shown slice is the mean of: beads and membranes stay sharp, noise halves."""

_SECTIONS = 16


@dataclass(frozen=True)
class Slices:
    """The three central slices, float32, and how many sections each is the mean of."""

    xy: NDArray[np.float32]
    xz: NDArray[np.float32]
    zy: NDArray[np.float32]
    averaged: tuple[int, int, int]


def central_slices(volume: NDArray[np.generic]) -> Slices:
    """Return the means of the middle slices across z, y and x of a volume (z, y, x).

    Returns
    -------
    Slices
        ``xy`` (y, x), ``xz`` (z, x) and ``zy`` (y, z), as 3dmod's slicer window lays them out.
    """
    spans = [middle(size) for size in volume.shape]
    (z0, z1), (y0, y1), (x0, x1) = spans
    xy = volume[z0:z1].mean(axis=0, dtype=np.float32)
    xz = np.empty((volume.shape[0], volume.shape[2]), dtype=np.float32)
    zy = np.empty((volume.shape[1], volume.shape[0]), dtype=np.float32)
    for first in range(0, volume.shape[0], _SECTIONS):
        some = slice(first, first + _SECTIONS)
        xz[some] = volume[some, y0:y1].mean(axis=1, dtype=np.float32)
        zy[:, some] = volume[some, :, x0:x1].mean(axis=2, dtype=np.float32).T
        release_pages(volume)  # a column touches every page of its sections
    return Slices(xy, xz, zy, (z1 - z0, y1 - y0, x1 - x0))


def middle(size: int) -> tuple[int, int]:
    """Return where the middle of `size` slices begins, and where it ends."""
    count = min(AVERAGED, max(1, size // 8))
    first = (size - count) // 2
    return first, first + count
