"""The parameters of the flats step."""

from __future__ import annotations

from typing import Literal

from tomoline.params import StepParams, parameter


class FlatsParams(StepParams):
    """Look through darks and flats, and settle how each frame is divided by them."""

    method: Literal["best", "fitted", "mean", "median", "interpolated", "pca", "none"] | None = (
        parameter(
            None,
            help="Flat of a frame: the mean of those that match it best; a weighted mean of twice "
            "as many, fitted to it; mean or median of all; interpolated in time; the mean with "
            "fitted principal components; or none. By default best, mean for less than 4 flats.",
            when="fitted where stripes remain; median or mean where the beam is steady.",
        )
    )
    average: int | None = parameter(
        None,
        ge=1,
        help="Best-matching flats that are averaged; by default what the parameter file says as "
        "FLATAVG, else 3.",
        when="Raise it where the flats' own noise shows, lower it where the beam moves a lot.",
    )
    match: Literal["correlation", "ssim"] = parameter(
        "correlation",
        help="What tells how well a flat matches; the structural similarity asks for the same "
        "contrast as well, which a specimen changes, and chooses slightly worse.",
    )
    binning: int = parameter(
        4,
        ge=1,
        help="Pixels along a side of the blocks that are compared; stripes are wider. More where "
        "flats are so many, or so large, that their descriptions would not fit 256 MB.",
    )
    high_pass_px: float = parameter(
        10.0,
        gt=0,
        help="Size of the surroundings that a block is compared with, as the standard deviation "
        "of a Gaussian; it lets stripes of the beam pass and most of a specimen not.",
    )
    region: Literal["whole", "sides"] = parameter(
        "whole",
        help="Where frames and flats are compared: everywhere, or in a quarter on each side, "
        "which is worse for weak specimens and slightly better for strong ones.",
        when="sides where the specimen is strong and narrow.",
    )
    components: int = parameter(
        8, ge=1, le=24, help="Principal components of the flats, at most, for the method pca."
    )
    level: Literal["none", "air"] = parameter(
        "none",
        help="Whether each frame is brought to the flats' level in columns that see no specimen; "
        "none by default, since in phase contrast a change of the beam's current hardly shows.",
        when="air for absorption, where the columns at the edges are empty at all angles.",
    )
    air_columns_px: tuple[int, int] | None = parameter(
        None,
        help="Columns at the left and at the right edge that see no specimen; by default 4 % of "
        "the width, on both sides.",
        unit="pixels",
    )
    zinger_excess: float = parameter(
        0.2,
        ge=0,
        help="By how much, in units of the beam, a lone bright spot of at most 3 x 3 pixels stands "
        "out before it is replaced; 0 leaves them. Never less than 8 times the noise.",
        when="Raise it if small bright features of the specimen vanish.",
    )
