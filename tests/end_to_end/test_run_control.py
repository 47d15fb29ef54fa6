"""Run control with real processes: pause, kill, resume, reset, and a runner that is killed."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import waiting
from command import COMMAND, content, succeed, tomoline
from processes import in_another_namespace

from tomoline.queue.model import Batch, BatchState
from tomoline.queue.process import group_of
from tomoline.queue.project import Project
from tomoline.queue.status import Status

S = BatchState
GOLD = "setup.gold_diameter_nm=10"
PATIENCE_S = 60.0


def copy_as(stack: Path, folder: Path, root: str) -> Path:
    """Copy a stack and what lies beside it under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in stack.parent.glob(f"{stack.stem}*"):
        shutil.copy(path, folder / path.name.replace(stack.stem, root, 1))
    return folder / f"{root}{stack.suffix}"


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, small_series: Path) -> dict[str, str]:
    """Digests of the results of the series TS_1, run alone."""
    folder = tmp_path_factory.mktemp("alone")
    stack = copy_as(small_series, folder / "raw", "TS_1")
    succeed("run", stack, "--deliver", folder / "results", "--set", GOLD)
    return content(folder / "results" / "TS_1")


@pytest.fixture
def folder(tmp_path: Path, small_series: Path) -> Iterator[Path]:
    """A project with the series TS_1; what runs of it at the end is ended."""
    folder = tmp_path / "night"
    stack = copy_as(small_series, tmp_path / "raw", "TS_1")
    with Project.create(folder) as project:
        project.layers.update({GOLD.partition("=")[0]: (10.0, "here")})
        project.data_sets.add([stack])
    yield folder
    with Project.open(folder) as project:
        project.control.kill()


def status_of(folder: Path) -> Status:
    with Project.open(folder) as project:
        return project.control.status()


def wait_for(folder: Path, condition: Callable[[Status], bool]) -> Status:
    """Look at a project until something is so."""
    return waiting.wait_for(lambda: status_of(folder), condition, patience_s=PATIENCE_S)


def wait_for_step(folder: Path, step: str) -> Batch:
    """Wait until the one batch that runs is at a step."""
    found = wait_for(folder, lambda status: any(one.step == step for one in status.running))
    return found.running[0]


@contextmanager
def held_at_step(folder: Path, step: str) -> Iterator[Batch]:
    """Stop the process of the one batch that runs while it is at a step, so that it stays there."""
    one = wait_for_step(folder, step)
    assert one.pid is not None
    os.killpg(one.pid, signal.SIGSTOP)
    try:
        yield one
    finally:
        with suppress(ProcessLookupError):
            os.killpg(one.pid, signal.SIGCONT)


def states(folder: Path, root: str = "TS_1") -> dict[str, str]:
    """Return the states of the steps in a record."""
    record = json.loads((folder / root / f"{root}.tomoline.json").read_text())
    return {step["name"]: step["state"] for step in record["steps"]}


def test_pause_at_a_step_then_kill_then_resume(folder: Path, alone: dict[str, str]) -> None:
    succeed("run", folder, "--detach", "--processors", "1")
    with held_at_step(folder, "coarse_align"):
        told = succeed("pause", "--at-step", "-p", folder)
    assert "TS_1 (coarse_align)" in told.stderr
    status = wait_for(folder, lambda status: not status.running)
    assert [one.state for one in status.paused] == [S.PAUSED]
    done = states(folder)
    assert done["coarse_align"] == "finished"
    assert "prealign" not in done

    succeed("resume", "--detach", "-p", folder)
    one = wait_for_step(folder, "find_fiducials")
    assert one.pid is not None
    assert group_of(one.pid)
    with Project.open(folder) as project:
        began = time.monotonic()
        project.control.kill()
        took = time.monotonic() - began
    assert took < 2.0
    assert group_of(one.pid) == []
    status = status_of(folder)
    assert (status.wanted, status.counts["killed"]) == ("stopped", 1)
    assert states(folder)["prealign"] == "finished"

    finished = succeed("resume", "-p", folder)
    assert "finished  TS_1" in finished.stderr
    assert content(folder / "TS_1") == alone
    text = (folder / "tomoline.log").read_text()
    assert text.count("coarse_align  finished") == 1


