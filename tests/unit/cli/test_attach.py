"""Looking at a run: each event is told once, whatever the clocks of those who told it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from tomoline.cli import _attach
from tomoline.queue.model import BatchState, EventKind
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state

S = BatchState


def test_each_event_is_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks = iter([False, False, True])
    monkeypatch.setattr(_attach, "_is_over", lambda *_: next(looks))
    monkeypatch.setattr(_attach, "LOOK_S", 0.0)
    with Project.create(tmp_path / "project") as project:
        since = project.log.last()
        for message, when in (("the first", 100.0), ("told late", 50.0)):
            project.store.add_event(
                EventKind.WARNING, message, level="warning", data_set="TS", when=when
            )
        _attach.attach(project, since=since)
    said = capsys.readouterr().err
    assert said.count("the first") == said.count("told late") == 1


def test_the_end_of_a_run_names_what_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_attach, "LOOK_S", 0.0)
    names = ("good", "bad", "mended", "resumed")
    for name in names:
        (tmp_path / f"{name}.mrc").touch()
    with Project.create(tmp_path / "project") as project:
        project.data_sets.add([tmp_path / f"{name}.mrc" for name in names])
        since = project.log.last()
        for name, becomes in (
            ("resumed", S.KILLED),
            ("mended", S.FAILED),
            ("good", S.FINISHED),
            ("bad", S.FAILED),
            ("mended", S.FINISHED),
            ("resumed", S.FINISHED),
        ):
            project.queue.add(project.data_sets.entries([name]))
            (one,) = project.queue.batches(states=(S.WAITING,))
            began = time.time() - 60
            change_state(project.store, one, S.RUNNING, "begins", processor=1, started=began)
            (one,) = project.queue.batches(states=(S.RUNNING,))
            code = "FILE-03" if becomes is S.FAILED else ""
            change_state(project.store, one, becomes, "ends", code=code)
        seen = _attach.attach(project, since=since)
    assert (seen.finished, seen.failed, seen.killed) == (3, 1, 0)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-2] == "failed: FILE-03 bad; 'tomoline status' tells why"
    assert lines[-1].startswith("took 1 min ")


def test_more_processors_than_lines_leave_room_for_the_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LINES", "6")
    monkeypatch.setenv("COLUMNS", "60")
    (tmp_path / "one.mrc").touch()
    with Project.create(tmp_path / "project") as project:
        project.queue.add(project.data_sets.add([tmp_path / "one.mrc"]))
        (one,) = project.queue.batches()
        status = replace(
            project.control.status(),
            running=[replace(one, processor=number) for number in range(1, 11)],
        )
    live = _attach._Live()
    live.show(status)
    lines = str(live._live.renderable).splitlines()
    assert [line[:3] for line in lines[:3]] == ["P1 ", "P2 ", "P3 "]
    assert lines[3:] == ["... and 7 more", "1 waiting"]
    assert max(len(line) for line in lines) <= 60
