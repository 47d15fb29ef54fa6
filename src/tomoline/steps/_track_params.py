"""The parameters of the step that tracks beads or patches."""

from __future__ import annotations

from pathlib import Path

from tomoline.params import StepParams, parameter


class TrackParams(StepParams):
    """Follow the chosen beads through all views, or patches where there are no beads.

    Beads are detected in every view, told apart by where the running solution of the specimen
    expects them, and centred by fitting the average bead. Which of beads and patches is kept is
    decided, where that is left to the program, by how well points are predicted that were left
    out of the fit.
    """

    rounds: int = parameter(
        2,
        ge=1,
        le=20,
        help="Passes of centring, each with better averages and predictions; more change little.",
        directive="comparam.track.beadtrack.RoundsOfTracking",
    )
    runs: int = parameter(
        1,
        ge=1,
        le=20,
        help="How many times the rounds are gone through.",
        directive="runtime.BeadTracking.any.numberOfRuns",
        template=False,
    )
    add_beads: bool = parameter(
        True,
        help="Also take beads that were no seeds but are seen in most views, unless a number of "
        "beads is asked for: they hold the edges and the high tilts.",
    )
    local_areas: bool = parameter(
        True,
        help="Expect beads where their neighbours have gone, not only where the global solution "
        "says: specimens bend in the beam.",
        directive="comparam.track.beadtrack.LocalAreaTracking",
    )
    local_area_size_px: tuple[int, ...] = parameter(
        (1000,),
        min_length=1,
        max_length=2,
        help="Size of areas within which beads move alike; IMOD's value.",
        directive="comparam.track.beadtrack.LocalAreaTargetSize",
    )
    sobel_centring: bool = parameter(
        False,
        help="Centre beads by the steepness of their rims instead of by their densities; measured "
        "to be 1 to 9 % less exact on simulated series, and no better on a real one.",
        directive="comparam.track.beadtrack.SobelFilterCentering",
        when="When uneven backgrounds pull beads aside.",
    )
    sobel_sigma_px: float | None = parameter(
        None,
        ge=0,
        help="Smoothing before rims are sought, in pixels.",
        directive="comparam.track.beadtrack.KernelSigmaForSobel",
    )
    sobel_sigma_diameters: float = parameter(
        0.12,
        ge=0,
        le=1,
        help="The same as a fraction of the bead's diameter, where no number of pixels is given.",
        directive="comparam.track.beadtrack.ScalableSigmaForSobel",
    )
    patch_size_px: tuple[int, int] | None = parameter(
        None,
        help="Width and height of patches in prealigned pixels; by default a fifth of the image, "
        "but not under 96 pixels.",
        directive="comparam.xcorr_pt.tiltxcorr.SizeOfPatchesXandY",
        when="Larger for noisy series, smaller for specimens that bend.",
    )
    patch_overlap: tuple[float, float] = parameter(
        (0.33, 0.33),
        help="Overlap of neighbouring patches along x and y, as a fraction; IMOD's value.",
        directive="comparam.xcorr_pt.tiltxcorr.OverlapOfPatchesXandY",
    )
    patch_number: tuple[int, int] | None = parameter(
        None,
        help="Number of patches along x and y, instead of their overlap.",
        directive="comparam.xcorr_pt.tiltxcorr.NumberOfPatchesXandY",
    )
    patch_borders_px: tuple[int, int] | None = parameter(
        None,
        help="Border of the image, in prealigned pixels, without patches; by default 5 %.",
        directive="comparam.xcorr_pt.tiltxcorr.BordersInXandY",
    )
    patch_limits_px: tuple[int, int] | None = parameter(
        None,
        help="Largest shift of a patch from where it is expected, in prealigned pixels; by "
        "default a sixth of its size.",
        directive="comparam.xcorr_pt.tiltxcorr.ShiftLimitsXandY",
    )
    patch_iterations: int = parameter(
        2,
        ge=1,
        le=20,
        help="Correlations of a patch, each from where the last one ended.",
        directive="comparam.xcorr_pt.tiltxcorr.IterateCorrelations",
    )
    patch_filter_sigma1_per_px: float = parameter(
        0.03,
        ge=0,
        le=0.5,
        help="Sigma of the filter that removes low frequencies; IMOD's value.",
        directive="comparam.xcorr_pt.tiltxcorr.FilterSigma1",
    )
    patch_filter_radius2_per_px: float = parameter(
        0.25,
        gt=0,
        le=0.7,
        help="Frequency above which the high-frequency filter falls off; IMOD's value.",
        directive="comparam.xcorr_pt.tiltxcorr.FilterRadius2",
        when="Lower it, to 0.125 or so, for very noisy series.",
    )
    patch_filter_sigma2_per_px: float = parameter(
        0.05,
        ge=0,
        le=0.5,
        help="Sigma of that fall-off; IMOD's value.",
        directive="comparam.xcorr_pt.tiltxcorr.FilterSigma2",
    )
    patch_boundary_model: Path | None = parameter(
        None,
        help="Model with closed contours drawn on the raw stack: patches lie inside them.",
        directive="runtime.PatchTracking.any.rawBoundaryModel",
        template=False,
    )
    piece_length_views: tuple[int, ...] = parameter(
        (),
        max_length=2,
        help="Views of the pieces that patch tracks are chopped into; by default they stay whole.",
        directive="comparam.xcorr_pt.imodchopconts.LengthOfPieces",
        when="For thick specimens, where a patch shows other depths at other tilts.",
    )
    piece_overlap_views: int = parameter(
        4,
        ge=0,
        help="Views that neighbouring pieces share at least; IMOD's value.",
        directive="comparam.xcorr_pt.imodchopconts.MinimumOverlap",
    )
    pieces: int | None = parameter(
        None,
        ge=1,
        help="Number of pieces for each patch track, instead of their length.",
        directive="runtime.PatchTracking.any.contourPieces",
        template=False,
    )
