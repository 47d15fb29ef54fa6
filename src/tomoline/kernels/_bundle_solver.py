"""Levenberg-Marquardt steps of the bundle adjustment, with the points eliminated.

Every step builds the normal equations of view parameters and points, takes the points out by their
3 x 3 blocks (Schur complement), maps the views' parameters to the variables, adds the priors, and
solves the small dense system that is left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tomoline.kernels import _bundle_linear as linear
from tomoline.kernels._bundle_model import DX, DY, MAGNIFICATION, TILT, normal_equations
from tomoline.kernels._bundle_variables import Kind

Floats = NDArray[np.float64]

_LEAST_DAMPING = 1e-9
_TRIALS = 12


@dataclass
class State:
    """Where the minimiser stands: (p, 3) points, (v, 6) view parameters, and its damping."""

    points: Floats
    views: Floats
    damping: float = _LEAST_DAMPING


class Problem:
    """A bundle adjustment with fixed tracks, variables and base parameters.

    Parameters
    ----------
    tracks : (p, v, 2) float64
        Measured positions, tracks sorted by their first view.
    kinds : list of Kind
        The variables, shifts included; at most one kind for each parameter.
    base : (v, 6) float64
        Parameters that the priors pull to.
    """

    def __init__(self, tracks: Floats, kinds: list[Kind], base: Floats) -> None:
        self.tracks = tracks
        self.base = base
        self.kinds = sorted(kinds, key=lambda kind: kind.parameter)
        self.active = [kind.parameter for kind in self.kinds]
        starts = np.cumsum([0] + [kind.matrix.shape[1] for kind in self.kinds])
        self.slices = [slice(a, b) for a, b in itertools.pairwise(starts)]
        self.unknowns = int(starts[-1])

    def _restrict(self, full: Floats, right: Floats) -> tuple[Floats, Floats]:
        """Map the equations of all views' parameters to those of the variables."""
        count, width = len(self.base), len(self.active)
        blocks, rows = full.reshape(count, width, count, width), right.reshape(count, width)
        matrix = np.empty((self.unknowns, self.unknowns))
        vector = np.empty(self.unknowns)
        for a, (kind, part) in enumerate(zip(self.kinds, self.slices, strict=True)):
            vector[part] = (
                rows[:, a] if kind.each else np.einsum("v,vn->n", rows[:, a], kind.matrix)
            )
            for b, (other, columns) in enumerate(zip(self.kinds, self.slices, strict=True)):
                block = blocks[:, a, :, b]
                if not kind.each:
                    block = np.einsum("vn,vw->nw", kind.matrix, block)
                if not other.each:
                    block = np.einsum("vw,wn->vn", block, other.matrix)
                matrix[part, columns] = block
        return matrix, vector

    def _parameters(self, change: Floats) -> Floats:
        """Return the changes of the active parameters, (v, k), that changed variables make."""
        result = np.empty((len(self.base), len(self.active)))
        for a, (kind, part) in enumerate(zip(self.kinds, self.slices, strict=True)):
            values = change[part]
            result[:, a] = values if kind.each else np.einsum("vn,n->v", kind.matrix, values)
        return result

    def _add_priors(self, views: Floats, noise_px: float, matrix: Floats, vector: Floats) -> None:
        """Add the priors, in units of squared pixels, to the equations."""
        for kind, part in zip(self.kinds, self.slices, strict=True):
            if not np.isfinite(kind.prior_sd):
                continue
            weight = (noise_px / kind.prior_sd) ** 2
            centred = kind.matrix - kind.matrix.mean(axis=0)
            deviation = self._deviation(kind, views)
            matrix[part, part] += weight * np.einsum("va,vb->ab", centred, centred)
            vector[part] -= weight * np.einsum("va,v->a", centred, deviation)

    def _deviation(self, kind: Kind, views: Floats) -> Floats:
        deviation = views[:, kind.parameter] - self.base[:, kind.parameter]
        centred: Floats = deviation - deviation.mean()
        return centred

    def cost(self, points: Floats, views: Floats, weights: Floats, noise_px: float) -> float:
        """Return the weighted sum of squared residuals and the priors' cost."""
        total = _sum_of_squares(self.tracks, weights, points, views)
        for kind in self.kinds:
            if np.isfinite(kind.prior_sd):
                deviation = self._deviation(kind, views) * (noise_px / kind.prior_sd)
                total += float(np.sum(deviation**2))
        return total

    def step(self, state: State, weights: Floats, noise_px: float) -> tuple[State, float]:
        """Make one step that lowers the cost, raising the damping until one does.

        Returns
        -------
        state : State
        moved_px : float
            How far the step moved anything, about in pixels; 0 where no step lowered the cost.
        """
        parts = normal_equations(self.tracks, weights, state.points, state.views)
        view_blocks, view_gradient, point_blocks, point_gradient, mixed = parts
        cost = self.cost(state.points, state.views, weights, noise_px)
        count, width = len(self.base), len(self.active)
        mixed = np.ascontiguousarray(mixed[:, :, self.active])
        view_blocks = view_blocks[:, self.active][:, :, self.active]
        view_gradient = view_gradient[:, self.active]
        ranges = self._ranges(weights)
        damping = state.damping
        for _ in range(_TRIALS):
            scaled, scaled_gradient, inverses = linear.eliminate_points(
                mixed, point_blocks, point_gradient, damping
            )
            blocks = np.zeros((count, width, count, width))
            blocks[np.arange(count), :, np.arange(count), :] = view_blocks
            full = blocks.reshape(count * width, count * width)
            right = view_gradient.flatten()
            linear.subtract_outer(scaled, scaled_gradient, ranges, full, right)
            matrix, vector = self._restrict(full, right)
            self._add_priors(state.views, noise_px, matrix, vector)
            self._fix_gauge(state.views, matrix)
            diagonal = np.diagonal(matrix).copy()
            matrix[np.diag_indices_from(matrix)] += damping * diagonal + 1e-13 * diagonal.max()
            change, ok = linear.solve_positive(matrix, vector)
            if ok:
                parameters = self._parameters(change)
                views = state.views.copy()
                views[:, self.active] += parameters
                points = state.points + linear.back_substitute(
                    scaled, scaled_gradient, inverses, parameters.ravel()
                )
                new_cost = self.cost(points, views, weights, noise_px)
                if new_cost <= cost * (1 + 1e-12) + 1e-18:
                    moved = _motion(state, points, views)
                    return State(points, views, max(damping / 10, _LEAST_DAMPING)), moved
            damping = max(damping * 20, 1e-6)
        return State(state.points, state.views, damping), 0.0

    def _ranges(self, weights: Floats) -> NDArray[np.int64]:
        """Return which rows the tracks of each block have anything in, (blocks, 2)."""
        width = len(self.active)
        ranges = []
        for start in range(0, len(weights), linear.BLOCK):
            seen = np.flatnonzero((weights[start : start + linear.BLOCK] > 0).any(axis=0))
            ranges.append((seen[0] * width, (seen[-1] + 1) * width) if len(seen) else (0, 0))
        return np.array(ranges, dtype=np.int64).reshape(-1, 2)

    def _fix_gauge(self, views: Floats, matrix: Floats) -> None:
        """Take out of the step what a shift, scale or turn of the specimen does as well.

        The equations are singular there, and adding to them in these directions alone changes
        nothing else.
        """
        part = dict(zip(self.active, self.slices, strict=True))
        rotation, tilt, magnification = views[:, 0], views[:, 1], views[:, 2]
        cos, sin = magnification * np.cos(rotation), magnification * np.sin(rotation)
        directions = [
            {DX: np.cos(tilt) * cos, DY: np.cos(tilt) * sin},
            {DX: np.sin(tilt) * cos, DY: np.sin(tilt) * sin},
            {DX: -sin, DY: cos},
        ]
        for parameter in (TILT, MAGNIFICATION):
            if parameter in part:
                size = part[parameter].stop - part[parameter].start
                directions.append({parameter: np.ones(size)})
        diagonal = np.diagonal(matrix).copy()
        for direction in directions:
            vector = np.zeros(self.unknowns)
            for parameter, values in direction.items():
                vector[part[parameter]] = values
            squared = float(np.sum(vector**2))
            strength = float(np.sum(diagonal * vector**2)) / squared
            linear.add_outer(matrix, vector, strength / squared)


def _motion(state: State, points: Floats, views: Floats) -> float:
    """Return the largest change of a point, a shift, or what an angle moves at the far end."""
    change = np.abs(views - state.views)
    change[:, :4] *= np.abs(points).max(initial=1.0)
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
