"""Schedules, mail and the command hook with a real runner, real batches and a real server."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_server import MailServer, free_port
from tests.helpers.command import succeed
from waiting import wait_for

from tomoline.queue.launch import runner_process
from tomoline.queue.project import Project

PATIENCE_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A project; a runner that is left at the end is ended."""
    folder = tmp_path / "night"
    succeed("project", "new", folder)
    yield folder
    with Project.open(folder) as project:
        project.control.kill()
    runner = runner_of(folder)
    if runner is not None:
        os.kill(runner, signal.SIGTERM)


def write_settings(path: Path, port: int) -> Path:
    """Write settings, and return the file to which their hook appends a line for each event."""
    seen = path.with_name("seen")
    hook = path.with_name("hook.py")
    hook.write_text(f"import sys\nopen({str(seen)!r}, 'a').write(sys.stdin.read())\n")
    path.write_text(
        f'[mail]\nserver = "localhost"\nport = {port}\ntls = "none"\n'
        'sender = "em@example.org"\nto = ["ann@example.org"]\n'
        f"[hook]\ncommand = \"'{sys.executable}' '{hook}'\"\n"
        'on = ["finished", "failed", "done"]\n'
    )
    return seen


def runner_of(folder: Path) -> int | None:
    with Project.open(folder) as project:
        return runner_process(project.store)


def schedule_of(folder: Path) -> tuple[str, int]:
    """Return the state of the one schedule, and how many of its batches are in the queue."""
    with Project.open(folder) as project:
        [one] = project.schedules.all()
        return one.state, project.schedules.live(one)


def copy_as(stack: Path, folder: Path, root: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for path in stack.parent.glob(f"{stack.stem}*"):
        shutil.copy(path, folder / path.name.replace(stack.stem, root, 1))
    return folder / f"{root}{stack.suffix}"


def test_a_schedule_runs_its_rounds_and_people_hear_of_it(
    tmp_path: Path, folder: Path, small_series: Path, settings: Path, server: MailServer
) -> None:
    seen = write_settings(settings, server.port)
    steps = "setup,preprocess,coarse_align,values"
    made = succeed(
        *("schedule", "new", "early", "-p", folder, "--steps", steps, "--times", "2"),
        *("--every", "0.02"),
    )
    assert "2 rounds, at least 0.02 minutes apart" in made.stdout
    good = copy_as(small_series, tmp_path / "raw", "Zähler 1")
    bad = copy_as(small_series, tmp_path / "raw", "TS_2")
    os.truncate(bad, bad.stat().st_size // 2)
    succeed("project", "add", good, bad, "-p", folder)
    succeed("schedule", "start", "early", "-p", folder)

    # The runner is killed in the middle of the first round; the next command takes it up.
    wait_for(lambda: schedule_of(folder)[1] != 0)
    first = runner_of(folder)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: runner_of(folder) != first)
    told = succeed("schedule", "status", "-p", folder)
    assert "early  running" in told.stdout
    wait_for(lambda: runner_of(folder) not in (None, first))
    wait_for(lambda: schedule_of(folder)[0] == "finished")
    wait_for(lambda: runner_of(folder) is None)

    rows = list(csv.DictReader((folder / "values.csv").read_text().splitlines()))
    measured = {row["data_set"]: row["coarse_align.seconds"] for row in rows}
    assert float(measured["Zähler 1"]) > 0
    assert not measured["TS_2"]
    log = succeed("log", "-p", folder, "--kind", "schedule").stdout
    assert log.count("round 1 of 2: 2 queued") == 1
    assert "round 1 of 2 has ended: 1 finished, 1 failed" in log
    assert "round 2 of 2: 0 queued; 1 failed before" in log
    assert "early: has run its 2 rounds" in log

    assert server.subjects == ["tomoline: night done: 1 finished, 1 failed"]
    text = server.messages[0].get_content()
    assert "TS_2 failed in step setup" in text
    assert "remedy: " in text
    facts = [json.loads(line) for line in seen.read_text().splitlines()]
    assert sorted((one["event"], one.get("data_set", "")) for one in facts) == [
        ("done", ""),
        ("failed", "TS_2"),
        ("finished", "Zähler 1"),
    ]


def test_a_dead_mail_server_does_not_hold_up_a_run(
    tmp_path: Path, folder: Path, small_series: Path, settings: Path
) -> None:
    write_settings(settings, free_port())
    succeed("project", "add", copy_as(small_series, tmp_path / "raw", "TS_1"), "-p", folder)
    succeed("run", folder, "--until", "setup")
    wait_for(lambda: "MAIL-02" in succeed("log", "-p", folder).stdout)
    with Project.open(folder) as project:
        assert project.control.status().wanted == "stopped"
    assert runner_of(folder) is not None  # it tries again in a minute


def test_batchruntomo_sends_its_messages(
    tmp_path: Path, small_series: Path, settings: Path, server: MailServer
) -> None:
    stack = copy_as(small_series, tmp_path / "raw", "TS_1")
    arguments = ["batchruntomo", "-root", "TS_1", "-current", stack.parent, "-end", "0"]
    arguments += ["-email", "ann@example.org"]
    succeed(*arguments, "-SMTP", f"localhost:{server.port}")
    assert server.subjects == ["tomoline: 1 of 1 data sets finished"]
    write_settings(settings, server.port)
    succeed(*arguments[:-1], "bob@example.org")
    assert server.receivers[1:] == [["bob@example.org"]]
    unsent = succeed(*arguments, "-SMTP", f"localhost:{free_port()}")
    assert "warning MAIL-02" in unsent.stderr
