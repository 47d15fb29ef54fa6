"""Step 5: how the halves of a full turn join, where the axis lies at the side of the field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._register_params import RegisterParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files.sinograms import Sinograms
    from tomoline.steps._axis import RotationAxis
    from tomoline.steps._half_turn import HalfTurn
    from tomoline.steps._shift_course import ShiftCourse
    from tomoline.steps._stitching import Stitching
    from tomoline.steps.scan_layout import ScanLayout

    Floats = NDArray[np.float64]


# Below these a pair's shift is not believed.
_LEAST_COEFFICIENT, _LEAST_LEAD = 0.1, 1.25
_LEAST_SIGMAS = 3.5
# Overlaps of fewer columns leave the joint to the axis alone, and show.
_SMALL_PX = 16
# Variance of a fit at the middle of seven points, relative to that of a point.
_FIT_VARIANCE = 1 / 3


class StitchParams(StepParams):
    """Join projections half a turn apart, where the axis lies at the side of the field.

    The later one is mirrored, shifted by parts of a pixel, and blended with the earlier one where
    both show the same. Nothing is done where slices can be made straight from the projections.
    """

    method: Literal["auto", "none"] = parameter(
        "auto", help="Join the halves where the axis lies at the side, or never."
    )
    every_angles: int = parameter(
        8,
        ge=1,
        help="Pairs from one that is measured to the next; what moves between the halves is slow.",
        unit="angles",
    )
    search_px: float = parameter(
        8.0,
        gt=1,
        help="Largest shift between the halves, beyond the expected vertical offset.",
    )
    offset_y_px: float | None = parameter(
        None,
        help="How much higher or lower the second half may lie; none takes OFFSET-Y-360 of the "
        "parameter file. Only widens the search: the images tell the rest.",
    )
    mask_px: int = parameter(
        0,
        ge=0,
        help="Columns at both edges of the projections that are not used; none, as blending "
        "gives the edges no weight.",
        when="Raise it where the frames' edges are dark or cut out.",
    )
    match_levels: bool = parameter(
        True,
        help="Share the difference of the halves' means in the overlap between them, so that no "
        "step shows at the joint.",
    )


@dataclass(frozen=True)
class _Joint:
    """Shifts of the second halves, settled."""

    shifts_px: Floats
    axis_change_px: float
    residual_px: float
    quality: float
    measured: int
    usable: int


def run(params: StitchParams, context: StepContext) -> Values:
    """Find the pairs, measure their shifts, write how they join."""
    import numpy as np

    from tomoline.steps._axis import RotationAxis
    from tomoline.steps._half_turn import find_partners
    from tomoline.steps._retrieval import Retrieval
    from tomoline.steps._stitching import Stitching
    from tomoline.steps.scan_layout import ScanLayout

    axis = RotationAxis.read(context.input("rotation_axis"))
    if axis.side is None:
        return {"joined": False}
    layout = ScanLayout.read(context.input("scan_layout"))
    retrieval = Retrieval.read(context.input("retrieval"))
    turn = find_partners(np.array(layout.angles_deg), retrieval.taking_part(layout))
    if len(turn.first) < max(2, len(turn.alone)):
        span = max(layout.angles_deg) - min(layout.angles_deg)
        raise errors.register.NO_PARTNERS.error(
            "rotation axis",
            f"it lies at the {axis.side} of the field, at column {axis.axis_px:.1f}, but of "
            f"{layout.angles} projections over {span:.1f} degrees only {len(turn.first)} have "
            "another one half a turn later.",
        )
    sinograms = context.sinograms("projections")
    _, _, width = sinograms.shape
    joint = _measure(params, context, sinograms, turn, axis, layout)
    stitching = Stitching(
        side=axis.side,
        frame_width_px=width,
        middle_row=axis.middle_row,
        frame_axis_px=axis.axis_px + joint.axis_change_px,
        slope_px_per_row=axis.slope_px_per_row,
        angles_deg=tuple(layout.angles_deg[one] for one in turn.first),
        first=turn.first,
        second=turn.second,
        second_weight=turn.weight,
        shifts_px=tuple((float(dy), float(dx)) for dy, dx in joint.shifts_px),
        mask_px=params.mask_px,
        match_levels=params.match_levels,
    )
    _warn(params, context, turn, stitching, joint)
    with context.writing("stitching") as path:
        stitching.write(path)
    return {
        "joined": True,
        "side": axis.side,
        "overlap_px": round(stitching.overlap_px, 3),
        "width_px": stitching.width_px,
        "axis_px": round(stitching.axis_px, 3),
        "axis_change_px": round(joint.axis_change_px, 3),
        "pairs": len(turn.first),
        "pairs_interpolated": turn.interpolated,
        "without_partner": [one + 1 for one in turn.alone],
        "largest_dy_px": round(float(np.abs(joint.shifts_px[:, 0]).max()), 3),
        "largest_dx_px": round(float(np.abs(joint.shifts_px[:, 1]).max()), 3),
        "residual_px": round(joint.residual_px, 4),
        "mean_quality": round(joint.quality, 4),
    }


def _measure(
    params: StitchParams,
    context: StepContext,
    sinograms: Sinograms,
    turn: HalfTurn,
    axis: RotationAxis,
    layout: ScanLayout,
) -> _Joint:
    """Measure some pairs and fit the course of their shifts."""
    import numpy as np

    from tomoline.steps._half_turn import OverlapMeasurer
    from tomoline.steps._shift_course import Measurement, ShiftCourse

    offset = params.offset_y_px
    if offset is None:
        offset = layout.hints.offset_y_360_px or 0.0
    measurer = OverlapMeasurer(
        sinograms, turn, axis.axis_px, params.mask_px, abs(offset) + params.search_px
    )
    pairs = len(turn.first)
    # The course of shifts between distances serves here too: two images, no refinement, since
    # narrow overlaps scatter more than stages jump.
    course = ShiftCourse(
        [True] * pairs, 2, RegisterParams(every_angles=params.every_angles, refine_above_px=1e9)
    )
    wanted = course.wanted()
    least = max(_LEAST_COEFFICIENT, _LEAST_SIGMAS * measurer.chance_coefficient)
    found = context.engine.map(
        measurer.measure, wanted, bytes_per_chunk=measurer.bytes_per_pair, label="joining halves"
    )
    for pair, (shift, coefficient, lead) in zip(wanted, found, strict=True):
        sure = coefficient >= least and lead >= _LEAST_LEAD
        course.add(
            pair,
            Measurement(
                np.array([[0.0, 0.0], shift]),
                np.array([1.0, coefficient]),
                np.array([True, sure]),
                (None, None),
            ),
        )
    measured = [course.measured[one] for one in wanted]
    usable = np.array([one.usable[1] for one in measured], bool)
    quality = float(np.mean([one.quality[1] for one in measured]))
    if 2 * usable.sum() < len(measured):
        return _Joint(np.zeros((pairs, 2)), 0.0, 0.0, quality, len(measured), int(usable.sum()))
    shifts, residual = _settle(course, np.array(wanted)[usable], pairs)
    # What is common to all pairs along x is twice the error of the axis.
    change = float(np.median(shifts[:, 1])) / 2
    shifts[:, 1] -= 2 * change
    return _Joint(
        np.round(shifts, 6) + 0.0,
        round(change, 6),
        residual,
        quality,
        len(measured),
        int(usable.sum()),
    )


def _settle(course: ShiftCourse, usable: NDArray[np.int64], pairs: int) -> tuple[Floats, float]:
    """Return the shifts of all pairs, as far as the measurements can tell them from a constant.

    The course of noise alone would blur the joint; its changes count in proportion to the part of
    their variance that noise does not explain.
    """
    import numpy as np

    values = np.array([course.measured[int(one)].shifts_px[1] for one in usable])
    fitted = np.array([course.at(one)[1] for one in range(pairs)])
    middle = np.median(values, axis=0)
    spread = 1.4826 * np.median(np.abs(values - fitted[usable]), axis=0)
    changes = fitted - middle
    variance = np.maximum((changes**2).mean(axis=0), 1e-12)
    # Fits leave less scatter about them than there is.
    noise = spread**2 * _FIT_VARIANCE / (1 - _FIT_VARIANCE)
    part = np.clip(1 - noise / variance, 0.0, 1.0)
    shifts: Floats = middle + part * changes
    return shifts, float(np.hypot(*spread))


def _warn(
    params: StitchParams,
    context: StepContext,
    turn: HalfTurn,
    stitching: Stitching,
    joint: _Joint,
) -> None:
    if turn.alone:
        named = ", ".join(str(one + 1) for one in turn.alone[:12])
        more = f" and {len(turn.alone) - 12} more" if len(turn.alone) > 12 else ""
        context.warn(
            errors.register.FEW_PARTNERS.notice(
                f"projections {named}{more}",
                f"{len(turn.alone)} projections of the first half turn have no partner.",
            )
        )
    common = stitching.overlap_px - 2 * params.mask_px
    if common < _SMALL_PX:
        context.warn(
            errors.register.SMALL_OVERLAP.notice(
                "full turn", f"the halves share {max(common, 0):.1f} columns."
            )
        )
    elif 2 * joint.usable < joint.measured:
        context.warn(
            errors.register.HALVES_DISAGREE.notice(
                "full turn",
                f"only {joint.usable} of {joint.measured} pairs gave a sure shift (mean "
                f"correlation {joint.quality:.2f}); they are joined by the axis alone.",
            )
        )
    elif abs(2 * joint.axis_change_px) > params.search_px / 2:
        context.warn(
            errors.register.HALVES_DISAGREE.notice(
                "full turn",
                f"the overlap puts the axis {joint.axis_change_px:+.2f} pixels from where the "
                "step axis found it.",
            )
        )


def _memory_bytes(shape: Shape, params: StitchParams) -> int:
    return 4 * shape.height * shape.width * (4 + 12)


STITCH = Step(
    name="stitch",
    number=5,
    title="joined halves of a full turn",
    params=StitchParams,
    run=run,
    reads=("scan_layout", "projections", "retrieval", "rotation_axis"),
    writes=("stitching",),
    memory_bytes=_memory_bytes,
    active=lambda params: params.method != "none",
)
