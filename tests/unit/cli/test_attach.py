"""Looking at a run: what is told, what counts, and when there is no more to see."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tomoline.cli import _attach
from tomoline.queue.control import Control
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


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Two batches, A and B, that wait; nothing runs that could start them."""
    monkeypatch.setattr(Control, "recover", lambda self: [])
    monkeypatch.setattr(_attach, "LOOK_S", 0.0)
    with Project.create(tmp_path / "project") as one:
        for name in "AB":
            (tmp_path / f"{name}.mrc").touch()
        one.queue.add(one.data_sets.add([tmp_path / "A.mrc", tmp_path / "B.mrc"]))
        yield one


def become(project: Project, name: str, *states: BatchState, **facts: Any) -> int:
    """Take a batch through some states; return its number."""
    number = 0
    for state in states:
        (one,) = (one for one in project.queue.latest().values() if one.name == name)
        change_state(project.store, one, state, f"{name} {state}", **facts)
        number = one.id
    return number


OVER = [
    ("running", "", "", False, "it may go on with what is watched"),
    ("stopped", "", "", True, ""),
    ("paused", "", "", True, ""),
    ("running", "B", "", False, ""),
    ("stopped", "B", "", False, "what runs is waited for"),
    ("running", "", "A", False, "it waits"),
    ("stopped", "", "A", True, "it will wait for ever"),
    ("paused", "", "A", True, ""),
    ("running", "A", "A", False, ""),
    ("paused", "A", "A", False, "it runs to its end"),
    ("running", "B", "A", False, "its turn comes after the other"),
    ("running", "AB", "A", False, ""),
]


@pytest.mark.parametrize(("wanted", "running", "asked", "over", "why"), OVER)
def test_it_is_over_when_nothing_is_left_to_see(
    project: Project, wanted: str, running: str, asked: str, over: bool, why: str
) -> None:
    numbers = {one.name: one.id for one in project.queue.batches()}
    for processor, name in enumerate(running, 1):
        become(project, name, S.RUNNING, processor=processor)
    with project.store.write() as db:
        db.execute("UPDATE run SET wanted = ?", (wanted,))
    of_whom = {numbers[name] for name in asked} or None
    status = project.control.status()
    assert _attach._is_over(project, status, of_whom) is over, why
    if asked and not over:  # whatever the others do
        if asked not in running:
            become(project, asked, S.RUNNING)
        become(project, asked, S.FINISHED)
        assert _attach._is_over(project, project.control.status(), of_whom)


def test_what_has_begun_since_the_state_was_read_is_not_over(project: Project) -> None:
    with project.store.write() as db:
        db.execute("UPDATE run SET wanted = 'running'")
    before = project.control.status()
    number = become(project, "A", S.RUNNING)
    assert not _attach._is_over(project, before, {number})


def test_only_those_that_were_asked_for_count(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    since = project.log.last()
    number = become(project, "A", S.RUNNING, S.FINISHED)
    become(project, "B", S.RUNNING)
    become(project, "B", S.FAILED, code="FILE-03")
    seen = _attach.attach(project, batches=[number], since=since)
    assert (seen.finished, seen.failed, seen.failures) == (1, 0, {})
    said = capsys.readouterr().err
    assert "FILE-03" in said  # the other one is told of all the same
    assert "failed:" not in said
    # What is known already is not told again, and counts no more.
    assert _attach.attach(project, since=project.log.last()).ended == {}
    assert capsys.readouterr().err == ""
    assert _attach.attach(project).ended.keys() == {"A", "B"}


def test_what_was_killed_counts(project: Project) -> None:
    become(project, "A", S.RUNNING, S.KILLED)
    seen = _attach.attach(project)
    assert (seen.finished, seen.failed, seen.killed) == (0, 0, 1)


def test_a_run_took_as_long_as_from_the_first_that_began(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time()
    for name, ago in (("A", 3600.0), ("B", 60.0)):
        become(project, name, S.RUNNING, started=now - ago)
        become(project, name, S.FINISHED, ended=now)
    _attach.attach(project)
    assert capsys.readouterr().err.splitlines()[-1].startswith("took 1 h ")


def test_what_never_began_has_no_beginning(project: Project) -> None:
    become(project, "A", S.RUNNING, started=None)
    become(project, "A", S.FAILED, code="QUEUE-09")
    assert _attach.attach(project).began is None


def test_a_runner_that_dies_meanwhile_is_noticed(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[float] = []
    clock = iter(float(second) for second in range(1000, 1100))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))

    def recover(control: Control) -> list[str]:
        asked.append(1.0)
        return ["QUEUE-08: the runner has died"] if len(asked) == 3 else []

    monkeypatch.setattr(Control, "recover", recover)
    looks = iter([False] * 6 + [True])
    monkeypatch.setattr(_attach, "_is_over", lambda *_: next(looks))
    _attach.attach(project, since=project.log.last())
    assert capsys.readouterr().err == "warning QUEUE-08: the runner has died\n"
    assert len(asked) == 4  # in seven seconds: not at every look


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_shows_the_state_and_plain_lines_what_begins(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
) -> None:
    shown: list[int] = []

    class Screen(nullcontext[None]):
        def show(self, status: Any) -> None:
            shown.append(status.counts["finished"])

    monkeypatch.setattr(_attach, "_Live", Screen)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    become(project, "A", S.RUNNING, S.FINISHED)
    _attach.attach(project)
    said = capsys.readouterr().err
    assert shown == ([1] if terminal else [])
    assert ("starts    A" in said) is not terminal
    assert "finished  A" in said


def test_what_is_printed_meanwhile_goes_above_the_lines(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal)
    with _attach._Live() as live:
        assert isinstance(live, AbstractContextManager)
        live.show(project.control.status())
        sys.stderr.write("finished  A\n")
        assert sys.stderr is not terminal
    assert sys.stderr is terminal
    assert live._live.transient  # they are gone at the end
    assert "finished  A" in terminal.getvalue()
