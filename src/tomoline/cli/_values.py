"""The values of all data sets on the command line."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.cli._aligned import aligned
from tomoline.cli._output import print_json, warn
from tomoline.cli._project import open_project
from tomoline.queue.values import CHOSEN, ENDING, LEADING, Table, cell, values_of

LONGEST = 40
"""Longer cells are cut for people."""
MANY = 500
"""From so many data sets on, progress is shown."""


def print_values(
    folder: Path | None, names: Sequence[str], keys: Sequence[str], *, every: bool, form: str
) -> None:
    """Print a table as text, CSV or JSON; records that cannot be read are warned of.

    Raises
    ------
    TomolineError
        PARAM-06 if values that are asked for were measured nowhere.
    """
    with closing(open_project(folder, looking=True)) as project:
        entries = project.data_sets.entries(names)
        batches = project.queue.latest([entry.id for entry in entries] if names else None)
    if form == "text" and not keys and not every:
        chosen = [key for recipe in CHOSEN.values() for key in recipe]
    else:
        chosen = list(keys)
    show = len(entries) >= MANY and sys.stderr.isatty()

    def progress(done: int) -> None:
        if show and (done % 50 == 0 or done == len(entries)):
            end = "\n" if done == len(entries) else ""
            sys.stderr.write(f"\rread {done} of {len(entries)} data sets{end}")

    table = values_of(entries, batches=batches, keys=chosen, progress=progress)
    warn(table.notices)
    _refuse_unknown(keys, table)
    if form == "csv":
        _print_csv(table)
    elif form == "json":
        print_json(table.rows)
    else:
        _print_text(table, chosen_only=not keys and not every)


def _refuse_unknown(keys: Sequence[str], table: Table) -> None:
    """Refuse a value that no data set has, where some data sets have values at all."""
    measured = table.columns[len(LEADING) : -len(ENDING)]
    if keys and not measured and any(row["state"] == "finished" for row in table.rows):
        found = f"no data set has measured {' or '.join(keys)}."
        remedy = "'tomoline values --csv' names all values in its first line."
        raise errors.parameters.BAD_OPTION.error("--key", found, remedy)


def _print_csv(table: Table) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.rows:
        writer.writerow([cell(row.get(column)) for column in table.columns])


def _print_text(table: Table, *, chosen_only: bool) -> None:
    """Print a table for each recipe, since they measure different things."""
    first = True
    for recipe in dict.fromkeys(row["recipe"] for row in table.rows):
        rows = [row for row in table.rows if row["recipe"] == recipe]
        # What the queue did last is told where the results do not say the same.
        rows = [row | {"batch": ""} if _says_the_same(row) else row for row in rows]
        columns = [one for one in table.columns if one != "recipe"]
        if chosen_only:
            chosen = CHOSEN.get(recipe, ())
            outer = {*LEADING, *ENDING}
            columns = [one for one in columns if one in chosen or one in outer]
        cells = [[_short(row.get(column)) for column in columns] for row in rows]
        numbers = [
            title
            for title in columns
            if any(isinstance(row.get(title), (int, float)) for row in rows)
        ]
        lines = [] if first else [""]
        titles = _titles(columns) if chosen_only else columns
        right = [titles[columns.index(one)] for one in numbers]
        lines += aligned(titles, cells, right)
        sys.stdout.write("\n".join(lines) + "\n")
        first = False
    if first:
        sys.stdout.write("the project has no data sets\n")


def _says_the_same(row: dict[str, Any]) -> bool:
    return row["state"] in ("finished", "failed") and row.get("batch") == row["state"]


def _titles(columns: Sequence[str]) -> list[str]:
    """Return names without their step where that leaves no doubt.

    >>> _titles(["align.kind", "scan.views", "setup.views"])
    ['kind', 'scan.views', 'setup.views']
    """
    short = [one.rpartition(".")[2] for one in columns]
    return [
        one if short.count(one) == 1 else whole for one, whole in zip(short, columns, strict=True)
    ]


def _short(value: Any) -> str:
    """Write a value for people: numbers rounded, long ones cut.

    >>> _short(0.123456789), _short("best")
    ('0.123457', 'best')
    """
    text = f"{value:.6g}" if isinstance(value, float) else cell(value)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
