"""Numbered TIFF files of a folder, by the prefix before their numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tomoline.errors import scan
from tomoline.files.atomic import translate_os_error

_TIFF = re.compile(r"(?P<stem>.+)\.(?P<suffix>tiff?)", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<digits>\d+)", re.DOTALL)
_STEM_ENDS = "_-. "


@dataclass(frozen=True)
class NumberedFiles:
    """The files of one prefix.

    Attributes
    ----------
    folder : Path
        Where they lie.
    prefix : str
        What stands before the number.
    names : dict of int to str
        File name by number, ascending.
    """

    folder: Path
    prefix: str
    names: dict[int, str]

    @property
    def first(self) -> int:
        """Lowest number."""
        return min(self.names)

    @property
    def last(self) -> int:
        """Highest number."""
        return max(self.names)

    def predicted(self, number: int) -> str:
        """Return the name that the file of a number has or will have."""
        if number in self.names:
            return self.names[number]
        model = self.names[self.first]
        digits = re.match(r"\d+", model[len(self.prefix) :])
        width = len(digits[0]) if digits else 1
        return f"{self.prefix}{number:0{width}d}{model[len(self.prefix) + width :]}"


def list_tiffs(folder: Path) -> list[str]:
    """Return the names of a folder's TIFF files, sorted; hidden and temporary ones are not there.

    Raises
    ------
    TomolineError
        FILE-01, FILE-02 or FILE-10 if the folder cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError as error:
        raise translate_os_error(error, folder, reading=True) from error
    return sorted(name for name in names if not name.startswith(".") and _TIFF.fullmatch(name))


def with_prefixes(
    folder: Path, names: Iterable[str], prefixes: Iterable[str]
) -> dict[str, NumberedFiles]:
    """Return the files of each prefix: those named exactly prefix, digits and the extension.

    A file that fits two of them belongs to the longer. Prefixes without files are left out.

    Raises
    ------
    TomolineError
        SCAN-21 if two files have the same number.
    """
    ordered = sorted(prefixes, key=len, reverse=True)
    found: dict[str, dict[int, str]] = {}
    for name in names:
        match = _TIFF.fullmatch(name)
        if match is None:
            continue
        stem = match["stem"]
        for prefix in ordered:
            digits = stem[len(prefix) :]
            if stem.startswith(prefix) and digits.isascii() and digits.isdigit():
                _add(folder, found.setdefault(prefix, {}), int(digits), name)
                break
    return {
        prefix: NumberedFiles(folder, prefix, dict(sorted(by_number.items())))
        for prefix, by_number in found.items()
    }


def _add(folder: Path, by_number: dict[int, str], number: int, name: str) -> None:
    if number in by_number:
        raise scan.SEVERAL_SCANS.error(
            folder,
            f"{by_number[number]} and {name} have the same number.",
            "Move the files of one of them away.",
        )
    by_number[number] = name


def prefixes_of(names: Iterable[str]) -> dict[str, int]:
    """Return how many files each prefix has, for those whose names end in digits.

    >>> prefixes_of(["d1_1_0001.tif", "d1_1_0002.TIFF", "flat.tif"])
    {'d1_1_': 2}
    """
    counts: dict[str, int] = {}
    for name in names:
        match = _TIFF.fullmatch(name)
        numbered = _NUMBERED.fullmatch(match["stem"]) if match else None
        if numbered:
            counts[numbered["prefix"]] = counts.get(numbered["prefix"], 0) + 1
    return counts


def flat_names(folder: Path, names: list[str], prefix: str) -> tuple[str, ...]:
    """Return the files of flats or darks: a numbered sequence, or one stack of that prefix.

    An underscore too many before the prefix, or behind it, does not matter where only files
    without it are there.
    """
    bare = prefix.lstrip("_")
    for candidate in dict.fromkeys((prefix, bare)):
        sequence = with_prefixes(folder, names, [candidate]).get(candidate)
        if sequence is not None:
            return tuple(sequence.names.values())
        stems = {candidate, candidate.rstrip(_STEM_ENDS)} - {""}
        stacks = tuple(
            name for name in names if (m := _TIFF.fullmatch(name)) and m["stem"] in stems
        )
        if not stacks:
            starting = [name for name in names if name.startswith(candidate)]
            stacks = tuple(starting) if len(starting) == 1 else ()
        if stacks:
            return stacks[:1]
    return ()
