"""Templates: saved from a project, read back to the same values, listed, found."""

import pytest

from tomoline.errors import Faults, TomolineError
from tomoline.files import adoc
from tomoline.queue.project import Project
from tomoline.recipes import TILT
from tomoline.surfaces import template_files
from tomoline.surfaces.directives import resolve_files
from tomoline.surfaces.templates import TemplatePlaces

VALUES = {
    "reconstruct.thickness_px": (300, "x"),
    "reconstruct.log_base": (None, "x"),
    "reconstruct.radial_per_px": ([0.4, 0.05], "x"),
    "align.magnification": ("grouped", "x"),
    "align.robust": (False, "x"),
    "track.patch_size_px": ([680, 640], "x"),
    "setup.gold_diameter_nm": (10, "x"),
}


@pytest.fixture
def places(tmp_path):
    folders = {kind: (tmp_path / kind, tmp_path / f"{kind}2") for kind in template_files.KINDS}
    return TemplatePlaces(**folders)


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "night") as made:
        yield made


def test_what_was_saved_gives_the_same_values(project, places):
    project.layers.put("system template", {"setup.voltage_kv": (300.0, "x")}, file="f")
    project.layers.update(VALUES)
    saved = template_files.save(project, "krios", "scope", places=places)
    assert saved.path == places.scope[0] / "krios.adoc"
    assert saved.notices == ()
    found = resolve_files([], TILT.steps, templates={"scope": saved.path})
    assert (found.faults, found.notices) == ([], [])
    assert found.values == {
        "reconstruct": {
            "thickness_px": 300,
            "log_base": None,
            "radial_per_px": (0.4, 0.05),
        },
        "align": {"magnification": "grouped", "robust": False},
        "track": {"patch_size_px": (680, 640)},
        "setup": {"gold_diameter_nm": 10.0, "voltage_kv": 300.0},
    }


def test_what_cannot_stand_in_a_template_is_told(project, places):
    project.layers.update(
        {
            "setup.delivery": ("link", "x"),
            "reconstruct.back_projection_also": (True, "x"),
            "slices.algorithm": ("x", "x"),
            "track.rounds": (3, "x"),
        }
    )
    saved = template_files.save(project, "krios", "user", places=places)
    assert [name for name, _ in saved.entries] == ["comparam.track.beadtrack.RoundsOfTracking"]
    assert {notice.code for notice in saved.notices} == {"PROJ-16"}
    told = " ".join(notice.found for notice in saved.notices)
    for name in ("setup.delivery", "reconstruct.back_projection_also", "slices.algorithm"):
        assert name in told
        assert name in saved.path.read_text()
    assert len(adoc.read(saved.path).entries) == 1


def test_of_a_data_set_only_what_is_not_the_default(project, places, tmp_path):
    stack = tmp_path / "TS.mrc"
    stack.touch()
    project.layers.update({"track.rounds": (3, "x"), "align.robust": (True, "x")})
    own = {"track.rounds": (4, "x"), "setup.exclude_views": ([1], "x")}
    project.data_sets.add([stack], values=own)
    saved = template_files.save(project, "ts", "user", data_set="TS", places=places)
    assert saved.entries == (("comparam.track.beadtrack.RoundsOfTracking", "4"),)
    assert "setup.exclude_views" in saved.notices[0].found
    with pytest.raises(TomolineError) as caught:
        template_files.save(project, "x", "user", data_set="T", places=places)
    assert caught.value.code == "PROJ-08"


def test_what_axis_b_has_of_its_own_is_saved(project, places, tmp_path):
    project.layers.update({"reconstruct.thickness_px": (300, "x"), "track.rounds": (3, "x")})
    project.layers.update(
        {"reconstruct.thickness_px": (310, "x"), "setup.tilt_axis_deg": (80.0, "x")}, axis="b"
    )
    saved = template_files.save(project, "dual", "user", places=places)
    assert dict(saved.entries) == {
        "comparam.track.beadtrack.RoundsOfTracking": "3",
        "comparam.tilt.tilt.THICKNESS": "300",
        "comparam.tiltb.tilt.THICKNESS": "310",
    }
    read = {
        axis: resolve_files([], TILT.steps, templates={"user": saved.path}, axis=axis).values
        for axis in "ab"
    }
    assert read["a"]["reconstruct"] == {"thickness_px": 300}
    assert read["b"]["reconstruct"] == {"thickness_px": 310}
    [notice] = saved.notices
    assert "setupset.copyarg.brotation may stand in batch files only" in notice.found


def test_one_that_is_there_is_replaced_only_if_asked(project, places):
    first = template_files.save(project, "krios.adoc", "user", places=places)
    before = first.path.read_bytes()
    project.layers.update({"track.rounds": (3, "x")})
    with pytest.raises(TomolineError) as caught:
        template_files.save(project, "krios", "user", places=places)
    assert caught.value.code == "PROJ-15"
    assert first.path.read_bytes() == before
    assert template_files.save(project, "krios", "user", replace=True, places=places).entries
    assert first.path.read_bytes() != before


@pytest.mark.parametrize("name", ["", ".adoc", "a/b", "..", ".hidden", "a\nb"])
def test_a_name_must_be_one(project, places, name):
    with pytest.raises(TomolineError) as caught:
        template_files.save(project, name, "user", places=places)
    assert caught.value.code == "PARAM-06"


def test_parameters_that_do_not_fit_are_not_saved(project, places):
    project.layers.update({"track.rounds": (0, "project set")})
    with pytest.raises(Faults) as caught:
        template_files.save(project, "krios", "user", places=places)
    assert "track.rounds" in str(caught.value)
    assert not (places.user[0] / "krios.adoc").exists()


def test_a_place_that_cannot_be_written_is_named(project, places, tmp_path):
    (tmp_path / "user").write_text("a file")
    with pytest.raises(TomolineError) as caught:
        template_files.save(project, "krios", "user", places=places)
    assert caught.value.code.startswith("FILE-")
    assert str(tmp_path / "user") in caught.value.where


def test_listing_and_finding(places):
    for folder, names in (
        (places.system[0], "b a"),
        (places.system[1], "a"),
        (places.user[1], "a"),
        (places.scope[0], "only"),
    ):
        folder.mkdir()
        for name in names.split():
            (folder / f"{name}.adoc").touch()
    found = template_files.templates(places=places)
    assert [(one.kind, one.name, one.path.parent.name) for one in found] == [
        ("scope", "only", "scope"),
        ("system", "a", "system"),
        ("system", "a", "system2"),
        ("system", "b", "system"),
        ("user", "a", "user2"),
    ]
    assert [one.hidden_by for one in found].count(places.system[0] / "a.adoc") == 1
    assert [one.name for one in template_files.templates("user", places)] == ["a"]
    assert template_files.find("a", places=places) == ("user", places.user[1] / "a.adoc")
    assert template_files.find("a", "system", places)[1] == places.system[0] / "a.adoc"
    assert template_files.find("only.adoc", places=places)[0] == "scope"
    with pytest.raises(TomolineError) as caught:
        template_files.find("onyl", places=places)
    assert caught.value.code == "FILE-01"
    assert "only" in caught.value.found


def test_kinds_are_checked(project, places):
    for call in (
        lambda: template_files.templates("site", places),
        lambda: template_files.find("a", "site", places),
        lambda: template_files.save(project, "a", "site", places=places),
    ):
        with pytest.raises(TomolineError) as caught:
            call()
        assert caught.value.code == "PARAM-06"
