"""The table of values: what records say, whatever state they are in."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tomoline.queue.model import Batch, BatchState, DataSetEntry
from tomoline.queue.values import cell, values_of
from tomoline.recipes import RECIPES


def entry(folder: Path, name: str = "TS_1", recipe: str = "tilt") -> DataSetEntry:
    results = folder / name
    results.mkdir(exist_ok=True)
    return DataSetEntry(1, name, recipe, Path(f"/raw/{name}.mrc"), None, results, True, 0.0)


def step(name: str, number: float, **facts: Any) -> dict[str, Any]:
    return {
        "name": name,
        "number": number,
        "state": "finished",
        "seconds": 1.5,
        "values": {},
        "warnings": [],
        "error": None,
        **facts,
    }


def write(one: DataSetEntry, *steps: Any, root: str = "", **facts: Any) -> None:
    """Write the record of a data set."""
    root = root or one.name
    content = {
        "schema": 1,
        "root": root,
        "recipe": one.recipe,
        "source": str(one.source),
        "steps": list(steps),
        **facts,
    }
    (one.folder / f"{root}.tomoline.json").write_text(json.dumps(content), encoding="utf-8")


def failed_batch(code: str) -> Batch:
    fields = dict.fromkeys(Batch.__annotations__)
    return Batch(**{**fields, "state": BatchState.FAILED, "code": code})  # type: ignore[arg-type]


def test_values_stand_in_the_order_of_the_steps(tmp_path: Path) -> None:
    scan = entry(tmp_path, "scan", "scan")
    half, whole = entry(tmp_path), entry(tmp_path, "TS_2")
    write(scan, step("axis", 5, values={"rotation_axis_px": 12.5}))
    align = step("align", 6, values={"kind": "beads", "residual_mean_px": 0.25})
    write(half, align)
    warning = {"code": "TRACK-02", "where": "", "found": "", "remedy": ""}
    write(
        whole,
        step("track", 5, values={"points": 12}, warnings=[warning, warning]),
        step("align", 6, values={"residual_mean_px": 0.5, "iterations": 3}),
    )
    table = values_of([scan, half, whole])
    assert table.notices == []
    assert table.columns == [
        *("data_set", "axis", "recipe", "state", "batch"),
        *("axis.rotation_axis_px", "axis.seconds"),
        *("track.points", "track.seconds"),
        *("align.kind", "align.residual_mean_px", "align.iterations", "align.seconds"),
        *("seconds", "warnings", "error"),
    ]
    assert [row.get("align.residual_mean_px") for row in table.rows] == [None, 0.25, 0.5]
    assert [row["seconds"] for row in table.rows] == [1.5, 1.5, 3.0]
    assert [row["warnings"] for row in table.rows] == [[], [], ["TRACK-02"]]
    assert {row["state"] for row in table.rows} == {"waiting"}


def test_states_are_those_of_the_records(tmp_path: Path) -> None:
    steps = [step(name, number) for number, name in enumerate(RECIPES["tilt"].step_names)]
    steps[3] |= {"state": "off", "values": {"old": 1}}
    entries = [entry(tmp_path, f"TS_{number}") for number in range(4)]
    write(entries[0], *steps)
    write(entries[1], *steps[:4], steps[4] | {"state": "running"})
    error = {"code": "ALIGN-01", "where": "", "found": "", "remedy": ""}
    write(entries[2], *steps[:4], steps[4] | {"state": "failed", "error": error})
    table = values_of(entries)
    assert [row["state"] for row in table.rows] == ["finished", "running", "failed", "none"]
    assert table.rows[2]["error"] == "ALIGN-01"
    assert not any(".old" in column for column in table.columns)


def test_each_axis_has_its_row(tmp_path: Path) -> None:
    dual = replace(entry(tmp_path, "cell"), source_b=Path("/raw/cellb.mrc"))
    write(dual, step("align", 6, values={"points": 3}), root="cella")
    second = step("align", 6, values={"points": 4})
    write(dual, second, root="cellb", source="/raw/cellb.mrc")
    table = values_of([dual])
    found = [(row["data_set"], row["axis"], row["align.points"]) for row in table.rows]
    assert found == [("cell", "a", 3), ("cell", "b", 4)]
    assert table.notices == []


def test_the_batch_tells_what_the_record_cannot(tmp_path: Path) -> None:
    table = values_of([entry(tmp_path)], batches={1: failed_batch("FILE-03")})
    assert table.rows == [
        {
            "data_set": "TS_1",
            "axis": "",
            "recipe": "tilt",
            "state": "none",
            "batch": "failed",
            "error": "FILE-03",
        }
    ]


def test_the_error_of_the_record_says_more_than_that_of_the_batch(tmp_path: Path) -> None:
    one = entry(tmp_path)
    error = {"code": "ALIGN-01", "where": "", "found": "", "remedy": ""}
    write(one, step("align", 6, state="failed", error=error))
    table = values_of([one], batches={1: failed_batch("QUEUE-02")})
    assert table.rows[0]["error"] == "ALIGN-01"


@pytest.mark.parametrize(
    ("keys", "columns"),
    [
        (["align.residual_*"], ["align.residual_mean_px", "align.residual_sd_px"]),
        (["residual_sd_px"], ["align.residual_sd_px"]),
        (["*.seconds"], ["align.seconds"]),
        (["track.*"], []),
    ],
)
def test_columns_can_be_chosen(tmp_path: Path, keys: list[str], columns: list[str]) -> None:
    one = entry(tmp_path)
    write(one, step("align", 6, values={"residual_mean_px": 1, "residual_sd_px": 2, "kind": ""}))
    assert values_of([one], keys=keys).columns[5:-3] == columns


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"schema": 1, "root": "TS_1", "steps": [',
        "[]",
        '{"schema": 2, "root": "TS_1", "steps": []}',
        '{"schema": 1, "root": "other", "steps": []}',
        '{"schema": 1, "root": "TS_1", "steps": 3}',
        '{"schema": 1, "root": "TS_1", "steps": [{"number": 1}]}',
        '{"schema": 1, "root": "TS_1", "steps": [{"name": "align", "values": []}]}',
        '{"schema": 1, "root": "TS_1", "steps": [{"name": "align", "seconds": "1"}]}',
        '{"schema": 1, "root": "TS_1", "steps": [{"name": "align", "warnings": [1]}]}',
        "[" * 100_000,
    ],
)
def test_records_of_no_use_are_told_and_others_go_on(tmp_path: Path, text: str) -> None:
    broken, good = entry(tmp_path), entry(tmp_path, "TS_2")
    (broken.folder / "TS_1.tomoline.json").write_text(text, encoding="utf-8")
    write(good, step("align", 6, values={"points": 3}))
    table = values_of([broken, good])
    assert [row["state"] for row in table.rows] == ["unreadable", "waiting"]
    assert [notice.code for notice in table.notices] == ["RUN-04"]
    assert "TS_1.tomoline.json" in table.notices[0].where
    assert table.rows[1]["align.points"] == 3


def test_a_record_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    one = entry(tmp_path)
    (one.folder / "TS_1.tomoline.json").mkdir()  # also root cannot read this
    table = values_of([one])
    assert (table.rows[0]["state"], table.notices[0].code) == ("unreadable", "RUN-04")


def test_results_of_another_acquisition_are_told(tmp_path: Path) -> None:
    one = entry(tmp_path)
    write(one, step("align", 6, values={"points": 3}), source="/raw/older.mrc")
    table = values_of([one])
    assert table.rows[0]["align.points"] == 3
    assert [notice.code for notice in table.notices] == ["RUN-03"]
    assert "/raw/older.mrc" in table.notices[0].found


def test_the_same_acquisition_by_another_name_is_not_told(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    (tmp_path / "link").symlink_to(raw)
    linked = replace(entry(tmp_path), source=raw / "TS_1.mrc")
    write(linked, source=str(tmp_path / "link" / "TS_1.mrc"))
    moved = entry(tmp_path, "TS_2")
    moved = replace(moved, source=moved.folder / "TS_2.mrc")
    write(moved, source="/raw/TS_2.mrc")
    assert values_of([linked, moved]).notices == []


def test_progress_counts_data_sets(tmp_path: Path) -> None:
    seen: list[int] = []
    values_of([entry(tmp_path), entry(tmp_path, "TS_2")], progress=seen.append)
    assert seen == [1, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.5, "1.5"), ("a b", "a b"), ([], ""), ([1, [2]], "[1,[2]]"), (False, "false")],
)
def test_cells_are_plain_text(value: Any, text: str) -> None:
    assert cell(value) == text
