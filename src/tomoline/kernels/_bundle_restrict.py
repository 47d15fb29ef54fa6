"""Fewer variables where there are too few measurements for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoline.kernels._bundle_fit import prepare
from tomoline.kernels._bundle_leave_out import leave_out_error
from tomoline.kernels._bundle_options import BundleOptions
from tomoline.kernels._bundle_variables import variable_kinds

Floats = NDArray[np.float64]

DEFAULT_ORDER = (1, 4, 3, 2, 5)
"""restrictalign's order: group rotations, group magnifications, fix tilts, one rotation, fix
magnifications."""


@dataclass(frozen=True)
class Restricted:
    """Options with fewer variables, and what was taken away.

    Attributes
    ----------
    options : BundleOptions
    applied : tuple of str
        The restrictions in words; empty where none was needed.
    ratio : float
        Measured coordinates over unknowns with these options.
    ratio_before : float
        The same with the options that were asked for.
    leave_out_px : float
        Leave-out error with these options, where it decided; else NaN.
    """

    options: BundleOptions
    applied: tuple[str, ...]
    ratio: float
    ratio_before: float
    leave_out_px: float = float("nan")


def _group_rotations(options: BundleOptions) -> BundleOptions:
    return replace(options, rotation="grouped") if options.rotation == "each" else options


def _one_rotation(options: BundleOptions) -> BundleOptions:
    free = options.rotation in ("each", "grouped")
    return replace(options, rotation="one") if free else options


def _fix_tilts(options: BundleOptions) -> BundleOptions:
    return replace(options, tilt="fixed")


def _group_magnifications(options: BundleOptions) -> BundleOptions:
    each = options.magnification == "each"
    return replace(options, magnification="grouped") if each else options


def _fix_magnifications(options: BundleOptions) -> BundleOptions:
    return replace(options, magnification="fixed")


RESTRICTIONS: dict[int, tuple[str, Callable[[BundleOptions], BundleOptions]]] = {
    1: ("rotations solved in groups of views", _group_rotations),
    2: ("one rotation for all views", _one_rotation),
    3: ("tilt angles not solved", _fix_tilts),
    4: ("magnifications solved in groups of views", _group_magnifications),
    5: ("magnifications not solved", _fix_magnifications),
}


def measurement_ratio(tracks_px: Floats, tilt_rad: Floats, options: BundleOptions) -> float:
    """Return the number of measured coordinates over that of unknowns."""
    data = prepare(tracks_px)
    kinds = variable_kinds(options, tilt_rad[data.columns])
    variables = sum(kind.matrix.shape[1] for kind in kinds) + 2 * len(data.columns)
    return float(2 * data.mask.sum() / (variables + 3 * len(data.rows) - 3))


def restrict(
    tracks_px: Floats,
    tilt_rad: Floats,
    axis_rad: float,
    options: BundleOptions,
    *,
    least_ratio: float = 3.2,
    target_ratio: float = 3.6,
    order: tuple[int, ...] = DEFAULT_ORDER,
    cross_validate: bool = False,
) -> Restricted:
    """Take variables away, in order, until the measurements are enough for them.

    restrictalign's rule (its man page): nothing happens while the ratio of measured coordinates to
    unknowns is at least `least_ratio`; otherwise restrictions add up in the given order, and of
    those that reach it the one nearest to `target_ratio` is taken, or else the last.

    Parameters
    ----------
    tracks_px, tilt_rad, axis_rad, options
        As for `tomoline.kernels.bundle.solve_bundle`.
    least_ratio, target_ratio : float
    order : tuple of int
        Numbers of `RESTRICTIONS`.
    cross_validate : bool
        Where the ratio is too low, choose by the leave-out error instead of the ratio; then no
        restriction may be the best choice.

    Returns
    -------
    Restricted
    """
    before = measurement_ratio(tracks_px, tilt_rad, options)
    steps = [Restricted(options, (), before, before)]
    for number in order:
        words, change = RESTRICTIONS[number]
        changed = change(steps[-1].options)
        if changed != steps[-1].options:
            ratio = measurement_ratio(tracks_px, tilt_rad, changed)
            steps.append(Restricted(changed, (*steps[-1].applied, words), ratio, before))
    if before >= least_ratio:
        return steps[0]
    if cross_validate:
        measured = []
        for step in steps:
            error = leave_out_error(tracks_px, tilt_rad, axis_rad, step.options).rms_px
            measured.append(replace(step, leave_out_px=error))
        return min(measured, key=lambda step: np.nan_to_num(step.leave_out_px, nan=np.inf))
    enough = [step for step in steps if step.ratio >= least_ratio]
    if not enough:
        return steps[-1]
    return min(enough, key=lambda step: abs(step.ratio - target_ratio))
