"""``tomoline project list``: the table of data sets, of which there may be thousands."""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from tomoline.cli._output import print_json
from tomoline.queue.table_keys import (
    BOUNDARY,
    DUAL,
    EXCLUDED,
    MONTAGE,
    TABLE_RECIPE,
    TWO_SURFACES,
)

if TYPE_CHECKING:
    from tomoline.queue.project import Project

HEADINGS = (
    "name",
    "recipe",
    "state",
    "run",
    "dual",
    "montage",
    "surfaces",
    "boundary",
    "excluded views",
    "own",
    "source",
)


class Own(NamedTuple):
    """What a data set's parameters say; most data sets have the same."""

    dual: bool
    montage: bool
    two_surfaces: bool
    boundary: str
    excluded: list[int]
    excluded_b: list[int]
    parameters: int
    texts: tuple[str, str, str, str]
    """Montage, surfaces, excluded views and count, as they are printed."""


class Line(NamedTuple):
    """A line of the table."""

    name: str
    recipe: str
    state: str
    part: str
    """Up to where its latest batch was to run the recipe, in words; "" for all of it."""
    run: bool
    own: Own
    boundary: str
    source: str
    source_b: str
    folder: str

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "name": self.name,
            "recipe": self.recipe,
            "state": self.state,
            "part": self.part,
            "run": self.run,
            "dual_axis": bool(self.source_b) or self.own.dual,
            "montage": self.own.montage,
            "two_surfaces": self.own.two_surfaces,
            "boundary_model": self.boundary,
            "excluded_views": self.own.excluded,
            "excluded_views_b": self.own.excluded_b,
            "own_parameters": self.own.parameters,
            "source": self.source,
            "source_b": self.source_b,
            "folder": self.folder,
        }


def print_table(project: Project, patterns: Sequence[str], *, as_json: bool) -> None:
    """Print the table of data sets."""
    from tomoline.queue._many import without_collecting

    with without_collecting():
        lines = _lines(project, patterns)
        if as_json:
            print_json([line.to_json() for line in lines])
            return
        text = _text(lines)
    if not lines:
        text = f"no data sets in {project.folder} yet: tomoline project add PATH adds some\n"
    sys.stdout.write(text)


def _text(lines: Sequence[Line]) -> str:
    rows = [HEADINGS, *map(_cells, lines)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    form = "  ".join([*(f"%-{width}s" for width in widths[:-1]), "%s\n"])
    return "".join([form % row for row in rows])


def _cells(line: Line) -> tuple[str, ...]:
    name, recipe, state, part, run, own, boundary, source, source_b, _ = line
    montage, surfaces, excluded, count = own.texts
    return (
        name,
        recipe,
        f"{state} ({part})" if part else state or "-",
        "yes" if run else "no",
        "dual" if source_b or own.dual else "-",
        montage,
        surfaces,
        "yes" if boundary else "-",
        excluded,
        count,
        f"{source} and {os.path.basename(source_b)}" if source_b else source,
    )


def _lines(project: Project, patterns: Sequence[str]) -> list[Line]:
    with project.store.read() as db:
        shared = list(project.layers.all().values())
        chosen = {one.id for one in project.data_sets.entries(patterns)} if patterns else None
        cursor = db.cursor()
        cursor.row_factory = None  # plain tuples are faster
        states = _states(cursor)
        begun = {one for (one,) in cursor.execute("SELECT data_set FROM batch WHERE attempt > 0")}
        rows = cursor.execute(
            "SELECT id, name, recipe, source, source_b, folder, run, given, given_b"
            " FROM data_set ORDER BY place"
        ).fetchall()
    of_own = partial(_own, shared)
    known: dict[tuple[bool, str, str], Own] = {}
    listed: dict[str, frozenset[str]] = {}
    lines = []
    for number, name, recipe, source, source_b, folder, run, given, given_b in rows:
        if chosen is not None and number not in chosen:
            continue
        has = recipe == TABLE_RECIPE  # the others have no such steps
        mark = (has, given, given_b)
        own = known.get(mark)
        if own is None:
            own = known[mark] = of_own(*mark)
        boundary = own.boundary
        if has and not boundary:
            root = f"{name}a" if source_b else name
            boundary = _boundary(root, source, folder if number in begun else "", listed)
        state, part = states.get(number, ("", ""))
        line = (name, recipe, state, part, bool(run), own, boundary, source, source_b, folder)
        lines.append(Line(*line))
    return lines


def _states(cursor: sqlite3.Cursor) -> dict[int, tuple[str, str]]:
    """Return state and part of the latest batch of each data set: later ones take its place.

    Where it began tells nothing of what there is now, only where it ended.
    """
    from tomoline.queue.batch_range import Range, range_text

    return {
        number: (state, range_text(Range("", *part)) if any(part) else "")
        for number, state, *part in cursor.execute(
            "SELECT data_set, state, last, only FROM batch WHERE state != 'dropped' ORDER BY id"
        )
    }


def _own(shared: Sequence[Mapping[str, Any]], has: bool, given: str, given_b: str) -> Own:
    from tomoline.queue.layers import effective

    own, own_b = json.loads(given), json.loads(given_b)
    layers = [*shared, own] if has else []
    montage = bool(effective(MONTAGE, layers))
    two_surfaces = bool(effective(TWO_SURFACES, layers))
    excluded = effective(EXCLUDED, layers) or []
    excluded_b = own_b[EXCLUDED][0] if EXCLUDED in own_b else []
    count = len(own) + len(own_b)
    views = ranges(excluded) + (f" / b: {ranges(excluded_b)}" if excluded_b else "")
    texts = ("yes" if montage else "-", "2" if two_surfaces else "-", views or "-")
    return Own(
        bool(effective(DUAL, layers)),
        montage,
        two_surfaces,
        effective(BOUNDARY, layers) or "",
        excluded,
        excluded_b,
        count,
        (*texts, str(count or "-")),
    )


def _boundary(root: str, source: str, folder: str, listed: dict[str, frozenset[str]]) -> str:
    """Return the path of a boundary model beside the stack, or where results are; "" if none."""
    beside, _, file = source.rpartition("/")
    if beside not in listed:
        try:
            names = [one for one in os.listdir(beside or "/") if one.endswith("_rawbound.mod")]
        except OSError:
            names = []
        listed[beside] = frozenset(names)
    if not listed[beside] and not folder:
        return ""
    for name in (f"{os.path.splitext(file)[0]}_rawbound.mod", f"{root}_rawbound.mod"):
        if name in listed[beside]:
            return os.path.join(beside, name)
    there = os.path.join(folder, f"{root}_rawbound.mod")
    return there if folder and os.path.exists(there) else ""


def ranges(numbers: Sequence[int]) -> str:
    """Write a list of numbers as IMOD does.

    >>> ranges([1, 4, 5, 6])
    '1,4-6'
    """
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(one[0]) if len(one) == 1 else f"{one[0]}-{one[-1]}" for one in parts)
