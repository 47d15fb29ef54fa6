"""Step 1 of a scan: darks and flats, and how frames are matched to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tomoline.errors import TomolineError
from tomoline.errors import flats as kinds
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._flats_params import FlatsParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files.frames import Frames
    from tomoline.steps._flat_distance import Distance
    from tomoline.steps._flat_fields import FlatFields, FlatSettings
    from tomoline.steps._flat_survey import Survey
    from tomoline.steps.scan_layout import ScanLayout

    Real = NDArray[np.float32]


_DEFAULT_AVERAGE = 3
_LEAST_MATCHED = 4  # with fewer flats there is nothing to choose
_MANY_BAD = 0.01  # part of all pixels
_NOISE_FACTOR = 8.0
_DESCRIPTOR_BYTES = 256 << 20
_AIR_PART, _LEAST_AIR_PX = 0.04, 8


def run(params: FlatsParams, context: StepContext) -> Values:
    """Write the flat fields of each distance."""
    from tomoline.steps._flat_fields import FlatFieldsWriter
    from tomoline.steps.scan_layout import ScanLayout

    layout = ScanLayout.read(context.input("scan_layout"))
    reports = []
    with context.writing("flat_fields") as path, FlatFieldsWriter(path) as writer:
        for distance in range(len(layout.projections)):
            fields, report = _prepare(params, context, layout, distance)
            writer.add(distance, fields)
            reports.append(report)
    first = reports[0]
    return {
        "method": first["method"],
        "average_flats": first["average_flats"],
        "flats_used": [report["flats_used"] for report in reports],
        "flats_excluded": sum(report["flats_excluded"] for report in reports),
        "level_counts": [report["level_counts"] for report in reports],
        "dark_counts": [report["dark_counts"] for report in reports],
        "noise_percent": [report["noise_percent"] for report in reports],
        "bad_pixels": [report["bad_pixels"] for report in reports],
        "flat_zingers": sum(report["flat_zingers"] for report in reports),
        "components": [report["components"] for report in reports],
    }


def _prepare(
    params: FlatsParams, context: StepContext, layout: ScanLayout, number: int
) -> tuple[FlatFields, Values]:
    import numpy as np

    from tomoline.steps._flat_distance import Distance, time_groups
    from tomoline.steps._flat_survey import BLANK, misfits, report_missing, survey

    distance = Distance(number, layout, params, context)
    dark = _mean_dark(distance)
    location = layout.flats[number] if number < len(layout.flats) else None
    frames = distance.frames(location, "flats")
    if frames is None or location is None or params.method == "none":
        return _without_flats(distance, dark, warn=params.method != "none")
    from tomoline.kernels.flat_match import DescriptorForm

    shape = (layout.height_px, layout.width_px)
    form = DescriptorForm.of(
        shape, _binning(params, frames), params.high_pass_px, params.region, dark
    )
    groups = time_groups(distance, location)
    skip = dict.fromkeys(location.missing, "it is missing.")
    skip |= _beyond(frames.shape[0])
    found = survey(frames, groups, context, form, f"flats of {distance.name}", skip)
    wrong = misfits(found, _saturation(frames))
    if wrong and len(wrong) < np.count_nonzero(found.used):
        # The sums must be free of them; this second reading is rare.
        found = survey(frames, groups, context, form, f"flats of {distance.name}", skip | wrong)
    reasons = {k: v for k, v in found.reasons.items() if v != _NOT_NEEDED}
    report_missing(frames, reasons, context, "flats")
    used = int(np.count_nonzero(found.used))
    if not used and reasons and all(reason == BLANK for reason in reasons.values()):
        raise kinds.NOT_BRIGHTER.error(
            location.path, f"all flats of {distance.name} are blank, or not above the darks."
        )
    if not used:
        return _without_flats(distance, dark, warn=True, excluded=len(reasons))
    return _with_flats(distance, frames, found, dark, form, groups, len(reasons))


_NOT_NEEDED = "there are enough others."


def _binning(params: FlatsParams, frames: Frames) -> int:
    """Return the side of a block: what is asked for, or more where the descriptors grow large."""
    from tomoline.steps._flat_survey import MOST_MATCHED

    count, rows, columns = frames.shape
    binning = params.binning
    while 4 * min(count, MOST_MATCHED) * (rows // binning) * (columns // binning) > (
        _DESCRIPTOR_BYTES
    ):
        binning += 1
    return binning


def _beyond(count: int) -> dict[int, str]:
    """Return the flats that are not needed where there are very many."""
    import numpy as np

    from tomoline.steps._flat_survey import MOST_MATCHED

    if count <= MOST_MATCHED:
        return {}
    kept = set(np.linspace(0, count - 1, MOST_MATCHED).round().astype(int).tolist())
    return {index: _NOT_NEEDED for index in range(count) if index not in kept}


def _with_flats(
    distance: Distance,
    frames: Frames,
    found: Survey,
    dark: Real | None,
    form: Any,
    groups: list[list[int]],
    excluded: int,
) -> tuple[FlatFields, Values]:
    import numpy as np

    from tomoline.kernels.flat_fields import find_bad_pixels, find_flat_repairs
    from tomoline.kernels.flat_match import FlatBasis
    from tomoline.steps._flat_distance import component_flats, group_means, median_flat
    from tomoline.steps._flat_fields import FlatFields, FlatSettings
    from tomoline.steps._flat_survey import pixel_noise

    params, context = distance.params, distance.context
    statistics = found.all
    bright = statistics.mean()
    if dark is not None:
        bright -= dark
    level = float(np.median(bright))
    if not level > 0:
        raise kinds.NOT_BRIGHTER.error(
            distance.name, f"flats are {level:.1f} counts above the darks."
        )
    used = int(np.count_nonzero(found.used))
    method = params.method or ("best" if used >= _LEAST_MATCHED else "mean")
    average = params.average or distance.layout.hints.flat_average or _DEFAULT_AVERAGE
    if (method in ("best", "fitted") or params.method is None) and used < average:
        context.warn(
            kinds.FEW_FLATS.notice(distance.name, f"{used} flats, {average} are to be averaged.")
        )
        average = used
    noise = pixel_noise(frames, found.used, dark)
    bad = find_bad_pixels(bright, dark, level)
    if len(bad.places) > _MANY_BAD * bright.size:
        part = 100 * len(bad.places) / bright.size
        context.warn(
            kinds.MANY_BAD_PIXELS.notice(distance.name, f"{part:.1f} % of the pixels are bad.")
        )
    repairs = find_flat_repairs(statistics, bright, dark, bad, max(0.1, _NOISE_FACTOR * noise))
    basis = FlatBasis.build(form, found.descriptors, found.used)
    levels = np.where(found.used, found.levels / found.levels[found.used].mean(), 1.0)
    images: dict[str, NDArray[Any]] = {
        "levels": levels.astype(np.float32),
        "pattern": basis.pattern,
        "parts": basis.parts,
        "part_scales": basis.part_scales,
        "coefficients": basis.coefficients,
        "squares": basis.squares,
        "with_pattern": basis.with_pattern,
        "form_dark": form.dark,
        "form_weight": form.weight,
        "bad_places": bad.places,
        "bad_sources": bad.sources,
        "repair_flats": repairs.flats,
        "repair_places": repairs.places,
        "repair_values": repairs.values,
        "repair_around": repairs.around,
    }
    if dark is not None:
        images["dark"] = dark
    times: tuple[float, ...] = ()
    if method == "interpolated":
        images["means"], times = group_means(distance, found, groups, dark)
    elif method == "median":
        images["means"] = median_flat(distance, frames, found.used, dark)[None]
    elif method in ("mean", "pca"):
        images["means"] = bright[None]
    if method == "pca":
        images["components"], images["component_units"] = component_flats(
            distance, frames, found, basis, levels, bright, dark, repairs
        )
    settings = FlatSettings(
        method=method,
        average=average,
        match=params.match,
        level_counts=level,
        dark_counts=float(np.median(dark)) if dark is not None else 0.0,
        noise=noise,
        saturation_counts=_saturation(frames),
        air_columns=_air_columns(params, distance.layout.width_px),
        zinger_excess=max(params.zinger_excess, _NOISE_FACTOR * noise)
        if params.zinger_excess
        else 0.0,
        binning=form.binning,
        half_width=form.half_width,
        limit=basis.limit,
        reach_rows=bad.reach,
        group_times=times,
        used=tuple(int(index) for index in np.flatnonzero(found.used)),
    )
    context.log(
        f"{distance.name}: {used} flats of {level:.0f} counts, noise {100 * noise:.2f} %, "
        f"{basis.parts.shape[0]} components, {len(bad.places)} bad pixels"
    )
    return FlatFields(settings, images), _report(settings, images, used, excluded)


def _report(
    settings: FlatSettings, images: dict[str, NDArray[Any]], used: int, excluded: int
) -> Values:
    return {
        "method": settings.method,
        "average_flats": settings.average,
        "flats_used": used,
        "flats_excluded": excluded,
        "level_counts": round(settings.level_counts, 3),
        "dark_counts": round(settings.dark_counts, 3) if "dark" in images else None,
        "noise_percent": round(100 * settings.noise, 4),
        "bad_pixels": len(images["bad_places"]),
        "flat_zingers": len(images.get("repair_flats", ())),
        "components": len(images.get("parts", ())),
    }


def _mean_dark(distance: Distance) -> Real | None:
    """Return the mean dark, (rows, columns) float32, or None where there is none."""
    from tomoline.steps._flat_survey import report_missing, survey

    layout = distance.layout
    location = layout.darks[distance.number] if distance.number < len(layout.darks) else None
    frames = distance.frames(location, "darks")
    if frames is None or location is None:
        distance.context.log(f"{distance.name}: no darks, taken as 0 counts")
        return None
    skip = dict.fromkeys(location.missing, "it is missing.")
    found = survey(
        frames,
        [list(range(frames.shape[0]))],
        distance.context,
        None,
        f"darks of {distance.name}",
        skip,
    )
    report_missing(frames, found.reasons, distance.context, "darks")
    return found.all.mean() if found.used.any() else None


def _without_flats(
    distance: Distance, dark: Real | None, *, warn: bool, excluded: int = 0
) -> tuple[FlatFields, Values]:
    """Take one level for all pixels: what is bright in a few projections."""
    import numpy as np

    from tomoline.files.open_frames import open_frames
    from tomoline.steps._flat_fields import FlatFields, FlatSettings

    layout = distance.layout
    frames = open_frames(layout.projections[distance.number])
    places = np.flatnonzero(layout.taking_part)
    bright = []
    for place in places[np.linspace(0, len(places) - 1, min(5, len(places))).astype(int)]:
        try:
            image = frames.read(int(place))[::4, ::4].astype(np.float32)
        except TomolineError:
            continue
        if dark is not None:
            image -= dark[::4, ::4]
        bright.append(float(np.nanquantile(image, 0.95)))
    level = float(np.median(bright)) if bright else 0.0
    if not level > 0:
        raise kinds.NOT_BRIGHTER.error(distance.name, "the projections are blank.")
    if warn:
        distance.context.warn(
            kinds.NO_FLATS.notice(distance.name, f"{level:.0f} counts are taken as the beam's.")
        )
    images: dict[str, NDArray[Any]] = {
        "bad_places": np.empty((0, 2), np.int32),
        "bad_sources": np.empty((0, 4), np.int64),
    }
    if dark is not None:
        images["dark"] = dark
    settings = FlatSettings(
        method="none",
        average=0,
        match=distance.params.match,
        level_counts=level,
        dark_counts=float(np.median(dark)) if dark is not None else 0.0,
        noise=0.0,
        saturation_counts=_saturation(frames),
        air_columns=_air_columns(distance.params, layout.width_px),
        zinger_excess=distance.params.zinger_excess,
    )
    return FlatFields(settings, images), _report(settings, images, 0, excluded)


def _saturation(frames: Frames) -> float | None:
    """Return the counts at which the stored numbers end."""
    import numpy as np

    return float(np.iinfo(frames.dtype).max) if frames.dtype.kind in "ui" else None


def _air_columns(params: FlatsParams, width: int) -> tuple[int, int] | None:
    if params.level == "none":
        return None
    usual = min(max(_LEAST_AIR_PX, round(_AIR_PART * width)), width // 2)
    left, right = params.air_columns_px or (usual, usual)
    left = min(max(left, 0), width)
    right = min(max(right, 0), width - left)
    return (left, right) if left + right else None


def _memory_bytes(shape: Shape, params: FlatsParams) -> int:
    from tomoline.steps._flat_survey import chunk_bytes

    most = chunk_bytes(shape.height, shape.width)
    if params.method == "pca":
        most = max(most, 4 * shape.height * shape.width * (params.components + 3))
    return most


FLATS = Step(
    name="flats",
    number=1,
    title="flats and darks",
    params=FlatsParams,
    run=run,
    reads=("scan_layout",),
    writes=("flat_fields",),
    memory_bytes=_memory_bytes,
    chunk_axis="frame",
)
