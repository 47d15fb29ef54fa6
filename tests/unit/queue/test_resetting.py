"""Forgetting what was done: results are kept or removed, raw data always stay."""

from __future__ import annotations

import errno
import fcntl
import json
from pathlib import Path

import pytest

from tomoline.errors import Faults, TomolineError
from tomoline.queue import resetting
from tomoline.queue.control import Control
from tomoline.queue.model import BatchState, DataSetEntry
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state

RAW = ("TS.mrc", "TS.rawtlt", "TS.mrc.mdoc", "TS_rawbound.mod", "TS_orig.mrc", "notes.txt")
MADE = ("TS_ali.mrc", "TS.xf", "TS_report.html", "TS.log", "TS_slice_xy.png", "newst.com")


@pytest.fixture
def control(project: Project) -> Control:
    return Control(project.store, ensure=lambda store: 1, alive=lambda store: None)


def output(file: str) -> dict[str, str]:
    return {"file": file, "digest": "d", "identity": "i"}


def processed(project: Project, raw: Path) -> DataSetEntry:
    """Add a data set with the files and the record of a run."""
    raw.mkdir()
    (raw / "TS.mrc").write_text("raw")
    (entry,) = project.data_sets.add([raw / "TS.mrc"])
    entry.folder.mkdir()
    for name in (*RAW, *MADE):
        (entry.folder / name).write_text(name)
    steps = [
        {
            "name": "setup",
            "number": 0.0,
            "state": "finished",
            "fingerprint": "f",
            "inputs": {"source:TS.mrc": "digest"},
            "outputs": {"raw_stack": output("TS.mrc"), "raw_tilt_angles": output("TS.rawtlt")},
        },
        {
            "name": "align",
            "number": 6.0,
            "state": "failed",
            "outputs": {
                "transforms": output("TS.xf"),
                "aligned_stack": output("TS_ali.mrc"),
                "newst_com": output("newst.com"),
                "x_tilts": output("../outside.txt"),
                "rotated": output("TS_orig.mrc"),  # whatever a record says
                "boundary": output("TS_rawbound.mod"),
            },
            "error": {"code": "X", "where": "", "found": "", "remedy": ""},
        },
    ]
    content = {"schema": 1, "root": "TS", "recipe": "tilt", "source": str(entry.source)}
    (entry.folder / "TS.tomoline.json").write_text(json.dumps(content | {"steps": steps}))
    (project.folder / "outside.txt").write_text("not ours")
    return entry


def record(entry: DataSetEntry) -> dict[str, dict[str, object]]:
    """Return the steps of the record, which must be a whole one."""
    from tomoline.workflow.record import Record

    path = entry.folder / "TS.tomoline.json"
    Record.read(path)
    return {step["name"]: step for step in json.loads(path.read_text())["steps"]}


def test_results_are_kept_and_steps_wait(
    project: Project, control: Control, tmp_path: Path
) -> None:
    entry = processed(project, tmp_path / "raw")
    project.queue.add([entry])
    done = control.reset()
    assert (done.names, done.batches, done.files) == (["TS"], 1, 0)
    assert project.queue.batches() == []
    assert all((entry.folder / name).read_text() == name for name in (*RAW, *MADE))
    steps = record(entry)
    assert {step["state"] for step in steps.values()} == {"waiting"}
    assert {step["fingerprint"] for step in steps.values()} == {""}
    assert steps["align"]["error"] is None
    assert steps["align"]["outputs"]["transforms"]["file"] == "TS.xf"  # type: ignore[index]


def test_results_are_removed_and_raw_data_stay(
    project: Project, control: Control, tmp_path: Path
) -> None:
    entry = processed(project, tmp_path / "raw")
    (entry.folder / ".TS_ali.mrc.77-0a1b2c3d.part").touch()
    done = control.reset(["TS"], remove_results=True)
    assert done.files == len(MADE) + 1
    left = {path.name for path in entry.folder.iterdir()}
    assert left == {*RAW, "TS.tomoline.json", ".TS.lock"}
    assert (entry.source.read_text(), (entry.folder / "TS.mrc").read_text()) == ("raw", "TS.mrc")
    assert (project.folder / "outside.txt").exists()
    steps = record(entry)
    assert list(steps) == ["setup"]  # tells whose folder it is, also if the stack was moved here
    assert steps["setup"]["inputs"] == {"source:TS.mrc": "digest"}


def test_a_stack_that_has_the_name_of_a_result_stays(
    project: Project, control: Control, tmp_path: Path
) -> None:
    entry = processed(project, tmp_path / "raw")
    project.data_sets.set_source("TS", entry.folder / "TS_ali.mrc")
    control.reset(["TS"], remove_results=True)
    assert (entry.folder / "TS_ali.mrc").exists()
    assert not (entry.folder / "TS.xf").exists()


