"""Starting runners, and finding the one that is there."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.launch import ensure_runner, lock_project, runner_process
from tomoline.queue.process import birth_of
from tomoline.queue.serving import _Trouble, serve
from tomoline.queue.store import Store


def program(folder: Path, text: str) -> str:
    """Make a program that is started instead of Python."""
    path = folder / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_runner_whose_own_output_has_no_room_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    trouble = _Trouble()
    full = Path("/dev/full").open("w", encoding="utf-8")
    monkeypatch.setattr(sys, "stderr", full)
    trouble.tell(errors.files.DISK_FULL.error("night", "the disk is full."))
    trouble.tell(ValueError("unexpected"))
    monkeypatch.undo()
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_there_is_no_runner_at_first(store: Store) -> None:
    assert runner_process(store) is None


def test_a_pid_that_is_another_process_by_now_is_no_runner(store: Store) -> None:
    with store.write() as db:
        db.execute("UPDATE run SET pid = ?, birth = 'another boot'", (os.getpid(),))
    assert runner_process(store) is None
    with store.write() as db:
        db.execute("UPDATE run SET birth = ?", (birth_of(os.getpid()),))
    assert runner_process(store) == os.getpid()
    assert ensure_runner(store) == os.getpid()


def test_the_lock_is_held_once_and_goes_with_its_holder(store: Store) -> None:
    first = lock_project(store)
    assert first is not None
    assert lock_project(store) is None
    threading.Timer(0.1, os.close, (first,)).start()
    second = lock_project(store, wait_s=10.0)
    assert second is not None
    os.close(second)


def test_a_runner_that_ends_at_once_is_told_with_its_last_words(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "echo 'PROJ-04: the disk is on fire' >&2; echo '  rule: none' >&2; exit 1"
    monkeypatch.setattr(sys, "executable", program(tmp_path, text))
    with pytest.raises(TomolineError, match="the disk is on fire") as caught:
        ensure_runner(store)
    assert caught.value.code == "QUEUE-09"


def test_what_an_earlier_runner_said_is_not_said_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (store.work / "runner.log").write_text("2031-01-01 03:00:00 FILE-08: the disk is full\n")
    monkeypatch.setattr(sys, "executable", program(tmp_path, "exit 1"))
    with pytest.raises(TomolineError, match="it ended at once and said nothing"):
        ensure_runner(store)


def test_a_runner_that_does_not_begin_is_told(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", program(tmp_path, "exec sleep 2"))
    monkeypatch.setattr("tomoline.queue.launch.START_S", 0.3)
    with pytest.raises(TomolineError, match="has not begun") as caught:
        ensure_runner(store)
    assert caught.value.code == "QUEUE-09"


def test_two_faces_at_once_get_a_runner_that_has_done_its_work(store: Store) -> None:
    found: list[int] = []

    def ask() -> None:
        with Store.open(store.folder) as own:
            found.append(ensure_runner(own))

    faces = [threading.Thread(target=ask) for _ in range(2)]
    for face in faces:
        face.start()
    for face in faces:
        face.join(60)
    # With nothing to do a runner ends at once, so that each may have had its own, in turn.
    assert len(found) == 2
    with store.read() as db:
        rows = db.execute("SELECT message FROM event WHERE kind = 'run'").fetchall()
    assert {f"runner begins, process {pid}" for pid in found} <= {row[0] for row in rows}


@pytest.fixture
def signals() -> Iterator[None]:
    """Leave the signals as they were."""
    import signal

    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals")
def test_a_folder_that_is_no_project_is_refused_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "setsid", lambda: None)
    assert serve([str(tmp_path)]) == 1
    assert "PROJ-01" in capsys.readouterr().err


@pytest.mark.usefixtures("signals")
def test_a_runner_of_another_machine_is_respected(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "setsid", lambda: None)
    with store.write() as db:
        db.execute("UPDATE run SET wanted = 'running', host = 'elsewhere', birth = 'boot:1'")
    assert serve([str(store.folder)]) == 1
    assert "PROJ-07" in capsys.readouterr().err


@pytest.mark.usefixtures("signals")
def test_a_runner_that_is_about_to_end_is_waited_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "setsid", lambda: None)
    monkeypatch.setattr("tomoline.queue.serving.OTHER_S", 0.1)
    monkeypatch.setattr("tomoline.queue.serving.FORMER_S", 20.0)
    former = lock_project(store)
    assert former is not None
    threading.Timer(0.5, os.close, (former,)).start()
    assert serve([str(store.folder)]) == 0
