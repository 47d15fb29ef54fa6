"""Batch files for IMOD, read back by our own reader of batch files."""

import hashlib
import json

import pytest

from tomoline.errors import TomolineError
from tomoline.files import adoc
from tomoline.queue.project import Project
from tomoline.recipes import TILT
from tomoline.steps._carry_boundary import mark_of
from tomoline.surfaces import batch_files
from tomoline.surfaces.parameters import gather
from tomoline.workflow.given import Layer, merge

TABLED = {("setup", "name"), ("setup", "dataset_directory")}


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "night") as made:
        yield made


def add(project, tmp_path, *names, **options):
    folder = tmp_path / "raw data"
    folder.mkdir(exist_ok=True)
    paths = [folder / name for name in names]
    for path in paths:
        path.touch()
    return project.data_sets.add(paths, **options)


def parameters(project, entry, axis=""):
    layers = [Layer.from_json(one) for one in project.data_sets.layers.stack(entry, axis)]
    return merge(TILT.steps, layers).parameters


def read_back(path, axis=""):
    found = gather(TILT.steps, directives=[path], axis=axis)
    assert found.faults == []
    return found


def differences(found, wanted):
    """Return the parameters that are not as wanted; those that the table tells are left out."""
    return {
        (step, name): (getattr(found[step], name), getattr(wanted[step], name))
        for step in wanted
        for name in type(wanted[step]).model_fields
        if (step, name) not in TABLED and getattr(found[step], name) != getattr(wanted[step], name)
    }


def test_all_layers_together_are_read_back(project, tmp_path):
    project.layers.put("scope template", {"setup.voltage_kv": (300.0, "x")}, file="f")
    project.layers.put("user template", {"track.rounds": (4, "x")}, file="f")
    project.layers.update({"track.rounds": (3, "x"), "reconstruct.log_base": (0.0, "x")})
    own = {
        "setup.gold_diameter_nm": (10.0, "x"),
        "setup.exclude_views": ([1, 4, 5, 6], "x"),
        "find_fiducials.two_surfaces": (True, "x"),
        "find_fiducials.boundary_model": ("/raw/TS bound.mod", "x"),
        "reconstruct.radial_per_px": ([0.3, 0.04], "x"),
        "trim.reorient": ("flip", "x"),
    }
    [entry] = add(project, tmp_path, "TS.st", values=own)
    [written] = batch_files.export(project)
    assert (written.root, written.stacks) == ("TS", tmp_path / "raw data")
    assert written.path == project.folder / "directives" / "TS.adoc"
    assert written.notices == ()
    found = read_back(written.path)
    assert (found.root, found.folder) == ("TS", tmp_path / "raw data")
    method = ("find_fiducials", "method")
    assert differences(found.parameters, parameters(project, entry)) == {method: ("beads", "auto")}
    assert found.notices == []


def test_imod_is_told_what_tomoline_does_by_itself(project, tmp_path):
    add(project, tmp_path, "TS.st")
    [written] = batch_files.export(project, folder=tmp_path / "out")
    lines = {one.key: one.value for one in adoc.read(written.path).entries}
    assert lines["setupset.scanHeader"] == "1"
    assert lines["setupset.copyarg.gold"] == "0"
    assert lines["runtime.Fiducials.any.trackingMethod"] == "1"  # no gold is told
    assert lines["runtime.Fiducials.any.seedingMethod"] == "1"
    assert lines["comparam.align.tiltalign.RobustFitting"] == "1"
    assert lines["comparam.align.tiltalign.KFactorScaling"] == "1.6"
    assert "comparam.eraser.ccderaser.PeakCriterion" not in lines  # IMOD's default is ours
    assert "" not in lines.values()


