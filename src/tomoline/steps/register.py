"""Step 2: how the images of each distance lie on those of the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._register_params import RegisterParams

if TYPE_CHECKING:
    from tomoline.steps._anchors import AnchorMeasurer, ShiftCourse
    from tomoline.steps._shifts import Shifts


__all__ = ["REGISTER", "RegisterParams"]

# Angles that the magnification is checked at, and the error at the frame's edge that is told.
_CHECKED_ANGLES = 9
_SCALE_PX = 0.5
_LARGE_RESIDUAL_PX = 0.5
# Of less rows than these, nothing can be told along y.
_FEWEST_ROWS = 8


def run(params: RegisterParams, context: StepContext) -> Values:
    """Measure the shifts and write them."""
    import numpy as np

    from tomoline.steps._anchors import AnchorMeasurer, ShiftCourse, magnifications
    from tomoline.steps._early import recall_early
    from tomoline.steps._shifts import Shifts
    from tomoline.steps.scan_layout import ScanLayout

    layout = ScanLayout.read(context.input("scan_layout"))
    count = len(layout.projections)
    low = count > 1 and layout.height_px < _FEWEST_ROWS
    if low and params.method != "none":
        context.warn(
            errors.register.NOT_REGISTERED.notice(
                layout.root,
                f"frames of {layout.height_px} rows are too low to be compared; shifts of zero are "
                "used.",
            )
        )
    if count < 2 or low or params.method == "none":
        magnification = magnifications(layout, params)
        with context.writing("shifts") as path:
            Shifts(np.zeros((layout.angles, count, 2)), magnification).write(path)
        return {"distances": count, "anchors": 0, "shift_rms_px": 0.0}
    measurer = AnchorMeasurer.open(layout, context.input("flat_fields"), params)
    course = ShiftCourse(layout.taking_part.tolist(), count, params)
    anchors = len(course.anchors)
    early = recall_early(context)
    for label in ("shifts between distances", "shifts where they are rough"):
        wanted = course.wanted()
        for angle in wanted:
            if early is not None and angle in early.measured:
                course.add(angle, early.measured[angle])
        wanted = [angle for angle in wanted if angle not in course.measured]
        found = context.engine.map(
            measurer.measure, wanted, bytes_per_chunk=measurer.bytes_per_angle, label=label
        )
        for angle, measurement in zip(wanted, found, strict=True):
            course.add(angle, measurement)
    shifts = course.shifts(measurer.magnification)
    _warn(course, shifts, params, context)
    if layout.source_distance_m is not None:
        _check_magnification(measurer, course, context)
    with context.writing("shifts") as path:
        shifts.write(path)
    residuals = course.residuals()
    moved = shifts.shifts_px[:, 1:]
    quality = [
        float(np.mean([one.quality[distance] for one in course.measured.values() if not one.fault]))
        if any(not one.fault for one in course.measured.values())
        else 0.0
        for distance in range(1, count)
    ]
    return {
        "distances": count,
        "anchors": anchors,
        "refined_angles": len(course.refined()),
        "outliers": list(shifts.outliers),
        "shift_rms_px": round(float(np.sqrt((moved**2).sum(axis=2).mean())), 4),
        "largest_shift_px": np.abs(moved).max(axis=(0, 2)).round(3).tolist(),
        "residual_px": round(float(np.sqrt((residuals**2).mean())), 4) if len(residuals) else None,
        "mean_quality": [round(one, 4) for one in quality],
        "magnification": [round(one, 8) for one in shifts.magnification],
    }


def _warn(
    course: ShiftCourse, shifts: Shifts, params: RegisterParams, context: StepContext
) -> None:
    """Tell of everything that may make the shifts wrong."""
    import numpy as np

    measured = [course.measured[angle] for angle in sorted(course.measured)]
    unsure = set()
    for distance in range(1, course.distances):
        where = f"distance {distance + 1}"
        beyond = [one.beyond_px[distance] for one in measured if one.beyond_px[distance]]
        usable = sum(bool(one.usable[distance]) for one in measured)
        if 2 * usable >= max(len(measured), 1):
            continue
        unsure.add(distance)
        largest = shifts.shifts_px[:, distance]
        used = "shifts of zero are" if not largest.any() else "what the others tell is"
        if 2 * len(beyond) >= len(measured):
            dy, dx = np.median(np.array(beyond, np.float64), axis=0)
            context.warn(
                errors.register.OUT_OF_RANGE.notice(
                    where,
                    f"its images agree best about ({dy:g}, {dx:g}) pixels (y, x) away, beyond "
                    f"the {params.search_px:g} pixels of the search; {used} used.",
                )
            )
        else:
            context.warn(
                errors.register.NOT_REGISTERED.notice(
                    where,
                    f"only {usable} of {len(measured)} angles gave a sure shift; {used} used.",
                )
            )
    if shifts.outliers and len(unsure) < course.distances - 1:
        named = ", ".join(str(angle + 1) for angle in shifts.outliers[:12])
        more = len(shifts.outliers) - 12
        context.warn(
            errors.register.OUTLIERS.notice(
                f"projections {named}" + (f" and {more} more" if more > 0 else ""),
                f"{len(shifts.outliers)} of {len(measured)} measured angles lie far from the "
                "course of the others, or told nothing.",
            )
        )
    residuals = course.residuals()
    if len(residuals) and float(np.median(residuals)) > _LARGE_RESIDUAL_PX:
        context.warn(
            errors.register.NOT_SMOOTH.notice(
                "shifts between distances",
                f"half of the measurements lie more than {np.median(residuals):.2f} pixels from "
                "their course.",
            )
        )


def _check_magnification(
    measurer: AnchorMeasurer, course: ShiftCourse, context: StepContext
) -> None:
    """Compare the halves of the images at some anchors."""
    import numpy as np

    step = max(1, len(course.anchors) // _CHECKED_ANGLES)
    checked = course.anchors[::step]
    scales = np.array(
        list(
            context.engine.map(
                measurer.scale_errors,
                checked,
                bytes_per_chunk=measurer.bytes_per_angle,
                label="magnification",
            )
        )
    ).reshape(len(checked), measurer.distances)
    layout_width = measurer.width_px
    for distance in range(1, measurer.distances):
        column = scales[:, distance][np.isfinite(scales[:, distance])]
        if len(column) < 3:
            continue
        middle = float(np.median(column))
        spread = 1.4826 * float(np.median(np.abs(column - middle))) / len(column) ** 0.5
        if abs(middle) * layout_width / 2 > _SCALE_PX and abs(middle) > 4 * spread:
            given = measurer.magnification[distance]
            context.warn(
                errors.register.MAGNIFICATION.notice(
                    f"distance {distance + 1}",
                    f"magnified {given:.6f} relative to the first by the geometry, "
                    f"{given * (1 + middle):.6f} by its images.",
                )
            )


def _memory_bytes(shape: Shape, params: RegisterParams) -> int:
    return shape.height * shape.width * (4 + 12 + 4 * 16)


REGISTER = Step(
    name="register",
    number=2,
    title="shifts between distances",
    params=RegisterParams,
    run=run,
    reads=("scan_layout", "flat_fields"),
    writes=("shifts",),
    memory_bytes=_memory_bytes,
)
