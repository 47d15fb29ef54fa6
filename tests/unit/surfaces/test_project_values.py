"""What a project keeps of files and options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tomoline.errors import Faults, TomolineError
from tomoline.queue.project import Project
from tomoline.surfaces import project_values as values
from tomoline.surfaces.parameter_names import key_of
from tomoline.surfaces.templates import TemplatePlaces
from tomoline.workflow.given import LayerValue

THICKNESS = "reconstruct.thickness_px"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    for name in ("one.mrc", "two.mrc", "scan.h5"):
        (tmp_path / name).touch()
    with Project.create(tmp_path / "night") as made:
        made.data_sets.add([tmp_path / name for name in ("one.mrc", "two.mrc", "scan.h5")])
        yield made


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_batch_file_is_taken_apart_into_the_layers_of_its_templates(tmp_path: Path) -> None:
    places = TemplatePlaces(scope=(tmp_path / "ScopeTemplate",))
    scope = write(
        tmp_path / "ScopeTemplate" / "krios.adoc",
        "comparam.tilt.tilt.THICKNESS = 200\nsetupset.copyarg.gold = 10\n"
        "comparam.tilt.tilt.FalloffIsTrueSigma = 1\n",
    )
    batch = write(
        tmp_path / "batch.adoc",
        "setupset.scopeTemplate = krios\nsetupset.copyarg.gold =\n"
        "comparam.tilt.tilt.THICKNESS = 300\ncomparam.tilt.tilt.RADIAL = 0.3 0.05\n"
        "setupset.copyarg.name = TS\n",
    )
    found = values.read_values(directives=[batch], places=places)
    assert found.templates["scope"].file == scope
    of_scope = found.templates["scope"].values
    assert of_scope[THICKNESS] == LayerValue(200, f"{scope}:1")
    assert of_scope["setup.gold_diameter_nm"].value == 10.0
    own = {key: one.value for key, one in found.values.items()}
    # The template says that the falloff is a true sigma, and the empty directive takes gold away.
    assert own == {
        THICKNESS: 300,
        "setup.gold_diameter_nm": None,
        "reconstruct.radial_per_px": own["reconstruct.radial_per_px"],
    }
    assert own["reconstruct.radial_per_px"] == [0.3, 0.05]
    assert found.values["setup.gold_diameter_nm"].where == f"{batch}:2 (empty)"
    assert any("table tells which acquisition" in one.found for one in found.notices)


def test_options_go_before_tables_and_tables_before_directives(tmp_path: Path) -> None:
    batch = write(tmp_path / "b.adoc", "comparam.tilt.tilt.THICKNESS = 300\n")
    table = write(tmp_path / "p.toml", "[reconstruct]\nthickness_px = 310\n")
    found = values.read_values(
        ["comparam.tilt.tilt.THICKNESS=320"], directives=[batch], parameters=[table]
    )
    assert found.values[THICKNESS].value == 320
    found = values.read_values(directives=[batch], parameters=[table])
    assert found.values[THICKNESS] == LayerValue(310, f"{table}:2")


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    batch = write(tmp_path / "b.adoc", "setupset.scopeTemplate = none\nruntime.Nothing.any.x = 1\n")
    with pytest.raises(Faults) as caught:
        values.read_values(
            ["reconstruct.thickness_px=-3", "nothing.at=all", "reconstruct.use_sirt=maybe"],
            directives=[batch],
            places=TemplatePlaces(),
        )
    codes = [fault.code for fault in caught.value.faults]
    assert sorted(codes) == ["FILE-01", "PARAM-01", "PARAM-02", "PARAM-02", "PARAM-03"]


def test_files_that_are_named_get_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "here" / "x.mod", "")
    monkeypatch.chdir(tmp_path / "here")
    key = "find_fiducials.boundary_model"
    assert values.read_values([f"{key}=x.mod"]).values[key].value == str(
        tmp_path / "here" / "x.mod"
    )
    assert values.read_values([f"{key}=later.mod"]).values[key].value == "later.mod"
    table = write(tmp_path / "there" / "p.toml", '[setup]\ntilt_angles_file = "y.tlt"\n')
    write(tmp_path / "there" / "y.tlt", "")
    found = values.read_values(parameters=[table]).values["setup.tilt_angles_file"]
    assert found.value == str(tmp_path / "there" / "y.tlt")


def test_values_are_kept_only_if_they_fit_what_is_there(project: Project) -> None:
    values.set_project_values(project, values.read_values([f"{THICKNESS}=300"]))
    assert project.layers.get("project")[THICKNESS][0] == 300
    values.set_data_set_values(project, ["one"], values.read_values([f"{THICKNESS}=310"]))
    bad = values.ProjectValues({THICKNESS: LayerValue(-1, "typed")})
    for change in (
        lambda: values.set_project_values(project, bad),
        lambda: values.set_data_set_values(project, ["*o*e*"], bad),
    ):
        with pytest.raises(Faults) as caught:
            change()
        assert caught.value.code == "PARAM-02"
    entry = project.data_sets.entry("one")
    assert [one.value for one in project.layers.explain(entry, THICKNESS)] == [None, 300, 310]
    values.set_data_set_values(project, ["one"], values.ProjectValues(), unset=[THICKNESS])
    assert [one.value for one in project.layers.explain(entry, THICKNESS)] == [None, 300]


def test_one_of_two_that_exclude_each_other_can_take_the_place_of_the_other(
    project: Project,
) -> None:
    other = values.read_values(["reconstruct.binned_thickness_px=40"])
    values.set_project_values(project, values.read_values([f"{THICKNESS}=300"]))
    with pytest.raises(Faults, match="both given"):
        values.set_project_values(project, other)
    values.set_project_values(project, other, unset=[THICKNESS])
    assert list(project.layers.get("project")) == ["reconstruct.binned_thickness_px"]


def test_a_value_from_elsewhere_that_does_not_fit_is_told_once(project: Project) -> None:
    project.layers.update({THICKNESS: (-5, "by hand")})
    entry = project.data_sets.entry("one")
    with pytest.raises(Faults) as caught:
        values.merged_of(project.layers, entry)
    assert [one.code for one in caught.value.faults] == ["PARAM-02"]
    # What was wrong before does not keep others from being set.
    values.set_data_set_values(project, ["one"], values.read_values(["reconstruct.use_sirt=yes"]))


def test_steps_of_another_recipe_are_refused(project: Project) -> None:
    with pytest.raises(Faults, match="recipe scan, which scan has, does not have this step"):
        values.set_data_set_values(project, ["*"], values.read_values([f"{THICKNESS}=300"]))
    assert values.set_data_set_values(project, ["scan"], values.read_values(["axis.axis_px=100"]))


def test_the_users_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = values.defaults_path()
    assert path == tmp_path / "tomoline" / "defaults.toml"
    assert values.user_defaults(path) == {}
    write(path, "[reconstruct]\nthickness_px = 250\n")
    assert values.user_defaults(path) == {THICKNESS: LayerValue(250, f"{path}:2")}


def test_a_parameter_is_known_by_each_of_its_names() -> None:
    for name in (THICKNESS, "thickness_px", "comparam.tilt.tilt.THICKNESS"):
        assert key_of(name) == [THICKNESS]
    for name, near in (
        ("reconstruct.thicknes_px", THICKNESS),
        ("comparam.tilt.tilt.THICKNES", "THICKNESS"),
        ("threads", "no parameter threads"),
    ):
        with pytest.raises(TomolineError, match=near):
            key_of(name)
