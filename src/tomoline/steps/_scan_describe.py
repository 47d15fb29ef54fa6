"""From what a scan's files tell, and the parameters, to its layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tomoline.errors import TomolineError, parameters, scan
from tomoline.files.frames import FrameLocation
from tomoline.files.listing import listing
from tomoline.files.open_scan import open_scan
from tomoline.files.scan_files import Region, ScanFiles, ScanOptions
from tomoline.steps._base import StepContext, Values
from tomoline.steps._scan_angles import Angles, choose_angles
from tomoline.steps.scan import ScanParams
from tomoline.steps.scan_layout import ScanHints, ScanLayout

FEWEST_PROJECTIONS = 3
_FEWEST_COLUMNS = 4
_MOST_M, _MOST_UM = 50.0, 200.0  # what is above was meant in millimetres, or in nanometres
_MOST_BAD = 0.2  # more of them missing means that a wrong or half copied folder was given


def describe_scan(params: ScanParams, context: StepContext) -> tuple[ScanLayout, Values]:
    """Return the layout of the scan, and what to report.

    Raises
    ------
    TomolineError, Faults
        Whatever the readers find; SCAN-11 too few frames, SCAN-12 frames of different sizes,
        SCAN-04 values in another unit, SCAN-15 angles that do not fit, SCAN-16 a region outside the
        frames, SCAN-23 frames to exclude that are none, SCAN-25 frames that are too narrow,
        PARAM-02 distances that do not fit.
    """
    source = context.source
    found = open_described(source, params)
    for notice in found.notices:
        context.warn(notice)
    _check_sizes(source, found)
    region = params.region or found.region
    first = found.projections[0]
    if region is not None:
        _check_region(source, region, first)
    excluded = _excluded(params, found, first.count)
    _check_count(source, first.count, found.bad, excluded)
    angles = choose_angles(params, found, region, excluded, context)
    layout = _layout(params, found, excluded, angles, context)
    return layout, _values(layout)


def partial_layout(params: ScanParams, found: ScanFiles, context: StepContext) -> ScanLayout:
    """Return the layout of a scan that is still being recorded; its angles are not known yet.

    Raises
    ------
    TomolineError, Faults
        As `describe_scan`, but for frames that are missing.
    """
    _check_sizes(context.source, found)
    region = params.region or found.region
    if region is not None:
        _check_region(context.source, region, found.projections[0])
    count = found.projections[0].count
    excluded = _excluded(params.model_copy(update={"exclude_frames": ()}), found, count)
    return _layout(params, found, excluded, Angles((0.0,) * count, ""), context)


def open_described(source: Path, params: ScanParams) -> ScanFiles:
    """Return what the files of a scan tell; as `tomoline.files.open_scan.open_scan`."""
    return open_scan(source, options_of(params))


def _layout(
    params: ScanParams,
    found: ScanFiles,
    excluded: dict[int, str],
    angles: Angles,
    context: StepContext,
) -> ScanLayout:
    region, first = params.region or found.region, found.projections[0]
    distances = _distances(params, found)
    height, width = (region[3], region[2]) if region else (first.height, first.width)
    if width < _FEWEST_COLUMNS:
        raise scan.TOO_NARROW.error(context.source, f"They are {width} x {height} pixels.")
    _check_units(params)
    return ScanLayout(
        root=params.name or context.root,
        source_format=found.format,
        height_px=height,
        width_px=width,
        angles_deg=angles.degrees,
        angles_source=angles.source,
        projections=tuple(_cut(one, region) for one in found.projections),
        flats=_cut_some(found.flats, region),
        darks=_cut_some(found.darks, region),
        energy_kev=params.energy_kev or found.energy_kev,
        pixel_size_um=params.pixel_size_um or found.pixel_size_um,
        distances_m=distances,
        source_distance_m=params.source_distance_m or found.source_distance_m,
        excluded=excluded,
        hints=ScanHints(**found.hints),  # type: ignore[arg-type]
        files=listing([*_described_by(found, params), *_frame_files(found)]),
    )


def _check_units(params: ScanParams) -> None:
    """Refuse what was meant in another unit."""
    far, pixel = max(params.distances_m, default=0.0), params.pixel_size_um
    if far > _MOST_M:
        raise scan.WRONG_UNIT.error(
            "scan.distances_m",
            f"{far:g} m looks like millimetres.",
            "Write " + ",".join(f"{one / 1e3:.6g}" for one in params.distances_m) + ".",
        )
    if pixel is not None and pixel > _MOST_UM:
        raise scan.WRONG_UNIT.error(
            "scan.pixel_size_um",
            f"{pixel:g} um looks like nanometres.",
            f"Write {pixel / 1e3:.6g}.",
        )


def options_of(params: ScanParams) -> ScanOptions:
    """Return what a reader has to be told."""
    return ScanOptions(
        flats_file=Path(params.flats_file) if params.flats_file else None,
        darks_file=Path(params.darks_file) if params.darks_file else None,
        data_path=params.data_path,
        angles_path=params.angles_path,
        image_key_path=params.image_key_path,
        expected_frames=params.expected_frames,
    )


def described_by(source: Path, params: ScanParams) -> Sequence[Path]:
    """Return the parameter files and containers of a scan; the source where it cannot be read."""
    try:
        found = open_scan(source, options_of(params))
    except TomolineError:
        return () if source.is_dir() else (source,)
    return _described_by(found, params)


def _described_by(found: ScanFiles, params: ScanParams) -> tuple[Path, ...]:
    named = [Path(one) for one in (params.flats_file, params.darks_file) if one]
    return (*found.files, *(one for one in named if one.is_file() and one not in found.files))


def frame_files(source: Path, params: ScanParams) -> Sequence[Path]:
    """Return the files of the frames; none where the scan cannot be read."""
    try:
        found = open_scan(source, options_of(params))
    except TomolineError:
        return ()
    return _frame_files(found)


def _frame_files(found: ScanFiles) -> tuple[Path, ...]:
    paths: dict[Path, None] = {}
    for location in (*found.projections, *found.flats, *found.darks):
        if location is None or location.storage.startswith("hdf5"):
            continue
        base = Path(location.path)
        if not location.names:
            paths[base] = None
        for name in location.names:
            if name is not None:
                paths[base / name] = None
    return tuple(paths)


def _check_sizes(source: Path, found: ScanFiles) -> None:
    first = found.projections[0]
    expected = first.height, first.width
    for kind, locations in (
        ("projections", found.projections),
        ("flats", found.flats),
        ("darks", found.darks),
    ):
        for distance, location in enumerate(locations, start=1):
            if location is not None and (location.height, location.width) != expected:
                raise scan.OTHER_SIZE.error(
                    source,
                    f"The {kind} of distance {distance} are {location.width} x {location.height} "
                    f"pixels, the projections of the first {expected[1]} x {expected[0]}.",
                )


def _check_region(source: Path, region: Region, frames: FrameLocation) -> None:
    left, top, width, height = region
    inside = (
        left >= 0
        and top >= 0
        and width > 0
        and height > 0
        and left + width <= frames.width
        and top + height <= frames.height
    )
    if not inside:
        raise scan.BAD_REGION.error(
            source,
            f"The region has left {left}, top {top}, width {width}, height {height}; the frames "
            f"are {frames.width} x {frames.height} pixels.",
        )


def _excluded(params: ScanParams, found: ScanFiles, count: int) -> dict[int, str]:
    wrong = [number for number in params.exclude_frames if not 1 <= number <= count]
    if wrong:
        raise scan.NO_SUCH_FRAME.error(
            "scan.exclude_frames", f"{wrong} are none of the {count} projections."
        )
    asked = {number - 1: "excluded by scan.exclude_frames" for number in params.exclude_frames}
    return dict(sorted({**asked, **found.bad}.items()))


def _check_count(source: Path, count: int, bad: object, excluded: dict[int, str]) -> None:
    lost = [why for why in excluded.values() if why != "excluded by scan.exclude_frames"]
    left = count - len(excluded)
    if left < FEWEST_PROJECTIONS or len(lost) > _MOST_BAD * count:
        reasons = sorted(set(lost))[:4]
        said = f" ({'; '.join(reasons)})" if reasons else ""
        raise scan.TOO_FEW_FRAMES.error(source, f"{left} of {count} projections are left{said}.")


def _distances(params: ScanParams, found: ScanFiles) -> tuple[float, ...]:
    if not params.distances_m:
        return found.distances_m
    count = len(found.projections)
    if len(params.distances_m) != count or min(params.distances_m) < 0:
        raise parameters.BAD_VALUE.error(
            "scan.distances_m",
            f"{list(params.distances_m)} does not fit the scan's {count} distances.",
            "Give one distance of at least 0 m for each.",
        )
    return params.distances_m


def _cut(location: FrameLocation, region: Region | None) -> FrameLocation:
    return replace(location, region=region)


def _cut_some(
    locations: Sequence[FrameLocation | None], region: Region | None
) -> tuple[FrameLocation | None, ...]:
    return tuple(one and _cut(one, region) for one in locations)


def _values(layout: ScanLayout) -> Values:
    def count(location: FrameLocation | None) -> int:
        return 0 if location is None else location.count

    return {
        "format": layout.source_format,
        "angles": layout.angles,
        "distances": len(layout.projections),
        "height_px": layout.height_px,
        "width_px": layout.width_px,
        "first_angle_deg": layout.angles_deg[0],
        "last_angle_deg": layout.angles_deg[-1],
        "angles_from": layout.angles_source,
        "energy_kev": layout.energy_kev,
        "pixel_size_um": layout.pixel_size_um,
        "distances_m": list(layout.distances_m),
        "source_distance_m": layout.source_distance_m,
        "flats": [count(one) for one in layout.flats],
        "darks": [count(one) for one in layout.darks],
        "excluded_frames": [place + 1 for place in layout.excluded],
    }
