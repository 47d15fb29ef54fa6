"""A real runner with real processes: what it makes, and what its death costs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import content, copy_series, succeed
from waiting import wait_for

from tomoline.queue.launch import ensure_runner, runner_process
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.process import birth_of, is_alive
from tomoline.queue.project import Project

S = BatchState
GOLD = {"setup.gold_diameter_nm": (10.0, "the test")}
PATIENCE_S = 120.0
START = """
import sys
from pathlib import Path
from tomoline.queue.launch import ensure_runner
from tomoline.queue.store import Store

with Store.open(Path(sys.argv[1])) as store:
    print(ensure_runner(store))
"""


@pytest.fixture(scope="module")
def alone(small_series: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the results of one series, run alone."""
    stack = copy_series(small_series, tmp_path_factory.mktemp("alone"))
    succeed("run", stack, "--set", "setup.gold_diameter_nm=10")
    return content(stack.parent / stack.stem)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    made = Project.create(tmp_path / "night")
    made.layers.update(GOLD)
    yield made
    with made.store.write() as db:
        db.execute("UPDATE run SET wanted = 'stopped'")
    wait_for(lambda: runner_process(made.store) is None)
    made.close()


def run(project: Project, processors: int = 2) -> int:
    """Want the run, and return the runner's pid."""
    with project.store.write() as db:
        db.execute("UPDATE run SET wanted = 'running', processors = ?", (processors,))
    return ensure_runner(project.store)


def batches(project: Project) -> dict[str, Batch]:
    """Return the batches by name of the data set."""
    return {one.name: one for one in project.queue.batches()}


def series(stack: Path, folder: Path, *names: str) -> list[Path]:
    """Copy a series under other names, each with the same content."""
    made = []
    for name in names:
        raw = folder / f"{name}_raw"
        raw.mkdir()
        for path in stack.parent.glob(f"{stack.stem}*"):
            if path.is_file():
                target = raw / path.name.replace(stack.stem, name, 1)
                shutil.copy(path, target)
        made.append(raw / stack.name.replace(stack.stem, name, 1))
    return made


def keep_busy(project: Project, folder: Path) -> None:
    """Have a folder watched in which nothing comes, so that the runner stays."""
    (folder / "empty").mkdir()
    with project.store.write() as db:
        db.execute(
            "INSERT INTO watch (folder, recipe, began, settings) VALUES (?, 'tilt', 0, '{}')",
            (str(folder / "empty"),),
        )


def renamed(digests: dict[str, str], old: str, new: str) -> set[str]:
    """Return the names of results of one data set as another has them."""
    return {name.replace(old, new, 1) for name in digests}


