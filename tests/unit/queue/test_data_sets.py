"""The table of data sets of a project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tomoline.errors import Faults, TomolineError
from tomoline.queue.model import BatchState
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "night") as one:
        yield one


def stacks(folder: Path, *names: str) -> list[Path]:
    """Make empty files, which is all that adding looks at."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return [folder / name for name in names]


def queue(project: Project, name: str, state: str = "waiting", attempt: int = 0) -> int:
    """Put a batch into the store."""
    entry = project.data_sets.entry(name)
    with project.store.write() as db:
        cursor = db.execute(
            "INSERT INTO batch (data_set, state, place, attempt, queued) VALUES (?, ?, 1, ?, 0)",
            (entry.id, state, attempt),
        )
        return int(cursor.lastrowid or 0)


def test_a_pair_becomes_one_data_set(project: Project, tmp_path: Path) -> None:
    paths = stacks(tmp_path / "raw", "TS_01b.st", "lone.mrc", "TS_01a.mrc", "TS_02a.mrc")
    entries = project.data_sets.add(paths)
    assert [one.name for one in entries] == ["TS_01", "lone", "TS_02a"]
    assert entries[0].roots == ("TS_01a", "TS_01b")
    assert entries[0].folder == tmp_path / "night" / "TS_01"
    given = [project.data_sets.given(one) for one in entries]
    dual = [one.get("setup.dual_axis") for one in given]
    assert dual == [
        [True, "from the stacks given"],
        [False, "from the stacks given"],
        [False, "from the line before"],
    ]
    assert project.data_sets.add(paths) == entries


def test_a_stack_joins_its_other_axis_until_that_was_run(project: Project, tmp_path: Path) -> None:
    a, b, c, d = stacks(tmp_path / "raw", "TSa.mrc", "TSb.mrc", "Xa.mrc", "Xb.mrc")
    first = project.data_sets.add([a, c])
    number = queue(project, "TSa")
    queue(project, "Xa", "failed", attempt=1)
    (joined,) = project.data_sets.add([b])
    assert (joined.id, joined.name, joined.source_b) == (first[0].id, "TS", b)
    waiting = batch(project.store, number)
    assert waiting is not None
    assert waiting.name == "TS"
    (apart,) = project.data_sets.add([d])
    assert apart.name == "Xb"
    assert [one.name for one in project.data_sets.entries()] == ["TS", "Xa", "Xb"]


def test_removing_drops_batches_and_refuses_what_runs(project: Project, tmp_path: Path) -> None:
    project.data_sets.add(stacks(tmp_path / "raw", "one.mrc", "two.mrc"))
    number = queue(project, "one")
    running = batch(project.store, queue(project, "two"))
    assert running is not None
    change_state(project.store, running, BatchState.RUNNING, "starts", processor=1, pid=1)
    with pytest.raises(Faults, match="a process works on it") as caught:
        project.data_sets.remove(["*"])
    assert caught.value.code == "PROJ-10"
    project.data_sets.remove(["one"])
    assert [one.name for one in project.data_sets.entries()] == ["two"]
    assert batch(project.store, number) is None
    with project.store.read() as db:
        row = db.execute("SELECT becomes FROM event WHERE batch = ?", (number,)).fetchall()
    assert [one[0] for one in row] == ["dropped"]
    with pytest.raises(TomolineError, match="Did you mean two") as unknown:
        project.data_sets.entry("tow")
    assert unknown.value.code == "PROJ-08"
