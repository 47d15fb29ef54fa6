"""Step 0: find the stack and what belongs to it, check, deliver."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    from tomoline.files.stack import Stack

MINIMUM_VIEWS = 3


class SetupParams(StepParams):
    """Find the stack and what belongs to it, check disk and destination, and deliver.

    What the files tell is used unless a parameter says otherwise.
    """

    name: str | None = parameter(
        None,
        help="Root name of the data set; by default the stack's name without its extension.",
        directive="setupset.copyarg.name",
        template=False,
        acquisition=True,
    )
    dataset_directory: str | None = parameter(
        None,
        help="Folder that holds the stack, where the command does not give its path.",
        directive="setupset.datasetDirectory",
        template=False,
    )
    stack_extension: str | None = parameter(
        None,
        help="Extension of the raw stack (st, mrc, tif), where the command gives only a root name.",
        directive="setupset.copyarg.stackext",
    )
    delivery: Literal["copy", "move", "link"] = parameter(
        "copy",
        help="How the stack gets into DIR/ROOT: copied, so that nothing can be lost, moved, or "
        "linked to where it lies.",
        when="Move to save the time and space of a copy, as batchruntomo does; link where the "
        "original stays in place as long as the results.",
    )
    dual_axis: bool = parameter(
        False,
        help="The stack is one axis of a dual-axis set; each axis becomes a tomogram of its own.",
        directive="setupset.copyarg.dual",
    )
    boundary_from: str | None = parameter(
        None,
        help="Root name of the other axis, in the same folder, whose boundary model is carried "
        "over to this one.",
        template=False,
        when="Projects set it for the second axis of a dual-axis set.",
    )
    boundary_from_model: Path | None = parameter(
        None,
        help="Boundary model drawn on the other axis's stack, where it is not its "
        "ROOT_rawbound.mod.",
        template=False,
    )
    montage: bool = parameter(
        False,
        help="The stack holds montage pieces; they are not blended yet, so this is refused.",
        directive="setupset.copyarg.montage",
    )
    scan_header: bool = parameter(
        True,
        help="Take pixel size and tilt axis angle from header and .mdoc where not given here.",
        directive="setupset.scanHeader",
        template=False,
    )
    pixel_size_nm: float | None = parameter(
        None,
        gt=0,
        help="Size of a raw pixel; by default what header or .mdoc say.",
        directive="setupset.copyarg.pixel",
        acquisition=True,
        when="When the header's pixel size is wrong or missing.",
    )
    gold_diameter_nm: float | None = parameter(
        None,
        ge=0,
        help="Diameter of the gold beads; 0 or none where there are none.",
        directive="setupset.copyarg.gold",
        when="Whenever there is gold: it is the one thing that the files do not tell.",
    )
    tilt_axis_deg: float | None = parameter(
        None,
        ge=-360,
        le=360,
        help="Angle from the vertical to the tilt axis in the raw images, counter-clockwise; by "
        "default from header or .mdoc, else found from the images.",
        directive="setupset.copyarg.rotation",
        acquisition=True,
        when="When the report says that the axis looks wrong.",
    )
    first_and_increment_deg: tuple[float, float] | None = parameter(
        None,
        help="First tilt angle and increment, for a series in regular steps.",
        directive="setupset.copyarg.firstinc",
        template=False,
        when="When there is neither .rawtlt nor .mdoc nor header with angles.",
    )
    tilt_angles_file: str | None = parameter(
        None,
        help="File with one tilt angle per line, where it is not called ROOT.rawtlt.",
        when="When the angles lie under another name, or in another folder.",
    )
    use_rawtlt: bool = parameter(
        True,
        help="Take the tilt angles from ROOT.rawtlt where it lies beside the stack.",
        directive="setupset.copyarg.userawtlt",
    )
    extract_angles: bool = parameter(
        True,
        help="Take the tilt angles from .mdoc or header where there is no .rawtlt.",
        directive="setupset.copyarg.extract",
    )
    bidirectional_start_deg: float | None = parameter(
        None,
        help="Starting angle of a bidirectional series; the doses follow from it where the .mdoc "
        "does not tell them.",
        directive="setupset.copyarg.twodir",
    )
    dose_symmetric: bool = parameter(
        False,
        help="The series was recorded outwards from the lowest tilt on both sides in turn.",
        directive="setupset.copyarg.dosesym",
    )
    dose_per_view_e_per_a2: float | None = parameter(
        None, gt=0, help="Dose of each view, where the .mdoc does not tell it."
    )
    exclude_views: tuple[int, ...] = parameter(
        (),
        help="Views to exclude, numbered from 1: carried through the stacks, but without part in "
        "tracking, alignment and reconstruction.",
        directive="setupset.copyarg.skip",
        template=False,
    )
    voltage_kv: float | None = parameter(
        None,
        gt=0,
        help="Microscope voltage, kept with the data set.",
        directive="setupset.copyarg.voltage",
        acquisition=True,
    )


def run(params: SetupParams, context: StepContext) -> Values:
    """Check the acquisition and deliver it into the data set's folder."""
    from tomoline.steps._carry_boundary import carry_boundary
    from tomoline.steps._delivery import check_space, deliver
    from tomoline.steps._recording import (
        choose_angles,
        choose_axis,
        choose_pixel_size,
        doses_of,
        read_recording,
    )
    from tomoline.steps.acquisition import Acquisition, View

    _refuse_montage(context.source, params)
    if params.boundary_from == context.root:
        raise errors.parameters.BAD_VALUE.error(
            "setup.boundary_from", f"{context.root} is this axis itself, not the other one."
        )
    if params.dual_axis:
        context.warn(errors.tilt.DUAL_AXIS.notice(context.root, _other_axis(context)))
    source = context.source if context.source.exists() else context.folder / f"{context.root}.mrc"
    recording = read_recording(source, params, context)
    count, height, width = recording.shape
    _refuse_views(source, recording.stack, params)
    pixel_size_nm, pixel_source = choose_pixel_size(recording, params)
    angles, angles_source = choose_angles(recording, params, context)
    axis_deg, axis_source = choose_axis(recording, params)
    doses = doses_of(recording, params, angles)
    if params.gold_diameter_nm and pixel_size_nm is None:
        raise errors.tilt.NO_PIXEL_SIZE.error(source, "the gold size is given in nm.")
    acquisition = Acquisition(
        root=context.root,
        views=tuple(
            View(
                number=number,
                tilt_deg=float(angles[number - 1]),
                dose_e_per_a2=dose.dose,
                prior_dose_e_per_a2=dose.prior,
                order=dose.order,
                excluded="excluded by setup.exclude_views"
                if number in params.exclude_views
                else None,
            )
            for number, dose in enumerate(doses, start=1)
        ),
        height_px=height,
        width_px=width,
        pixel_size_nm=pixel_size_nm,
        gold_diameter_nm=params.gold_diameter_nm or None,
        tilt_axis_deg=axis_deg,
        tilt_axis_source=axis_source,
        angles_source=angles_source,
        voltage_kv=params.voltage_kv,
    )
    check_space(context.folder, recording)
    deliver(source, recording, params.delivery, angles, context)
    with context.writing("acquisition") as path:
        acquisition.write(path)
    boundary = carry_boundary(context, params.boundary_from, params.boundary_from_model)
    return {
        "views": count,
        "height_px": height,
        "width_px": width,
        "mode": str(recording.dtype),
        "pixel_size_nm": pixel_size_nm,
        "pixel_size_from": pixel_source,
        "gold_diameter_nm": acquisition.gold_diameter_nm,
        "gold_diameter_px": acquisition.gold_diameter_px,
        "tilt_axis_deg": axis_deg,
        "tilt_axis_from": axis_source,
        "tilt_angles_from": angles_source,
        "tilt_deg": [float(angle) for angle in angles],
        "dose_e_per_a2": [dose.dose for dose in doses],
        "prior_dose_e_per_a2": [dose.prior for dose in doses],
        "excluded_views": sorted(set(params.exclude_views)),
        "delivered_by": params.delivery,
        **boundary,
    }


