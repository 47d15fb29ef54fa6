"""The course of the fine alignment: restrict, solve, fall back, judge, level."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tomoline import errors
from tomoline.kernels.bundle import (
    BundleOptions,
    BundleSolution,
    LeaveOut,
    Restricted,
    leave_out_error,
    restrict,
    solve_bundle,
    usable,
)
from tomoline.kernels.surfaces import Surfaces, fit_surfaces, level
from tomoline.steps._align_params import AlignParams

Floats = NDArray[np.float64]

LEAST_TRACKS = 3
# What no microscope does between two views of a series.
_MOST_ROTATION_DEG, _MOST_MAGNIFICATION, _MOST_TILT_DEG = 10.0, 0.2, 10.0
# With more tracks than this, variables are not restricted (batchruntomo's rule).
_ENOUGH_TRACKS = 20
# An offset that the beads tell worse than this, or fewer than these, is left to positioning, and
# so is that of patches, whose heights are vague: the density tells it better.
_LEVEL_SD_DEG = 1.0
_LEVEL_POINTS = 5


@dataclass(frozen=True)
class Alignment:
    """A solved tilt series.

    Attributes
    ----------
    solution : BundleSolution
        Before levelling.
    restricted : Restricted
    fallback : str
        How it was solved where what was asked for did not work; else empty.
    leave_out : LeaveOut
    surfaces : Surfaces or None
        Before levelling.
    offset_deg : float
        Added to all tilt angles.
    offset_refused : str
        Why what the points say was not used; else empty.
    implausible_offset : bool
        Whether that is because it is too great to be believed.
    """

    solution: BundleSolution
    restricted: Restricted
    fallback: str
    leave_out: LeaveOut
    surfaces: Surfaces | None
    offset_deg: float
    offset_refused: str
    implausible_offset: bool = False

    @property
    def points_px(self) -> Floats:
        """The points in the specimen's frame after the offset, (p, 3)."""
        return level(self.solution.points_px, self.offset_deg, 0.0)

    @property
    def tilt_deg(self) -> Floats:
        """Tilt angles with beam tilt worked in and offset added, (v,)."""
        angles: Floats = np.degrees(self.solution.equivalent()[1]) + self.offset_deg
        return angles

    @property
    def x_tilt_deg(self) -> Floats:
        """X-axis tilt of each view that stands for the beam tilt, (v,)."""
        return np.degrees(self.solution.equivalent()[2])


def options_of(params: AlignParams, kind: str) -> BundleOptions:
    """Return the options of the bundle adjustment that the parameters mean."""
    whole = params.weight_whole_tracks
    return BundleOptions(
        rotation=params.rotation,
        rotation_group=params.rotation_group_views,
        tilt=params.tilt,
        tilt_group=params.tilt_group_views,
        magnification=params.magnification,
        magnification_group=params.magnification_group_views,
        beam_tilt=params.beam_tilt,
        beam_tilt_rad=math.radians(params.beam_tilt_deg),
        rotation_prior_rad=math.radians(params.rotation_prior_deg),
        tilt_prior_rad=math.radians(params.tilt_prior_deg),
        magnification_prior=params.magnification_prior_percent / 100,
        robust=params.robust,
        k_factor=params.k_factor,
        weight_whole_tracks=kind == "patches" if whole is None else whole,
    )


def solve(
    params: AlignParams, kind: str, tracks_px: Floats, tilt_deg: Floats, axis_deg: float
) -> Alignment:
    """Align the series.

    Raises
    ------
    TomolineError
        ALIGN-01 with fewer than three usable tracks; ALIGN-02 where no solution is plausible.
    """
    _, tracked, _ = usable(tracks_px)
    if tracked.sum() < LEAST_TRACKS:
        raise errors.tilt.TOO_FEW_TRACKS.error(
            "", f"there are {int(tracked.sum())} that are seen in three views."
        )
    tilt, axis = np.radians(tilt_deg), math.radians(axis_deg)
    restricted = _restrict(params, tracks_px, tilt, axis, options_of(params, kind), tracked.sum())
    solution, fallback = _solve_somehow(tracks_px, tilt, axis, restricted.options)
    leave_out = leave_out_error(tracks_px, tilt, axis, solution.options, solution=solution)
    planes = None
    if params.surfaces != 0 and tracked.sum() >= _LEVEL_POINTS:
        planes = fit_surfaces(solution.points_px, params.surfaces)
    offset, refused = _offset(params, kind, planes)
    most = params.largest_offset_deg
    absurd = bool(refused) and planes is not None and abs(planes.tilt_offset_deg) > most
    absurd = absurd and planes is not None and planes.tilt_offset_sd_deg <= _LEVEL_SD_DEG
    return Alignment(solution, restricted, fallback, leave_out, planes, offset, refused, absurd)


