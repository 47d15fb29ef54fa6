"""The parameters of the reconstruct step."""

from __future__ import annotations

from typing import Literal

from tomoline.params import StepParams, parameter


class ReconstructParams(StepParams):
    """Reconstruct the tomogram from the aligned stack, slice by slice.

    Densities are those of a voxel: the stack's own units per pixel, dark where the views are dark.
    Stored as integers they are multiplied by the value `density_factor`.
    """

    thickness_px: int | None = parameter(
        None,
        ge=4,
        help="Thickness of the tomogram in unbinned pixels; by default what was found.",
        directive="comparam.tilt.tilt.THICKNESS",
        when="When the tomogram cuts off specimen, or holds too much empty space.",
    )
    binned_thickness_px: int | None = parameter(
        None,
        ge=4,
        help="Thickness in voxels of the tomogram, instead of thickness_px.",
        directive="runtime.Reconstruction.any.binnedThickness",
    )
    fallback_thickness_px: int | None = parameter(
        None,
        ge=4,
        help="Unbinned thickness to use where none was found, or one less than half of it.",
        directive="runtime.Reconstruction.any.fallbackThickness",
    )
    extra_thickness_px: int = parameter(
        0,
        help="Unbinned pixels added to a thickness that was found; none, since the found one has "
        "a border already.",
        directive="runtime.Reconstruction.any.extraThickness",
    )
    radial_per_px: tuple[float, float] = parameter(
        (0.35, 0.035),
        help="Frequency up to which the radial filter rises, and the standard deviation of its "
        "Gaussian fall beyond, in cycles per pixel; IMOD's values.",
        unit="cycles/pixel",
        directive="comparam.tilt.tilt.RADIAL",
        when="Lower the first for noisy data, raise it to 0.45 for the finest detail.",
    )
    hamming_start_per_px: float | None = parameter(
        None,
        ge=0,
        lt=0.5,
        help="Let the radial filter fall like a Hamming window from this frequency on instead.",
        directive="comparam.tilt.tilt.HammingLikeFilter",
    )
    log_base: float | None = parameter(
        None,
        help="Added to the views before their logarithm is taken; none for no logarithm, which "
        "suits views of thin specimens, and those that may be negative.",
        directive="comparam.tilt.tilt.LOG",
        directive_empty=None,
        when="Set to 0 for thick plastic sections recorded as electron counts.",
    )
    scale: tuple[float, float] | None = parameter(
        None,
        help="Add and multiply, in tilt's units, before 16-bit integers are stored; none lets "
        "the densities of a few slices decide.",
        directive="comparam.tilt.tilt.SCALE",
        directive_empty=None,
    )
    output: Literal["int16", "float32"] = parameter(
        "int16",
        help="Numbers to store in the whole tomogram: 16-bit integers, as tilt, half the size; or "
        "the densities themselves.",
        directive="comparam.tilt.tilt.MODE",
        directive_values={"1": "int16", "2": "float32"},
        when="float32 for measurements, together with trim.output=float32.",
    )
    sirt_like_iterations: int = parameter(
        0,
        ge=0,
        help="Above 0: filter so that the result looks like that many iterations of SIRT.",
        directive="comparam.tilt.tilt.FakeSIRTiterations",
        directive_empty=0,
        when="For cryo data that shall be looked at: 10 to 20.",
    )
    x_axis_tilt_deg: float | None = parameter(
        None,
        gt=-60,
        lt=60,
        help="Rotation of the specimen about x; by default what positioning found.",
        directive="comparam.tilt.tilt.XAXISTILT",
        directive_empty=None,
    )
    tilt_offset_deg: float | None = parameter(
        None,
        gt=-180,
        lt=180,
        help="Added to all tilt angles; by default what positioning found.",
        directive="comparam.tilt.tilt.OFFSET",
        directive_empty=None,
    )
    use_sirt: bool = parameter(
        False,
        help="Reconstruct by SIRT instead of back-projection.",
        directive="runtime.Reconstruction.any.useSirt",
    )
    back_projection_also: bool = parameter(
        False,
        help="With use_sirt: make a back-projection as well.",
        directive="runtime.Reconstruction.any.doBackprojAlso",
    )
    leave_iterations: tuple[int, ...] = parameter(
        (10,),
        min_length=1,
        help="SIRT iterations to keep; the last of them is the tomogram. Ten are IMOD's number.",
        directive="comparam.sirtsetup.sirtsetup.LeaveIterations",
    )
    sirt_scale_to_integer: tuple[int, int] | None = parameter(
        None,
        help="Scale SIRT results so that their extremes become these 16-bit integers.",
        directive="comparam.sirtsetup.sirtsetup.ScaleToInteger",
        directive_empty=None,
    )
    sirt_radial_per_px: tuple[float, float] | None = parameter(
        (0.4, 0.05),
        help="Low-pass of the views before SIRT: cutoff and standard deviation of the fall.",
        unit="cycles/pixel",
        directive="comparam.sirtsetup.sirtsetup.RadiusAndSigma",
        directive_empty=None,
    )
