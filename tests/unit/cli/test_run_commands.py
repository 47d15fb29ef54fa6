"""What ``run``, ``pause``, ``kill``, ``resume`` and ``reset`` ask of a project's run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer

from tomoline.cli import _project_run
from tomoline.cli.main import app
from tomoline.errors import TomolineError
from tomoline.queue.answers import Reset, Started
from tomoline.queue.control import Control
from tomoline.queue.job_files import JobFiles
from tomoline.queue.model import BatchState, RunState
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
ANSWERS = {
    "start": Started([1], ["TS_1"]),
    "resume": Started([1], ["TS_1"]),
    "pause": [],
    "kill": [],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one data set, in which the commands are called."""
    (tmp_path / "TS_1.mrc").touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add([tmp_path / "TS_1.mrc"])
    monkeypatch.setenv("TOMOLINE_PROJECT", str(tmp_path / "night"))
    return tmp_path / "night"


@pytest.fixture
def calls(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """Note what is asked for, and do nothing."""
    made: list[Call] = []

    def noting(name: str, answer: Any) -> Any:
        def method(_: Control, *given: Any, **named: Any) -> Any:
            made.append((name, given, named))
            return answer

        return method

    for name, answer in (ANSWERS | {"reset": Reset(["TS_1"], 0, 0)}).items():
        monkeypatch.setattr(Control, name, noting(name, answer))
    return made


def call(*arguments: str) -> int:
    """Call a command, and return its exit status."""
    status = app(list(arguments), standalone_mode=False)
    return int(status or 0)


def test_a_run_is_asked_for_with_all_that_was_given(folder: Path, calls: list[Call]) -> None:
    words = "--from align --until trim --any-step --processors 3 --threads 2 --memory 4G --detach"
    assert call("run", str(folder), "TS_1", *words.split()) == 0
    ((name, given, named),) = calls
    assert (name, given) == ("start", (("TS_1",),))
    assert named == {
        "first": "align",
        "last": "trim",
        "any_step": True,
        "processors": 3,
        "threads": 2,
        "memory": 4 << 30,
        "dry_run": False,
    }
    call("run", str(folder), "--detach")
    _, given, named = calls[-1]
    assert given == ((),)
    asked = ("first", "last", "any_step", "processors", "threads", "memory")
    assert [named[one] for one in asked] == ["", "", False, None, None, None]
    call("run", str(folder), "--dry-run")
    assert calls[-1][2]["dry_run"] is True


def test_a_resume_is_asked_for_with_all_that_was_given(calls: list[Call]) -> None:
    call("resume", "--processors", "3", "--threads", "2", "--memory", "4G", "--detach")
    call("resume", "--take-over", "--detach")
    means = {"processors": 3, "threads": 2, "memory": 4 << 30, "take_over": False}
    assert calls[0] == ("resume", (), means)
    assert calls[1] == ("resume", (), dict.fromkeys(means) | {"take_over": True})


def test_pause_and_kill_are_asked_for_as_given(calls: list[Call]) -> None:
    for arguments in (["pause"], ["pause", "--at-step"], ["kill"], ["kill", "TS_1", "X*"]):
        call(*arguments)
    assert calls == [
        ("pause", (), {"at_step": False}),
        ("pause", (), {"at_step": True}),
        ("kill", ((),), {}),
        ("kill", (("TS_1", "X*"),), {}),
    ]


def test_a_reset_removes_results_only_where_that_is_said_twice(calls: list[Call]) -> None:
    call("reset", "*")
    call("reset", "TS_1", "--remove-results", "--yes")
    assert calls == [
        ("reset", (("*",),), {"remove_results": False}),
        ("reset", (("TS_1",),), {"remove_results": True}),
    ]
    with pytest.raises((TomolineError, typer.Abort)):  # nobody can answer here
        call("reset", "*", "--remove-results")
    assert len(calls) == 2


def test_a_reset_of_nothing_that_is_named_is_refused(calls: list[Call]) -> None:
    for options in ([], ["--remove-results", "--yes"]):
        with pytest.raises(TomolineError) as caught:
            call("reset", *options)
        assert caught.value.code == "PARAM-06"
        assert "tomoline reset '*'" in caught.value.remedy
    assert calls == []


def test_a_reset_counts_what_it_has_deleted(
    calls: list[Call], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [Reset(["A"], 0, 1), Reset(["A", "B"], 0, 0)]
    monkeypatch.setattr(Control, "reset", lambda *_, **__: answers.pop())
    for told in ("2 data sets reset, 0 files deleted.", "1 data set reset, 1 file deleted."):
        call("reset", "*", "--remove-results", "--yes")
        assert told in capsys.readouterr().err


def test_a_kill_names_the_resume_only_where_there_is_something_to_resume(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call("kill")
    assert capsys.readouterr().err == "Nothing was being run.\n"
    with Project.open(folder) as project:
        project.queue.add(project.data_sets.entries())
    call("kill")
    assert capsys.readouterr().err == "Nothing was being run; 'tomoline resume' goes on.\n"
    call("kill", "TS_1")
    told = capsys.readouterr().err
    assert told.startswith("Killed TS_1 in ")
    assert told.endswith(" s; 'tomoline resume' goes on.\n")


def test_the_status_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call("status", "--json")
    assert json.loads(capsys.readouterr().out)["counts"]["waiting"] == 0


def test_a_kill_does_not_claim_what_had_finished(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder.parent / "TS_2.mrc").touch()
    with Project.open(folder) as project:
        project.data_sets.add([folder.parent / "TS_2.mrc"])
        project.queue.add(project.data_sets.entries())
        first, second = project.queue.batches()
        change_state(project.store, first, BatchState.RUNNING, "begins")
        events = JobFiles.of(project.store, first.id, first.attempt).events
        events.parent.mkdir()
        events.write_text('{"event": "ended", "state": "finished"}\n')
    call("kill")
    assert capsys.readouterr().err == "TS_1 had finished; 'tomoline resume' goes on.\n"
    with Project.open(folder) as project:
        change_state(project.store, second, BatchState.RUNNING, "begins")
        project.queue.add(project.data_sets.entries(["TS_1"]))
        (first,) = project.queue.batches(states=(BatchState.WAITING,))
        change_state(project.store, first, BatchState.RUNNING, "begins")
        events = JobFiles.of(project.store, first.id, first.attempt).events
        events.write_text('{"event": "ended", "state": "finished"}\n')
    call("kill")
    told = capsys.readouterr().err
    assert told.startswith("Killed TS_2 in ")
    assert told.endswith(" s; TS_1 had finished; 'tomoline resume' goes on.\n")


@pytest.mark.parametrize(
    ("failed", "killed", "status"), [(0, 0, 0), (2, 0, 2), (0, 1, 1), (1, 1, 2)]
)
def test_what_failed_or_was_killed_is_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failed: int, killed: int, status: int
) -> None:
    seen = SimpleNamespace(detached=False, finished=1, failed=failed, killed=killed)
    monkeypatch.setattr("tomoline.cli._attach.attach", lambda *_, **__: seen)
    with Project.open(folder) as project:
        assert project.control.status().wanted is RunState.STOPPED
        assert _project_run.look(project, batches=None, since=0, detach=False) == status


@pytest.mark.parametrize(
    "option", [["--recipe", "tilt"], ["--set", "a.b=1"], ["--root", "x"], ["--follow"]]
)
def test_options_of_acquisitions_are_refused_for_a_project(
    folder: Path, calls: list[Call], option: list[str]
) -> None:
    with pytest.raises(TomolineError) as caught:
        call("run", str(folder), *option)
    assert (caught.value.code, caught.value.where) == ("PARAM-06", option[0])
    assert calls == []