def _restrict(
    params: AlignParams,
    tracks_px: Floats,
    tilt: Floats,
    axis: float,
    options: BundleOptions,
    tracked: int,
) -> Restricted:
    enough = tracked >= _ENOUGH_TRACKS
    found = restrict(
        tracks_px,
        tilt,
        axis,
        options,
        least_ratio=0.0 if enough else params.least_measurement_ratio,
        target_ratio=params.target_measurement_ratio,
        order=params.restriction_order,
        cross_validate=params.restrict_by == "leave_out",
    )
    became_one = found.options.rotation == "one" and options.rotation != "one"
    if became_one and params.skip_beam_tilt_with_one_rotation:
        found = replace(found, options=replace(found.options, beam_tilt="fixed"))
    return found


def _solve_somehow(
    tracks_px: Floats, tilt: Floats, axis: float, options: BundleOptions
) -> tuple[BundleSolution, str]:
    """Solve as asked for, or else without robust weights, or else with few variables."""
    simple = replace(
        options, robust=False, rotation="one", magnification="fixed", tilt="fixed",
        beam_tilt="fixed",
    )  # fmt: skip
    attempts = [
        (options, ""),
        (replace(options, robust=False), "without robust weights"),
        (replace(simple, robust=True), "with one rotation and without magnifications"),
        (simple, "with one rotation, without magnifications and robust weights"),
    ]
    complaint = ""
    for attempt, words in attempts:
        solution = solve_bundle(tracks_px, tilt, axis, attempt)
        problem = implausible(solution, tilt)
        if not problem:
            return solution, f"{complaint}; solved {words}" if complaint else ""
        complaint = complaint or problem
    raise errors.tilt.NO_SOLUTION.error("", f"{complaint}.")


def implausible(solution: BundleSolution, tilt_rad: Floats) -> str:
    """Say what no microscope does about a solution, or nothing."""
    if not np.isfinite(solution.parameters).all():
        return "the solution is not finite"
    if not solution.converged and not np.isfinite(solution.noise_px):
        return "the minimiser did not converge"
    turned = np.degrees(np.abs(solution.rotation_rad - np.median(solution.rotation_rad)).max())
    if turned > _MOST_ROTATION_DEG:
        return f"a view is turned by {turned:.1f} degrees against the others"
    scaled = float(np.abs(solution.magnification - 1).max())
    if scaled > _MOST_MAGNIFICATION:
        return f"a view's magnification differs by {100 * scaled:.0f} %"
    change = solution.tilt_rad - tilt_rad
    moved = np.degrees(np.abs(change - np.median(change)).max())
    if moved > _MOST_TILT_DEG:
        return f"a tilt angle changed by {moved:.1f} degrees"
    order = np.argsort(tilt_rad, kind="stable")
    nominal, solved = np.diff(tilt_rad[order]), np.diff(solution.tilt_rad[order])
    if (solved[nominal > math.radians(0.2)] <= 0).any():
        return "solved tilt angles are not in order"
    return ""


def _offset(params: AlignParams, kind: str, planes: Surfaces | None) -> tuple[float, str]:
    """Return the offset to use, and why what the points say was not used."""
    if params.angle_offset_deg is not None:
        return params.angle_offset_deg, ""
    if kind == "patches" and params.surfaces is None:
        return 0.0, "the density tells it better than patches."
    if planes is None:
        asked = params.surfaces != 0
        return 0.0, "the points do not tell how the specimen lies." if asked else ""
    if planes.tilt_offset_sd_deg > _LEVEL_SD_DEG:
        return 0.0, (
            f"the points say {planes.tilt_offset_deg:.1f} degrees, give or take "
            f"{planes.tilt_offset_sd_deg:.1f}."
        )
    if abs(planes.tilt_offset_deg) > params.largest_offset_deg:
        return 0.0, f"the points say {planes.tilt_offset_deg:.1f} degrees."
    return planes.tilt_offset_deg, ""
