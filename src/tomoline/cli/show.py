"""``tomoline show``: what was done with a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tomoline.recipes import RECIPES
from tomoline.workflow.dataset import DataSet, find_axes
from tomoline.workflow.record import Record
from tomoline.workflow.show import Shown, show

LONGEST_LIST = 8


def print_data_set(folder: Path, *, as_json: bool) -> None:
    """Print a data set's document, as JSON for programs or as tables for people.

    The folder of a dual-axis set holds two data sets: both are printed, as JSON in a list.

    Raises
    ------
    TomolineError
        RUN-05 where there is no data set, RUN-04 where its record cannot be read.
    """
    documents = [_document(data_set) for data_set in find_axes(folder)]
    if as_json:
        texts = [one.model_dump_json(by_alias=True, indent=1) for one in documents]
        sys.stdout.write(texts[0] if len(texts) == 1 else "[" + ",\n".join(texts) + "]")
        sys.stdout.write("\n")
        return
    console = Console()
    for number, one in enumerate(documents):
        if number:
            console.print()
        _print_tables(one, console)


def _document(data_set: DataSet) -> Shown:
    record = Record.read(data_set.record_path)
    names = RECIPES[record.recipe].step_names if record.recipe in RECIPES else ()
    return show(data_set, record, list(names))


def _print_tables(shown: Shown, console: Console) -> None:
    console.print(
        f"[bold]{escape(shown.root)}[/bold]  recipe {shown.recipe}, {shown.state}", highlight=False
    )
    console.print(shown.folder, markup=False, highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False)
    for column in ("no.", "step", "state", "seconds", "peak GiB", "values"):
        table.add_column(column, overflow="fold")
    for step in shown.steps:
        table.add_row(
            f"{step.number:g}",
            step.name,
            step.state,
            f"{step.seconds:.2f}",
            f"{step.peak_memory_bytes / (1 << 30):.2f}",
            escape("\n".join(f"{name}: {_short(value)}" for name, value in step.values.items())),
        )
    console.print(table)
    for title, notices in (("warning", shown.warnings), ("error", shown.errors)):
        for one in notices:
            console.print(
                f"[yellow]{title}[/yellow] {escape(f'{one.code} ({one.step}) {one.where}: ')}"
                f"{escape(f'{one.found} {one.remedy}')}",
                highlight=False,
            )
    for name, path in shown.artifacts.items():
        console.print(f"{name:<22}{path}", markup=False, highlight=False, soft_wrap=True)


def _short(value: Any) -> str:
    """Write a value on one line: numbers rounded, long lists shortened.

    >>> _short([0.123456, 2.0])
    '0.123456 2'
    """
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        shown = " ".join(_short(item) for item in value[:LONGEST_LIST])
        more = len(value) - LONGEST_LIST
        return f"{shown} ... ({more} more)" if more > 0 else shown
    if isinstance(value, dict):
        return ", ".join(f"{key} {_short(item)}" for key, item in value.items())
    return str(value)
