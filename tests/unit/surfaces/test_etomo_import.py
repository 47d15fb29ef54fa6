"""Batch projects of Etomo, with their batch files and templates, become projects."""

import shutil

import pytest

from tomoline.errors import Faults, TomolineError
from tomoline.queue.project import Project
from tomoline.surfaces import batch_files, etomo_import
from tomoline.surfaces.templates import TemplatePlaces

EBT = r"""#Sun Jul 05 22:13:12 CEST 2026
meta.RootName=night
meta.Status=Open
meta.Version.Etomo.Created=5.1.12
meta.ref.ebt.lastID=ebt4
meta.ref.ebt2={raw}/TS\ 1a.mrc
meta.row.ebt2.RowNumber=2
meta.row.ebt2.dual=true
meta.row.ebt2.bskip=3,5-7
meta.row.ebt2.Run=false
meta.ref.ebt3={moved}/lone/lone.st
meta.row.ebt3.OrigStack={raw}/lone.st
meta.row.ebt3.RowNumber=1
meta.row.ebt3.dual=false
meta.row.ebt3.Run=true
"""
SHARED = """
setupset.systemTemplate = cryo.adoc
setupset.copyarg.gold = 10
comparam.track.beadtrack.RoundsOfTracking = 3
runtime.AlignedStack.any.correctCTF = 1
"""
OF_TS_1 = """
setupset.copyarg.name = TS 1
setupset.datasetDirectory = /somewhere/else
setupset.systemTemplate = cryo.adoc
setupset.copyarg.gold = 10
setupset.copyarg.montage = 0
setupset.copyarg.skip = 1-3
setupset.copyarg.rotation = 12
setupset.copyarg.brotation = 80
comparam.autofidseed.autofidseed.TwoSurfaces = 1
runtime.SeedFinding.any.rawBoundaryModel = bound.mod
comparam.track.beadtrack.RoundsOfTracking = 4
comparam.tilt.tilt.THICKNESS = 300
comparam.tiltb.tilt.THICKNESS = 310
"""