def test_another_container_kills_looks_and_starts_no_second_runner(folder: Path) -> None:
    """Say a web face in a container of its own, which sees the folder, but no process."""
    apart = in_another_namespace()
    succeed("run", folder, "--detach", "--processors", "1")
    with held_at_step(folder, "coarse_align") as one:
        seen = tomoline("status", "-p", folder, prefix=apart)
        assert seen.returncode == 0, seen.stderr
        assert "QUEUE-08" not in seen.stderr
        killed = tomoline("kill", "-p", folder, prefix=apart)
    assert killed.returncode == 0, killed.stderr
    assert "Killed TS_1" in killed.stderr
    assert one.pid is not None
    assert group_of(one.pid) == []
    assert status_of(folder).counts["killed"] == 1
    with Project.open(folder) as project:
        events = project.log.events(kind="run")
    assert len([event for event in events if "runner begins" in event.message]) == 1


def test_pause_after_the_data_set_then_change_and_resume(
    folder: Path, tmp_path: Path, small_series: Path
) -> None:
    with Project.open(folder) as project:
        paths = [copy_as(small_series, tmp_path / "raw", f"TS_{n}") for n in (2, 3)]
        project.data_sets.add(paths)
    succeed("run", folder, "--detach", "--processors", "1", "--until", "setup")
    wait_for(folder, lambda status: bool(status.running))
    succeed("pause", "-p", folder)
    status = wait_for(folder, lambda status: not status.running)
    assert status.counts["paused"] == 0
    assert status.counts["finished"] + status.counts["waiting"] == 3
    left = status.counts["waiting"]
    assert left > 0
    # While it is paused, sets are dropped and added, and parameters changed.
    with Project.open(folder) as project:
        project.data_sets.remove(["TS_3"])
        project.data_sets.add([copy_as(small_series, tmp_path / "raw", "TS_4")])
        project.data_sets.set(["TS_1"], {"setup.gold_diameter_nm": (12.0, "here")})
    shown = succeed("run", folder, "--dry-run", "--until", "setup").stdout
    assert "its parameters have changed" in shown
    assert "not run yet" in shown
    done = succeed("run", folder, "--until", "setup")
    assert {root: states(folder, root) for root in ("TS_1", "TS_2", "TS_4")} == {
        root: {"setup": "finished"} for root in ("TS_1", "TS_2", "TS_4")
    }
    assert not (folder / "TS_3" / "TS_3.tomoline.json").exists()
    assert "all done" in done.stderr


def test_a_runner_that_was_killed_is_told_of_and_the_run_goes_on(
    folder: Path, alone: dict[str, str]
) -> None:
    succeed("run", folder, "--detach", "--processors", "1")
    wait_for_step(folder, "coarse_align")
    runner = status_of(folder).runner
    assert runner is not None
    os.kill(runner, signal.SIGKILL)
    told = succeed("status", "-p", folder)
    assert "QUEUE-08" in told.stderr
    assert "P1 TS_1 (coarse_align)" in told.stderr
    again = succeed("status", "--follow", "-p", folder)
    assert "QUEUE-08" not in again.stderr
    status = status_of(folder)
    assert status.counts["finished"] == 1
    assert content(folder / "TS_1") == alone
    # It was found alive, so no second process began.
    with Project.open(folder) as project:
        events = [one for one in project.log.events(kind="state") if one.becomes == "running"]
    assert len(events) == 1


def test_the_run_outlives_its_terminal_and_is_looked_at_again(
    folder: Path, alone: dict[str, str]
) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(COMMAND[0], [*COMMAND, "run", str(folder)], os.environ | {"TERM": "xterm"})
    try:
        wait_for_step(folder, "coarse_align")
        seen = os.read(terminal, 1 << 16).decode(errors="replace")
    finally:
        os.close(terminal)  # the terminal is closed, and SIGHUP goes to what it ran
        _, code = os.waitpid(pid, 0)
    assert "TS_1" in seen
    assert os.WIFSIGNALED(code) or os.WEXITSTATUS(code) != 0
    looked = succeed("status", "--follow", "-p", folder)
    assert "finished  TS_1" in looked.stderr
    assert content(folder / "TS_1") == alone


