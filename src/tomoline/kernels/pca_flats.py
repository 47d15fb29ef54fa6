"""Eigen flats: the beam as its mean plus a few ways in which it changes.

Van Nieuwenhove et al., Opt. Express 23 (2015) 27975. The components are found on descriptors
(`tomoline.kernels.flat_match`), and the same combination of the flats gives them at full
resolution. A frame's coefficients follow from its descriptor alone, which is free of most of the
specimen and limited where it is not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels.flat_match import FlatBasis, Floats

Real = NDArray[np.float32]


def combinations(basis: FlatBasis, components: int) -> Floats:
    """Return how components follow from flats, (components, flats) float64.

    Component k is the sum over flats of the k-th row times ``flat / (level * mean) - 1``, so that
    a beam is ``mean * (1 + sum of a_k component_k)`` with the a_k of a frame as its products with
    ``basis.parts``.
    """
    number = min(components, basis.coefficients.shape[1])
    used = basis.coefficients[:, :number]
    strength = (used**2).sum(axis=0)
    combined: Floats = (used / np.maximum(strength, 1e-30)).T
    return combined


def finish(sums: Real, weights: Floats, mean: Real) -> Real:
    """Turn combinations of flats into components, in place.

    Parameters
    ----------
    sums : (components, rows, columns) float32
        Sums over flats of weight times flat (dark off) over its level relative to the mean's.
    weights : (components, flats) float64
        From `combinations`.
    mean : (rows, columns) float32
        Mean flat, dark off. Components are 0 where it is not positive.
    """
    lit = mean > 0
    safe = np.where(lit, mean, np.float32(1))
    for number, part in enumerate(sums):
        part /= safe
        part -= np.float32(weights[number].sum())
        part[~lit] = 0
    return sums


def pack(parts: Real) -> tuple[NDArray[np.int16], Floats]:
    """Return images as 16-bit integers, which halves what a frame's correction has to read.

    Parameters
    ----------
    parts : (n, rows, columns) float32
        Changed in place: values beyond 8 times what nearly all are within (dead pixels) are cut.

    Returns
    -------
    packed : (n, rows, columns) int16
    units : (n,) float64
        What to multiply each image by.
    """
    packed = np.empty(parts.shape, np.int16)
    units = np.empty(len(parts))
    for number, part in enumerate(parts):
        usual = float(np.quantile(np.abs(part.reshape(-1)[::7]), 0.99))
        most = min(8 * usual, float(np.abs(part).max())) or float(np.abs(part).max()) or 1.0
        np.clip(part, -most, most, out=part)
        units[number] = most / np.iinfo(np.int16).max
        part /= np.float32(units[number])
        packed[number] = np.rint(part)
    return packed, units
