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


def take_over(
    project: Project,
    folder: Path,
    rows: Mapping[str, str],
    places: TemplatePlaces = TemplatePlaces(),  # noqa: B008
) -> list[str]:
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
    planned = etomo_import.plan(path, places=places)
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


def test_a_template_of_one_row_alone_holds_for_it_alone(project: Project, tmp_path: Path) -> None:
    places = TemplatePlaces(system=(tmp_path / "SystemTemplate",))
    places.system[0].mkdir()
    for name, criterion in (("all", 8), ("one", 9)):
        text = f"comparam.eraser.ccderaser.PeakCriterion={criterion}\n"
        (places.system[0] / f"{name}.adoc").write_text(text, encoding="utf-8")
    (tmp_path / "night.adoc").write_text("setupset.systemTemplate=all.adoc\n", encoding="utf-8")
    (tmp_path / "night_X.adoc").write_text("setupset.systemTemplate=one.adoc\n", encoding="utf-8")
    (tmp_path / "night_Y.adoc").write_text("setupset.systemTemplate=all.adoc\n", encoding="utf-8")
    take_over(project, tmp_path, {"X.mrc": "", "Y.mrc": ""}, places)
    given = {one.name: project.data_sets.given(one) for one in project.data_sets.entries()}
    key = "preprocess.peak_criterion_sd"
    assert given["X"][key][0] == 9.0
    assert key not in given["Y"]
    assert project.layers.get("system template")[key][0] == 8.0


def test_the_batch_file_stays_where_the_stack_was_before_etomo_moved_it(
    project: Project, tmp_path: Path
) -> None:
    for place in ("raw", "X", "etomo"):
        (tmp_path / place).mkdir()
    (tmp_path / "X" / "X.mrc").touch()
    text = "setupset.copyarg.gold = 7\n"
    (tmp_path / "raw" / "night_X.adoc").write_text(text, encoding="utf-8")
    path = tmp_path / "etomo" / "night.ebt"
    lines = [
        f"meta.ref.ebt1={tmp_path}/X/X.mrc",
        "meta.row.ebt1.RowNumber=1",
        f"meta.row.ebt1.OrigStack={tmp_path}/raw/X.mrc",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    (entry,) = etomo_import.apply(project, etomo_import.plan(path, places=TemplatePlaces()))
    assert project.data_sets.given(entry)["setup.gold_diameter_nm"][0] == 7.0


def test_a_new_project_has_etomos_folder_of_results_and_the_users_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "X.mrc").touch()
    defaults = tmp_path / "config" / "tomoline" / "defaults.toml"
    defaults.parent.mkdir(parents=True)
    defaults.write_text("[setup]\ngold_diameter_nm = 7\n", encoding="utf-8")
    path = tmp_path / "night.ebt"
    lines = [
        f"meta.DeliverToDirectory={tmp_path}/done",
        f"meta.ref.ebt1={tmp_path}/X.mrc",
        "meta.row.ebt1.RowNumber=1",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    planned = etomo_import.plan(path, places=TemplatePlaces())
    with etomo_import.create(tmp_path / "night", planned) as made:
        (entry,) = etomo_import.apply(made, planned)
        kept, files = made.layers.get("user defaults"), made.layers.files()
    assert entry.folder == tmp_path / "done" / "X"
    assert kept == {"setup.gold_diameter_nm": [7.0, f"{defaults}:2"]}
    assert files["user defaults"][0] == str(defaults)
