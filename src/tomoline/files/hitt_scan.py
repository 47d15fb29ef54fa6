"""The frames of a HiTT scan: numbered TIFF files, one prefix for each distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tomoline.errors import Notice, TomolineError, scan
from tomoline.files import hitt
from tomoline.files._frame_groups import (
    NumberedFiles,
    flat_names,
    list_tiffs,
    prefixes_of,
    with_prefixes,
)
from tomoline.files._tiff_sequence import Located, locate
from tomoline.files.frames import FrameLocation
from tomoline.files.scan_files import ScanFiles, ScanOptions
from tomoline.files.separate_frames import locate_stack, without_bad

_MOST_NAMED = 12


def read(path: Path, options: ScanOptions) -> ScanFiles:
    """Find the frames that a parameter file names.

    Raises
    ------
    Faults, TomolineError
        Whatever `hitt.read` finds; SCAN-08 a distance without frames; SCAN-11 frames that none is
        whole of; SCAN-17 flats or darks that are not there; SCAN-21 two files of one number.
    """
    path = Path(path)
    return from_parameters(hitt.read(path), path.parent, options, described_by=path)


def from_parameters(
    parameters: hitt.HittParameters,
    folder: Path,
    options: ScanOptions,
    *,
    described_by: Path | None = None,
    format_name: str = "HiTT",
) -> ScanFiles:
    """Find the frames that parameters name, in `folder` or where they say; as `read`."""
    base = folder / parameters.folder
    where = described_by or folder
    finder = _Finder(base, where)
    series = [finder.projections(prefix, parameters.prefixes) for prefix in parameters.prefixes]
    frames = _projections(series, options)
    flats = finder.stacks(parameters.flat_prefixes, "flats", options.flats_file, len(series))
    darks = finder.stacks(parameters.dark_prefixes, "darks", options.darks_file, len(series))
    notices = [*parameters.notices, *frames.notices, *flats.notices, *darks.notices]
    hints = {
        "flat_average": parameters.flat_average,
        "beta_over_delta": parameters.beta_over_delta,
        "zero_compensation": parameters.zero_compensation,
        "padding_px": parameters.padding_px,
        "rotation_axis_px": parameters.rotation_axis_px,
        "offset_y_360_px": parameters.offset_y_360_px,
    }
    return ScanFiles(
        format=format_name,
        projections=frames.locations,
        flats=flats.locations,
        darks=darks.locations,
        angles_source="ANGLE-STEP" if parameters.step_deg is not None else "ANGLE-RANGE",
        first_angle_deg=parameters.first_angle_deg,
        step_deg=parameters.step_deg,
        range_deg=parameters.range_deg,
        energy_kev=parameters.energy_kev,
        pixel_size_um=parameters.pixel_size_um,
        distances_m=parameters.distances_m,
        region=parameters.region,
        hints={name: value for name, value in hints.items() if value is not None},
        bad=frames.bad,
        notices=tuple(notices),
        files=(described_by,) if described_by else (),
    )


@dataclass(frozen=True)
class _Projections:
    locations: tuple[FrameLocation, ...]
    bad: dict[int, str]
    notices: tuple[Notice, ...]


@dataclass(frozen=True)
class _Stacks:
    locations: tuple[FrameLocation | None, ...]
    notices: tuple[Notice, ...]


class _Finder:
    """Lists each folder once."""

    def __init__(self, base: Path, where: Path) -> None:
        self._base = base
        self._where = where
        self._listed: dict[Path, list[str]] = {}

    def _names(self, folder: Path) -> list[str]:
        if folder not in self._listed:
            self._listed[folder] = list_tiffs(folder)
        return self._listed[folder]

    def projections(self, prefix: str, prefixes: Sequence[str]) -> NumberedFiles:
        """Return the files of one distance."""
        folder, own = self._split(prefix)
        others = [name for path, name in map(self._split, prefixes) if path == folder]
        found = with_prefixes(folder, self._names(folder), others).get(own)
        if found is not None:
            return found
        stacks = [name for name in self._names(folder) if Path(name).stem in (own, own.rstrip("_"))]
        if len(stacks) == 1:
            return NumberedFiles(folder, own, {0: stacks[0]})
        raise scan.NO_FRAMES.error(
            self._where,
            f"No file {own}NUMBER.tif is in {folder}.{self._nearby(folder)}",
        )

    def _split(self, prefix: str) -> tuple[Path, str]:
        path = self._base / prefix
        # A prefix that ends in a slash means a folder of files that are only numbered.
        return (path, "") if prefix.endswith("/") else (path.parent, path.name)

    def _nearby(self, folder: Path) -> str:
        counts = prefixes_of(self._names(folder))
        if not counts:
            return " It holds no numbered TIFF files."
        most = sorted(counts, key=lambda prefix: (-counts[prefix], prefix))[:_MOST_NAMED]
        return " It has " + ", ".join(f"{one} ({counts[one]} files)" for one in sorted(most)) + "."

    def stacks(
        self, prefixes: Sequence[str], kind: str, given: Path | None, distances: int
    ) -> _Stacks:
        """Return flats or darks of each distance."""
        if given is not None:
            return _Stacks((locate_stack(given, kind),) * distances, ())
        if not prefixes:
            return _Stacks((None,) * distances, ())
        locations, notices = [], []
        for prefix in prefixes:
            folder, own = self._split(prefix)
            names = flat_names(folder, self._names(folder), own)
            if not names:
                raise scan.NO_FLATS.error(
                    self._where,
                    f"No {kind} {own}NUMBER.tif or {own}.tif are in {folder}."
                    f"{self._nearby(folder)}",
                )
            found = locate(folder, names)
            locations.append(without_bad(found))
            if found.bad:
                notices.append(_bad_frames(folder / own, found))
        return _Stacks(tuple(locations), tuple(notices))


def _bad_frames(where: Path, found: Located) -> Notice:
    said = [f"{_label(found.location, place)}: {why}" for place, why in sorted(found.bad.items())]
    return scan.BAD_FRAMES.notice(where, f"{listed(said)}.")


def _label(location: FrameLocation, place: int) -> str:
    name = location.names[place] if location.names else Path(location.path).name
    return f"{name}, page {location.indices[place] + 1}" if location.indices else str(name)


def listed(items: Sequence[str]) -> str:
    """Join texts, the first dozen of them.

    >>> listed(["a", "b"])
    'a; b'
    """
    more = len(items) - _MOST_NAMED
    return "; ".join(items[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _projections(series: Sequence[NumberedFiles], options: ScanOptions) -> _Projections:
    """Give the frames of all distances one order; what a distance lacks takes no part."""
    starts, count = _numbering(series, options.expected_frames)
    complete = options.expected_frames is None
    located: list[Located] = []
    for files_, start in zip(series, starts, strict=True):
        numbers = range(start, start + count)
        names = [files_.names.get(n) if complete else files_.predicted(n) for n in numbers]
        try:
            located.append(locate(files_.folder, names, complete=complete))
        except TomolineError as error:
            raise scan.NO_FRAMES.error(
                files_.folder / files_.prefix, f"None of its frames can be read: {error.found}"
            ) from error
    bad: dict[int, str] = {}
    notices: list[Notice] = []
    locations, shortest = _same_count([one.location for one in located])
    for distance, (files_, found) in enumerate(zip(series, located, strict=True), start=1):
        at = f"distance {distance}: " if len(series) > 1 else ""
        where = files_.folder / files_.prefix
        lost = [place for place in found.location.missing if place < shortest]
        ends = _ends(lost, shortest)
        known = {place: files_.predicted(starts[distance - 1] + place) for place in lost}
        gaps = [known[place] for place in lost if place not in ends]
        if gaps:
            notices.append(scan.FRAMES_MISSING.notice(where, f"Missing are {listed(gaps)}."))
        if ends:
            have = f"numbers {files_.first} to {files_.last}"
            notices.append(
                scan.COUNTS_DIFFER.notice(
                    where,
                    f"{at}{len(files_.names)} frames, {have}; {len(ends)} that other distances "
                    f"have are not there: {listed([known[place] for place in ends])}.",
                )
            )
        for place in lost:
            bad.setdefault(place, f"{at}missing")
        if found.bad:
            notices.append(_bad_frames(where, found))
        for place, why in found.bad.items():
            bad.setdefault(place, f"{at}{why}")
    return _Projections(locations, dict(sorted(bad.items())), tuple(notices))


def _ends(lost: Sequence[int], count: int) -> list[int]:
    """Return those of the missing places that stand together at the start or the end."""
    missing = set(lost)
    front = 0
    while front in missing:
        front += 1
    back = count - 1
    while back in missing:
        back -= 1
    return [place for place in lost if place < front or place > back]


def _numbering(series: Sequence[NumberedFiles], expected: int | None) -> tuple[list[int], int]:
    """Return the number of each distance's first frame, and how many there are.

    The same number means the same angle. Only where distances have no number in common, each is
    taken to start with its own first: the camera counted on.
    """
    first, last = min(one.first for one in series), max(one.last for one in series)
    if max(one.first for one in series) <= min(one.last for one in series):
        starts, count = [first] * len(series), last - first + 1
    else:
        starts = [one.first for one in series]
        count = max(one.last - one.first + 1 for one in series)
    return starts, max(count, expected or 0)


def _same_count(
    locations: Sequence[FrameLocation],
) -> tuple[tuple[FrameLocation, ...], int]:
    """Cut the locations to the smallest count: stacks may have different numbers of pages."""
    count = min(location.count for location in locations)
    return tuple(
        location
        if location.count == count
        else replace(location, names=location.names[:count], indices=location.indices[:count])
        for location in locations
    ), count
