"""Stores that cannot be used, and projects that are somewhere else than they were."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tomoline.errors import TomolineError
from tomoline.queue import moved, store_faults
from tomoline.queue import store as store_module
from tomoline.queue.launch import lock_project
from tomoline.queue.model import RunState
from tomoline.queue.project import Project
from tomoline.queue.store import FILE, WORK, Store, file_system_of


def changed(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / FILE)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


def older(folder: Path) -> None:
    changed(folder, "UPDATE meta SET value = '0' WHERE key = 'schema'")


def newer(folder: Path) -> None:
    changed(folder, "UPDATE meta SET value = '2' WHERE key = 'schema'")


def unknown(folder: Path) -> None:
    changed(folder, "DELETE FROM meta WHERE key = 'schema'")


def empty(folder: Path) -> None:
    (folder / FILE).write_bytes(b"")


def of_something_else(folder: Path) -> None:
    changed(folder, "DROP TABLE meta")


def no_database(folder: Path) -> None:
    (folder / FILE).write_bytes(bytes(range(256)) * 64)


def cut_short(folder: Path) -> None:
    os.truncate(folder / FILE, 20000)


def lacking_a_table(folder: Path) -> None:
    changed(folder, "DROP TABLE batch")


def gone(folder: Path) -> None:
    (folder / FILE).unlink()


def a_folder(folder: Path) -> None:
    gone(folder)
    (folder / FILE).mkdir()


def a_file_for_work(folder: Path) -> None:
    (folder / WORK).rmdir()
    (folder / WORK).write_text("mine")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (gone, "PROJ-01"),
        (a_folder, "PROJ-01"),
        (older, "PROJ-03"),
        (newer, "PROJ-03"),
        (unknown, "PROJ-03"),
        (empty, "PROJ-04"),
        (of_something_else, "PROJ-04"),
        (no_database, "PROJ-04"),
        (cut_short, "PROJ-04"),
        (lacking_a_table, "PROJ-04"),
        (a_file_for_work, "PROJ-06"),
    ],
)
def test_a_store_that_cannot_be_used(
    tmp_path: Path, spoil: Callable[[Path], None], code: str
) -> None:
    Project.create(tmp_path / "night").close()
    spoil(tmp_path / "night")
    with pytest.raises(TomolineError) as caught, Project.open(tmp_path / "night") as project:
        project.queue.batches()
    assert caught.value.code == code
    assert caught.value.remedy


@pytest.mark.parametrize("what", [FILE, WORK, "."])
def test_what_may_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    Project.create(tmp_path / "night").close()
    closed = os.path.normpath(tmp_path / "night" / what)
    # The superuser, as whom tests may run, may write everywhere.
    allowed = os.access
    monkeypatch.setattr(
        os, "access", lambda path, mode: str(path) != closed and allowed(path, mode)
    )
    with pytest.raises(TomolineError, match="PROJ-06"):
        Store.open(tmp_path / "night")


def test_a_folder_that_may_not_be_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = os.stat

    def refuse(path: str | Path, **options: bool) -> os.stat_result:
        if str(path) != str(tmp_path / FILE):
            return usual(path, **options)
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(TomolineError, match="PROJ-06"):
        Store.open(tmp_path)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_network_file_systems_are_refused(tmp_path: Path, kind: str) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda rw\n2 1 0:5 / {tmp_path}/far rw - {kind} host:/x rw\n"
    )
    assert file_system_of(tmp_path / "far" / "night", mounts) == kind
    with pytest.raises(TomolineError, match="PROJ-05"):
        Store.create(tmp_path / "far" / "night", mounts=mounts)
    Store.create(tmp_path / "near", mounts=mounts).close()
    shutil.copytree(tmp_path / "near", tmp_path / "far" / "other")
    with pytest.raises(TomolineError, match="PROJ-05"):
        Store.open(tmp_path / "far" / "other", mounts=mounts)


def test_a_store_that_somebody_keeps_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.create(tmp_path / "night").close()
    monkeypatch.setattr(store_module, "BUSY_S", 0.01)
    with closing(sqlite3.connect(tmp_path / "night" / FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with Project.open(tmp_path / "night") as project:
            with pytest.raises(TomolineError, match="PROJ-18"):
                project.store.set_setting("deliver", "/x")
        other.execute("ROLLBACK")


def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> sqlite3.Connection:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_WRITE"
        raise error

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(TomolineError, match="FILE-09"):
        Store.create(tmp_path / "night")
    monkeypatch.setattr(store_faults, "ROOM_BYTES", 1 << 60)
    with pytest.raises(TomolineError, match="FILE-08"):
        Store.create(tmp_path / "night")
    assert list(tmp_path.iterdir()) == []


def night(folder: Path) -> None:
    """Make a project with data inside it, beside it and far away."""
    for name in ("session/night/raw/in.mrc", "session/raw/beside.mrc", "far.mrc", "round.mod"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    session = folder / "session"
    with Project.create(session / "night") as project:
        project.data_sets.add(
            [session / "night/raw/in.mrc", session / "raw/beside.mrc", folder / "far.mrc"]
        )
        inside = str(session / "night/raw/in.mod")
        project.layers.update({"find_fiducials.boundary_model": (inside, "--set")})
        with project.store.write() as db:
            db.execute("UPDATE run SET wanted = 'running', pid = 1, birth = 'x', host = ''")
            db.execute(
                "INSERT INTO watch (folder, recipe, began) VALUES (?, 'tilt', 0)",
                (str(session / "raw"),),
            )


def paths(project: Project) -> list[list[Path]]:
    entries = project.data_sets.entries()
    return [[entry.source for entry in entries], [entry.folder for entry in entries]]


def test_a_project_that_was_moved_finds_its_data(tmp_path: Path) -> None:
    night(tmp_path)
    (tmp_path / "archive").mkdir()
    session = (tmp_path / "session").rename(tmp_path / "archive" / "session")
    with Project.open(session / "night") as project:
        sources, folders = paths(project)
        assert sources == [
            session / "night/raw/in.mrc",
            session / "raw/beside.mrc",
            tmp_path / "far.mrc",
        ]
        assert folders == [session / "night" / name for name in ("in", "beside", "far")]
        value, _ = project.layers.get("project")["find_fiducials.boundary_model"]
        assert value == str(session / "night/raw/in.mod")
        with project.store.read() as db:
            assert db.execute("SELECT folder FROM watch").fetchone()[0] == str(session / "raw")
            run = db.execute("SELECT * FROM run").fetchone()
        assert (run["wanted"], run["pid"]) == (RunState.RUNNING, None)  # it goes on here
        assert "moved from" in project.log.events()[-1].message
    with Project.open(session / "night") as project:
        assert paths(project) == [sources, folders]
        assert sum("moved from" in one.message for one in project.log.events()) == 1


def test_paths_do_not_follow_while_the_runner_is_at_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(tmp_path)
    with Project.open(tmp_path / "session" / "night") as project:
        lock = lock_project(project.store)
    assert lock is not None
    # As a container sees it into which the folder is mounted under another name.
    session = (tmp_path / "session").rename(tmp_path / "mounted")
    monkeypatch.setattr(moved, "LEAVES_S", 0.1)
    with pytest.raises(TomolineError, match=r"PROJ-19.*knows it as"):
        Project.open(session / "night")
    os.close(lock)
    with Project.open(session / "night") as project:
        assert paths(project)[1][0] == session / "night/in"


def test_who_makes_a_project_a_moment_later_takes_nothing_from_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.create(tmp_path / "night") as first:
        first.set_setting("deliver", "/data")
        monkeypatch.setattr(store_module, "is_there", lambda path: False)  # not when it looked
        with pytest.raises(TomolineError, match="PROJ-02"):
            Store.create(tmp_path / "night")
        monkeypatch.undo()
        with Store.open(tmp_path / "night") as again:
            assert again.setting("deliver") == "/data"


def test_a_copy_has_results_of_its_own_and_does_not_run(tmp_path: Path) -> None:
    night(tmp_path)
    shutil.copytree(tmp_path / "session" / "night", tmp_path / "session" / "copy")
    with Project.open(tmp_path / "session" / "copy") as project:
        _, folders = paths(project)
        assert folders == [tmp_path / "session/copy" / name for name in ("in", "beside", "far")]
        with project.store.read() as db:
            assert db.execute("SELECT wanted FROM run").fetchone()[0] == RunState.STOPPED
            assert db.execute("SELECT active FROM watch").fetchone()[0] == 0
    with Project.open(tmp_path / "session" / "night") as project:  # is as it was
        assert paths(project)[1][0] == tmp_path / "session/night/in"


def test_another_name_of_the_same_folder_changes_nothing(tmp_path: Path) -> None:
    night(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "session")
    with Project.open(tmp_path / "link" / "night") as project:
        assert paths(project)[1][0] == tmp_path / "session/night/in"


def test_a_new_store_reads_nothing_of_a_former_one(tmp_path: Path) -> None:
    former = Project.create(tmp_path / "night")
    former.store.set_setting("deliver", "/former")
    (tmp_path / "night" / FILE).rename(tmp_path / "away")  # as the remedy of PROJ-04 says
    assert (tmp_path / "night" / f"{FILE}-wal").stat().st_size
    with Project.create(tmp_path / "night") as project:
        assert project.store.setting("deliver") == ""
        assert [event.message for event in project.log.events()] == ["project made"]
    former.close()