@pytest.mark.parametrize("remove", [False, True])
def test_both_axes_are_forgotten(
    project: Project, control: Control, tmp_path: Path, remove: bool
) -> None:
    for name in ("TSa.mrc", "TSb.mrc"):
        (tmp_path / name).touch()
    (entry,) = project.data_sets.add([tmp_path / "TSa.mrc", tmp_path / "TSb.mrc"])
    entry.folder.mkdir()
    records = [entry.folder / f"{root}.tomoline.json" for root in entry.roots]
    for root, path in zip(entry.roots, records, strict=True):
        (entry.folder / f"{root}.xf").touch()
        outputs = {"transforms": output(f"{root}.xf")}
        step = {"name": "align", "number": 6.0, "state": "finished", "outputs": outputs}
        path.write_text(json.dumps({"schema": 1, "root": root, "recipe": "tilt", "steps": [step]}))
    assert control.reset(remove_results=remove).files == (2 if remove else 0)
    if remove:
        assert not any(path.exists() for path in records)
    else:
        states = [json.loads(path.read_text())["steps"][0]["state"] for path in records]
        assert states == ["waiting", "waiting"]


def test_what_is_being_run_is_not_reset(project: Project, control: Control, tmp_path: Path) -> None:
    entry = processed(project, tmp_path / "raw")
    project.queue.add([entry])
    (one,) = project.queue.batches()
    change_state(project.store, one, BatchState.RUNNING, "begins", processor=1)
    with pytest.raises(TomolineError) as caught:
        control.reset(remove_results=True)
    assert caught.value.code == "QUEUE-07"
    assert (entry.folder / "TS.xf").exists()
    assert len(project.queue.batches()) == 1


def test_what_another_command_works_on_is_not_reset(
    project: Project, control: Control, tmp_path: Path
) -> None:
    entry = processed(project, tmp_path / "raw")
    with (entry.folder / ".TS.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(TomolineError) as caught:
            control.reset(remove_results=True)
    assert caught.value.code == "RUN-06"
    assert (entry.folder / "TS.xf").exists()


def test_nothing_is_forgotten_of_the_others_then(
    project: Project, control: Control, tmp_path: Path
) -> None:
    entry = processed(project, tmp_path / "raw")
    (tmp_path / "other.mrc").touch()
    (other,) = project.data_sets.add([tmp_path / "other.mrc"])
    project.queue.add([other, entry])
    with (entry.folder / ".TS.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(Faults):
            control.reset()
    assert [one.name for one in project.queue.batches()] == ["other", "TS"]
    assert not [one for one in project.log.events() if one.message.startswith("reset")]
    assert control.reset().names == ["TS", "other"]
    told = [one.data_set for one in project.log.events() if one.message == "reset, results kept"]
    assert told == ["TS", "other"]


def test_what_could_not_be_reset_is_not_said_to_be(
    project: Project, control: Control, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first.mrc").touch()
    project.data_sets.add([tmp_path / "first.mrc"])
    entry = processed(project, tmp_path / "raw")

    def full(path: Path, text: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(resetting, "_write", full)
    with pytest.raises(TomolineError) as caught:
        control.reset()
    assert caught.value.code == "FILE-08"
    told = [one.data_set for one in project.log.events() if one.message.startswith("reset")]
    assert told == ["first"]
    assert (entry.folder / "TS.xf").exists()


def test_a_data_set_without_results(project: Project, control: Control, tmp_path: Path) -> None:
    (tmp_path / "TS.mrc").touch()
    project.data_sets.add([tmp_path / "TS.mrc"])
    assert control.reset(remove_results=True).files == 0


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("spoilt", ["{", None])
def test_results_without_a_record_are_put_aside(
    project: Project, control: Control, tmp_path: Path, spoilt: str | None, remove: bool
) -> None:
    entry = processed(project, tmp_path / "raw")
    path = entry.folder / "TS.tomoline.json"
    path.unlink()
    if spoilt is not None:
        path.write_text(spoilt)
    (entry.folder.parent / "TS_old").mkdir()
    done = control.reset(["TS"], remove_results=remove)
    assert done.aside == [entry.folder.parent / "TS_old1"]
    assert not entry.folder.exists()
    assert all((done.aside[0] / name).read_text() == name for name in (*RAW, *MADE))
    assert control.reset(["TS"]).aside == []


def test_a_folder_with_the_only_raw_data_stays(
    project: Project, control: Control, tmp_path: Path
) -> None:
    entry = processed(project, tmp_path / "raw")
    (entry.folder / "TS.tomoline.json").unlink()
    entry.source.unlink()
    assert control.reset(["TS"], remove_results=True).aside == []
    assert (entry.folder / "TS.mrc").read_text() == "TS.mrc"