def _other_axis(context: StepContext) -> str:
    """Say which axis this is and which one it is to be combined with."""
    name = context.folder.name
    for own, other in (("a", "b"), ("b", "a")):
        if context.root == f"{name}{own}":
            return f"it is axis {own}; its tomogram is not combined with that of {name}{other} yet."
    return "the set is marked as dual axis."


def _beside(folder: Path, root: str, params: SetupParams) -> Sequence[Path]:
    from tomoline.steps._carry_boundary import files_of_other_axis

    return files_of_other_axis(folder, params.boundary_from, params.boundary_from_model)


def _external(source: Path, params: SetupParams) -> Sequence[Path]:
    from tomoline.steps._delivery import companions

    named = [Path(params.tilt_angles_file)] if params.tilt_angles_file else []
    beside = {kind: path for kind, path in companions(source).items() if not _is_result(kind, path)}
    return [source, *beside.values(), *named]


def _refuse_montage(source: Path, params: SetupParams) -> None:
    if params.montage:
        raise errors.tilt.MONTAGE.error(source, "setup.montage is set.")


def _refuse_views(source: Path, stack: Stack, params: SetupParams) -> None:
    """Refuse a montage, too few views, and views to be left out that there are not."""
    if stack.is_montage:
        raise errors.tilt.MONTAGE.error(source, "its header lists the pieces of a montage.")
    count = stack.shape[0]
    if count < MINIMUM_VIEWS:
        raise errors.tilt.TOO_FEW_VIEWS.error(source, f"it has {count} views.")
    wrong = [number for number in params.exclude_views if not 1 <= number <= count]
    if wrong:
        raise errors.parameters.BAD_VALUE.error(
            "setup.exclude_views", f"{wrong} are no views; they are numbered from 1 to {count}."
        )
    left = count - len(set(params.exclude_views))
    if left < MINIMUM_VIEWS:
        raise errors.tilt.TOO_FEW_VIEWS.error(source, f"{left} of {count} views are left.")


def _look(source: Path, params: SetupParams) -> None:
    """Refuse what the header of a stack tells to be no use."""
    from tomoline.files.stack import open_stack

    _refuse_montage(source, params)
    _refuse_views(source, open_stack(source), params)


def _is_result(kind: str, path: Path) -> bool:
    """Whether what lies beside the stack is a result: a stack in place has its results there."""
    from tomoline.steps._carry_boundary import is_carried

    return kind == "boundary" and is_carried(path)


def _memory_bytes(shape: Shape, params: SetupParams) -> int:
    # A buffer for copying; to carry over a boundary, a view of each axis and smaller copies.
    return max(64 << 20, 48 * shape.height * shape.width if params.boundary_from else 0)


SETUP = Step(
    name="setup",
    number=0,
    title="find the stack, check, deliver",
    params=SetupParams,
    run=run,
    reads=(),
    writes=("raw_stack", "raw_tilt_angles", "acquisition", "boundary"),
    memory_bytes=_memory_bytes,
    external=_external,
    beside=_beside,
    look=_look,
)
