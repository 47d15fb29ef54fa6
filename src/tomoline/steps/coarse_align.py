"""Step 2: shifts between views by correlation, and the tilt axis angle."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files.stack import Stack
    from tomoline.steps.acquisition import Acquisition


# Views are binned so that their longer side has at most this many pixels. Coarser is not only
# faster but more exact: fine details move differently at different depths of the specimen.
_SIZE_PX = 320
_UNSURE = 0.5
# More warnings of one kind become one.
_ONE_BY_ONE = 4
# A given axis is called wrong when the images differ by more, and are this sure.
_AXIS_TOLERANCE_DEG = 6.0
_AXIS_SURE = 0.6


class CoarseAlignParams(StepParams):
    """Find the shift of each view by correlation with its neighbour, and check the tilt axis.

    Views are binned, levelled (so that carbon edges and gradients count no more than the
    specimen), stretched by the ratio of the cosines perpendicular to the tilt axis, and
    correlated from the lowest tilt outwards.
    """

    binning: int | None = parameter(
        None,
        ge=1,
        le=32,
        help="Binning of the views for correlation; by default so that they have up to 320 pixels.",
    )
    filter_sigma1_per_px: float = parameter(
        0.03,
        ge=0,
        le=0.5,
        help="Sigma of the filter that removes low frequencies, of the binned views; IMOD's value.",
        directive="comparam.xcorr.tiltxcorr.FilterSigma1",
    )
    filter_radius2_per_px: float = parameter(
        0.25,
        gt=0,
        le=0.7,
        help="Frequency above which the high-frequency filter falls off; IMOD's value.",
        directive="comparam.xcorr.tiltxcorr.FilterRadius2",
        when="Lower it, to 0.125 or so, when very noisy views fail to align.",
    )
    filter_sigma2_per_px: float = parameter(
        0.05,
        ge=0,
        le=0.5,
        help="Sigma of that fall-off; IMOD's value.",
        directive="comparam.xcorr.tiltxcorr.FilterSigma2",
    )
    max_shift_percent: float = parameter(
        45.0,
        gt=0,
        le=90,
        help="Largest shift between neighbours, of the image size; beyond half, little is shared.",
    )
    cumulative_correlation: bool = parameter(
        False,
        help="Correlate each view with the sum of the aligned views before it.",
        directive="comparam.xcorr.tiltxcorr.CumulativeCorrelation",
        when="When single views are too noisy; it blurs thick specimens.",
    )
    exclude_central_peak: bool = parameter(
        False,
        help="Pass over a peak at zero shift that comes from fixed-pattern noise of the camera.",
        directive="comparam.xcorr.tiltxcorr.ExcludeCentralPeak",
        when="When low-dose views keep aligning to no shift at all.",
    )
    search_mag_changes: bool = parameter(
        False,
        help="Also find a change of size between neighbours that were recorded long after each "
        "other, or, where the order is not known, on both sides of the lowest tilt.",
        directive="comparam.xcorr.tiltxcorr.SearchMagChanges",
        when="For bidirectional series whose halves differ in size.",
    )
    axis_from_images: bool = parameter(
        False,
        help="Use the tilt axis angle that the images show, even where one is given.",
        when="When the given angle is reported to look wrong.",
    )


@dataclass(frozen=True)
class _Axis:
    """The tilt axis angle that is used, and what the images said."""

    used_rad: float
    source: str
    confidence: float
    found_rad: float
    angles_rad: NDArray[np.float64]
    scores: NDArray[np.float64]


def run(params: CoarseAlignParams, context: StepContext) -> Values:
    """Align the fixed stack coarsely and write the transforms to the prealigned stack."""
    import numpy as np

    from tomoline.files import transforms as transform_files
    from tomoline.files.stack import open_stack
    from tomoline.kernels.coarse import CoarseOptions, align_neighbours, centre_field
    from tomoline.kernels.correlate import BandPass
    from tomoline.steps.acquisition import Acquisition

    views = Acquisition.read(context.input("views"))
    stack = open_stack(context.input("fixed_stack"))
    factor = params.binning or max(1, math.ceil(max(stack.shape[1:]) / _SIZE_PX))
    images = _prepared(stack, factor, context)
    spread = _spread(context, images[0].size)
    tilt_rad, included = np.radians(views.tilt_deg), views.included

    axis = _axis(params, context, views, images, spread)
    options = CoarseOptions(
        band=BandPass(
            params.filter_sigma1_per_px, params.filter_radius2_per_px, params.filter_sigma2_per_px
        ),
        limit_fraction=params.max_shift_percent / 100,
        exclude_central=params.exclude_central_peak,
        cumulative=params.cumulative_correlation,
        scale_views=_size_changes(views) if params.search_mag_changes else (),
    )
    aligned = align_neighbours(
        images, tilt_rad, axis.used_rad, options, included=included, run=spread
    )
    centres = centre_field(aligned.centre_px, tilt_rad, axis.used_rad, included)
    transforms = _to_prealigned(centres * factor, aligned.scale, stack, factor)
    with context.writing("coarse_shifts") as path:
        transform_files.write(path, _to_neighbour(transforms))
    with context.writing("coarse_transforms") as path:
        transform_files.write(path, transforms)
    axis_deg = math.degrees(axis.used_rad)
    with context.writing("coarse") as path:
        told = {
            "tilt_axis_deg": axis_deg,
            "source": axis.source,
            "confidence": round(axis.confidence, 4),
        }
        path.write_text(json.dumps(told, indent=1), encoding="utf-8")
    _report_unsure(context, views, aligned.confidence, aligned.height)
    return {
        "binning": factor,
        "reference_view": views.views[aligned.reference].number,
        "shift_px": np.round(transforms[:, :, 2], 2).tolist(),
        "size_change": np.round(aligned.scale, 5).tolist() if params.search_mag_changes else None,
        "confidence": _listed(aligned.confidence),
        "correlation": _listed(aligned.height),
        "largest_shift_px": float(np.hypot(*transforms[included, :, 2].T).max()),
        "unsure_views": [
            view.number
            for view, sure in zip(views.views, aligned.confidence, strict=True)
            if sure < _UNSURE
        ],
        "tilt_axis_deg": round(axis_deg, 3),
        "tilt_axis_source": axis.source,
        "tilt_axis_given_deg": views.tilt_axis_deg,
        "tilt_axis_found_deg": round(math.degrees(axis.found_rad), 2),
        "tilt_axis_confidence": round(axis.confidence, 3),
        "axis_search_angles_deg": np.round(np.degrees(axis.angles_rad), 2).tolist(),
        "axis_search_agreement": np.round(axis.scores, 4).tolist(),
    }


Spread = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


def _spread(context: StepContext, pixels: int) -> Spread:
    """Return a `map` that runs on the engine; a correlation holds about 16 padded images."""
    bound = 16 * 4 * 3 * pixels

    def spread(function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        return context.engine.map(
            function, list(items), bytes_per_chunk=bound, label="correlating views"
        )

    return spread


def _prepared(stack: Stack, factor: int, context: StepContext) -> list[NDArray[np.float32]]:
    """Return all views, binned and levelled."""
    from tomoline.kernels._image import bin_mean, level

    count, height, width = stack.shape
    radius = min(32, max(8, min(height, width) // factor // 12))

    def prepare(view: int) -> NDArray[np.float32]:
        image = stack.read(view)
        return level(bin_mean(image, factor) if factor > 1 else image, radius)

    return list(
        context.engine.map(
            prepare,
            range(count),
            bytes_per_chunk=_view_bytes(height, width, factor),
            label="preparing views",
        )
    )


def _view_bytes(height: int, width: int, factor: int) -> int:
    return 8 * height * width + 80 * (height // factor + 1) * (width // factor + 1)


def _axis(
    params: CoarseAlignParams,
    context: StepContext,
    views: Acquisition,
    images: list[NDArray[np.float32]],
    spread: Spread,
) -> _Axis:
    """Search the tilt axis, compare it with what was given, and choose."""
    import numpy as np

    from tomoline.kernels.axis_search import search_axis

    given = views.tilt_axis_deg
    given_rad = None if given is None else math.radians(given)
    found = search_axis(
        images,
        np.radians(views.tilt_deg),
        included=views.included,
        given_rad=given_rad,
        run=spread,
    )
    if given is not None and given_rad is not None and not params.axis_from_images:
        complaint = _complaint(given, math.degrees(found.axis_rad))
        if complaint and found.confidence > _AXIS_SURE:
            context.warn(errors.tilt.AXIS_LOOKS_WRONG.notice(views.tilt_axis_source, complaint))
        source = views.tilt_axis_source or "given"
        return _Axis(
            given_rad, source, found.confidence, found.axis_rad, found.angles_rad, found.scores
        )
    if found.confidence < _UNSURE:
        context.warn(
            errors.tilt.AXIS_UNSURE.notice(
                "",
                f"the images suggest {math.degrees(found.axis_rad):.1f} degrees, but not clearly "
                f"(confidence {found.confidence:.2f}).",
            )
        )
    return _Axis(
        found.axis_rad,
        "images",
        found.confidence,
        found.axis_rad,
        found.angles_rad,
        found.scores,
    )


def _complaint(given_deg: float, found_deg: float) -> str:
    """Say how a given axis differs from what the images show, or nothing where they agree.

    >>> _complaint(85.0, -95.4)
    ''
    >>> _complaint(-5.0, 85.0)
    'given -5.0 degrees, the images say 85.0: the given angle is about 90 degrees off.'
    """

    def apart(first: float, second: float) -> float:
        return abs(math.remainder(first - second, 180.0))

    if apart(given_deg, found_deg) <= _AXIS_TOLERANCE_DEG:
        return ""
    told = f"given {given_deg:.1f} degrees, the images say {found_deg:.1f}"
    if apart(-given_deg, found_deg) <= _AXIS_TOLERANCE_DEG:
        return f"{told}: the given angle seems to have the wrong sign."
    if apart(given_deg + 90, found_deg) <= _AXIS_TOLERANCE_DEG:
        return f"{told}: the given angle is about 90 degrees off."
    if apart(90 - given_deg, found_deg) <= _AXIS_TOLERANCE_DEG:
        return f"{told}: it seems to be counted from the horizontal, clockwise."
    return f"{told} (or 180 degrees more)."


def _size_changes(views: Acquisition) -> tuple[int, ...]:
    """Return the views at which the size may change, seen from the lowest tilt outwards."""
    import numpy as np

    tilt = views.tilt_deg
    order = [int(view) for view in np.argsort(tilt, kind="stable") if views.included[view]]
    start = min(range(len(order)), key=lambda place: abs(tilt[order[place]]))
    found = []
    for chain in (order[start:], order[start::-1]):
        recorded = [views.views[view].order for view in chain]
        for place in range(1, len(chain)):
            now, before = recorded[place], recorded[place - 1]
            if now is None or before is None:
                late = place == 1
            else:
                late = abs(now - before) > max(3, len(order) // 4)
            if late:
                found.append(chain[place])
    return tuple(found)


def _to_prealigned(
    centres_px: NDArray[np.float64], scale: NDArray[np.float64], stack: Stack, factor: int
) -> NDArray[np.float64]:
    """Return the transforms that bring the specimen's centre to the image centre."""
    from tomoline import geometry
    from tomoline.kernels._image import bin_offset

    offset = [bin_offset(stack.shape[2], factor), bin_offset(stack.shape[1], factor)]
    transforms = geometry.identity_transforms(len(centres_px))
    transforms[:, :, :2] /= scale[:, None, None]
    transforms[:, :, 2] = -(centres_px + offset) / scale[:, None]
    return transforms


