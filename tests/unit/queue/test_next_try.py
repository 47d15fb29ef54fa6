"""Who waits for the next try after a failure, and whom a command hurries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tomoline.queue.project import Project

LATER = 4e9


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Three data sets that wait for their third try."""
    paths = [tmp_path / f"TS_{number}.mrc" for number in range(3)]
    for path in paths:
        path.touch()
    with Project.create(tmp_path / "night") as one:
        one.queue.add(one.data_sets.add(paths))
        with one.store.write() as db:
            db.execute("UPDATE batch SET not_before = ?, retries = 2", (LATER,))
        yield one


def waits(project: Project) -> dict[str, tuple[float, int]]:
    return {one.name: (one.not_before, one.retries) for one in project.queue.batches()}


def test_a_retry_hurries_those_that_are_named_and_counts_anew(project: Project) -> None:
    assert [one.name for one in project.queue.retry(["TS_1"])] == ["TS_1"]
    assert waits(project) == {"TS_0": (LATER, 2), "TS_1": (0.0, 0), "TS_2": (LATER, 2)}
    project.queue.retry()
    assert set(waits(project).values()) == {(0.0, 0)}


def test_to_be_next_is_to_be_next_and_any_other_place_is_a_place(project: Project) -> None:
    project.queue.move(["TS_0"], 2)
    assert list(waits(project)) == ["TS_1", "TS_0", "TS_2"]
    assert {one[0] for one in waits(project).values()} == {LATER}
    project.queue.top(["TS_2"])
    assert {name for name, one in waits(project).items() if one[0] == 0.0} == {"TS_2"}