def test_two_axes_stand_in_one_file(project, tmp_path):
    values = {
        "setup.tilt_axis_deg": (12.0, "x"),
        "setup.exclude_views": ([1, 2], "x"),
        "setup.gold_diameter_nm": (10.0, "x"),
        "track.rounds": (3, "x"),
        "reconstruct.thickness_px": (300, "x"),
        "find_fiducials.boundary_model": ("/raw/TSa.mod", "x"),
        "align.robust": (False, "x"),
    }
    [entry] = add(project, tmp_path, "TSa.mrc", "TSb.mrc", values=values)
    of_b = {
        "setup.tilt_axis_deg": (-78.0, "x"),
        "setup.exclude_views": ([7], "x"),
        "setup.gold_diameter_nm": (10.0, "x"),
        "reconstruct.thickness_px": (310, "x"),
        "align.robust": (True, "x"),
    }
    project.data_sets.set([entry.name], of_b, axis="b")
    [written] = batch_files.export(project, ["TS"])
    assert [path.name for path in written.path.parent.iterdir()] == ["TS.adoc"]
    lines = {one.key: one.value for one in adoc.read(written.path).entries}
    assert (lines["setupset.copyarg.name"], lines["setupset.copyarg.dual"]) == ("TS", "1")
    assert lines["setupset.copyarg.brotation"] == "-78"
    assert lines["comparam.tiltb.tilt.THICKNESS"] == "310"
    assert "comparam.trackb.beadtrack.RoundsOfTracking" not in lines
    for axis in ("a", "b"):
        found = read_back(written.path, axis)
        other = differences(found.parameters, parameters(project, entry, axis))
        assert other.pop(("find_fiducials", "method")) == ("beads", "auto")
        # Without a word about axis b, IMOD carries the boundary of axis a over, too.
        assert set(other) == ({("find_fiducials", "boundary_model")} if axis == "b" else set())
    assert "runtime.SeedFinding.b.rawBoundaryModel" not in lines


def test_a_boundary_that_is_found_by_itself_is_told_imod(project, tmp_path):
    pair, lone = add(project, tmp_path, "TSa.mrc", "TSb.mrc", "lone.st")
    drawn = {name: pair.source.with_name(f"{name}_rawbound.mod") for name in ("TSa", "lone")}
    for path in drawn.values():
        path.write_bytes(b"model")
    lone.folder.mkdir()
    nearer = lone.folder / "lone_rawbound.mod"
    nearer.write_bytes(b"drawn again, beside the results")
    pair.folder.mkdir()
    carried = pair.folder / "TSb_rawbound.mod"
    carried.write_bytes(b"carried over")
    mark = {"sha256": hashlib.sha256(carried.read_bytes()).hexdigest()}
    mark_of(carried).write_text(json.dumps(mark))
    seeds = "runtime.SeedFinding.{}.rawBoundaryModel"

    def told(entry):
        [written] = batch_files.export(project, [entry.name])
        lines = {one.key: one.value for one in adoc.read(written.path).entries}
        return lines.get(seeds.format("any")), lines.get(seeds.format("b"))

    assert told(lone) == (str(nearer), None)
    assert told(pair) == (str(drawn["TSa"]), None)
    carried.write_bytes(b"changed by hand")
    assert told(pair) == (str(drawn["TSa"]), str(carried))


def test_what_is_missing_is_told_and_stands_in_the_file(project, tmp_path):
    project.layers.update({"slices.pad": (2, "x")})
    values = {"setup.delivery": ("link", "x"), "position.method": ("density", "x")}
    add(project, tmp_path, "TS.st", values=values)
    [written] = batch_files.export(project)
    told = [notice.found for notice in written.notices]
    assert {notice.code for notice in written.notices} == {"PROJ-16"}
    text = written.path.read_text()
    for name in ("setup.delivery", "position.method", "slices.pad"):
        assert sum(name in one for one in told) == 1
        assert f"# Not in here: {name}" in text


def test_imod_finds_a_stack_by_its_own_name(project, tmp_path):
    add(project, tmp_path, "TS.st", name="cell 7")
    [written] = batch_files.export(project)
    assert (written.path.name, written.root) == ("cell 7.adoc", "TS")
    assert "IMOD names a data set after its stack" in written.notices[0].found


def test_scans_have_no_directives(project, tmp_path):
    add(project, tmp_path, "TS.st", "scan.h5")
    assert [file.root for file in batch_files.export(project)] == ["TS"]
    with pytest.raises(TomolineError) as caught:
        batch_files.export(project, ["scan"])
    assert caught.value.code == "PARAM-06"
    with pytest.raises(TomolineError) as caught:
        batch_files.export(project, ["TX"])
    assert caught.value.code == "PROJ-08"


def test_a_folder_that_cannot_be_written_is_named(project, tmp_path):
    add(project, tmp_path, "TS.st")
    (tmp_path / "file").touch()
    with pytest.raises(TomolineError) as caught:
        batch_files.export(project, folder=tmp_path / "file")
    assert caught.value.code.startswith("FILE-")
