"""What the log and the table of values say about what they do not show."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tomoline.cli import _attach
from tomoline.cli._log import Wanted, print_log
from tomoline.cli._values import print_values
from tomoline.queue.model import BatchState, EventKind
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state
from tomoline.queue.values import SCHEMA
from tomoline.recipes import RECIPES

S = BatchState
ALL = Wanted("", None, "", "info", "", "", "", "", "time", False, 0)


def test_a_log_that_is_cut_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Project.create(tmp_path / "night") as project:
        for number in range(4):
            project.store.add_event(EventKind.NOTICE, f"event {number}", when=4e9 + number)

    def told(wanted: Wanted) -> tuple[list[str], str]:
        print_log(tmp_path / "night", wanted, follow=False, local=False, as_json=False)
        printed = capsys.readouterr()
        return [line.split("  ")[-1] for line in printed.out.splitlines()], printed.err

    shown, note = told(replace(ALL, newest=2))
    assert sorted(shown) == ["event 2", "event 3"]
    assert note == "only the newest 2 are shown: --limit 0 shows all\n"
    for number in (0, 5):  # the project itself was made, too
        shown, note = told(replace(ALL, newest=number))
        assert len(shown) == 5
        assert note == ""
    assert told(replace(ALL, data_set="nosuch")) == ([], "no line of the log meets that\n")


def test_a_table_tells_the_queue_only_where_it_says_something_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Project.create(tmp_path / "night") as project:
        for name in ("one", "two"):
            (tmp_path / f"{name}.mrc").touch()
        entries = project.data_sets.add([tmp_path / f"{name}.mrc" for name in ("one", "two")])
        for entry in entries:
            entry.folder.mkdir(parents=True)
            steps = [
                {"name": name, "number": 1, "state": "finished", "values": {}, "seconds": 1}
                for name in RECIPES["tilt"].step_names
            ]
            document = {"schema": SCHEMA, "root": entry.name, "recipe": "tilt", "steps": steps}
            (entry.folder / f"{entry.name}.tomoline.json").write_text(json.dumps(document))
            project.queue.add([entry])
            (one,) = project.queue.batches(states=(S.WAITING,))
            change_state(project.store, one, S.RUNNING, "begins", processor=1, started=1.0)
            (one,) = project.queue.batches(states=(S.RUNNING,))
            change_state(project.store, one, S.FINISHED, "finished", when=2.0)
    print_values(tmp_path / "night", (), (), every=False, form="text")
    assert "batch" not in capsys.readouterr().out
    with Project.open(tmp_path / "night") as project:
        project.queue.add([project.data_sets.entry("two")])
    print_values(tmp_path / "night", (), (), every=False, form="text")
    header, first, second = (line.split() for line in capsys.readouterr().out.splitlines())
    assert header[:3] == ["data_set", "state", "batch"]
    assert first[:2] == ["one", "finished"]
    assert "waiting" not in first
    assert second[:3] == ["two", "finished", "waiting"]
    print_values(tmp_path / "night", ["one"], (), every=False, form="json")
    assert json.loads(capsys.readouterr().out)[0]["batch"] == "finished"  # programs get all


def test_ctrl_c_before_anything_is_drawn_looks_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Loading:
        """What draws is loaded when it is first made, which takes its time."""

        def __init__(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(_attach, "_Live", Loading)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with Project.create(tmp_path / "night") as project:
        seen = _attach.attach(project)
    assert seen.detached
    assert "the run goes on" in capsys.readouterr().err
