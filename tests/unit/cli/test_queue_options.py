"""Options of ``tomoline queue add`` that change the order, and what it and ``values`` warn of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tomoline.cli.main import app
from tomoline.errors import TomolineError
from tomoline.queue.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Two tilt series and two scans, by turns."""
    paths = [tmp_path / name for name in ("TS_1.mrc", "scan_1.h5", "TS_2.mrc", "scan_2.h5")]
    for path in paths:
        path.touch()
    with Project.create(tmp_path / "night") as one:
        one.data_sets.add(paths)
        yield one


def call(project: Project, *arguments: str) -> None:
    app([*arguments, "-p", str(project.folder)], standalone_mode=False)


def names(project: Project) -> list[str]:
    return [one.name for one in project.queue.batches()]


def test_on_top_they_keep_their_order_within_a_recipe(project: Project) -> None:
    call(project, "queue", "add", "TS_2")
    call(project, "queue", "add", "TS_1", "--top")
    assert names(project) == ["TS_1", "TS_2"]
    parts = names_of_recipes(project, "scan_1", "scan_2", "TS_1")
    call(project, "queue", "add", "scan_1", "scan_2", "TS_1", "--top")
    assert names(project) == [*parts, "TS_2"]


def names_of_recipes(project: Project, *chosen: str) -> list[str]:
    """Return data sets as they are queued at the end: one recipe after the other."""
    with Project.open(project.folder) as other:
        call(other, "queue", "remove", "*")
        call(other, "queue", "add", *chosen)
        order = names(other)
        call(other, "queue", "remove", "*")
        call(other, "queue", "add", "TS_2")
    return order


def test_a_set_without_its_second_axis_is_not_queued(project: Project) -> None:
    values = {"setup.dual_axis": (True, "by hand")}
    project.data_sets.set(["TS_1"], values)
    with pytest.raises(TomolineError) as caught:
        call(project, "queue", "add", "TS_*")
    assert caught.value.code == "PROJ-11"
    assert names(project) == []


def test_records_that_cannot_be_read_are_warned_of(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = project.data_sets.entry("TS_1")
    entry.folder.mkdir()
    (entry.folder / "TS_1.tomoline.json").write_text("{", encoding="utf-8")
    call(project, "values")
    assert "warning RUN-04" in capsys.readouterr().err
