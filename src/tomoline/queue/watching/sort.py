"""From listings to acquisitions, for each recipe; what has not changed is not looked at again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from tomoline.errors import TomolineError
from tomoline.files import hitt
from tomoline.queue.watches import Watch
from tomoline.queue.watching import group_scan, names
from tomoline.queue.watching.frames import Frames
from tomoline.queue.watching.group import Acquisition, tilt_series
from tomoline.queue.watching.group_scan import Described
from tomoline.queue.watching.inside import MdocFacts, mdoc_facts
from tomoline.queue.watching.scan import Disk, File, Look

EXPECTED = "scan.expected_frames"


class Sorter(Protocol):
    """Finds the acquisitions of a recipe."""

    def sort(
        self, look: Look, changed: Collection[str], results: Collection[str], known: Collection[str]
    ) -> dict[str, list[Acquisition]]:
        """Return the acquisitions of the folders that have changed, by folder.

        Parameters
        ----------
        look : Look
            What is there.
        changed : collection of str
            Folders whose files are others than at the last look.
        results : collection of str
            Folders of results of the project's data sets: only what is `known` is raw there.
        known : collection of str
            Paths of acquisitions that were seen before.
        """

    def needed(self, folder: str) -> Collection[str]:
        """Return other folders that the acquisitions of a folder depend on."""


def sorter_for(watch: Watch, disk: Disk) -> Sorter:
    """Return the sorter of a watch's recipe."""
    return TiltSorter(watch, disk) if watch.recipe == "tilt" else ScanSorter(watch, disk)


def is_gone(folder: str, look: Look) -> bool:
    """Whether a folder is not there any more, as far as a look can tell."""
    return folder not in look.folders and not look.unknown(folder)


def _only_known(path: str, files: Mapping[str, File], known: Collection[str]) -> dict[str, File]:
    """Leave out what lies among results and was not there before them."""
    stems = {names.split(name)[0] for name in files if f"{path}/{name}" in known}
    return {
        name: file
        for name, file in files.items()
        if f"{path}/{name}" in known
        or (
            names.split(name)[1] not in names.STACKS
            and any(name.startswith(stem) for stem in stems)
        )
    }


class TiltSorter:
    """Finds tilt series."""

    def __init__(self, watch: Watch, disk: Disk) -> None:
        self._pattern = watch.settings.pattern
        self._disk = disk
        self._facts: dict[str, dict[str, tuple[File, MdocFacts | None]]] = {}
        self._frames = Frames()

    def needed(self, folder: str) -> Collection[str]:
        """Nothing: a tilt series lies in one folder."""
        return ()

    def sort(
        self, look: Look, changed: Collection[str], results: Collection[str], known: Collection[str]
    ) -> dict[str, list[Acquisition]]:
        """See `Sorter`."""
        for folder in [one for one in self._facts if is_gone(one, look)]:
            del self._facts[folder]
        self._frames.forget(lambda one: is_gone(one, look))
        new: set[int] = set()
        for folder in changed:
            new |= self._read(folder, look.folders[folder].files)
        regroup = set(changed) | self._frames.folders_of(new)
        found = {}
        for path in sorted(regroup & look.folders.keys()):
            files = self._disk.files(path)
            self._frames.lie_in(path, files)
            if path in results or look.folders[path].results:
                files = _only_known(path, files, known)
            found[path] = tilt_series(
                path, files, self._known_facts(path), pattern=self._pattern, frames=self._frames
            )
        return found

    def _read(self, folder: str, files: Mapping[str, File]) -> set[int]:
        """Read the .mdoc files that have changed; return the numbers of frames not known before."""
        before = self._facts.pop(folder, {})
        facts: dict[str, tuple[File, MdocFacts | None]] = {}
        new: set[int] = set()
        for name, file in files.items():
            if not name.endswith(".mdoc"):
                continue
            if name in before and before[name][0] == file:
                facts[name] = before[name]
                continue
            fact = mdoc_facts(Path(folder, name))
            if fact is not None:
                new |= self._frames.listed(folder, fact.frames)
                fact = replace(fact, frames=frozenset())  # which are many
            facts[name] = (file, fact)
        if facts:
            self._facts[folder] = facts
        return new

    def _known_facts(self, folder: str) -> Callable[[str, File], MdocFacts | None]:
        known = self._facts.get(folder, {})

        def facts(name: str, _: File) -> MdocFacts | None:
            return known[name][1] if name in known else None

        return facts


class ScanSorter:
    """Finds X-ray scans."""

    def __init__(self, watch: Watch, disk: Disk) -> None:
        self._pattern = watch.settings.pattern
        expected = watch.settings.values.get(EXPECTED, [None])[0]
        self._expected = int(expected) if expected else None
        self._disk = disk
        self._described: dict[str, list[Described]] = {}
        self._needed: dict[str, set[str]] = {}

    def needed(self, folder: str) -> Collection[str]:
        """Return the folders that hold the frames of a folder's scans."""
        return self._needed.get(folder, ())

    def sort(
        self, look: Look, changed: Collection[str], results: Collection[str], known: Collection[str]
    ) -> dict[str, list[Acquisition]]:
        """See `Sorter`."""
        before = set().union(*self._needed.values())
        for path in [one for one in self._described if one not in look.folders]:
            del self._described[path]
            self._needed.pop(path, None)
        for path in changed:
            self._describe(path, look.folders[path].files)
        after = set().union(*self._needed.values())
        regroup = set(changed) | ((before ^ after) & look.folders.keys())
        for path, folders in self._needed.items():
            # What lies outside the watched folder is not looked at else.
            if not folders <= look.folders.keys() or not folders.isdisjoint(changed):
                regroup.add(path)
        listings: dict[str, Mapping[str, File]] = {}

        def listing(folder: str) -> Mapping[str, File]:
            if folder not in listings:
                listings[folder] = self._disk.files(folder)
            return listings[folder]

        found: dict[str, list[Acquisition]] = {}
        for path in sorted(regroup):
            if path in results or look.folders[path].results:
                found[path] = []
                continue
            group = [
                group_scan.described_scan(one, listing, self._expected)
                for one in self._described.get(path, ())
            ]
            group += group_scan.files_of_scans(path, listing(path), pattern=self._pattern)
            if not group and path not in after:
                frames = group_scan.folder_of_frames(
                    path, listing(path), pattern=self._pattern, expected=self._expected
                )
                group += [frames] if frames else []
            found[path] = group
        return found

    def _describe(self, folder: str, files: Mapping[str, File]) -> None:
        """Read the parameter files that have changed."""
        described = []
        known = {one.path: one for one in self._described.pop(folder, ())}
        for name in group_scan.parameter_files(folder, files, self._pattern):
            path = f"{folder}/{name}"
            one = known.get(path)
            if one is None or one.file != files[name]:
                one = Described(path, files[name], _parameters(Path(path)))
            described.append(one)
        self._needed.pop(folder, None)
        if described:
            self._described[folder] = described
            self._needed[folder] = set().union(*(one.folders() for one in described)) - {folder}


def _parameters(path: Path) -> hitt.HittParameters | None:
    try:
        return hitt.read(path)
    except TomolineError:
        return None