@pytest.fixture
def etomo(tmp_path):
    """A project of Etomo, and the places of its templates."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("TS 1a.mrc", "TS 1b.mrc", "lone.st", "bound.mod"):
        (raw / name).touch()
    path = tmp_path / "etomo" / "night.ebt"
    path.parent.mkdir()
    path.write_text(EBT.format(raw=raw, moved=tmp_path / "moved"))
    path.with_suffix(".adoc").write_text(SHARED)
    (raw / "night_TS 1.adoc").write_text(OF_TS_1)
    system = tmp_path / "SystemTemplate"
    system.mkdir()
    (system / "cryo.adoc").write_text("comparam.eraser.ccderaser.PeakCriterion=8.0\n")
    return path, TemplatePlaces(system=(system,))


@pytest.fixture
def project(tmp_path):
    with Project.create(tmp_path / "project") as made:
        yield made


def values(given):
    return {key: one[0] for key, one in given.items()}


def test_table_layers_and_values_are_taken_over(etomo, project, tmp_path):
    path, places = etomo
    planned = etomo_import.plan(path, places=places)
    entries = etomo_import.apply(project, planned)
    assert entries == project.data_sets.entries()
    assert [(one.name, one.run, one.dual) for one in entries] == [
        ("lone", True, False),
        ("TS 1", False, True),
    ]
    assert entries[1].source_b == tmp_path / "raw" / "TS 1b.mrc"
    layers = {name: values(given) for name, given in project.layers.all().items()}
    assert layers == {
        "system template": {"preprocess.peak_criterion_sd": 8.0},
        "project": {"setup.gold_diameter_nm": 10.0, "track.rounds": 3},
    }
    lone, both = (values(project.data_sets.given(entry)) for entry in entries)
    assert lone == {
        "setup.dual_axis": False,
        "setup.montage": False,
        "find_fiducials.two_surfaces": False,
    }
    assert both == {
        "setup.dual_axis": True,
        "setup.montage": False,
        "find_fiducials.two_surfaces": True,
        "find_fiducials.boundary_model": str(tmp_path / "raw" / "bound.mod"),
        "setup.exclude_views": [1, 2, 3],
        "setup.tilt_axis_deg": 12.0,
        "track.rounds": 4,
        "reconstruct.thickness_px": 300,
    }
    assert values(project.data_sets.given(entries[1], "b")) == {
        "setup.exclude_views": [3, 5, 6, 7],
        "setup.tilt_axis_deg": 80.0,
        "reconstruct.thickness_px": 310,
    }


def test_what_etomo_has_delivered_and_run_gets_results_elsewhere(etomo, tmp_path):
    path, places = etomo
    delivered = tmp_path / "moved" / "lone"
    delivered.mkdir(parents=True)
    for name in ("lone.st", "lone.edf", "lone_rec.mrc"):
        (delivered / name).touch()
    with path.open("a") as file:
        file.write(
            f"meta.DeliverToDirectory={delivered.parent}\nmeta.row.ebt3.Tomogram.Done=true\n"
        )
    planned = etomo_import.plan(path, places=places)
    with etomo_import.create(tmp_path / "new", planned) as project:
        lone, both = etomo_import.apply(project, planned)
        assert lone.source == delivered / "lone.st"
        assert lone.folder == tmp_path / "new" / "lone"
        assert both.folder == delivered.parent / "TS 1"


def test_values_say_where_they_stood(etomo, project):
    path, places = etomo
    _, entry = etomo_import.apply(project, etomo_import.plan(path, places=places))
    where = {key: one[1] for key, one in project.data_sets.given(entry).items()}
    assert where["reconstruct.thickness_px"].endswith("night_TS 1.adoc:13")
    where_b = project.data_sets.given(entry, "b")["setup.exclude_views"][1]
    assert where_b.endswith("night.ebt:6 (bskip)")


def test_what_has_no_counterpart_is_told_and_no_more(etomo):
    path, places = etomo
    with path.open("a") as file:
        file.write(
            "meta.ref.ebt4=/gone.st\nmeta.SeriesWatcher.Use=true\n"
            "meta.SeriesWatcher.WatchDirectory=/data/in\nmeta.StartingStep.Use=true\n"
            "meta.SeriesWatcher.MinimumAgeOfStacks=300.0\n"
            "meta.StartingStep=5\nmeta.row.ebt3.Tomogram.Done=true\nmeta.dataset.defocus=3000\n"
            "meta.row.ebt3.colour=red\nmeta.Unheard.Of=7\nmeta.MaxGPUsForOneJob=2\n"
        )
    path.with_suffix(".com").write_text(
        "$batchruntomo -StandardInput\nNamingStyle\t1\nCPUMachineList\tlocalhost:4\n"
        "EmailAddress\tme@here\n"
    )
    notices = etomo_import.plan(path, places=places).notices
    told = [f"{notice.found} {notice.remedy}" for notice in notices]
    for text in (
        "taken out of Etomo's table, and not added: /gone.st",
        "tomoline watch /data/in --recipe tilt --settle 300",
        "--from 5",
        "Etomo has run lone",
        "dataset.defocus = 3000",
        "colour = red (lone)",
        "Unheard.Of = 7",
        "MaxGPUsForOneJob = 2",
        "CPUMachineList localhost:4",
        "EmailAddress is me@here. Send messages there with 'tomoline mail --project NAME --to me@",
        "lone has no batch file night_lone.adoc",
        "correctCTF = 1 has no effect",
    ):
        assert sum(text in one for one in told) == 1, text
    assert len(told) == 12


def test_one_with_nothing_strange_in_it_tells_nothing(etomo, tmp_path):
    path, places = etomo
    path.with_suffix(".adoc").write_text(SHARED.replace("correctCTF = 1", "correctCTF = 0"))
    shutil.copy(tmp_path / "raw" / "night_TS 1.adoc", path.parent / "night_lone.adoc")
    text = path.parent / "night_lone.adoc"
    text.write_text("setupset.copyarg.dual = 0\n")
    assert etomo_import.plan(path, places=places).notices == []


def test_all_faults_are_told_together_and_nothing_is_changed(etomo, tmp_path):
    path, places = etomo
    (tmp_path / "raw" / "lone.st").unlink()
    (tmp_path / "raw" / "TS 1b.mrc").unlink()
    path.with_suffix(".adoc").write_text(SHARED + "comparam.tilt.tilt.THIKNESS = 3\n")
    with pytest.raises(Faults) as caught:
        etomo_import.plan(path, places=places)
    assert sorted(fault.code for fault in caught.value.faults) == ["FILE-01", "PARAM-01", "PROJ-11"]
    lone = next(fault for fault in caught.value.faults if fault.code == "FILE-01")
    assert lone.where.endswith("night.ebt:11")
    assert "moved/lone/lone.st and" in lone.found


def test_a_template_that_is_missing_is_named(etomo):
    path, _ = etomo
    with pytest.raises(Faults) as caught:
        etomo_import.plan(path, places=TemplatePlaces())
    assert {fault.code for fault in caught.value.faults} == {"FILE-01"}
    assert "cryo.adoc" in str(caught.value)


def test_names_that_are_taken_leave_the_project_as_it_was(etomo, project, tmp_path):
    path, places = etomo
    other = tmp_path / "other" / "lone.mrc"
    other.parent.mkdir()
    other.touch()
    project.data_sets.add([other])
    with pytest.raises(Faults) as caught:
        etomo_import.apply(project, etomo_import.plan(path, places=places))
    assert caught.value.code == "PROJ-09"
    assert [entry.name for entry in project.data_sets.entries()] == ["lone"]
    assert project.layers.all() == {}


def test_importing_again_takes_the_new_values(etomo, project):
    path, places = etomo
    etomo_import.apply(project, etomo_import.plan(path, places=places))
    path.write_text(path.read_text().replace("ebt2.Run=false", "ebt2.Run=true"))
    file = path.parents[1] / "raw" / "night_TS 1.adoc"
    file.write_text(file.read_text().replace("THICKNESS = 300", "THICKNESS = 400"))
    _, both = etomo_import.apply(project, etomo_import.plan(path, places=places))
    assert both.run
    assert values(project.data_sets.given(both))["reconstruct.thickness_px"] == 400
    assert len(project.data_sets.entries()) == 2


@pytest.mark.parametrize("text", ["", "no project", "meta.ref.ebt1=x\nmeta.row.ebt1.RowNumber=x"])
def test_a_file_that_is_no_project_is_refused(tmp_path, text):
    path = tmp_path / "a.ebt"
    path.write_text(text)
    with pytest.raises(TomolineError) as caught:
        etomo_import.plan(path)
    assert caught.value.code == "PROJ-13"


def test_there_and_back(etomo, project, tmp_path):
    """What was imported is exported as batch files that say the same again."""
    path, places = etomo
    etomo_import.apply(project, etomo_import.plan(path, places=places))
    for file in batch_files.export(project, folder=tmp_path / "raw"):
        shutil.move(file.path, tmp_path / "raw" / f"night_{file.root}.adoc")
    with Project.create(tmp_path / "again") as again:
        etomo_import.apply(again, etomo_import.plan(path, places=places))
        for name in ("lone", "TS 1"):
            for axis in ("", "b"):
                first = values(project.data_sets.given(project.data_sets.entry(name), axis))
                second = values(again.data_sets.given(again.data_sets.entry(name), axis))
                assert first.items() <= second.items()


def test_a_real_project_is_taken_over(tilt_data, project):
    [path] = (tilt_data / "imod-projects").glob("directives/*/*.ebt")
    planned = etomo_import.plan(path)
    assert etomo_import.apply(project, planned) == []
    assert {notice.code for notice in planned.notices} == {"PROJ-14"}
    assert values(project.layers.get("project"))["find_fiducials.method"] == "beads"
