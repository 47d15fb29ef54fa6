"""Dense linear algebra of the bundle adjustment, on the calling thread only.

The systems have a few hundred unknowns. A threaded BLAS would spend its time waiting where other
work shares the cores, and its sums would depend on the number of threads; these loops do neither.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Tracks in one product; they are sorted by their first view, so short tracks need few rows.
BLOCK = 64


@njit(nogil=True, cache=True)
def eliminate_points(
    mixed: Floats, blocks: Floats, gradient: Floats, damping: float
) -> tuple[Floats, Floats, Floats]:
    """Factor each point's 3 x 3 block, L L' = V, and scale what is mixed with it.

    Parameters
    ----------
    mixed : (p, v, k, 3), blocks : (p, 3, 3), gradient : (p, 3)
        Parts of the normal equations.
    damping : float
        Relative increase of the diagonals.

    Returns
    -------
    scaled : (v * k, 3 * p)
        W L^-T, whose outer product is what the points take out of the views' equations.
    scaled_gradient : (3 * p,)
        L^-1 g.
    inverses : (p, 3, 3)
        L^-1.
    """
    count, n_views, kinds = mixed.shape[0], mixed.shape[1], mixed.shape[2]
    scaled = np.zeros((n_views * kinds, 3 * count))
    scaled_gradient = np.zeros(3 * count)
    inverses = np.zeros((count, 3, 3))
    for i in range(count):
        v = blocks[i]
        floor = 1e-12 * (v[0, 0] + v[1, 1] + v[2, 2]) + 1e-30
        a = math.sqrt(v[0, 0] * (1 + damping) + floor)
        b = v[1, 0] / a
        c = math.sqrt(max(v[1, 1] * (1 + damping) - b * b, 0.0) + floor)
        d = v[2, 0] / a
        e = (v[2, 1] - d * b) / c
        f = math.sqrt(max(v[2, 2] * (1 + damping) - d * d - e * e, 0.0) + floor)
        l00, l10, l11 = 1 / a, -b / (a * c), 1 / c
        l20, l21, l22 = (b * e / c - d) / (a * f), -e / (c * f), 1 / f
        inverses[i, 0, 0], inverses[i, 1, 0], inverses[i, 1, 1] = l00, l10, l11
        inverses[i, 2, 0], inverses[i, 2, 1], inverses[i, 2, 2] = l20, l21, l22
        g0, g1, g2 = gradient[i, 0], gradient[i, 1], gradient[i, 2]
        scaled_gradient[3 * i] = l00 * g0
        scaled_gradient[3 * i + 1] = l10 * g0 + l11 * g1
        scaled_gradient[3 * i + 2] = l20 * g0 + l21 * g1 + l22 * g2
        for j in range(n_views):
            for k in range(kinds):
                w0, w1, w2 = mixed[i, j, k, 0], mixed[i, j, k, 1], mixed[i, j, k, 2]
                if w0 == 0.0 and w1 == 0.0 and w2 == 0.0:
                    continue
                row = j * kinds + k
                scaled[row, 3 * i] = w0 * l00
                scaled[row, 3 * i + 1] = w0 * l10 + w1 * l11
                scaled[row, 3 * i + 2] = w0 * l20 + w1 * l21 + w2 * l22
    return scaled, scaled_gradient, inverses


@njit(nogil=True, cache=True, fastmath=True)
def subtract_outer(
    scaled: Floats, scaled_gradient: Floats, ranges: NDArray[np.int64], full: Floats, right: Floats
) -> None:
    """Subtract ``scaled @ scaled.T`` from `full` and ``scaled @ scaled_gradient`` from `right`.

    Parameters
    ----------
    scaled : (n, 3 * p)
    scaled_gradient : (3 * p,)
    ranges : (blocks, 2) int64
        First row, and the one after the last, that are not zero in each block of `BLOCK` tracks.
    full : (n, n)
        Changed in place, both halves.
    right : (n,)
        Changed in place.
    """
    width = scaled.shape[1]
    for block in range(ranges.shape[0]):
        start, stop = block * 3 * BLOCK, min((block + 1) * 3 * BLOCK, width)
        first, last = ranges[block, 0], ranges[block, 1]
        for i in range(first, last):
            row = scaled[i, start:stop]
            total = 0.0
            for m in range(stop - start):
                total += row[m] * scaled_gradient[start + m]
            right[i] -= total
            j = first
            while j + 3 <= i:
                one, two = scaled[j, start:stop], scaled[j + 1, start:stop]
                three, four = scaled[j + 2, start:stop], scaled[j + 3, start:stop]
                s0 = s1 = s2 = s3 = 0.0
                for m in range(stop - start):
                    s0 += row[m] * one[m]
                    s1 += row[m] * two[m]
                    s2 += row[m] * three[m]
                    s3 += row[m] * four[m]
                full[i, j] -= s0
                full[i, j + 1] -= s1
                full[i, j + 2] -= s2
                full[i, j + 3] -= s3
                j += 4
            while j <= i:
                one = scaled[j, start:stop]
                total = 0.0
                for m in range(stop - start):
                    total += row[m] * one[m]
                full[i, j] -= total
                j += 1
    for i in range(full.shape[0]):
        for j in range(i):
            full[j, i] = full[i, j]


@njit(nogil=True, cache=True, fastmath=True)
def back_substitute(
    scaled: Floats, scaled_gradient: Floats, inverses: Floats, parameters: Floats
) -> Floats:
    """Return the points' changes (p, 3) that go with changes of the views' `parameters` (n,)."""
    inner = scaled_gradient.copy()
    for i in range(scaled.shape[0]):
        change = parameters[i]
        row = scaled[i]
        for m in range(scaled.shape[1]):
            inner[m] -= change * row[m]
    result = np.empty((inverses.shape[0], 3))
    for i in range(inverses.shape[0]):
        for m in range(3):
            total = 0.0
            for n in range(m, 3):
                total += inverses[i, n, m] * inner[3 * i + n]
            result[i, m] = total
    return result


@njit(nogil=True, cache=True, fastmath=True)
def solve_positive(matrix: Floats, right: Floats) -> tuple[Floats, bool]:
    """Solve a symmetric positive definite system by Cholesky's method.

    Parameters
    ----------
    matrix : (n, n)
        Overwritten by its factor.
    right : (n,)

    Returns
    -------
    solution : (n,)
    ok : bool
        False where the matrix is not positive definite.
    """
    count = len(right)
    solution = right.copy()
    for i in range(count):
        row = matrix[i]
        for j in range(i):
            other = matrix[j]
            total = row[j]
            for m in range(j):
                total -= row[m] * other[m]
            row[j] = total / other[j]
        pivot = row[i]
        for m in range(i):
            pivot -= row[m] * row[m]
        if not pivot > 0.0:
            return solution, False
        row[i] = math.sqrt(pivot)
        total = solution[i]
        for m in range(i):
            total -= row[m] * solution[m]
        solution[i] = total / row[i]
    for i in range(count - 1, -1, -1):
        solution[i] /= matrix[i, i]
        change, row = solution[i], matrix[i]
        for m in range(i):
            solution[m] -= change * row[m]
    return solution, True


@njit(nogil=True, cache=True, fastmath=True)
def add_outer(matrix: Floats, vector: Floats, factor: float) -> None:
    """Add ``factor * vector vector'`` to `matrix` in place."""
    for i in range(len(vector)):
        if vector[i] == 0.0:
            continue
        change = factor * vector[i]
        for j in range(len(vector)):
            matrix[i, j] += change * vector[j]