@pytest.mark.slow
def test_good_ones_finish_as_run_alone_and_a_bad_one_says_why(
    project: Project, small_series: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    stack = copy_series(small_series, tmp_path / "a")
    (bad,) = series(small_series, tmp_path, "bad")
    os.truncate(bad, bad.stat().st_size // 2)
    (other,) = series(small_series, tmp_path, "other")
    project.queue.add(project.data_sets.add([bad, stack, other]))
    run(project)
    wait_for(lambda: runner_process(project.store) is None)
    found = batches(project)
    assert found["small"].state is S.FINISHED
    assert found["other"].state is S.FINISHED
    assert found["bad"].state is S.FAILED
    assert found["bad"].code == "FILE-03"
    assert found["bad"].remedy
    assert content(project.folder / "small") == alone
    assert set(content(project.folder / "other")) == renamed(alone, "small", "other")
    log = (project.folder / "tomoline.log").read_text()
    assert "all done: 2 finished, 1 failed" in log
    assert list((project.store.work / "jobs").iterdir()) == []
    assert (project.store.work / "runner.log").read_text() == ""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_runner_is_followed_by_one_that_finds_the_processes(
    project: Project,
    small_series: Path,
    alone: dict[str, str],
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    stack = copy_series(small_series, tmp_path / "a")
    project.queue.add(project.data_sets.add([stack]))
    runner = run(project)
    wait_for(lambda: batches(project)["small"].step != "")
    worker = batches(project)["small"]
    os.kill(runner, number)
    wait_for(lambda: runner_process(project.store) is None)
    assert is_alive(worker.pid, worker.birth)
    assert ensure_runner(project.store) != runner
    wait_for(lambda: batches(project)["small"].state is S.FINISHED)
    assert batches(project)["small"].attempt == 1  # the same process has finished it
    assert content(project.folder / "small") == alone
    steps = project.log.events(kind="step", data_set="small")
    ends = [one.step for one in steps if one.message.startswith("finished")]
    assert len(ends) == len(set(ends))


@pytest.mark.slow
def test_killed_processes_are_tried_again_and_end_with_the_same_bytes(
    project: Project, small_series: Path, alone: dict[str, str], tmp_path: Path
) -> None:
    stack = copy_series(small_series, tmp_path / "a")
    project.queue.add(project.data_sets.add([stack]))
    runner = run(project)
    wait_for(lambda: batches(project)["small"].step not in ("", "setup"))
    worker = batches(project)["small"]
    birth = birth_of(runner)
    os.kill(runner, signal.SIGKILL)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    wait_for(lambda: not is_alive(worker.pid, worker.birth) and not is_alive(runner, birth))
    ensure_runner(project.store)
    wait_for(lambda: batches(project)["small"].state is S.FINISHED)
    assert batches(project)["small"].attempt == 2
    assert batches(project)["small"].retries == 0
    assert content(project.folder / "small") == alone


@pytest.mark.slow
def test_what_is_killed_is_gone_in_two_seconds(
    project: Project, small_series: Path, tmp_path: Path
) -> None:
    project.queue.add(project.data_sets.add(series(small_series, tmp_path, "one", "two")))
    run(project)
    wait_for(lambda: all(one.step != "" for one in batches(project).values()))
    running = list(batches(project).values())
    began = time.monotonic()
    with project.store.write() as db:
        db.execute("UPDATE run SET wanted = 'stopped'")
    wait_for(lambda: not any(is_alive(one.pid, one.birth) for one in running))
    assert time.monotonic() - began < 2.0
    wait_for(lambda: runner_process(project.store) is None)
    assert {one.state for one in batches(project).values()} == {S.KILLED}


def test_a_second_runner_is_refused(project: Project, tmp_path: Path) -> None:
    keep_busy(project, tmp_path)
    runner = ensure_runner(project.store)
    second = subprocess.run(
        [sys.executable, "-m", "tomoline.queue.runner", str(project.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "QUEUE-01" in second.stderr
    assert "Traceback" not in second.stderr
    assert ensure_runner(project.store) == runner
    with project.store.write() as db:
        db.execute("DELETE FROM watch")


def test_a_runner_whose_store_is_deleted_ends_and_says_so(tmp_path: Path) -> None:
    with Project.create(tmp_path / "night") as project:
        keep_busy(project, tmp_path)
        runner = ensure_runner(project.store)
        birth = birth_of(runner)
        project.store.path.rename(tmp_path / "elsewhere.sqlite")
        wait_for(lambda: not is_alive(runner, birth))
        assert "PROJ-01" in (project.store.work / "runner.log").read_text()


def test_a_runner_has_no_terminal_and_no_parent_that_could_take_it_along(
    project: Project, tmp_path: Path
) -> None:
    keep_busy(project, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", START, str(project.folder)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    runner = int(done.stdout)
    assert runner == runner_process(project.store)
    assert os.getsid(runner) == runner
    assert os.readlink(f"/proc/{runner}/fd/0") == "/dev/null"
    assert os.readlink(f"/proc/{runner}/cwd") == "/"
    os.kill(runner, signal.SIGHUP)
    time.sleep(0.3)
    assert runner_process(project.store) == runner
    with project.store.write() as db:
        db.execute("DELETE FROM watch")
