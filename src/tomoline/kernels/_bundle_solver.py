"""Levenberg-Marquardt steps of the bundle adjustment, with the points eliminated.

Every step builds the normal equations of view parameters and points, takes the points out by their
3 x 3 blocks (Schur complement), maps the views' parameters to the variables, adds the priors, and
solves the small dense system that is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels._bundle_model import DX, DY, PARAMETERS, normal_equations
from tomoline.kernels._bundle_variables import Kind

Floats = NDArray[np.float64]

# Points in one matrix product; tracks are sorted by their first view, so short ones need few rows.
_BLOCK = 64


@dataclass
class State:
    """Where the minimiser stands: (p, 3) points, (v, 6) view parameters, and its damping."""

    points: Floats
    views: Floats
    damping: float = 1e-9


@njit(nogil=True, cache=True)
def _eliminate(
    mixed: Floats, blocks: Floats, gradient: Floats, damping: float
) -> tuple[Floats, Floats, Floats]:
    """Factor each point's block, L L' = V, and return W L^-T, L^-1 g and L^-1.

    `mixed` is (p, v, k, 3); the first result has the shape (v, k, p, 3).
    """
    count, n_views, kinds = mixed.shape[0], mixed.shape[1], mixed.shape[2]
    scaled = np.zeros((n_views, kinds, count, 3))
    scaled_gradient = np.zeros((count, 3))
    inverses = np.zeros((count, 3, 3))
    for i in range(count):
        v = blocks[i]
        floor = 1e-12 * (v[0, 0] + v[1, 1] + v[2, 2]) + 1e-30
        a = np.sqrt(v[0, 0] * (1 + damping) + floor)
        b = v[1, 0] / a
        c = np.sqrt(max(v[1, 1] * (1 + damping) - b * b, 0.0) + floor)
        d = v[2, 0] / a
        e = (v[2, 1] - d * b) / c
        f = np.sqrt(max(v[2, 2] * (1 + damping) - d * d - e * e, 0.0) + floor)
        inverses[i, 0, 0] = 1 / a
        inverses[i, 1, 0] = -b / (a * c)
        inverses[i, 1, 1] = 1 / c
        inverses[i, 2, 0] = (b * e / c - d) / (a * f)
        inverses[i, 2, 1] = -e / (c * f)
        inverses[i, 2, 2] = 1 / f
        for m in range(3):
            total = 0.0
            for n in range(m + 1):
                total += inverses[i, m, n] * gradient[i, n]
            scaled_gradient[i, m] = total
        for j in range(n_views):
            for k in range(kinds):
                w0, w1, w2 = mixed[i, j, k, 0], mixed[i, j, k, 1], mixed[i, j, k, 2]
                if w0 == 0.0 and w1 == 0.0 and w2 == 0.0:
                    continue
                scaled[j, k, i, 0] = w0 * inverses[i, 0, 0]
                scaled[j, k, i, 1] = w0 * inverses[i, 1, 0] + w1 * inverses[i, 1, 1]
                scaled[j, k, i, 2] = (
                    w0 * inverses[i, 2, 0] + w1 * inverses[i, 2, 1] + w2 * inverses[i, 2, 2]
                )
    return scaled, scaled_gradient, inverses


class Problem:
    """A bundle adjustment with fixed tracks, variables and base parameters.

    Parameters
    ----------
    tracks : (p, v, 2) float64
        Measured positions, tracks sorted by their first view.
    kinds : list of Kind
        The variables, shifts included.
    base : (v, 6) float64
        Parameters that the priors pull to.
    """

    def __init__(self, tracks: Floats, kinds: list[Kind], base: Floats) -> None:
        self.tracks = tracks
        self.kinds = kinds
        self.base = base
        self.active = sorted({kind.parameter for kind in kinds})
        starts = np.cumsum([0] + [kind.matrix.shape[1] for kind in kinds])
        self.slices = [slice(a, b) for a, b in zip(starts[:-1], starts[1:], strict=True)]
        self.unknowns = int(starts[-1])
        self.map = self._map()

    def _map(self) -> Floats:
        """Return the matrix from variables to the active parameters, view by view."""
        count, width = len(self.base), len(self.active)
        result = np.zeros((count, width, self.unknowns))
        for kind, part in zip(self.kinds, self.slices, strict=True):
            result[:, self.active.index(kind.parameter), part] = kind.matrix
        return result.reshape(count * width, self.unknowns)

    def prior(self, views: Floats, noise_px: float) -> tuple[Floats, Floats, float]:
        """Return the priors' normal matrix, gradient and cost, in units of squared pixels."""
        matrix = np.zeros((self.unknowns, self.unknowns))
        gradient = np.zeros(self.unknowns)
        cost = 0.0
        for kind, part in zip(self.kinds, self.slices, strict=True):
            if not np.isfinite(kind.prior_sd) or kind.parameter in (DX, DY):
                continue
            weight = (noise_px / kind.prior_sd) ** 2
            centred = kind.matrix - kind.matrix.mean(axis=0)
            deviation = views[:, kind.parameter] - self.base[:, kind.parameter]
            deviation = deviation - deviation.mean()
            matrix[part, part] += weight * centred.T @ centred
            gradient[part] -= weight * centred.T @ deviation
            cost += weight * float(deviation @ deviation)
        return matrix, gradient, cost

    def step(self, state: State, weights: Floats, noise_px: float) -> tuple[State, float, float]:
        """Make one step that lowers the cost, raising the damping until one does.

        Returns
        -------
        state : State
        moved_px : float
            Largest change of a predicted position's parameters, about in pixels.
        cost : float
            Cost before the step.
        """
        parts = normal_equations(self.tracks, weights, state.points, state.views)
        view_blocks, view_gradient, point_blocks, point_gradient, mixed, cost = parts
        prior_matrix, prior_gradient, prior_cost = self.prior(state.views, noise_px)
        cost += prior_cost
        count, width = len(self.base), len(self.active)
        if width < PARAMETERS:
            mixed = np.ascontiguousarray(mixed[:, :, self.active])
            view_blocks = view_blocks[:, self.active][:, :, self.active]
            view_gradient = view_gradient[:, self.active]
        for _ in range(12):
            scaled, scaled_gradient, inverses = _eliminate(
                mixed, point_blocks, point_gradient, state.damping
            )
            full = np.zeros((count * width, count * width))
            self._subtract_points(scaled, weights, full)
            diagonal = full.reshape(count, width, count, width)
            index = np.arange(count)
            diagonal[index, :, index, :] += view_blocks
            flat = scaled.reshape(count * width, -1)
            right = view_gradient.ravel() - flat @ scaled_gradient.ravel()
            matrix = self.map.T @ (full @ self.map) + prior_matrix
            right = self.map.T @ right + prior_gradient
            matrix += self._shift_gauge(state.views, matrix)
            scale = np.diagonal(matrix).copy()
            matrix[np.diag_indices_from(matrix)] += state.damping * scale + 1e-12 * scale.max()
            change = scipy.linalg.solve(matrix, right, assume_a="pos", check_finite=False)
            parameters = self.map @ change
            inner = scaled_gradient - (parameters @ flat).reshape(-1, 3)
            points = state.points + np.einsum("pnm,pn->pm", inverses, inner)
            views = state.views.copy()
            views[:, self.active] += parameters.reshape(count, width)
            new_cost = self.cost(points, views, weights, noise_px)
            if new_cost <= cost * (1 + 1e-12) + 1e-18:
                moved = self._motion(state, points, views)
                return State(points, views, max(state.damping / 10, 1e-9)), moved, cost
            state.damping = max(state.damping * 20, 1e-6)
        return state, 0.0, cost

    def cost(self, points: Floats, views: Floats, weights: Floats, noise_px: float) -> float:
        """Return the weighted sum of squared residuals and the priors' cost."""
        _, _, prior_cost = self.prior(views, noise_px)
        return _sum_of_squares(self.tracks, weights, points, views) + prior_cost

    def _subtract_points(self, scaled: Floats, weights: Floats, full: Floats) -> None:
        """Subtract the points' Schur complement, block by block of tracks that share views."""
        width = scaled.shape[1]
        for start in range(0, scaled.shape[2], _BLOCK):
            block = slice(start, start + _BLOCK)
            seen = np.flatnonzero(weights[block].any(axis=0))
            if not len(seen):
                continue
            first, last = seen[0], seen[-1] + 1
            part = scaled[first:last, :, block].reshape((last - first) * width, -1)
            rows = slice(first * width, last * width)
            full[rows, rows] -= part @ part.T

    def _shift_gauge(self, views: Floats, matrix: Floats) -> Floats:
        """Return a term that takes out the shift of the whole specimen in x, y and z."""
        shifts = [
            part
            for kind, part in zip(self.kinds, self.slices, strict=True)
            if kind.parameter in (DX, DY)
        ]
        rotation, tilt, magnification = views[:, 0], views[:, 1], views[:, 2]
        null = np.zeros((self.unknowns, 3))
        along = (np.cos(tilt), 0.0 * tilt, np.sin(tilt))
        across = (0.0 * tilt, 1.0 + 0.0 * tilt, 0.0 * tilt)
        for axis in range(3):
            u, v = along[axis], across[axis]
            null[shifts[0], axis] = magnification * (np.cos(rotation) * u - np.sin(rotation) * v)
            null[shifts[1], axis] = magnification * (np.sin(rotation) * u + np.cos(rotation) * v)
        null, _ = np.linalg.qr(null)
        scale = float(np.mean(np.diagonal(matrix)[shifts[0]]))
        result: Floats = scale * (null @ null.T)
        return result

    def _motion(self, state: State, points: Floats, views: Floats) -> float:
        """Return how far the step moved anything, in pixels."""
        change = np.abs(views - state.views)
        reach = np.abs(points).max(initial=1.0)
        change[:, :4] *= reach
        moved = max(change.max(initial=0.0), np.abs(points - state.points).max(initial=0.0))
        return float(moved)


@njit(nogil=True, cache=True)
def _sum_of_squares(tracks: Floats, weights: Floats, points: Floats, views: Floats) -> float:
    total = 0.0
    for j in range(views.shape[0]):
        cr, sr = np.cos(views[j, 0]), np.sin(views[j, 0])
        ct, st = np.cos(views[j, 1]), np.sin(views[j, 1])
        cb, sb = np.cos(views[j, 3]), np.sin(views[j, 3])
        for i in range(points.shape[0]):
            if weights[i, j] <= 0.0:
                continue
            x, y, z = points[i, 0], points[i, 1], points[i, 2]
            depth = z * cb - y * sb
            u = x * ct + depth * st
            v = cb * (y * cb + z * sb) - sb * (depth * ct - x * st)
            rx = tracks[i, j, 0] - views[j, 2] * (cr * u - sr * v) - views[j, 4]
            ry = tracks[i, j, 1] - views[j, 2] * (sr * u + cr * v) - views[j, 5]
            total += weights[i, j] * (rx * rx + ry * ry)
    return total
