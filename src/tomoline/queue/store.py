"""The store of a project: one SQLite file, opened only on the machine that owns the project.

Faces write what they want, the runner does it. Write-ahead logging lets faces read while the
runner writes; a transaction is on the disk when it ends, so nothing queued is lost.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.file_systems import file_system_of, refuse_network
from tomoline.queue.model import EventKind
from tomoline.queue.moved import follow_folder
from tomoline.queue.spelling import add_functions
from tomoline.queue.store_faults import FILE, SCHEMA, check_schema, is_there, translated

__all__ = ["FILE", "LOCK", "LOG", "SCHEMA", "WORK", "Store", "file_system_of", "to_json"]

WORK = ".tomoline"
"""Folder of a project for job files, event files and the runner's lock."""
LOCK = "runner.lock"
LOG = "tomoline.log"
BUSY_S = 30.0


class Store:
    """The open database of a project.

    Use `read` for a consistent view and `write` for changes. A block in a block is part of it; only
    a `write` in a `read` is not possible. One thread uses one store.

    `trouble` is why it can only be read, if that is so (see `queue.looking`), and `is_copy` whether
    what others write cannot be seen. With `looking`, what cannot be written down is told, no more.
    """

    def __init__(
        self,
        folder: Path,
        connection: sqlite3.Connection,
        *,
        trouble: TomolineError | None = None,
        is_copy: bool = False,
    ) -> None:
        self.folder = folder
        self.work = folder / WORK
        self.trouble = trouble
        self.is_copy = is_copy
        self.looking = False
        self._connection = connection
        self._writing = False

    @classmethod
    def create(cls, folder: Path, *, mounts: Path = Path("/proc/self/mountinfo")) -> Store:
        """Make the store of a new project.

        Raises
        ------
        TomolineError
            PROJ-02 if there is one, PROJ-05 on a network file system, PROJ-06, FILE-08.
        """
        folder = Path(os.path.abspath(folder))
        if is_there(folder / FILE):
            raise errors.project.EXISTS.error(folder, f"it holds {FILE}.")
        if folder.exists() and not folder.is_dir():
            raise errors.project.READ_ONLY.error(folder, "it is a file, not a folder.")
        refuse_network(folder, mounts)
        made = [one for one in (folder / WORK, folder) if not one.exists()]
        with translated(folder, opening=True):
            folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{FILE}.{os.getpid()}.part"
        with translated(folder, opening=True), _alone_in(folder):
            try:
                if (folder / FILE).exists():  # another process was faster
                    raise FileExistsError
                (folder / WORK).mkdir(exist_ok=True)
                part.unlink(missing_ok=True)
                for ending in ("-wal", "-shm"):  # SQLite would read what a former store has left
                    (folder / f"{FILE}{ending}").unlink(missing_ok=True)
                with closing(sqlite3.connect(part)) as connection:
                    schema = Path(__file__).with_name("schema.sql")
                    # In one transaction, since each waits for the disk.
                    script = schema.read_text(encoding="utf-8")
                    connection.executescript(f"BEGIN;\n{script}\nCOMMIT;")
                    connection.executemany(
                        "INSERT INTO meta VALUES (?, ?)",
                        [
                            ("schema", str(SCHEMA)),
                            ("created", repr(time.time())),
                            ("host", socket.gethostname()),
                        ],
                    )
                    connection.commit()
                part.rename(folder / FILE)
            except FileExistsError:
                raise errors.project.EXISTS.error(folder, f"it holds {FILE}.") from None
            except BaseException:
                part.unlink(missing_ok=True)
                _take_back(made)
                raise
            finally:
                part.unlink(missing_ok=True)
        return cls.open(folder, mounts=mounts)

    @classmethod
    def open(cls, folder: Path, *, mounts: Path = Path("/proc/self/mountinfo")) -> Store:
        """Open the store of a project.

        Raises
        ------
        TomolineError
            PROJ-01 no project, PROJ-03 of another version, PROJ-04 damaged, PROJ-05 on a network
            file system, PROJ-06 read-only, PROJ-18 held by another program, PROJ-19 run at another
            place, FILE-08.
        """
        folder = Path(os.path.abspath(folder))
        path = folder / FILE
        if not is_there(path):
            raise errors.project.NO_PROJECT.error(folder, f"it holds no {FILE}.")
        refuse_network(folder, mounts)
        if not os.access(path, os.W_OK) or not os.access(folder, os.W_OK):
            raise errors.project.READ_ONLY.error(folder, "you may not write there.")
        with translated(folder, opening=True):
            connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            connection.row_factory = sqlite3.Row
            add_functions(connection)
            try:
                check_schema(path, connection)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                (folder / WORK).mkdir(exist_ok=True)
                if not os.access(folder / WORK, os.W_OK):
                    raise errors.project.READ_ONLY.error(folder / WORK, "you may not write there.")
                follow_folder(connection, folder, folder / WORK / LOCK)
            except BaseException:
                connection.close()
                raise
        return cls(folder, connection)

    @property
    def path(self) -> Path:
        """Path of the database."""
        return self.folder / FILE

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Use it in a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it at the end of the block."""
        self.close()

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for changes: all of the block is done, or nothing of it.

        A block inside another one is part of it.
        """
        if self._connection.in_transaction:
            if not self._writing:  # SQLite refuses it whenever someone else has written since
                raise RuntimeError("a block that reads cannot hold one that writes")
            yield self._connection
            return
        if self.trouble is not None:
            raise self.trouble
        with translated(self.folder):
            self._connection.execute("BEGIN IMMEDIATE")
            self._writing = True
            try:
                yield self._connection
            except BaseException:
                self._roll_back()
                raise
            finally:
                self._writing = False
            try:
                self._connection.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for a view that does not change within the block."""
        if self._connection.in_transaction:
            yield self._connection
            return
        with translated(self.folder):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    @contextmanager
    def patience(self, seconds: float) -> Iterator[None]:
        """Wait only so long for others that write, instead of half a minute."""
        self._connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
        try:
            yield
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000:.0f}")

    def changes(self) -> int:
        """Return a number that changes whenever another process has written something."""
        with translated(self.folder):
            return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def setting(self, name: str, default: str = "") -> str:
        """Return a setting of the project."""
        with self.read() as db:
            row = db.execute("SELECT value FROM meta WHERE key = ?", (f"setting.{name}",))
            found = row.fetchone()
        return str(found[0]) if found else default

    def set_setting(self, name: str, value: str) -> None:
        """Change a setting of the project."""
        with self.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"setting.{name}", value))

    def add_event(
        self,
        kind: EventKind,
        message: str,
        *,
        level: str = "info",
        processor: int | None = None,
        data_set: str = "",
        batch: int | None = None,
        step: str = "",
        was: str = "",
        becomes: str = "",
        code: str = "",
        when: float | None = None,
    ) -> None:
        """Write a line of the project's log, in the same transaction as what it tells."""
        with self.write() as db:
            db.execute(
                "INSERT INTO event (time, level, kind, processor, data_set, batch, step, was,"
                " becomes, code, message) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    time.time() if when is None else when,
                    level,
                    str(kind),
                    processor,
                    data_set,
                    batch,
                    step,
                    was,
                    becomes,
                    code,
                    message,
                ),
            )


def to_json(value: Any) -> str:
    """Return a value as the store keeps it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Have a folder for oneself among those that make projects."""
    file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _take_back(made: Sequence[Path]) -> None:
    """Delete the folders of a project that could not be made."""
    for folder in made:
        with suppress(OSError):
            folder.rmdir()
