"""Each option of ``tomoline values`` and ``tomoline status`` by itself."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tomoline.cli import _project_run
from tomoline.cli.main import app
from tomoline.errors import TomolineError
from tomoline.queue.control import Control
from tomoline.queue.model import BatchState
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state
from tomoline.queue.values import SCHEMA
from tomoline.recipes import RECIPES

LONG = "a value that is longer\nthan a column of a table can be, by far"


def write_record(folder: Path, name: str, **values: dict[str, Any]) -> None:
    """Write the record of a data set that has finished; what some of its steps measured."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = [
        {"name": step, "state": "finished", "values": values.get(step, {}), "seconds": 1.0}
        for step in RECIPES["tilt"].step_names
    ]
    document = {"schema": SCHEMA, "root": name, "recipe": "tilt", "steps": steps}
    (folder / f"{name}.tomoline.json").write_text(json.dumps(document))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three data sets, of which two have been measured."""
    monkeypatch.setattr(Control, "recover", lambda self: [])
    for name in ("TS_1", "TS_2", "X_3"):
        (tmp_path / f"{name}.mrc").touch()
    with Project.create(tmp_path / "night") as project:
        entries = project.data_sets.add([tmp_path / f"{n}.mrc" for n in ("TS_1", "TS_2", "X_3")])
        for number, one in enumerate(entries[:2], 1):
            write_record(
                one.folder,
                one.name,
                setup={"views": number, "note": LONG},
                align={"residual_mean_px": number / 3, "odd_deg": 2.0},
            )
    return tmp_path / "night"


def call(folder: Path, *arguments: str) -> int:
    return int(app([*arguments, "-p", str(folder)], standalone_mode=False) or 0)


def rows(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[dict[str, Any]]:
    call(folder, "values", "--json", *options)
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return found


@pytest.mark.parametrize(
    ("options", "measured"),
    [
        ([], {"setup.views", "setup.note", "align.residual_mean_px", "align.odd_deg"}),
        (["--all"], {"setup.views", "setup.note", "align.residual_mean_px", "align.odd_deg"}),
        (["--step", "setup"], {"setup.views", "setup.note"}),
        (["--key", "*_deg"], {"align.odd_deg"}),
        (["--step", "setup", "--key", "align.odd_deg"], {"setup.views", "setup.note"}),
    ],
)
def test_an_option_chooses_columns(
    folder: Path, capsys: pytest.CaptureFixture[str], options: list[str], measured: set[str]
) -> None:
    found = rows(folder, capsys, *options)[0].keys()
    names = {one for one in found if "." in one and not one.endswith(".seconds")}
    assert names == measured | ({"align.odd_deg"} if "--key" in options else set())


def test_names_choose_rows(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [row["data_set"] for row in rows(folder, capsys)] == ["TS_1", "TS_2", "X_3"]
    assert [row["data_set"] for row in rows(folder, capsys, "TS_*")] == ["TS_1", "TS_2"]
    assert [row["data_set"] for row in rows(folder, capsys, "X_3")] == ["X_3"]


def test_csv_has_all_and_a_line_of_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(folder, "values", "--csv")
    table = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert table[0][:5] == ["data_set", "axis", "recipe", "state", "batch"]
    found = [dict(zip(table[0], row, strict=True)) for row in table[1:]]
    assert [row["setup.views"] for row in found] == ["1", "2", ""]
    assert float(found[0]["align.residual_mean_px"]) == 1 / 3  # every digit
    assert found[0]["setup.note"].startswith("a value that is longer")


def test_the_table_for_people_is_short(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call(folder, "values")
    chosen = capsys.readouterr().out
    assert "odd_deg" not in chosen
    assert "recipe" not in chosen
    assert "0.333333" in chosen
    call(folder, "values", "--all")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert "align.odd_deg" in lines[0]
    assert "a value that is longer than a column ..." in lines[1]
    call(folder, "values", "--key", "setup.*")
    lines = capsys.readouterr().out.splitlines()
    # A column of words that were cut is none of numbers: it begins at the left.
    assert lines[0].index("setup.note") == lines[1].index("a value")
    assert lines[0].index("setup.views") + len("setup.views") == lines[1].index(" 1 ") + 2


def test_a_value_that_nobody_measured_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(TomolineError) as caught:
        call(folder, "values", "--key", "setup.nonsense")
    assert (caught.value.code, caught.value.where) == ("PARAM-06", "--key")
    # Where nothing was measured yet it may still come.
    assert call(folder, "values", "X_3", "--key", "setup.views") == 0


def test_an_empty_project_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Project.create(tmp_path / "empty").close()
    call(tmp_path / "empty", "values")
    assert capsys.readouterr().out == "the project has no data sets\n"


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """How the run is looked at; two data sets fail meanwhile."""
    made: list[dict[str, Any]] = []

    def look(project: Project, **how: Any) -> int:
        made.append(how)
        return 2

    monkeypatch.setattr(_project_run, "look", look)
    return made


def wanted(folder: Path, state: str) -> int:
    with Project.open(folder) as project:
        with project.store.write() as db:
            db.execute("UPDATE run SET wanted = ?", (state,))
        return project.log.last()


@pytest.mark.parametrize("option", ["--follow", "-f"])
def test_a_run_is_followed_if_asked_for(
    folder: Path, looks: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], option: str
) -> None:
    last = wanted(folder, "running")
    assert call(folder, "status") == 0
    assert looks == []
    assert capsys.readouterr().out.startswith("night  ")
    assert call(folder, "status", option) == 1  # some have failed
    assert looks == [{"batches": None, "since": last, "detach": False}]


def test_what_has_ended_is_not_followed_but_what_still_runs(
    folder: Path, looks: list[dict[str, Any]]
) -> None:
    wanted(folder, "stopped")
    assert call(folder, "status", "--follow") == 0
    assert looks == []
    with Project.open(folder) as project:
        project.queue.add(project.data_sets.entries(["TS_1"]))
        (one,) = project.queue.batches()
        change_state(project.store, one, BatchState.RUNNING, "")
    assert call(folder, "status", "--follow") == 1
    assert len(looks) == 1


def test_programs_get_a_document(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted(folder, "paused")
    call(folder, "status", "--json")
    document = json.loads(capsys.readouterr().out)
    assert (document["wanted"], document["folder"]) == ("paused", str(folder))


@pytest.mark.parametrize(
    ("arguments", "refused"),
    [
        (["values", "--csv", "--json"], "--json"),
        (["values", "--all", "--key", "*_deg"], "--all"),
        (["values", "--all", "--step", "align"], "--all"),
        (["status", "--json", "--follow"], "--json"),
    ],
)
def test_options_that_mean_nothing_together_are_refused(
    folder: Path, arguments: list[str], refused: str
) -> None:
    with pytest.raises(TomolineError, match="PARAM-06") as caught:
        call(folder, *arguments)
    assert caught.value.where == refused
