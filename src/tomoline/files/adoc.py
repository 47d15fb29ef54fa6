"""IMOD's autodoc files (.adoc): directive files and sectioned ones.

One ``key = value`` per line. Lines that start with ``#`` and lines without ``=`` mean nothing; a
value may be empty; a value that was wrapped onto a further line is not joined, because IMOD does
not. ``[Kind = name]`` starts a section, ``[[Kind = name]]`` one inside it that ``[[]]`` ends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tomoline.files._text import read_lines
from tomoline.files.atomic import write_text

_SECTION = re.compile(r"^\s*\[(?P<inner>\[)?\s*(?P<kind>[^=\[\]]*?)\s*(?:=\s*(?P<name>.*?))?\s*\]")


@dataclass(frozen=True)
class Entry:
    """One ``key = value`` with its line number, from 1; both without blanks at their ends."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Section:
    """A section: its kind, name, line, entries, and whether it stands inside another one."""

    kind: str
    name: str
    line: int
    entries: tuple[Entry, ...] = ()
    inner: bool = False

    def get(self, key: str) -> str | None:
        """Return the value of a key, the last if repeated, None if absent."""
        return next((entry.value for entry in reversed(self.entries) if entry.key == key), None)


@dataclass(frozen=True)
class Adoc:
    """What an autodoc file holds.

    Attributes
    ----------
    path : Path
        The file.
    entries : tuple of Entry
        Those before the first section; all of a directive file.
    sections : tuple of Section
        In the order of the file.
    ignored : tuple of (line, text)
        Lines that mean nothing though they are neither blank nor comments: often a wrapped value.
    """

    path: Path
    entries: tuple[Entry, ...]
    sections: tuple[Section, ...] = ()
    ignored: tuple[tuple[int, str], ...] = ()

    def get(self, key: str) -> str | None:
        """Return the value of a global key, the last if repeated, None if absent."""
        return next((entry.value for entry in reversed(self.entries) if entry.key == key), None)


def read(path: Path, *, latin1: bool = False) -> Adoc:
    """Read an autodoc file.

    Raises
    ------
    TomolineError
        FILE-06 with the line, if it is not text (`latin1` takes any bytes); FILE-01, FILE-02,
        FILE-10.
    """
    return parse(read_lines(path, latin1=latin1), Path(path))


def parse(lines: Sequence[str], path: Path = Path()) -> Adoc:
    """Return what the lines of an autodoc file hold.

    >>> parse(["# gold", "setupset.copyarg.gold = 10", "comparam.tilt.tilt.LOG="]).entries[1]
    Entry(key='comparam.tilt.tilt.LOG', value='', line=3)
    >>> parse(["[Computer = kraken]", "number = 2"]).sections[0].get("number")
    '2'
    """
    top: list[Entry] = []
    ignored: list[tuple[int, str]] = []
    found: list[tuple[str, str, int, list[Entry], bool]] = []
    current = outer = top
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if match := _SECTION.match(line):
            if match["inner"]:
                if match["name"] is None:
                    current = outer  # "[[]]" goes back to the section around it
                    continue
                current = []
            else:
                current = outer = []
            name = (match["name"] or "").strip()
            found.append((match["kind"], name, number, current, bool(match["inner"])))
        elif "=" in line:
            key, _, value = line.partition("=")
            current.append(Entry(key.strip(), value.strip(), number))
        else:
            ignored.append((number, text))
    sections = tuple(
        Section(kind, name, line, tuple(entries), inner)
        for kind, name, line, entries, inner in found
    )
    return Adoc(path, tuple(top), sections, tuple(ignored))


def write(path: Path, entries: Sequence[tuple[str, str]], *, comments: Sequence[str] = ()) -> None:
    """Write a directive file of keys and values.

    Parameters
    ----------
    path : Path
        The file.
    entries : sequence of (key, value)
        In their order.
    comments : sequence of str
        Lines that stand before them and mean nothing to whoever reads the file.

    Raises
    ------
    ValueError
        If a key or value would not be read back as it is.
    """
    lines = [f"# {' '.join(comment.split())}\n" for comment in comments]
    for key, value in entries:
        line = f"{key} = {value}".rstrip()
        if parse(re.split(r"[\r\n]", line)).entries != (Entry(key, value, 1),):
            raise ValueError(f"{line!r} cannot stand in a directive file")
        lines.append(line + "\n")
    write_text(path, "".join(lines))
