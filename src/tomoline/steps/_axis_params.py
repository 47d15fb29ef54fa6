"""The parameters of the step axis."""

from __future__ import annotations

from typing import Literal

from tomoline.params import StepParams, parameter

Method = Literal["pairs", "wedge", "sharpness"]


class AxisParams(StepParams):
    """Find the rotation axis in the projections, say how sure it is, and show it.

    Three methods look at a few blocks of rows: projections half a turn apart mirror each other
    about the axis; the spectrum of a sinogram continued by its mirror image has no energy outside
    a double wedge; slices are sharpest. Their agreement is the confidence.
    """

    axis_px: float | None = parameter(
        None,
        help="Column of the axis at the middle row, the first column is 0; used as it is, and "
        "checked against the projections. By default it is found.",
        when="When the sweep picture shows that another one is right.",
    )
    guess_px: float | None = parameter(
        None,
        help="About where the axis is; by default what the parameter file says, if anything. All "
        "columns are searched as well, and the clearer answer is taken.",
    )
    search_px: float | None = parameter(
        None,
        gt=0,
        help="Range on both sides of the guess that is looked at first; a sixteenth of the width "
        "by default, as guesses are usually better than that.",
    )
    methods: tuple[Method, ...] = parameter(
        ("pairs", "wedge", "sharpness"),
        min_length=1,
        help="Methods to use; all three by default, since agreement is what confidence rests on. "
        "Sharpness alone finds nothing: it refines what the others found.",
    )
    rows: tuple[int, int] | None = parameter(
        None,
        help="First row to look at, and one past the last; by default all, of which some are used.",
        when="When part of the height shows something that does not turn, or air.",
    )
    blocks: int = parameter(
        12,
        ge=1,
        le=200,
        help="Blocks of up to four neighbouring rows that are looked at; twelve give a tilt.",
    )
    tilt: bool = parameter(
        True,
        help="Let the axis change from row to row where the rows show it significantly.",
    )
    side: Literal["auto", "none", "left", "right"] = parameter(
        "auto",
        help="Edge of the field that the axis of a full turn is at, so that halves are joined; "
        "auto joins where the axis is off the middle and the specimen wider than what both halves "
        "see.",
    )
    sweep_step_px: float | None = parameter(
        None,
        gt=0,
        help="Distance of the axes in the sweep picture; by default half a pixel for narrow "
        "frames to two for wide ones.",
    )
    sweep_axes: int = parameter(
        9, ge=3, le=25, help="Number of axes in the sweep picture, the used one in the middle."
    )
