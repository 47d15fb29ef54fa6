"""Each number of a run's present state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tomoline.queue import status as status_module
from tomoline.queue.model import BatchState, RunState
from tomoline.queue.project import Project
from tomoline.queue.resources import MACHINE
from tomoline.queue.rows import change_state
from tomoline.queue.status import Status, read_status

S = BatchState
NOW = 1_000_000.0


def add(project: Project, *names: str) -> None:
    """Add and queue data sets."""
    folder = project.folder.parent
    for name in names:
        (folder / f"{name}.mrc").touch()
    project.queue.add(project.data_sets.add([folder / f"{name}.mrc" for name in names]))


def become(project: Project, name: str, *states: BatchState, **facts: Any) -> None:
    """Take the newest batch of a data set through some states."""
    entry = project.data_sets.entry(name)
    for state in states:
        one = project.queue.latest([entry.id])[entry.id]
        change_state(project.store, one, state, "", **facts)


def took(project: Project, name: str, seconds: float, *, until: float = NOW) -> None:
    """Let a data set be finished in so many seconds."""
    become(project, name, S.RUNNING, started=until - seconds)
    become(project, name, S.FINISHED, ended=until)


def read(project: Project, runner: int | None = None) -> Status:
    return read_status(project.store, runner, NOW)


def names(batches: list[Any]) -> list[str]:
    return [one.name for one in batches]


def execute(project: Project, statement: str, *values: object) -> None:
    with project.store.write() as db:
        db.execute(statement, values)


def test_an_empty_project_has_nothing_of_all(project: Project) -> None:
    status = read(project)
    assert (status.name, status.folder) == ("night", project.folder)
    assert (status.data_sets, status.sets, status.left_s, status.last_ended) == (0, {}, None, None)
    assert status.counts == {str(state): 0 for state in BatchState}
    assert (status.wanted, status.runner, status.began) == (RunState.STOPPED, None, None)
    assert (status.watches, status.schedules, status.to_retry, status.to_resume) == (0, 0, 0, 0)


def test_a_data_set_counts_as_its_newest_batch_but_as_running_while_it_runs(
    project: Project,
) -> None:
    add(project, "again", "after", "dropped", "plain")
    become(project, "again", S.RUNNING)
    project.queue.add(project.data_sets.entries(["again"]))  # a newer one waits behind it
    become(project, "after", S.RUNNING, S.FAILED)
    project.queue.add(project.data_sets.entries(["after"]))
    become(project, "after", S.RUNNING, S.FINISHED)
    become(project, "dropped", S.RUNNING, S.FAILED)
    project.queue.add(project.data_sets.entries(["dropped"]))
    project.queue.take_out(["dropped"])
    status = read(project)
    assert status.sets == {"running": 1, "finished": 1, "failed": 1, "waiting": 1}
    assert list(status.sets) == [one for one in status.counts if one in status.sets]
    assert status.counts == {
        **{str(state): 0 for state in BatchState},
        **{"waiting": 2, "running": 1, "finished": 1, "failed": 2, "dropped": 1},
    }
    assert status.data_sets == 4
    assert (names(status.failed), status.to_retry) == (["dropped"], 1)


def test_what_is_listed_comes_in_its_order(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "MANY", 2)
    every = [f"{kind}{number}" for kind in ("run", "pause", "fail", "late") for number in (1, 2, 3)]
    add(project, *every)
    for number in (1, 2, 3):
        become(project, f"run{number}", S.RUNNING, processor=4 - number)
        become(project, f"pause{number}", S.RUNNING, S.PAUSED)
        become(project, f"fail{number}", S.RUNNING)
        become(project, f"fail{number}", S.FAILED, ended=NOW - 100 + number)
        entry = project.data_sets.entry(f"late{number}")
        execute(
            project, "UPDATE batch SET not_before = ? WHERE data_set = ?",
            NOW + 100 - number, entry.id,
        )  # fmt: skip
    execute(project, "UPDATE batch SET place = -id WHERE state = 'paused'")
    add(project, "soon")
    execute(project, "UPDATE batch SET not_before = ? WHERE state = 'finished'", NOW + 1)
    add(project, "done")
    took(project, "done", 5.0)
    execute(project, "UPDATE batch SET not_before = ? WHERE state = 'finished'", NOW + 1)
    status = read(project)
    assert names(status.running) == ["run3", "run2", "run1"]  # all of them
    assert names(status.paused) == ["pause3", "pause2"]
    assert names(status.failed) == ["fail3", "fail2"]  # the latest first
    assert names(status.later) == ["late3", "late2"]  # the next first
    assert (status.to_retry, status.to_resume) == (3, 3)
    assert status.last_ended == NOW


def test_a_time_that_has_come_is_waited_for_no_more(project: Project) -> None:
    add(project, "due")
    execute(project, "UPDATE batch SET not_before = ?", NOW)
    assert read(project).later == []


def test_the_time_left_comes_from_what_was_finished_lately(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "RECENT", 2)
    execute(project, "UPDATE run SET processors = 2, threads = 1")
    add(project, "old", "failed", "new1", "new2", "runs", "slow", "w1", "w2", "w3")
    took(project, "old", 1000.0)
    become(project, "failed", S.RUNNING, started=NOW - 3000)
    become(project, "failed", S.FAILED, ended=NOW)
    took(project, "new1", 50.0)
    took(project, "new2", 150.0)
    become(project, "runs", S.RUNNING, started=NOW - 30)
    become(project, "slow", S.RUNNING, started=NOW - 900)
    # 100 s each: 70 s are left of one, none of the other, three wait; two go side by side.
    assert read(project).left_s == (70.0 + 3 * 100.0) / 2
    for name in ("w1", "w2", "w3"):
        project.queue.take_out([name])
    become(project, "slow", S.FINISHED, ended=NOW)
    execute(project, "UPDATE batch SET started = NULL WHERE state = 'finished' AND ended = ?", NOW)
    assert read(project).left_s is None  # nobody knows how long one takes
    execute(project, "UPDATE batch SET started = ended - 100 WHERE state = 'finished'")
    assert read(project).left_s == 70.0  # one alone is not done sooner on two
    become(project, "runs", S.FINISHED)
    assert read(project).left_s is None  # nothing is left


def test_what_was_asked_for_and_what_comes_of_it_are_told(project: Project) -> None:
    execute(
        project,
        "UPDATE run SET wanted = 'paused', processors = 3, threads = 2, memory = ?, host = 'scope',"
        " began = ?",
        12 << 30,
        NOW - 60,
    )
    project.store.set_setting(MACHINE, f"64 {1000 << 30}")
    status = read(project, runner=4711)
    assert (status.wanted, status.runner, status.host) == (RunState.PAUSED, 4711, "scope")
    assert (status.began, status.time) == (NOW - 60, NOW)
    assert (status.processors, status.threads, status.memory_bytes) == (3, 2, 12 << 30)
    assert (status.plan.processors, status.plan.threads) == (3, 2)
    execute(project, "UPDATE run SET processors = 0, threads = 0, memory = 0")
    # The runner may be where there are more cores than here.
    assert read(project, runner=4711).plan.processors == 64
    project.store.set_setting(MACHINE, f"1 {100 << 30}")
    assert read(project, runner=4711).plan.processors == 1
    project.store.set_setting(MACHINE, f"999 {10000 << 30}")
    assert read(project).plan.processors < 999  # of a runner that has gone


def test_what_may_bring_more_is_counted_while_it_does(project: Project, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        project.watches.add(tmp_path / name, "tilt")
        project.schedules.new(name, ["setup"], times=1, every_s=0.0)
    project.watches.stop(tmp_path / "a")
    execute(project, "UPDATE schedule SET state = 'running' WHERE name = 'a'")
    status = read(project)
    assert (status.watches, status.schedules) == (2, 1)


def test_the_tries_are_those_of_the_project(project: Project) -> None:
    from tomoline.queue.outcome import RETRIES, WAITS_S

    assert (read(project).retries, read(project).retry_waits_s) == (RETRIES, tuple(WAITS_S))


def test_the_document_is_plain(project: Project) -> None:
    document = json.loads(json.dumps(read(project).document()))
    assert document["folder"] == str(project.folder)