def test_ctrl_c_looks_away(folder: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "run", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        wait_for_step(folder, "preprocess")  # most of it is still to come
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait() == 0
    assert "the run goes on" in said
    succeed("status", "--follow", "-p", folder)
    assert states(folder)["trim"] == "finished"


@pytest.mark.slow
def test_what_is_run_again_and_what_is_not(folder: Path, alone: dict[str, str]) -> None:
    late = tomoline("run", folder, "--from", "aligned_stack")
    assert late.returncode == 1
    assert "QUEUE-04" in late.stderr
    assert "nothing of it has been run" in late.stderr
    succeed("run", folder, "--until", "6")
    results = folder / "TS_1"
    before = {name: (results / name).read_bytes() for name in ("TS_1.xf", "TS_1.tlt")}

    # Starting past the alignment leaves it as it is, whatever its parameters say now.
    with Project.open(folder) as project:
        project.data_sets.set(["TS_1"], {"align.robust": (False, "here")})
    shown = succeed("run", folder, "--dry-run").stdout
    assert [line.split()[1:3] for line in shown.splitlines() if "have changed" in line] == [
        ["align", "run"]
    ]
    with Project.open(folder) as project:
        project.control.start(["TS_1"], first="position")
    wait_for(folder, lambda status: status.counts["finished"] == 2)
    assert {name: (results / name).read_bytes() for name in before} == before
    assert states(folder)["trim"] == "finished"

    # A reset that keeps the results runs all of it again.
    with Project.open(folder) as project:
        project.data_sets.set(["TS_1"], {}, unset=["align.robust"])
    succeed("reset", "*", "-p", folder)
    assert (results / "TS_1_rec.mrc").exists()
    shown = succeed("run", folder, "--dry-run").stdout
    assert shown.count("not run yet") == len(states(folder)) - 1  # one is switched off

    # One that removes them leaves the raw data, and is asked for twice.
    refused = tomoline("reset", "*", "--remove-results", "-p", folder)
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    succeed("reset", "TS_1", "--remove-results", "--yes", "-p", folder)
    left = {path.name for path in results.iterdir() if not path.name.startswith(".")}
    assert left == {"TS_1.mrc", "TS_1.mrc.mdoc", "TS_1.rawtlt", "TS_1.tomoline.json"}
    succeed("run", folder)
    assert content(results) == alone


def test_a_failed_data_set_is_told_with_its_remedy(folder: Path, tmp_path: Path) -> None:
    bad = tmp_path / "raw" / "bad.mrc"
    bad.write_bytes(b"not an image")
    with Project.open(folder) as project:
        project.data_sets.add([bad])
    done = tomoline("run", folder, "--until", "setup")
    assert done.returncode == 1
    assert "failed    bad  FILE-" in done.stderr
    assert "remedy:" in done.stderr
    assert "finished  TS_1" in done.stderr
    assert "1 finished, 1 failed" in done.stderr
    document = json.loads(succeed("status", "--json", "-p", folder).stdout)
    assert document["counts"]["failed"] == 1
    assert document["failed"][0]["code"].startswith("FILE-")


def test_options_of_single_acquisitions_are_refused(folder: Path) -> None:
    for option, value in (("--set", GOLD), ("--deliver", "x"), ("--recipe", "tilt")):
        refused = tomoline("run", folder, option, value)
        assert refused.returncode == 1
        assert f"PARAM-06: {option}" in refused.stderr
        assert "tomoline project" in refused.stderr


def test_results_are_not_removed_unless_somebody_says_yes(folder: Path) -> None:
    command = [*COMMAND, "reset", "*", "--remove-results", "-p", str(folder)]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    os.write(terminal, b"n\n")
    _, code = os.waitpid(pid, 0)
    said = os.read(terminal, 1 << 16).decode(errors="replace")
    os.close(terminal)
    assert "Delete the results of 1 data set " in said
    assert os.WEXITSTATUS(code) == 1
    with Project.open(folder) as project:
        assert not [one for one in project.log.events() if one.message.startswith("reset")]
