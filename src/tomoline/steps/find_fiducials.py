"""Step 4: what to align by, and the beads that tracking starts with."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.steps._bead_views import BeadViews
    from tomoline.steps._fiducials import Fiducials
    from tomoline.steps._find_seeds import Seeds

# Fewer good beads than this, and patches may be better.
_SURE_BEADS = 5
_LEAST_BEADS = 3
_LEAST_SCORE = 0.5
_MOST_SEEDS = 100
_EXPECTED_BEADS = 10


class FindFiducialsParams(StepParams):
    """Decide what to track, find gold beads in the views of low tilt, and choose the best of them.

    Beads are found by a matched filter, followed through the views around the lowest tilt, and
    chosen for being seen in all of them, consistent in space, and spread over the field.
    """

    method: Literal["auto", "beads", "patches", "raptor", "none"] = parameter(
        "auto",
        help="What to align by: auto tracks beads where the size of the gold is known and beads "
        "are found, patches otherwise; raptor means beads too.",
        directive="runtime.Fiducials.any.trackingMethod",
        directive_values={"0": "beads", "1": "patches", "2": "raptor"},
        when="When auto chose wrongly; a method that is demanded but fails is an error.",
    )
    fiducialless: bool = parameter(
        False,
        help="Track nothing: align by correlation alone, whatever the method.",
        directive="runtime.Fiducials.any.fiducialless",
    )
    light_beads: bool = parameter(
        False,
        help="Beads are lighter than their surroundings.",
        directive="comparam.track.beadtrack.LightBeads",
        when="For dark-field images, or images of inverted contrast.",
    )
    adjust_sizes: bool = parameter(
        True,
        help="Measure the beads' size from the images, within 0.6 to 1.45 times the given one: "
        "gold and pixel sizes are often nominal.",
        directive="comparam.autofidseed.autofidseed.AdjustSizes",
    )
    target_beads: int | None = parameter(
        None,
        ge=1,
        help="Number of beads to track; by default as many as are good: more points, less error.",
        directive="comparam.autofidseed.autofidseed.TargetNumberOfBeads",
        when="To save time with hundreds of beads.",
    )
    target_beads_per_megapixel: float | None = parameter(
        None,
        gt=0,
        help="Number of beads to track for each 1024 x 1024 pixels, if no number is given.",
        directive="comparam.autofidseed.autofidseed.TargetDensityOfBeads",
    )
    raptor_markers: int | None = parameter(
        None,
        ge=1,
        help="Number of beads where RAPTOR is asked for.",
        directive="runtime.RAPTOR.any.numberOfMarkers",
    )
    two_surfaces: bool = parameter(
        False,
        help="Choose as many beads on either surface of the specimen.",
        directive="comparam.autofidseed.autofidseed.TwoSurfaces",
        when="When beads lie on both surfaces and a target number is given.",
    )
    least_beads: int | None = parameter(
        None,
        ge=1,
        help="Beads that are at least in a view, for measuring their size; by default 10.",
        directive="comparam.autofidseed.autofidseed.MinGuessNumBeads",
    )
    boundary_model: Path | None = parameter(
        None,
        help="Model with closed contours drawn on the raw stack: beads are taken inside them.",
        directive="runtime.SeedFinding.any.rawBoundaryModel",
        template=False,
    )
    exclude_inside: bool = parameter(
        False,
        help="Take beads outside the contours instead.",
        directive="comparam.autofidseed.autofidseed.ExcludeInsideAreas",
    )


def run(params: FindFiducialsParams, context: StepContext) -> Values:
    """Decide what to track and write the seeds."""
    from tomoline.steps._fiducials import Fiducials

    method = "none" if params.fiducialless else params.method
    if method == "raptor":
        context.warn(errors.tilt.RAPTOR_IS_BEADS.notice(found="RAPTOR is asked for."))
        method = "beads"
    if method in ("none", "patches"):
        kind: Literal["none", "patches"] = "none" if method == "none" else "patches"
        return _tell(context, Fiducials(kind=kind, demanded=True), {"reason": "asked for"})

    from tomoline.steps._bead_views import BeadViews

    views = BeadViews.open(context)
    nominal = views.views.gold_diameter_px
    if not nominal:
        if method == "beads":
            raise errors.tilt.NO_GOLD_SIZE.error(
                context.root,
                f"gold {_nanometres(views.views.gold_diameter_nm)}, "
                f"pixel {_nanometres(views.views.pixel_size_nm)}.",
            )
        return _tell(
            context, Fiducials(kind="patches", sure=True), {"reason": "no size of gold beads given"}
        )
    return _find(params, context, views, nominal, demanded=method == "beads")


def _nanometres(length: float | None) -> str:
    return "not known" if length is None else f"{length:g} nm"


def _find(
    params: FindFiducialsParams,
    context: StepContext,
    views: BeadViews,
    nominal_px: float,
    *,
    demanded: bool,
) -> Values:
    from tomoline.steps._fiducials import Fiducials
    from tomoline.steps._find_seeds import find_seeds, measure_sphere

    axis_deg = float(json.loads(context.input("coarse").read_text())["tilt_axis_deg"])
    light = params.light_beads
    sphere = measure_sphere(
        views,
        nominal_px,
        light=light,
        adjust=params.adjust_sizes,
        expected=params.least_beads or _EXPECTED_BEADS,
    )
    target = _target(params, views)
    seeds = find_seeds(
        views,
        sphere,
        math.radians(axis_deg),
        light=light,
        target=target or _MOST_SEEDS,
        two_surfaces=params.two_surfaces,
        contours_px=_boundary(params, context, views),
        exclude_inside=params.exclude_inside,
    )
    count = len(seeds.tracks_px)
    values: Values = {
        "bead_diameter_px": _rounded(seeds.bead_diameter_px),
        "sphere_diameter_px": round(sphere.diameter_px, 3),
        "nominal_diameter_px": round(nominal_px, 3),
        "bead_score": round(sphere.score, 4),
        "score_threshold": round(seeds.threshold, 4),
        "candidate_beads": seeds.candidates,
        "seed_residual_px": round(seeds.residual_px, 4),
        "seed_views": [views.views.views[v].number for v in seeds.views],
    }
    found = f"{seeds.candidates} good ones in {len(seeds.views)} views, {count} chosen."
    if count < (1 if demanded else _LEAST_BEADS) or seeds.bead_diameter_px is None:
        if demanded:
            raise errors.tilt.TOO_FEW_BEADS.error(context.root, found)
        context.warn(errors.tilt.BEADS_GIVEN_UP.notice(context.root, found))
        return _tell(context, Fiducials(kind="patches"), {"reason": "too few beads", **values})
    _write_seeds(context, views, seeds)
    told = Fiducials(
        kind="beads",
        sure=demanded or (count >= _SURE_BEADS and sphere.score >= _LEAST_SCORE),
        demanded=demanded,
        light=light,
        bead_diameter_px=seeds.bead_diameter_px,
        sphere_diameter_px=sphere.diameter_px,
        target=target,
        two_surfaces=params.two_surfaces,
    )
    reason = "asked for" if demanded else "beads were found"
    return _tell(context, told, {"reason": reason, "seed_beads": count, **values})


def _tell(context: StepContext, told: Fiducials, values: Values) -> Values:
    with context.writing("fiducials") as path:
        told.write(path)
    return {"kind": told.kind, "sure": told.sure, **values}


def _target(params: FindFiducialsParams, views: BeadViews) -> int | None:
    """Return the number of beads asked for, or None."""
    if params.method == "raptor" and params.raptor_markers:
        return params.raptor_markers
    if params.target_beads:
        return params.target_beads
    if params.target_beads_per_megapixel:
        _, height, width = views.stack.shape
        return max(4, round(params.target_beads_per_megapixel * height * width / 1024**2))
    return None


def _beside(folder: Path, root: str, params: FindFiducialsParams) -> Sequence[Path]:
    return [folder / params.boundary_model] if params.boundary_model is not None else []


def _boundary(
    params: FindFiducialsParams, context: StepContext, views: BeadViews
) -> list[NDArray[np.float64]]:
    """Return the boundary's contours in the prealigned frame; none where there is no model."""
    from tomoline.files import imod_model
    from tomoline.steps._find_seeds import boundary_contours

    path = params.boundary_model
    beside = context.folder / f"{context.root}_rawbound.mod"
    if path is None and beside.is_file():
        path = beside
    if path is None:
        return []
    if not path.is_absolute():
        path = context.folder / path
    contours = [c.points for c in imod_model.read(path).contours if len(c.points) >= 3]
    if not contours:
        raise errors.tilt.BAD_BOUNDARY.error(path, "It holds no contour of three points or more.")
    return boundary_contours(views, contours)


def _write_seeds(context: StepContext, views: BeadViews, seeds: Seeds) -> None:
    from tomoline.files.stack import open_stack
    from tomoline.steps._track_models import write_tracks

    prealigned = open_stack(context.input("prealigned_stack"))
    binning = max(1, round(views.stack.shape[2] / prealigned.shape[2]))
    with context.writing("seeds") as path:
        write_tracks(
            path,
            seeds.tracks_px,
            shape=prealigned.shape,
            binning=binning,
            pixel_size_nm=prealigned.pixel_size_nm,
            name="seed beads",
            radius_px=0.5 * (seeds.bead_diameter_px or 0.0) / binning,
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _memory_bytes(shape: Shape, params: FindFiducialsParams) -> int:
    from tomoline.steps._fiducials import view_bytes

    return view_bytes(shape.height, shape.width)


FIND_FIDUCIALS = Step(
    name="find_fiducials",
    number=4,
    title="beads to start tracking with",
    params=FindFiducialsParams,
    run=run,
    reads=("fixed_stack", "views", "coarse_transforms", "coarse", "prealigned_stack"),
    writes=("fiducials", "seeds"),
    memory_bytes=_memory_bytes,
    optional=("boundary",),
    beside=_beside,
)
