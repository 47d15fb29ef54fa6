"""What follows a project to its new place, and what stays as it was."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from tomoline.queue import moved
from tomoline.queue.launch import lock_project
from tomoline.queue.model import BatchState, RunState
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state
from tomoline.queue.store import FILE

MODEL = "find_fiducials.boundary_model"


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """A session with a project ``night`` and, beside it, ``raw`` data and ``results``."""
    folder = tmp_path / "session"
    for name in ("raw/TS_1.mrc", "raw/TS_2a.mrc", "raw/TS_2b.mrc", "raw/TS.mod", "raw/b.mod"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "results").mkdir()
    raw = folder / "raw"
    with Project.create(folder / "night", deliver=folder / "results") as project:
        project.data_sets.add([raw / "TS_1.mrc", raw / "TS_2a.mrc", raw / "TS_2b.mrc"])
        for axis, model in (("", "TS.mod"), ("b", "b.mod")):
            project.data_sets.set(["TS_2"], {MODEL: (str(raw / model), "by hand")}, axis=axis)
        project.layers.update({MODEL: (str(raw / "TS.mod"), "--set")})
    return folder


def move(session: Path, name: str = "elsewhere") -> Path:
    return session.rename(session.parent / name)


def test_both_axes_results_and_models_beside_the_project_follow(session: Path) -> None:
    gone = move(session)
    raw = gone / "raw"
    with Project.open(gone / "night") as project:
        assert project.deliver == gone / "results"
        one, two = project.data_sets.entries()
        assert (two.source, two.source_b) == (raw / "TS_2a.mrc", raw / "TS_2b.mrc")
        # Nothing is there yet that could be found: they lie in what has moved.
        assert [one.folder, two.folder] == [gone / "results" / name for name in ("TS_1", "TS_2")]
        assert list(project.data_sets.given(two)[MODEL]) == [str(raw / "TS.mod"), "by hand"]
        assert list(project.data_sets.given(two, "b")[MODEL]) == [str(raw / "b.mod"), "by hand"]
        assert list(project.layers.get("project")[MODEL]) == [str(raw / "TS.mod"), "--set"]


def test_what_a_watch_has_seen_and_queued_and_is_set_to_follows(session: Path) -> None:
    with Project.open(session / "night") as project:
        values = {MODEL: [str(session / "raw/TS.mod"), "--set"]}
        project.watches.add(session / "raw", "tilt", values=values)
        project.watches.add(session / "results", "tilt")
        entries = project.data_sets.entries(["TS_1"])
        project.queue.add(entries, origin=f"watch {session / 'raw'}")
        with project.store.write() as db:
            for watch, name in ((1, "raw/TS_1.mrc"), (2, "raw/TS_1.mrc"), (2, "raw/gone.mrc")):
                db.execute(
                    "INSERT INTO seen (watch, path, state, mark, since)"
                    " VALUES (?, ?, 'taken', '', 0)",
                    (watch, str(session / name)),
                )
    there = move(session)
    with Project.open(there / "night") as project:
        first, second = project.watches.all()
        assert first.folder == there / "raw"
        assert first.settings.values == {MODEL: [str(there / "raw/TS.mod"), "--set"]}
        assert [one.path for one in project.watches.seen(first)] == [there / "raw/TS_1.mrc"]
        assert [one.path for one in project.watches.seen(second)] == [
            there / "raw/TS_1.mrc",
            there / "raw/gone.mrc",  # or comes again
        ]
        assert project.watches.stop(there / "raw")[0] == 1


def test_what_was_running_is_known_by_its_job_file_alone(session: Path) -> None:
    with Project.open(session / "night") as project:
        project.queue.add(project.data_sets.entries(["TS_1"]))
        (one,) = project.queue.batches()
        change_state(project.store, one, BatchState.RUNNING, "", pid=1, birth="some other process")
    there = move(session)
    with Project.open(there / "night") as project, project.store.read() as db:
        row = db.execute("SELECT state, pid, birth FROM batch").fetchone()
        assert tuple(row) == ("running", None, "")


def test_what_is_there_still_or_nowhere_stays_as_it_was(session: Path, tmp_path: Path) -> None:
    (session / "raw/TS_2a.mrc").unlink()
    shutil.copytree(session, tmp_path / "copy")
    with Project.open(tmp_path / "copy" / "night") as project:
        one, two = project.data_sets.entries()
        assert one.source == session / "raw/TS_1.mrc"  # the original has not gone
        assert two.source == session / "raw/TS_2a.mrc"  # whoever looks for it has to know
        assert "copied from" in project.log.events()[-1].message


def test_an_empty_folder_left_behind_makes_no_copy(session: Path) -> None:
    with Project.open(session / "night") as project, project.store.write() as db:
        db.execute("UPDATE run SET wanted = 'running'")
    there = move(session)
    (session / "night").mkdir(parents=True)
    with Project.open(there / "night") as project, project.store.read() as db:
        assert db.execute("SELECT wanted FROM run").fetchone()[0] == RunState.RUNNING


def test_a_copy_stops_the_schedules_that_run_and_no_others(session: Path, tmp_path: Path) -> None:
    states = {"a": "running", "b": "prepared", "c": "finished"}
    with Project.open(session / "night") as project:
        for name, state in states.items():
            project.schedules.new(name, ["setup"], times=1, every_s=0.0)
            with project.store.write() as db:
                db.execute("UPDATE schedule SET state = ? WHERE name = ?", (state, name))
    shutil.copytree(session / "night", tmp_path / "copy")
    for folder, found in ((tmp_path / "copy", states | {"a": "stopped"}), (session, states)):
        path = folder if (folder / FILE).exists() else folder / "night"
        with Project.open(path) as project:
            assert {one.name: one.state for one in project.schedules.all()} == found


def test_a_copy_delivers_into_its_own_folder(tmp_path: Path) -> None:
    Project.create(tmp_path / "night", deliver=tmp_path / "night").close()
    shutil.copytree(tmp_path / "night", tmp_path / "copy")
    with Project.open(tmp_path / "copy") as project:
        assert project.deliver == tmp_path / "copy"


def test_a_folder_whose_name_begins_alike_is_another_one(tmp_path: Path) -> None:
    raw = tmp_path / "night_raw"
    raw.mkdir()
    (raw / "TS_1.mrc").touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add([raw / "TS_1.mrc"])
    (tmp_path / "night").rename(tmp_path / "day")
    with Project.open(tmp_path / "day") as project:
        assert project.data_sets.entry("TS_1").source == raw / "TS_1.mrc"


def test_it_is_known_with_and_without_links(session: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(session)
    with Project.create(tmp_path / "link" / "linked") as project:
        (session / "linked" / "a.mrc").touch()
        project.data_sets.add([session / "linked" / "a.mrc"])
        with project.store.write() as db:  # as it was given, or without links
            db.execute("UPDATE data_set SET folder = ?", (f"{tmp_path}/link/linked/a",))
    (session / "linked").rename(tmp_path / "linked")
    with Project.open(tmp_path / "linked") as project:
        one = project.data_sets.entry("a")
        assert (one.source, one.folder) == (tmp_path / "linked/a.mrc", tmp_path / "linked/a")


def test_words_that_are_no_paths_stay_words(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though a file of that name lies where it would be if it were one."""
    with Project.open(session / "night") as project, project.store.write() as db:
        model = str(session / "raw/TS.mod")
        given = {"a.word": ["best", "x"], MODEL: [model, "x"], "b.far": ["/far/away", "x"]}
        db.execute("UPDATE layer SET given = ? WHERE name = 'project'", (json.dumps(given),))
    for folder in (tmp_path / "here", tmp_path / "archive" / "here" / "best"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    there = move(session, "archive/session")
    with Project.open(there / "night") as project:
        found = {key: value for key, (value, _) in project.layers.get("project").items()}
        assert found == {"a.word": "best", MODEL: str(there / "raw/TS.mod"), "b.far": "/far/away"}


def test_one_disk_that_is_mounted_twice_is_one_project(session: Path, tmp_path: Path) -> None:
    there = tmp_path / "mounted" / "night"
    there.mkdir(parents=True)
    os.link(session / "night" / FILE, there / FILE)
    with Project.open(there) as project:
        assert project.deliver == session / "results"
        assert not any("copied" in one.message for one in project.log.events())


def test_a_runner_that_is_about_to_leave_is_waited_for(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Project.open(session / "night") as project:
        lock = lock_project(project.store)
    assert lock is not None
    there = move(session)
    monkeypatch.setattr(moved, "LEAVES_S", 30.0)
    leaving = threading.Timer(0.2, os.close, [lock])
    leaving.start()
    with Project.open(there / "night") as project:
        assert project.deliver == there / "results"
    leaving.join()
