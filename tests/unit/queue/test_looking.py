"""Looking at projects that cannot be written; see also ``test_full_disk.py``."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue import looking, moved, recovery
from tomoline.queue.control import Control
from tomoline.queue.permit import PERMIT
from tomoline.queue.project import Project
from tomoline.queue.store import FILE, LOCK, WORK, Store
from tomoline.queue.store_faults import SCHEMA


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """A project with one data set."""
    raw = tmp_path / "night" / "raw" / "TS.mrc"
    raw.parent.mkdir(parents=True)
    raw.touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add([raw])
    return tmp_path / "night"


def opened(night: Path) -> sqlite3.Connection:
    """Return a connection as another process has one, with its files beside the store."""
    db = sqlite3.connect(night / FILE)
    db.execute("SELECT * FROM meta").fetchall()
    return db


@pytest.fixture
def unwritable(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the store not be opened for writing: the superuser, as whom tests may run, may do it."""

    def refuse(folder: Path) -> Store:
        raise errors.project.READ_ONLY.error(folder, "you may not write there.")

    monkeypatch.setattr(Store, "open", refuse)


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let SQLite make no file beside the store."""

    def refuse(folder: Path) -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(looking, "_itself", refuse)


def test_what_can_be_written_is_opened_as_always(night: Path) -> None:
    with Project.open(night, looking=True) as project:
        assert project.control.recover() == []
        project.queue.add(project.data_sets.entries())
        assert len(project.queue.batches()) == 1


@pytest.mark.usefixtures("unwritable")
def test_what_others_write_is_seen(night: Path) -> None:
    with closing(opened(night)) as db, Project.open(night, looking=True) as project:
        before = project.store.changes()
        db.execute("INSERT INTO event (time, level, kind, message) VALUES (0, 'info', 'run', 'x')")
        db.commit()
        assert project.store.changes() != before
        assert project.log.events()[0].message == "x"
        looking.refuse_to_follow(project.store)  # which it does not
        (notice,) = project.control.recover()
        assert (notice.code, project.control.recover()) == ("PROJ-06", [])
        with pytest.raises(TomolineError, match="PROJ-06"):
            project.queue.add(project.data_sets.entries())


@pytest.mark.usefixtures("unwritable")
def test_a_look_leaves_no_file_that_the_owner_could_not_write(night: Path) -> None:
    beside = sorted(night.iterdir())
    with Project.open(night, looking=True) as project:
        assert [one.name for one in project.data_sets.entries()] == ["TS"]
        assert project.store.is_copy
        assert sorted(night.iterdir()) == beside
    assert sorted(night.iterdir()) == beside


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_a_look_takes_its_files_away_if_the_last_one_leaves_just_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare = looking._prepared
    with tempfile.TemporaryDirectory() as place:  # which others may enter, as the usual one may not
        os.chmod(place, 0o755)
        night = Path(place) / "night"
        Project.create(night).close()
        os.chmod(night, 0o777)
        before = sorted(night.iterdir())
        other = opened(night)

        def prepared(connection: sqlite3.Connection, folder: Path) -> sqlite3.Connection:
            other.close()
            return prepare(connection, folder)

        monkeypatch.setattr(looking, "_prepared", prepared)
        os.seteuid(1234)
        try:
            with pytest.raises(sqlite3.OperationalError, match="any more"):
                looking._itself(night)
        finally:
            os.seteuid(0)
        assert sorted(night.iterdir()) == before


@pytest.mark.usefixtures("unwritable", "no_files")
def test_a_place_for_copies_that_is_full_is_not_the_last(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied, places = looking._copied, []

    def copy(folder: Path, place: str | None) -> sqlite3.Connection:
        places.append(place)
        if place is not None:
            raise errors.files.DISK_FULL.error(folder)
        return copied(folder, place)

    monkeypatch.setattr(looking, "_copied", copy)
    with Project.open(night, looking=True) as project:
        assert project.store.is_copy
    assert places == [looking.IN_MEMORY, None]


@pytest.mark.usefixtures("unwritable", "no_files")
@pytest.mark.parametrize("place", [looking.IN_MEMORY, "/no/such/folder"])
def test_a_copy_holds_what_is_only_in_the_log(
    night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr(looking, "IN_MEMORY", place)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    db = sqlite3.connect(night / FILE)
    db.execute("UPDATE data_set SET name = 'renamed'")
    db.commit()
    assert b"renamed" not in (night / FILE).read_bytes()
    beside = sorted(night.iterdir())
    with Project.open(night, looking=True) as project:
        assert [one.name for one in project.data_sets.entries()] == ["renamed"]
        with pytest.raises(TomolineError, match="cannot be followed"):
            looking.refuse_to_follow(project.store)
        with pytest.raises(TomolineError, match="PROJ-06"):
            project.data_sets.remove(["renamed"])
    assert sorted(night.iterdir()) == beside
    assert list(tmp_path.glob("tomoline-*")) == []
    db.close()


@pytest.mark.usefixtures("unwritable")
def test_paths_follow_a_project_that_was_moved(night: Path, tmp_path: Path) -> None:
    shutil.move(night, tmp_path / "there")
    with Project.open(tmp_path / "there", looking=True) as project:
        assert project.store.is_copy  # to write the paths down in
        (entry,) = project.data_sets.entries()
        assert entry.source == tmp_path / "there" / "raw" / "TS.mrc"


@pytest.mark.usefixtures("unwritable", "no_files")
def test_where_not_even_a_copy_has_room_the_trouble_is_told(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "IN_MEMORY", "/no/such/folder")
    monkeypatch.setattr("tempfile.tempdir", "/no/such/folder")
    with pytest.raises(TomolineError, match="PROJ-06"):
        Project.open(night, looking=True)


@pytest.mark.usefixtures("unwritable")
def test_a_store_of_another_version_is_refused(night: Path) -> None:
    with sqlite3.connect(night / FILE) as db:
        db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(SCHEMA + 1),))
    db.close()
    with pytest.raises(TomolineError, match="PROJ-03"):
        Project.open(night, looking=True)


@pytest.mark.parametrize("spoil", ["no database at all " * 999, ""])
@pytest.mark.usefixtures("unwritable")
def test_a_damaged_store_is_told(night: Path, spoil: str) -> None:
    (night / FILE).write_text(spoil)
    with pytest.raises(TomolineError, match="PROJ-04"):
        Project.open(night, looking=True)


def test_trouble_of_another_kind_is_no_reason_to_look(tmp_path: Path) -> None:
    with pytest.raises(TomolineError, match="PROJ-01"):
        Project.open(tmp_path, looking=True)


@pytest.mark.usefixtures("unwritable", "no_files")
def test_a_store_that_changes_meanwhile_is_copied_again(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = sqlite3.connect(night / FILE)
    db.execute("UPDATE data_set SET name = 'renamed'")
    db.commit()
    usual, copied = shutil.copyfile, []

    def copy(source: Path, there: Path) -> None:
        usual(source, there)
        copied.append(source.name)
        if len(copied) == 2:  # with that its log goes, as when the last runner ends
            db.close()

    monkeypatch.setattr(shutil, "copyfile", copy)
    with Project.open(night, looking=True) as project:
        assert [one.name for one in project.data_sets.entries()] == ["renamed"]
    assert copied == [FILE, f"{FILE}-wal", FILE]


def test_a_runner_that_cannot_be_started_keeps_nobody_from_looking(night: Path) -> None:
    def ensure(store: Store) -> int:
        raise errors.files.DISK_FULL.error(store.folder)

    for is_looking, codes in ((True, ["FILE-08", "QUEUE-08"]), (False, None)):
        with Project.open(night, looking=is_looking) as project:
            with project.store.write() as db:
                db.execute("UPDATE run SET wanted = 'running', pid = 9, birth = 'long ago'")
            control = Control(project.store, ensure=ensure, alive=lambda _: None)
            if codes is None:
                with pytest.raises(TomolineError, match="FILE-08"):
                    control.recover()
            else:
                assert [one.code for one in control.recover()] == codes


@pytest.mark.usefixtures("unwritable")
def test_a_run_at_another_place_can_be_looked_at(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved, "LEAVES_S", 0.0)
    db = opened(night)
    db.execute("UPDATE meta SET value = ? WHERE key = 'folder'", ('["/there", "/there"]',))
    db.commit()
    with closing(db), (night / WORK / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as its runner does
        with Project.open(night, looking=True) as project:
            (entry,) = project.data_sets.entries()
            assert entry.source == night / "raw" / "TS.mrc"  # as it is right over there
            assert not project.store.is_copy


def test_on_a_full_disk_nothing_is_written_nor_started(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ensure(store: Store) -> int:
        raise AssertionError("a runner is started")

    monkeypatch.setattr(recovery, "is_full", lambda _: True)
    with Project.open(night, looking=True) as project:
        with project.store.write() as db:
            db.execute("UPDATE run SET wanted = 'running', pid = 9, birth = 'long ago'")
        before = project.log.events()
        control = Control(project.store, ensure=ensure, alive=lambda _: None)
        assert [one.code for one in control.recover()] == ["FILE-08", "QUEUE-08"]
        assert project.log.events() == before  # there may be room for that yet


@pytest.mark.usefixtures("unwritable")
def test_a_kill_that_is_not_written_down_is_told(night: Path) -> None:
    with sqlite3.connect(night / FILE) as db:
        db.execute("UPDATE run SET wanted = 'running', pid = 9, birth = 'long ago'")
        db.execute("INSERT INTO meta VALUES (?, '1')", (PERMIT,))
    db.close()
    with Project.open(night, looking=True) as project:
        assert [one.code for one in project.control.recover()] == ["PROJ-06", "QUEUE-03"]


@pytest.mark.parametrize(("wanted", "refused"), [("running", True), ("paused", False)])
@pytest.mark.usefixtures("unwritable")
def test_what_another_machine_had_is_looked_at_as_where_one_may_write(
    night: Path, wanted: str, refused: bool
) -> None:
    with closing(opened(night)) as db:
        db.execute("UPDATE run SET host = 'another', birth = 'boot:1', wanted = ?", (wanted,))
        db.commit()
    with Project.open(night, looking=True) as project:
        if refused:
            with pytest.raises(TomolineError, match="PROJ-07"):
                project.control.recover()
        else:
            assert [one.code for one in project.control.recover()] == ["PROJ-06"]
