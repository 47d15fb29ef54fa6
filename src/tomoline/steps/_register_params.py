"""The parameters of the register step."""

from __future__ import annotations

from typing import Literal

from tomoline.params import StepParams, parameter


class RegisterParams(StepParams):
    """Find how the images of each distance must be shifted to lie on those of the first.

    Shifts are measured at some of the angles and follow a smooth course between them; where they
    do not, every angle is measured. With a single distance nothing is done.
    """

    method: Literal["images", "none"] = parameter(
        "images",
        help="Measure the shifts on the images; or none, for shifts of zero.",
        when="Set to none where the stage holds still to a tenth of a pixel.",
    )
    every_angles: int = parameter(
        16,
        ge=1,
        help="Angles from one anchor, at which shifts are measured, to the next; stages drift "
        "slowly, and at this rate the anchors cost little beside the retrieval.",
        unit="angles",
        when="Lower it for scans of fewer than 200 angles, or a stage that wobbles.",
    )
    refine_above_px: float = parameter(
        0.15,
        gt=0,
        help="Where an anchor lies further than this from the smooth course, the angles between "
        "it and its neighbours are measured too; finer than this does not show in slices.",
    )
    search_px: float = parameter(
        20.0,
        gt=1,
        help="Largest shift in y and in x that is searched; stages are better than that.",
        when="Raise it when REGISTER-03 tells of a larger shift.",
    )
    beta_over_delta: float | None = parameter(
        None,
        ge=0,
        help="Ratio for weighting the images' fringes; none takes the parameter file's, or 0.1. "
        "It need not be exact.",
    )
    magnification: tuple[float, ...] | None = parameter(
        None,
        help="Magnification of each distance relative to the first; none takes it from the "
        "distances of source and detector, 1 for a parallel beam.",
    )
    binning: int | None = parameter(
        None,
        ge=1,
        le=16,
        help="Pixels averaged in each direction before images are compared; none reduces the "
        "longer side to about a thousand, which keeps the precision.",
    )
