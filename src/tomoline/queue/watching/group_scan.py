"""Which files are one X-ray scan, and which of its frames are still to come; pure but for names.

A parameter file may name frames in other folders, so that a scan is told from several listings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tomoline.errors import TomolineError
from tomoline.files import _frame_groups as frame_groups
from tomoline.files.hitt import HittParameters, looks_like
from tomoline.queue.watching import names, whole_hdf5
from tomoline.queue.watching.group import Acquisition, mark_of
from tomoline.queue.watching.names import named
from tomoline.queue.watching.scan import File

ONE_FILE = (*whole_hdf5.SUFFIXES, ".txrm")
_TIFFS = (".tif", ".tiff")
_NOT_PROJECTIONS = re.compile(r"(flat|dark|white|bright|empty|ref)s?(fields?)?$", re.IGNORECASE)
_FEWEST = 3
# Between projections and flats nothing comes for a while; only a count tells that a scan is over.
_PATIENCE = 4.0

Listing = Callable[[str], Mapping[str, File]]


@dataclass(frozen=True)
class Described:
    """A parameter file, as far as it could be read.

    Attributes
    ----------
    path : str
        Absolute path.
    file : File
        As it was seen.
    parameters : HittParameters or None
        None for one with mistakes: its run will tell them.
    """

    path: str
    file: File
    parameters: HittParameters | None

    def folders(self) -> set[str]:
        """Return the folders that hold its frames."""
        if self.parameters is None:
            return set()
        found = self.parameters
        prefixes = (*found.prefixes, *found.flat_prefixes, *found.dark_prefixes)
        return {self.split(prefix)[0] for prefix in prefixes}

    def split(self, prefix: str) -> tuple[str, str]:
        """Return the folder of a prefix, and what stands before the numbers in it."""
        base = os.path.join(os.path.dirname(self.path), (self.parameters or _NONE).folder)
        path = os.path.join(base, prefix)
        head, tail = (path, "") if prefix.endswith("/") else os.path.split(path)
        return os.path.normpath(head), tail


_NONE = HittParameters(prefixes=())


def described_scan(one: Described, listing: Listing, expected: int | None = None) -> Acquisition:
    """Return the scan of a parameter file.

    Parameters
    ----------
    one : Described
        The parameter file.
    listing : callable
        Files of a folder, by name.
    expected : int or None
        Number of projections, where the user said it.
    """
    collected = _Collected(one, listing)
    if one.parameters is not None:
        try:
            collected.collect(one.parameters, expected)
        except TomolineError:  # two files of one number: waiting does not help
            collected.problem = ""
    name, _ = names.split(os.path.basename(one.path))
    main = [("", one.file), *collected.frames]
    return Acquisition(
        path=one.path,
        name=name,
        mark=mark_of(main),
        newest_ns=max(file.mtime_ns for _, file in main),
        same=(one.file.device, one.file.inode),
        problem=collected.problem if one.file.size else "it is empty",
        patience=1.0 if collected.counted else _PATIENCE,
        samples=(one.path, *collected.samples),
        files=len(main),
    )


class _Collected:
    """The frames of a scan that are there."""

    def __init__(self, one: Described, listing: Listing) -> None:
        self._one, self._listing = one, listing
        self.frames: list[tuple[str, File]] = []
        self.samples: tuple[str, ...] = ()
        self.problem = ""
        self.counted = one.parameters is None

    def collect(self, parameters: HittParameters, expected: int | None) -> None:
        """Find all that is named, and what is not there."""
        announced = expected or _announced(parameters)
        self.counted = announced is not None
        missing: list[str] = []
        series = []
        for prefix in parameters.prefixes:
            found = self._numbered(prefix, parameters.prefixes)
            if found is None:
                missing.append(f"{prefix}NUMBER.tif")
            else:
                series.append(found)
        for prefix in (*parameters.flat_prefixes, *parameters.dark_prefixes):
            folder, own = self._one.split(prefix)
            there = self._listing(folder)
            chosen = frame_groups.flat_names(Path(folder), sorted(_tiffs(there)), own)
            if not chosen:
                missing.append(f"{prefix}NUMBER.tif")
            self._take(folder, chosen)
        if len(series) == len(parameters.prefixes):
            missing += _gaps(series, announced)
        empty = [name for name, file in self.frames if not file.size]
        if missing:
            self.problem = f"waits for {named(missing)}"
        elif empty:
            self.problem = f"empty are {named(empty)}"

    def _numbered(
        self, prefix: str, prefixes: tuple[str, ...]
    ) -> frame_groups.NumberedFiles | None:
        folder, own = self._one.split(prefix)
        there = self._listing(folder)
        others = [base for where, base in map(self._one.split, prefixes) if where == folder]
        found = frame_groups.with_prefixes(Path(folder), _tiffs(there), others).get(own)
        if found is None:  # one stack of pages
            stems = {own, own.rstrip("_")}
            stacks = [name for name in _tiffs(there) if names.split(name)[0] in stems]
            if len(stacks) != 1:
                return None
            found = frame_groups.NumberedFiles(Path(folder), own, {0: stacks[0]})
        self._take(folder, tuple(found.names.values()))
        return found

    def _take(self, folder: str, chosen: tuple[str, ...]) -> None:
        there = self._listing(folder)
        self.frames += [(name, there[name]) for name in chosen]
        if chosen:
            self.samples += tuple(f"{folder}/{name}" for name in chosen[:: max(len(chosen) - 1, 1)])


def _gaps(series: list[frame_groups.NumberedFiles], announced: int | None) -> list[str]:
    """Return the names of frames that are missing within and at the ends of all distances."""
    if any(len(one.names) == 1 and one.first == 0 for one in series):
        return []  # stacks of pages; their own bytes tell
    first, last = min(one.first for one in series), max(one.last for one in series)
    if max(one.first for one in series) <= min(one.last for one in series):
        starts, count = [first] * len(series), last - first + 1
    else:  # the camera counted on
        starts = [one.first for one in series]
        count = max(one.last - one.first + 1 for one in series)
    count = max(count, announced or 0)
    return [
        one.predicted(number)
        for one, start in zip(series, starts, strict=True)
        for number in range(start, start + count)
        if number not in one.names
    ]


def _announced(parameters: HittParameters) -> int | None:
    if parameters.step_deg and parameters.range_deg:
        return max(round(abs(parameters.range_deg / parameters.step_deg)), 1)
    return None


def parameter_files(folder: str, files: Mapping[str, File], pattern: str = "") -> list[str]:
    """Return the names of the parameter files in a folder: ``*.par``, or text with their keys."""
    there = sorted(name for name in files if names.is_meant(name, pattern))
    found = [name for name in there if names.split(name)[1] == ".par"]
    if found:
        return found
    texts = [name for name in there if names.split(name)[1] == ".txt"]
    return [name for name in texts if looks_like(Path(folder) / name)]


def files_of_scans(path: str, files: Mapping[str, File], *, pattern: str = "") -> list[Acquisition]:
    """Return the scans in a folder that are one file each."""
    found = []
    for name, file in files.items():
        stem, suffix = names.split(name)
        if suffix in whole_hdf5.SUFFIXES and names.is_part(stem):
            continue
        if suffix not in ONE_FILE or not names.is_meant(name, pattern):
            continue
        found.append(
            Acquisition(
                path=f"{path}/{name}",
                name=stem,
                mark=mark_of([(suffix, file)]),
                newest_ns=file.mtime_ns,
                same=(file.device, file.inode),
                problem="" if file.size else "it is empty",
                coarse=file.mtime_ns % 1_000_000_000 == 0,
                samples=(f"{path}/{name}",),
            )
        )
    return found


def folder_of_frames(
    path: str, files: Mapping[str, File], *, pattern: str = "", expected: int | None = None
) -> Acquisition | None:
    """Return the scan that a folder of numbered TIFF files is, None if it is none."""
    tiffs = _tiffs(files)
    counts = frame_groups.prefixes_of(tiffs)
    longest = max(counts, key=lambda one: (counts[one], one), default=None)
    name = os.path.basename(path)
    if longest is None or counts[longest] < _FEWEST:
        return None
    if _NOT_PROJECTIONS.search(name) or not names.is_meant(name, pattern):
        return None
    empty = [one for one in tiffs if not files[one].size]
    problem = f"empty are {named(empty)}" if empty else ""
    try:
        series = frame_groups.with_prefixes(Path(path), tiffs, [longest])[longest]
        if missing := _gaps([series], expected):
            problem = f"waits for {named(missing)}"
    except TomolineError:
        problem = ""  # two files of one number: its run tells
    frames = [(one, files[one]) for one in tiffs]
    return Acquisition(
        path=path,
        name=name,
        mark=mark_of(frames),
        newest_ns=max(file.mtime_ns for _, file in frames),
        problem=problem,
        patience=1.0 if expected else _PATIENCE,
        samples=tuple(f"{path}/{one}" for one in tiffs[:: len(tiffs) - 1]),
        files=len(frames),
    )


def _tiffs(files: Mapping[str, File]) -> list[str]:
    return sorted(name for name in files if names.split(name)[1] in _TIFFS)
