"""The layers of parameters of a project."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoline.errors import TomolineError
from tomoline.queue.layers import NAMES, Layers, as_values, digest_of, jsonable
from tomoline.queue.model import DataSetEntry
from tomoline.queue.project import Project
from tomoline.workflow.given import LayerValue

THICKNESS = "reconstruct.thickness_px"


@pytest.fixture
def pair(project: Project, tmp_path: Path) -> DataSetEntry:
    paths = [tmp_path / "TSa.mrc", tmp_path / "TSb.mrc"]
    for path in paths:
        path.touch()
    return project.data_sets.add(paths)[0]


def test_every_layer_goes_before_the_ones_below_it(project: Project, pair: DataSetEntry) -> None:
    layers = project.layers
    expected: list[tuple[str, int | None]] = [("default", None)]
    for number, name in enumerate(NAMES, start=100):
        if name == "project":
            layers.update({THICKNESS: (number, "--set")})
        else:
            layers.put(name, {THICKNESS: (number, f"{name}.adoc:3")})
        expected.append((name, number))
        said = layers.explain(pair, THICKNESS)
        assert [(one.layer, one.value) for one in said] == expected
        assert [one.holds for one in said] == [False] * (len(said) - 1) + [True]
    assert said[2].where == "scope template.adoc:3"
    project.data_sets.set(["TS"], {THICKNESS: (200, "x")})
    project.data_sets.set(["TS"], {THICKNESS: (300, "y")}, axis="b")
    assert layers.explain(pair, THICKNESS, "a")[-1].layer == "data set"
    assert layers.explain(pair, THICKNESS, "b")[-1].layer == "data set, axis b"
    assert [one["name"] for one in layers.stack(pair, "b")] == [
        *NAMES,
        "data set",
        "data set, axis b",
    ]


def test_a_layer_is_given_back_as_it_was_put(project: Project) -> None:
    values = {
        "reconstruct.use_sirt": LayerValue(True, "a:1"),
        "setup.exclude_views": LayerValue((1, 2), "b"),
    }
    project.layers.put("user template", values)
    project.layers.update({"reconstruct.use_sirt": (False, "x"), "setup.montage": (True, "y")})
    project.layers.update({}, unset=["setup.montage", "never.there"])
    with Project.open(project.folder) as again:
        assert again.layers.get("user template") == as_values(values)
        assert again.layers.get("project") == {"reconstruct.use_sirt": [False, "x"]}
        assert list(again.layers.all()) == ["user template", "project"]
    project.layers.put("user template", {})
    assert project.layers.get("user template") == {}
    with pytest.raises(ValueError, match="not in tuple"):
        project.layers.put("no such layer", {})


def test_what_belongs_to_the_views_of_axis_a_is_not_used_for_axis_b(
    project: Project, pair: DataSetEntry
) -> None:
    own = {
        "setup.exclude_views": ([1], "x"),
        "find_fiducials.boundary_model": ("/raw/a.mod", "x"),
        "reconstruct.use_sirt": (True, "x"),
    }
    project.data_sets.set(["TS"], own)
    assert set(project.layers.stack(pair, "a")[-1]["values"]) >= set(own)
    values = project.layers.stack(pair, "b")[-1]["values"]
    assert "reconstruct.use_sirt" in values
    assert not set(values) & {"setup.exclude_views", "find_fiducials.boundary_model"}


def test_what_is_shared_by_axes_b_holds_for_them_alone(
    project: Project, pair: DataSetEntry
) -> None:
    project.layers.update({THICKNESS: (300, "--set")}, axis="b")
    project.layers.update({THICKNESS: (200, "--set")})
    for axis, value, names in (("a", 200, ["project"]), ("b", 300, ["project", "project, axis b"])):
        said = project.layers.explain(pair, THICKNESS, axis)
        assert [one.layer for one in said] == ["default", *names]
        assert said[-1].value == value
    assert list(project.layers.all()) == ["project"]


def test_a_value_that_another_parameter_replaces_does_not_hold(
    project: Project, pair: DataSetEntry
) -> None:
    project.layers.put("scope template", {THICKNESS: (100, "a")})
    project.layers.update({"reconstruct.binned_thickness_px": (20, "--set")})
    said = project.layers.explain(pair, THICKNESS)
    assert [one.holds for one in said] == [False, False]
    assert "gives way to reconstruct.binned_thickness_px (project)" in said[-1].note


def test_explaining_what_the_recipe_has_not(project: Project, pair: DataSetEntry) -> None:
    for key in ("slices.rows", "reconstruct.nothing", "nothing"):
        with pytest.raises(TomolineError, match="has no parameter") as caught:
            project.layers.explain(pair, key)
        assert caught.value.code == "PARAM-03"


def test_templates_that_changed_are_told(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "scope.adoc"
    file.write_text("setupset.copyarg.gold = 10\n", encoding="utf-8")
    project.layers.put("scope template", {}, file=str(file), digest=digest_of(file))
    layers = Layers(project.store)
    assert layers.changed_templates() == []
    file.write_text("setupset.copyarg.gold = 15\n", encoding="utf-8")
    assert [one.code for one in layers.changed_templates()] == ["PROJ-12"]
    file.unlink()
    assert "No such file" in layers.changed_templates()[0].found


def test_values_are_kept_as_json_holds_them() -> None:
    assert jsonable((Path("a"), frozenset({3, 1}), None)) == ["a", [1, 3], None]
