"""The parameters of the fine alignment."""

from __future__ import annotations

from typing import Literal

from tomoline.params import StepParams, parameter

_ALIGN = "comparam.align.tiltalign."
_RESTRICT = "runtime.RestrictAlign.any."


class AlignParams(StepParams):
    """Solve for every view's rotation, tilt, magnification and shift from the tracked points.

    One bundle adjustment for beads and patches. Each view's rotation and magnification is solved,
    held near the common value by a gentle prior; grouping, fixing and beam tilt are IMOD's.
    """

    rotation: Literal["fixed", "one", "each", "grouped"] = parameter(
        "each",
        help="In-plane rotation: fixed, one for all views, one for each view, or in groups of "
        "views; the prior makes one for each view safe with few points.",
        directive=_ALIGN + "RotOption",
        directive_values={"0": "fixed", "-1": "one", "1": "each", "3": "grouped", "4": "grouped"},
        when="One rotation, when a series has so few points that views are seen to turn.",
    )
    rotation_group_views: int = parameter(
        5, ge=2, help="Views in a group of rotations; IMOD's value."
    )
    tilt: Literal["fixed", "each", "grouped"] = parameter(
        "fixed",
        help="Tilt angles: as given, one for each view, or in groups of views. Stages are better "
        "than what a few beads tell.",
        directive=_ALIGN + "TiltOption",
        directive_values={
            "0": "fixed",
            "1": "each",
            "2": "each",
            "3": "grouped",
            "4": "grouped",
            "5": "grouped",
        },
        when="Grouped, with many beads on two surfaces, when the section thins under the beam.",
    )
    tilt_group_views: int = parameter(
        5, ge=2, help="Views in a group of tilt angles at low tilt; IMOD's value."
    )
    magnification: Literal["fixed", "each", "grouped"] = parameter(
        "each",
        help="Magnification: 1, one for each view, or in groups; it varies by some 0.1 % with "
        "the focus.",
        directive=_ALIGN + "MagOption",
        directive_values={"0": "fixed", "1": "each", "2": "each", "3": "grouped", "4": "grouped"},
        when="Fixed, with few or badly spread points.",
    )
    magnification_group_views: int = parameter(
        4, ge=2, help="Views in a group of magnifications; IMOD's value."
    )
    beam_tilt: Literal["fixed", "solve"] = parameter(
        "fixed",
        help="Whether to solve for the angle between the beam and the plane across the tilt "
        "axis; it needs one rotation and many beads to tell.",
        directive=_ALIGN + "BeamTiltOption",
        directive_values={"0": "fixed", "1": "fixed", "2": "solve"},
    )
    beam_tilt_deg: float = parameter(
        0.0,
        ge=-10,
        le=10,
        help="Beam tilt: fixed, or where the search starts.",
        directive=_ALIGN + "FixedOrInitialBeamTilt",
    )
    rotation_prior_deg: float = parameter(
        0.2,
        gt=0,
        help="How far a view's rotation is expected to be from the common one; microscopes turn "
        "by less than 0.1 degree.",
    )
    tilt_prior_deg: float = parameter(
        0.3, gt=0, help="How far a solved tilt angle is expected to be from the given one."
    )
    magnification_prior_percent: float = parameter(
        0.2, gt=0, help="How far a view's magnification is expected to be from 100 %."
    )
    robust: bool = parameter(
        True,
        help="Give points with high residuals less weight, outliers none.",
        directive=_ALIGN + "RobustFitting",
    )
    k_factor: float = parameter(
        1.6,
        gt=0,
        le=10,
        help="Scales the residual at which a point's weight becomes 0; IMOD's 1 was measured to "
        "waste good points, and tracking has dropped the worst ones.",
        directive=_ALIGN + "KFactorScaling",
        when="Below 1, when many points are bad.",
    )
    weight_whole_tracks: bool | None = parameter(
        None,
        help="One weight for all points of a track; by default for patches, whose points share "
        "what is under them, and not for beads.",
        directive=_ALIGN + "WeightWholeTracks",
    )
    report_above_sd: float = parameter(
        3.0,
        gt=0,
        help="Points whose residual is so many SD above the mean are listed.",
        directive=_ALIGN + "ResidualReportCriterion",
    )
    surfaces: Literal[0, 1, 2] | None = parameter(
        None,
        help="Planes that the points lie on, to level the specimen: 1, 2, or 0 to leave it; by "
        "default as many as the points show, which IMOD's 2 means as well.",
        directive=_ALIGN + "SurfacesToAnalyze",
        directive_values={"0": 0, "1": 1, "2": None},
    )
    angle_offset_deg: float | None = parameter(
        None,
        ge=-60,
        le=60,
        help="Added to all tilt angles; by default what levels the points.",
        directive=_ALIGN + "AngleOffset",
    )
    largest_offset_deg: float = parameter(
        20.0, gt=0, help="A greater offset from the points is not believed, but reported."
    )
    least_measurement_ratio: float = parameter(
        3.2,
        gt=0,
        help="Measurements for each unknown below which restricting variables is considered; "
        "IMOD's value.",
        directive=_RESTRICT + "minMeasurementRatio",
    )
    target_measurement_ratio: float = parameter(
        3.6,
        gt=0,
        help="Measurements for each unknown that restricting by ratio aims at; IMOD's value.",
        directive=_RESTRICT + "targetMeasurementRatio",
    )
    restriction_order: tuple[int, ...] = parameter(
        (1, 4, 3, 2, 5),
        help="Order of restrictions: 1 groups rotations, 2 makes them one, 3 fixes tilts, 4 "
        "groups magnifications, 5 fixes them; IMOD's order.",
        directive=_RESTRICT + "orderOfRestrictions",
    )
    skip_beam_tilt_with_one_rotation: bool = parameter(
        False,
        help="Do not solve for beam tilt when restricting has led to one rotation.",
        directive=_RESTRICT + "skipBeamTiltWithOneRot",
    )
    restrict_by: Literal["leave_out", "ratio"] = parameter(
        "leave_out",
        help="With too few measurements, take the restrictions that predict left-out points "
        "best, or those that reach the ratios. With priors, leaving out mostly finds that none "
        "is needed: centres of views came out two to three times better with five beads.",
        directive="comparam.restrictalign.restrictalign.UseCrossValidation",
        directive_values={"0": "ratio", "1": "leave_out", "2": "leave_out"},
    )
