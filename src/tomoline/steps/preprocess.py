"""Step 1: X-ray hits and hot pixels, dark and blank views."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tomoline.files.mrc import Statistics
    from tomoline.files.stack import Stack
    from tomoline.kernels.bad_views import Judgement, ViewStatistics
    from tomoline.kernels.xrays import XrayOptions, XrayReport
    from tomoline.steps.acquisition import Acquisition, View

MINIMUM_VIEWS = 3
Result = TypeVar("Result")
_INTEGERS = ("int16", "uint16")
_MODES = {"uint8": 0, "int8": 0, "int16": 1, "uint16": 6, "float32": 2, "float16": 12}


class PreprocessParams(StepParams):
    """Replace X-ray hits, hot and dead pixels, and recognise dark, blank and off-scale views.

    The raw stack is never changed; the result is a stack of its own, the same bits wherever
    nothing was replaced.
    """

    remove_xrays: bool = parameter(
        True,
        help="Find and replace X-ray hits, hot and dead pixels.",
        directive="runtime.Preprocessing.any.removeXrays",
        when="Switch it off for images that were cleaned already.",
    )
    peak_criterion_sd: float = parameter(
        10.0,
        gt=0,
        help="How far a peak must stand out of the ring round it; IMOD's value.",
        directive="comparam.eraser.ccderaser.PeakCriterion",
        when="Lower it to 8 where X-rays stay in the images, raise it where structure is lost.",
    )
    diff_criterion_sd: float = parameter(
        8.0,
        gt=0,
        help="How far a pixel must differ from its eight neighbours; IMOD's value.",
        directive="comparam.eraser.ccderaser.DiffCriterion",
        when="Lower it to 6 for cryo data with many single hot pixels.",
    )
    maximum_radius_px: float | None = parameter(
        None,
        gt=0,
        le=20,
        help="Largest radius of a peak to replace; by default smaller than a gold bead's.",
        directive="comparam.eraser.ccderaser.MaximumRadius",
    )
    exclude_bad_views: bool = parameter(
        True,
        help="Exclude views that show nothing: dark, blank, off scale or not numbers.",
        when="Switch it off if a view is called dark that is not.",
    )
    end_exclude_criterion: float | None = parameter(
        None,
        gt=0,
        le=1,
        help="Also exclude views at the ends whose deviation is below this part of that of the "
        "views inside; off by default, since high tilts are often just thick.",
        directive="runtime.Preprocessing.any.endExcludeCriterion",
        when="Set it, to 0.5 or so, where grid bars come into view at high tilt.",
    )
    dark_exclude_ratio: float = parameter(
        0.17,
        gt=0,
        lt=1,
        help="With it: also exclude views at the ends with a region darker than this part of the "
        "rest; IMOD's value.",
        directive="runtime.Preprocessing.any.darkExcludeRatio",
    )
    dark_exclude_fraction: float = parameter(
        0.33,
        gt=0,
        lt=1,
        help="Part of the area that such a region must cover; IMOD's value.",
        directive="runtime.Preprocessing.any.darkExcludeFraction",
    )
    remove_excluded_views: bool = parameter(
        False,
        help="Leave excluded views out of the stacks instead of carrying them through.",
        directive="runtime.Preprocessing.any.removeExcludedViews",
    )


@dataclass(frozen=True)
class _Prepared:
    """A view after the removal of X-rays, as it is written, and what was found."""

    image: NDArray[Any]
    written: Statistics
    report: XrayReport
    statistics: ViewStatistics


def run(params: PreprocessParams, context: StepContext) -> Values:
    """Write the fixed stack and the list of views that take part."""
    import numpy as np

    from tomoline.files.mrc import MrcWriter
    from tomoline.files.stack import open_stack
    from tomoline.kernels.bad_views import judge_views
    from tomoline.steps.acquisition import Acquisition

    views = Acquisition.read(context.input("acquisition"))
    stack = open_stack(context.input("raw_stack"))
    measure, prepare = _workers(stack, _options(params, views))
    written = list(range(stack.shape[0]))

    def judge(statistics: Sequence[ViewStatistics]) -> Judgement:
        judgement = judge_views(
            statistics,
            np.radians(views.tilt_deg),
            included=views.included,
            end_criterion=params.end_exclude_criterion,
            dark_ratio=params.dark_exclude_ratio,
            dark_fraction=params.dark_exclude_fraction,
        )
        _check_usable(views, judgement, params)
        return judgement

    statistics: list[ViewStatistics] = []
    kept = views
    if params.remove_excluded_views:
        # Which views to write must be known first, so the stack is read twice.
        statistics = list(_over(context, stack, range(stack.shape[0]), measure, "measuring views"))
        judgement = judge(statistics)
        kept = _with_exclusions(views, judgement, params)
        written = [view for view in range(views.count) if kept.views[view].excluded is None]
        kept = kept.model_copy(update={"views": tuple(kept.views[view] for view in written)})

    reports: list[XrayReport] = []
    with (
        context.writing("fixed_stack") as path,
        MrcWriter(
            path,
            (len(written), *stack.shape[1:]),
            _MODES.get(stack.dtype.name, 2),
            pixel_size_nm=views.pixel_size_nm or stack.pixel_size_nm,
            titles=(*stack.titles, "tomoline: X-rays and hot pixels replaced"),
        ) as out,
    ):
        results = _over(context, stack, written, prepare, "removing X-rays")
        for place, result in enumerate(results):
            out.write(place, result.image, [result.written])
            reports.append(result.report)
            if not params.remove_excluded_views:
                statistics.append(result.statistics)
        if not params.remove_excluded_views:
            judgement = judge(statistics)
            kept = _with_exclusions(views, judgement, params)
    _warn_of_views(context, views, judgement, params)
    _warn_of_numbers(context, kept, written, reports)
    with context.writing("views") as path:
        kept.write(path)
    return _values(views, kept, written, reports, statistics, judgement)


def _options(params: PreprocessParams, views: Acquisition) -> XrayOptions | None:
    from tomoline.kernels.xrays import XrayOptions, dark_radius_for_gold, radius_for_gold

    if not params.remove_xrays:
        return None
    return XrayOptions(
        peak_criterion_sd=params.peak_criterion_sd,
        diff_criterion_sd=params.diff_criterion_sd,
        maximum_radius_px=params.maximum_radius_px or radius_for_gold(views.gold_diameter_px),
        dark_radius_px=dark_radius_for_gold(views.gold_diameter_px),
    )


def _workers(
    stack: Stack, options: XrayOptions | None
) -> tuple[Callable[[int], ViewStatistics], Callable[[int], _Prepared]]:
    """Return what measures a view, and what measures and cleans it."""
    import numpy as np

    from tomoline.files.mrc import Statistics
    from tomoline.kernels.bad_views import view_statistics
    from tomoline.kernels.xrays import XrayReport, erase_xrays, replace_not_finite

    def measure(view: int) -> ViewStatistics:
        return view_statistics(stack.read(view))

    def prepare(view: int) -> _Prepared:
        image = stack.read(view)
        statistics = view_statistics(image)
        if options is None:
            bad = replace_not_finite(image)
            report = XrayReport(0, bad, bad, ())
        else:
            image, report = erase_xrays(image, options)
        # Replaced pixels lie within the range of their surroundings, so nothing is clipped.
        as_read = stack.dtype.newbyteorder("=") if stack.dtype.name in _INTEGERS else np.float32
        stored = np.rint(image, out=image).astype(as_read) if as_read != np.float32 else image
        return _Prepared(stored, Statistics.of(stored), report, statistics)

    return measure, prepare


def _over(
    context: StepContext,
    stack: Stack,
    views: Sequence[int],
    function: Callable[[int], Result],
    label: str,
) -> Iterator[Result]:
    return context.engine.map(
        function, views, bytes_per_chunk=_view_bytes(*stack.shape[1:]), label=label
    )


def _view_bytes(height: int, width: int) -> int:
    # As read, cleaned, flags, and the copy in the file's type.
    return 16 * height * width


def _check_usable(views: Acquisition, judgement: Judgement, params: PreprocessParams) -> None:
    usable = sum(
        view.excluded is None and reason is None
        for view, reason in zip(views.views, judgement.reasons, strict=True)
    )
    if usable < MINIMUM_VIEWS:
        told = sorted({reason.split(" (")[0] for reason in judgement.reasons if reason})
        raise errors.tilt.BAD_PIXELS.error(
            views.root,
            f"{usable} of {views.count} views hold an image"
            + (f"; the others are {', '.join(told)}." if told else "."),
        )


def _with_exclusions(
    views: Acquisition, judgement: Judgement, params: PreprocessParams
) -> Acquisition:
    if not params.exclude_bad_views:
        return views
    changed: list[View] = [
        view if reason is None else view.model_copy(update={"excluded": reason})
        for view, reason in zip(views.views, judgement.reasons, strict=True)
    ]
    return views.model_copy(update={"views": tuple(changed)})


def _warn_of_numbers(
    context: StepContext, kept: Acquisition, written: Sequence[int], reports: Sequence[XrayReport]
) -> None:
    """Tell which views that take part held nan or infinite pixels."""
    excluded = {view.number for view in kept.views if view.excluded is not None}
    counts = {
        view + 1: report.not_finite
        for view, report in zip(written, reports, strict=True)
        if report.not_finite and view + 1 not in excluded
    }
    if counts:
        where = f"view{'s' if len(counts) > 1 else ''} {', '.join(map(str, counts))}"
        part = f"{max(counts.values())} pixels" + (" at most." if len(counts) > 1 else ".")
        context.warn(errors.tilt.NON_FINITE.notice(where, part))


def _warn_of_views(
    context: StepContext, views: Acquisition, judgement: Judgement, params: PreprocessParams
) -> None:
    for view, reason in zip(views.views, judgement.reasons, strict=True):
        where = f"view {view.number} at {view.tilt_deg:.1f} degrees"
        if reason is not None:
            kept = None if params.exclude_bad_views else "It is kept, as was asked for."
            context.warn(errors.tilt.DARK_VIEW.notice(where, f"{reason}.", kept))


def _values(
    views: Acquisition,
    kept: Acquisition,
    written: Sequence[int],
    reports: Sequence[XrayReport],
    statistics: Sequence[ViewStatistics],
    judgement: Judgement,
) -> Values:
    return {
        "xrays": [report.patches for report in reports],
        "pixels_replaced": sum(report.pixels for report in reports),
        "xray_positions_px": [list(report.positions_px[:50]) for report in reports],
        "pixels_not_finite": sum(report.not_finite for report in reports),
        "mean_counts": [round(one.mean, 3) for one in statistics],
        "sd_counts": [round(one.sd, 3) for one in statistics],
        "views": len(written),
        "excluded_views": sorted(
            {view.number for view in views.views}
            - {view.number for view in kept.views if view.excluded is None}
        ),
        "excluded_here": {
            str(view.number): reason
            for view, reason in zip(views.views, judgement.reasons, strict=True)
            if reason is not None
        },
        "suspicious_views": [views.views[view].number for view in judgement.suspicious],
        "views_removed": len(views.views) - len(written),
    }


def _memory_bytes(shape: Shape, params: PreprocessParams) -> int:
    return _view_bytes(shape.height, shape.width)


PREPROCESS = Step(
    name="preprocess",
    number=1,
    title="X-rays and hot pixels, dark views",
    params=PreprocessParams,
    run=run,
    reads=("raw_stack", "acquisition"),
    writes=("views", "fixed_stack"),
    memory_bytes=_memory_bytes,
)
