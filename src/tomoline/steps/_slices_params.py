"""The parameters of the step slices."""

from __future__ import annotations

from typing import Literal

from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape
from tomoline.steps._reconstruction import Rings


class SlicesParams(StepParams):
    """Settle how slices are reconstructed, and make a few of them first.

    Slices are reconstructed in Fourier space, with rows padded twofold; each has the rotation axis
    at its centre. Densities are per voxel, whatever the filter.
    """

    filter: Literal[
        "ramp", "shepp-logan", "cosine", "hann", "hamming", "parzen", "butterworth", "none"
    ] = parameter(
        "shepp-logan",
        help="Window on the ramp: the sharpest is the ramp alone, the smoothest is Parzen's; "
        "Shepp and Logan's keeps nearly all detail with a third of the noise power less.",
        when="parzen or hann for noisy scans, ramp for the finest detail, none for a plain "
        "back-projection.",
    )
    filter_cutoff_per_px: float = parameter(
        0.5,
        gt=0,
        le=0.5,
        help="Frequency that the window ends at; all there is by default.",
        when="Below 0.5 for projections that are less sharp than their pixels.",
    )
    padding: Literal["edge", "zero"] = parameter(
        "edge",
        help="What lies beyond the field: its last columns, fading, which keeps a specimen wider "
        "than the field from getting a bright rim; or nothing.",
    )
    compatible: Literal["no", "gridrec"] = parameter(
        "no",
        help="Filter as tomopy's gridrec does, so that pictures can be compared; the absolute "
        "level is lost.",
    )
    rings: Rings = parameter(
        "fast",
        help="Removal of rings: none, fast (what neighbouring columns differ by at all angles), "
        "sorting (Vo's third algorithm), vo (his whole set, also for dead and wide columns), or "
        "wavelet (Muench). Fast takes milliseconds and leaves the specimen's densities as they "
        "are.",
        when="vo or wavelet where rings are left, none where the specimen itself is a ring.",
    )
    rings_width_px: int | None = parameter(
        None,
        ge=3,
        le=201,
        help="Columns that the removal of rings compares; rings up to half as wide go. By default "
        "9 for fast, which is gentle to the specimen, and 21 for sorting and vo; wavelet has none.",
        when="When wide rings are left, or the middle of slices has lost contrast.",
    )
    mask_fraction: float | None = parameter(
        0.95,
        gt=0,
        le=1.5,
        help="Diameter of the circle outside of which slices are 0, as a fraction of their size; "
        "near the edge of the field not all rays are there. None for no circle.",
    )
    size_px: int | None = parameter(
        None,
        ge=8,
        help="Rows and columns of a slice; by default the columns of the projections, or of the "
        "joined ones.",
        when="For the middle of a large field only.",
    )
    unit: Literal["auto", "delta", "rad_per_px", "per_px", "per_cm"] = parameter(
        "auto",
        help="What slices hold: delta, phase shift in radians per voxel, or attenuation per voxel "
        "or per cm. By default delta for phase and per cm for attenuation, where the energy "
        "and the pixel size tell them, else per voxel.",
    )
    preview_slices: int = parameter(
        5,
        ge=1,
        le=64,
        help="Slices to make first, spread over the height; the limits come from them.",
        unit="slices",
    )
    preview_rows: tuple[int, ...] = parameter(
        (),
        help="Rows to make first instead, counted from 0.",
    )
    limits_percentiles: tuple[float, float] = parameter(
        (0.1, 99.9),
        help="Percentiles of the preview slices that the limits are found from.",
    )
    limits_margin: float = parameter(
        0.25,
        ge=0,
        help="Part of the range between the percentiles that the limits lie beyond them: other "
        "slices may hold more, and 16 bits are enough for both.",
    )


def bytes_of_group(shape: Shape, size_px: int) -> int:
    """Bound on a group of slices, and what they are made in; joined, twice as wide as frames."""
    grid = (5 * size_px) // 4 + 64
    sinogram = 4 * shape.views * (3 * shape.width + 64)
    return 64 * size_px * grid // 2 + 4 * 8 * size_px * size_px + 40 * sinogram + (1 << 21)
