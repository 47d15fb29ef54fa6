"""What a store does with what is written in it, and leaves behind where it cannot be made."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tomoline.errors import TomolineError
from tomoline.queue import store as store_module
from tomoline.queue import store_faults
from tomoline.queue.store import BUSY_S, FILE, WORK, Store

BATCH = "INSERT INTO batch (data_set, state, place, queued) VALUES (4711, 'waiting', 1, 0)"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "session" / "night") as one:
        yield one


def pragma(store: Store, name: str) -> Any:
    with store.read() as db:
        return db.execute(f"PRAGMA {name}").fetchone()[0]


def write(store: Store, *statements: str, error: Exception | None = None) -> None:
    """Write in a block, which breaks in the end if there is an error."""
    with store.write() as db:
        for one in statements:
            db.execute(one)
        if error is not None:
            raise error


def test_what_is_written_is_on_the_disk_and_belongs_to_something(store: Store) -> None:
    assert (pragma(store, "journal_mode"), pragma(store, "synchronous")) == ("wal", 2)
    with pytest.raises(TomolineError, match="FOREIGNKEY"):
        write(store, BATCH)


def test_of_a_block_that_breaks_nothing_is_kept(store: Store) -> None:
    with pytest.raises(ValueError, match="broken"):
        write(store, "INSERT INTO meta VALUES ('setting.one', '1')", error=ValueError("broken"))
    assert store.setting("one", "none") == "none"
    store.set_setting("one", "2")
    assert store.setting("one", "none") == "2"


def test_a_block_that_cannot_be_ended_is_taken_back(store: Store) -> None:
    with pytest.raises(TomolineError, match="FOREIGNKEY"):
        write(store, "PRAGMA defer_foreign_keys = ON", BATCH)  # they are looked at in the end
    store.set_setting("one", "2")
    assert store.setting("one") == "2"


def test_what_sqlite_has_taken_back_itself_hides_no_error(store: Store) -> None:
    with pytest.raises(ValueError, match="broken"):
        write(store, "ROLLBACK", error=ValueError("broken"))  # as it does when the disk is full


def test_a_block_that_reads_holds_none_that_writes(store: Store) -> None:
    for _ in range(2):
        with store.read(), pytest.raises(RuntimeError, match="cannot hold"), store.write():
            pass
        with store.write(), store.write(), store.read():
            store.set_setting("one", "1")  # also after one that wrote


def test_a_view_does_not_change_within_its_block(store: Store) -> None:
    with Store.open(store.folder) as other, store.read(), store.read():
        assert store.setting("one") == ""
        other.set_setting("one", "1")
        assert store.setting("one") == ""
    assert store.setting("one") == "1"


def test_patience_ends_with_its_block(store: Store) -> None:
    with store.patience(0.25):
        assert pragma(store, "busy_timeout") == 250
    assert pragma(store, "busy_timeout") == BUSY_S * 1000


def test_a_store_that_is_refused_is_not_kept_open(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.write() as db:
        db.execute("UPDATE meta SET value = '2' WHERE key = 'schema'")
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def noted(*given: Any, **named: Any) -> sqlite3.Connection:
        opened.append(connect(*given, **named))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", noted)
    with pytest.raises(TomolineError, match="PROJ-03"):
        Store.open(store.folder)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


def test_a_new_store_leaves_nothing_of_its_making(tmp_path: Path) -> None:
    folder = tmp_path / "far" / "night"
    folder.mkdir(parents=True)
    part = folder / f".{FILE}.{os.getpid()}.part"
    part.write_text("what a process of the same number left when it was killed")
    with Store.create(folder) as store, store.read() as db:
        keys = {row[0] for row in db.execute("SELECT key FROM meta")}
        assert {"schema", "created", "host"} < keys
        assert not part.exists()
    assert {one.name for one in folder.iterdir()} == {FILE, WORK}


@pytest.mark.parametrize("there", [True, False])
def test_only_folders_that_were_made_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    folder = tmp_path / "night"
    if there:
        folder.mkdir()

    def refuse(*_: object) -> None:
        raise OSError(errno.EMLINK, "Too many links")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(TomolineError, match=r"PROJ-06.*Too many links"):
        Store.create(folder)
    assert list(tmp_path.rglob("*")) == ([folder] if there else [])


def test_what_is_on_a_network_gets_no_folder(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"2 1 0:5 / {tmp_path}/far rw - nfs4 host:/x rw\n")
    (tmp_path / "far").mkdir()
    with pytest.raises(TomolineError, match="PROJ-05"):
        Store.create(tmp_path / "far" / "night", mounts=mounts)
    assert list((tmp_path / "far").iterdir()) == []


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "night").touch()
    with pytest.raises(TomolineError, match=r"PROJ-06.*it is a file, not a folder"):
        Store.create(tmp_path / "night")


def test_of_two_that_make_a_project_one_waits(tmp_path: Path) -> None:
    folder = tmp_path / "night"
    folder.mkdir()
    other = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX)
        making = threading.Thread(target=lambda: Store.create(folder).close())
        making.start()
        making.join(0.3)
        assert list(folder.iterdir()) == []
    finally:
        os.close(other)
    making.join()
    assert (folder / FILE).exists()


NAMED = [
    ("SQLITE_FULL", "database or disk is full", False, "FILE-08"),
    ("SQLITE_IOERR_WRITE", "disk I/O error", True, "FILE-08"),
    ("SQLITE_CANTOPEN", "unable to open database file", True, "FILE-08"),
    ("SQLITE_IOERR_WRITE", "disk I/O error", False, "FILE-09"),
    ("SQLITE_CANTOPEN", "unable to open database file", False, "PROJ-06"),
    ("SQLITE_READONLY_DBMOVED", "attempt to write a readonly database", True, "PROJ-06"),
    ("SQLITE_PERM", "access permission denied", False, "PROJ-06"),
    ("SQLITE_NOTADB", "file is not a database", False, "PROJ-04"),
    ("SQLITE_CORRUPT", "database disk image is malformed", False, "PROJ-04"),
    ("SQLITE_ERROR", "no such table: batch", False, "PROJ-04"),
    ("SQLITE_ERROR", "no such column: batch.birth", False, "PROJ-04"),
    ("SQLITE_BUSY", "database is locked", False, "PROJ-18"),
    ("SQLITE_ERROR", "near syntax error", False, "RUN-99"),
]


@pytest.mark.parametrize(("name", "message", "full", "code"), NAMED)
def test_each_error_of_sqlite_has_its_code(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    message: str,
    full: bool,
    code: str,
) -> None:
    monkeypatch.setattr(store_faults, "ROOM_BYTES", (1 << 60) if full else 0)
    error = sqlite3.OperationalError(message)
    error.sqlite_errorname = name
    # The folder may be gone by then.
    with pytest.raises(TomolineError) as caught, store_faults.translated(tmp_path / "no" / "such"):
        raise error
    assert caught.value.code == code
    assert message in caught.value.found


@pytest.mark.parametrize(
    ("error", "opening", "code"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), False, "PROJ-06"),
        (OSError(errno.ENOSPC, "No space left on device"), True, "FILE-08"),
        (OSError(errno.EROFS, "Read-only file system"), True, "PROJ-06"),
    ],
)
def test_each_error_of_the_system_has_its_code(
    tmp_path: Path, error: OSError, opening: bool, code: str
) -> None:
    with pytest.raises(TomolineError) as caught, store_faults.translated(tmp_path, opening=opening):
        raise error
    assert caught.value.code == code


def test_an_error_of_something_else_is_left_to_others(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="of an acquisition"), store_faults.translated(tmp_path):
        raise OSError(errno.EIO, "of an acquisition")


@pytest.mark.parametrize(("user", "full"), [(0, False), (1000, True)])
def test_what_is_kept_for_root_is_room_for_root_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: int, full: bool
) -> None:
    block = 4096

    class Found:
        f_frsize = block
        f_bavail = store_faults.ROOM_BYTES // block - 1
        f_bfree = store_faults.ROOM_BYTES // block

    monkeypatch.setattr(os, "statvfs", lambda path: Found)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert store_faults.is_full(tmp_path) is full


@pytest.mark.parametrize("path", ["x" * 300, "a\0b", "file/below"])
def test_what_cannot_be_there_is_not_there(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    assert not store_faults.is_there(tmp_path / path)
    assert store_faults.is_there(tmp_path / "file")


def test_where_the_disk_cannot_be_asked_it_does_not_count_as_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(os, "statvfs", refuse)
    assert not store_faults.is_full(tmp_path)


def test_an_event_has_the_time_of_what_it_tells(store: Store) -> None:
    from tomoline.queue.model import EventKind

    store.add_event(EventKind.NOTICE, "then", when=0.0)
    with store.read() as db:
        row = db.execute("SELECT time FROM event WHERE message = 'then'").fetchone()
    assert row[0] == 0.0


def test_a_project_without_its_folder_for_work_gets_one(store: Store) -> None:
    shutil.rmtree(store.work)
    Store.open(store.folder).close()
    assert store.work.is_dir()
    assert store_module.WORK == store.work.name
    with closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("1",)
