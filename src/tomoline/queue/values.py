"""What all data sets measured, as one table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from tomoline import errors
from tomoline.errors import Notice
from tomoline.queue.model import Batch, DataSetEntry
from tomoline.queue.records import read_record, record_path

SCHEMA = 1
"""Of the records that are read; see `workflow.record`, which is not loaded for a table."""
LEADING = ("data_set", "axis", "recipe", "state", "batch")
ENDING = ("seconds", "warnings", "error")
CHOSEN: dict[str, tuple[str, ...]] = {
    "tilt": (
        "setup.views",
        "align.kind",
        "align.tilt_axis_deg",
        "align.residual_mean_px",
        "align.leave_out_error_px",
        "position.x_axis_tilt_deg",
        "reconstruct.thickness_px",
    ),
    "scan": (
        "scan.angles",
        "retrieve.method",
        "register.residual_px",
        "axis.rotation_axis_px",
        "axis.confidence",
        "slices.quantity",
        "output.voxel_um",
    ),
}
"""By recipe, the values that tell people at a glance how good the data sets are."""


@dataclass(frozen=True)
class Table:
    """Values of data sets.

    Attributes
    ----------
    columns : list of str
        ``data_set``, ``axis``, ``recipe``, ``state``, ``batch``; then ``step.value`` with the unit
        in the name and ``step.seconds``, in the order of the steps; then ``seconds`` of all steps,
        ``warnings`` (codes) and ``error`` (code).
    rows : list of dict
        By column, as JSON holds them; what a data set has not measured is left out. The state is
        that of the record: ``none`` where there is none, ``unreadable`` where it is of no use.
    notices : list of Notice
        What was wrong with records.
    """

    columns: list[str]
    rows: list[dict[str, Any]]
    notices: list[Notice]


@dataclass
class _Columns:
    """Columns by recipe, in the order of its steps, and within a step as they come."""

    steps: dict[tuple[str, str], dict[str, None]] = field(default_factory=dict)
    numbers: dict[tuple[str, str], float] = field(default_factory=dict)

    def take(self, recipe: str, step: str, number: float, names: Iterable[str]) -> None:
        self.steps.setdefault((recipe, step), {}).update(dict.fromkeys(names))
        self.numbers.setdefault((recipe, step), number)

    def names(self) -> list[str]:
        recipes = list(dict.fromkeys(recipe for recipe, _ in self.steps))
        order = sorted(self.steps, key=lambda one: (recipes.index(one[0]), self.numbers[one]))
        found: dict[str, None] = {}
        for one in order:  # the seconds of a step after its values, of whichever data set they are
            found |= {name: None for name in self.steps[one] if not name.endswith(".seconds")}
            found |= self.steps[one]
        return list(found)


def values_of(
    entries: Sequence[DataSetEntry],
    *,
    batches: Mapping[int, Batch] | None = None,
    keys: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Table:
    """Return what data sets have measured so far: a row for each, or for each axis of one.

    Parameters
    ----------
    entries : sequence of DataSetEntry
        Which data sets.
    batches : mapping, optional
        The newest batch of each data set, by its number: ``batch`` becomes its state, and ``error``
        its error's code where the record knows of none, as when there is no record yet.
    keys : sequence of str
        Columns to take, such as ``align.residual_mean_px``, ``align.*`` or ``*_deg``; all if empty.
    progress : callable, optional
        Gets the number of data sets that are done, after each.
    """
    columns = _Columns()
    rows = []
    notices: list[Notice] = []
    for done, entry in enumerate(entries, 1):
        axes = ("a", "b") if entry.dual else ("",)
        for axis, root in zip(axes, entry.roots, strict=True):
            row: dict[str, Any] = {"data_set": entry.name, "axis": axis, "recipe": entry.recipe}
            row |= _measured(entry, axis, root, keys, columns, notices)
            batch = (batches or {}).get(entry.id)
            if batch is not None:
                row["batch"] = str(batch.state)
                if batch.code:
                    row.setdefault("error", batch.code)
            rows.append(row)
        if progress is not None:
            progress(done)
    return Table([*LEADING, *columns.names(), *ENDING], rows, notices)


def cell(value: Any) -> str:
    """Return a value as a table in text holds it: lists blank-separated, deeper ones as JSON.

    >>> cell([0.5, None, "best"]), cell(None), cell(True), cell({"a": [1]})
    ('0.5 - best', '', 'true', '{"a":[1]}')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list) and not any(isinstance(one, (list, dict)) for one in value):
        return " ".join("-" if one is None else cell(one) for one in value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return str(value)


def _measured(
    entry: DataSetEntry,
    axis: str,
    root: str,
    keys: Sequence[str],
    columns: _Columns,
    notices: list[Notice],
) -> dict[str, Any]:
    path = record_path(entry.folder, root)
    try:
        record = read_record(path)
        steps = _steps(record, root)
    except FileNotFoundError:
        return {"state": "none"}
    except (OSError, ValueError) as error:
        notices.append(errors.running.BAD_RECORD.notice(path, f"{error}."))
        return {"state": "unreadable"}
    if other := _other_source(record, entry, axis):
        remedy = "Run the data set again if the acquisition was replaced, or correct its source."
        notices.append(errors.running.OTHER_RESULT.notice(path, other, remedy))
    row: dict[str, Any] = {"recipe": str(record.get("recipe", entry.recipe))}
    codes: dict[str, None] = {}
    total = 0.0
    for step in steps:
        name = step["name"]
        measured = {f"{name}.{key}": value for key, value in step["values"].items()}
        measured[f"{name}.seconds"] = step["seconds"]
        wanted = {key: value for key, value in measured.items() if _is_wanted(key, keys)}
        if step["state"] != "off":
            columns.take(row["recipe"], name, step["number"], wanted)
            row |= wanted
        total += step["seconds"]
        codes.update(dict.fromkeys(str(one.get("code")) for one in step["warnings"]))
        if step["state"] == "failed" and step["error"]:
            row["error"] = str(step["error"].get("code", ""))
    state = _state(row["recipe"], {step["name"]: step["state"] for step in steps})
    return row | {"state": state, "seconds": round(total, 3), "warnings": list(codes)}


def _other_source(record: dict[str, Any], entry: DataSetEntry, axis: str) -> str:
    """Tell it where the results are of another acquisition than the data set's; else ""."""
    source = (entry.source_b if axis == "b" else entry.source) or entry.source
    recorded = str(record.get("source") or "")
    # One that was moved into the folder of results is the one that was given.
    if not recorded or source.parent == entry.folder:
        return ""
    if os.path.realpath(recorded) == os.path.realpath(source):
        return ""
    return f"its results are of {recorded}, the data set is {source}."


def _is_wanted(key: str, keys: Sequence[str]) -> bool:
    return not keys or any(fnmatchcase(key, one) or key.endswith(f".{one}") for one in keys)


def _steps(record: Any, root: str) -> list[dict[str, Any]]:
    """Return the steps of a record, each with what is needed here.

    Raises
    ------
    ValueError
        If it is no such record.
    """
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        found = record.get("schema") if isinstance(record, dict) else None
        raise ValueError(f"its schema is {found!r}, this version reads {SCHEMA}")
    if record.get("root") != root:
        raise ValueError(f"it is of {record.get('root')!r}, not of {root!r}")
    found_steps = record.get("steps", [])
    steps: list[dict[str, Any]] = []
    for step in found_steps if isinstance(found_steps, list) else [None]:
        whole = {"number": 0.0, "state": "", "seconds": 0.0, "values": {}, "warnings": []}
        whole |= {"error": None} | (step if isinstance(step, dict) else {})
        right = (
            isinstance(whole.get("name"), str)
            and isinstance(whole["number"], (int, float))
            and isinstance(whole["seconds"], (int, float))
            and isinstance(whole["values"], dict)
            and isinstance(whole["warnings"], list)
            and all(isinstance(one, dict) for one in whole["warnings"])
            and isinstance(whole["error"], (dict, type(None)))
        )
        if not right:
            raise ValueError(f"its step {len(steps) + 1} is not as tomoline writes it")
        steps.append(whole)
    return steps


def _state(recipe: str, states: dict[str, str]) -> str:
    """Return the state of a data set from those of its steps, as ``tomoline show`` tells it."""
    from tomoline.recipes import RECIPES

    if "failed" in states.values():
        return "failed"
    names = RECIPES[recipe].step_names if recipe in RECIPES else tuple(states)
    if all(states.get(name) in ("finished", "off") for name in names):
        return "finished"
    return "running" if "running" in states.values() else "waiting"