def _to_neighbour(transforms: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transform of each view to the one before it in the stack, as in a .prexf."""
    from tomoline import geometry

    result = geometry.identity_transforms(len(transforms))
    result[1:] = geometry.compose(transforms[1:], geometry.invert(transforms[:-1]))
    return result


def _report_unsure(
    context: StepContext,
    views: Acquisition,
    confidence: NDArray[np.float64],
    height: NDArray[np.float64],
) -> None:
    unsure = [index for index, sure in enumerate(confidence) if sure < _UNSURE]
    if len(unsure) > _ONE_BY_ONE:
        numbers = ", ".join(str(views.views[index].number) for index in unsure)
        lowest = float(confidence[unsure].min())
        context.warn(
            errors.tilt.UNSURE_SHIFT.notice(f"views {numbers}", f"confidence down to {lowest:.2f}.")
        )
        return
    for index in unsure:
        view = views.views[index]
        context.warn(
            errors.tilt.UNSURE_SHIFT.notice(
                f"view {view.number} at {view.tilt_deg:.1f} degrees",
                f"correlation {height[index]:.3f}, confidence {confidence[index]:.2f} of 1.",
            )
        )


def _listed(values: NDArray[np.float64]) -> list[float | None]:
    """Return numbers for JSON, which has no nan: excluded views are none."""
    return [None if math.isnan(value) else round(float(value), 4) for value in values]


def _memory_bytes(shape: Shape, params: CoarseAlignParams) -> int:
    factor = params.binning or max(1, math.ceil(max(shape.height, shape.width) / _SIZE_PX))
    pixels = (shape.height // factor + 1) * (shape.width // factor + 1)
    return max(_view_bytes(shape.height, shape.width, factor), 16 * 4 * 3 * pixels)


COARSE_ALIGN = Step(
    name="coarse_align",
    number=2,
    title="shifts by cross-correlation, tilt axis",
    params=CoarseAlignParams,
    run=run,
    reads=("views", "fixed_stack"),
    writes=("coarse_shifts", "coarse_transforms", "coarse"),
    memory_bytes=_memory_bytes,
)
