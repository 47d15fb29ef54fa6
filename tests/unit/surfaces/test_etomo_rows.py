"""Rows of Etomo's table that look like something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tomoline.files import ebt
from tomoline.queue.project import Project
from tomoline.surfaces import etomo_import
from tomoline.surfaces.templates import TemplatePlaces


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "project") as made:
        yield made


def take_over(project: Project, folder: Path, rows: Mapping[str, str]) -> list[str]:
    """Import rows, each with its facts; return the names of the data sets."""
    lines = ["meta.RootName=night"]
    for number, (stack, facts) in enumerate(rows.items(), 1):
        (folder / stack).touch()
        lines += [
            f"meta.ref.ebt{number}={folder / stack}",
            f"meta.row.ebt{number}.RowNumber={number}",
        ]
        lines += [f"meta.row.ebt{number}.{fact}" for fact in facts.split()]
    path = folder / "night.ebt"
    path.write_text("\n".join(lines), encoding="utf-8")
    planned = etomo_import.plan(path, places=TemplatePlaces())
    return [entry.name for entry in etomo_import.apply(project, planned)]


def test_two_stacks_that_are_no_axes_of_one_specimen_stay_two(
    project: Project, tmp_path: Path
) -> None:
    rows = {"Xa.mrc": "dual=false", "Xb.mrc": "dual=false"}
    assert take_over(project, tmp_path, rows) == ["Xa", "Xb"]


def test_views_that_the_batch_file_leaves_out_of_axis_b_hold(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "Xb.mrc").touch()
    (tmp_path / "night_X.adoc").write_text("setupset.copyarg.bskip = 9\n", encoding="utf-8")
    assert take_over(project, tmp_path, {"Xa.mrc": "dual=true bskip=3,4"}) == ["X"]
    given = project.data_sets.given(project.data_sets.entry("X"), "b")
    assert given["setup.exclude_views"][0] == [9]


def test_a_row_whose_number_is_empty_has_been_taken_out(tmp_path: Path) -> None:
    (tmp_path / "X.mrc").touch()
    path = tmp_path / "night.ebt"
    lines = [f"meta.ref.ebt1={tmp_path}/X.mrc", "meta.row.ebt1.RowNumber="]
    path.write_text("\n".join(lines), encoding="utf-8")
    batch = ebt.read(path)
    assert (batch.rows, batch.removed) == ((), (f"{tmp_path}/X.mrc",))
