"""Opening a project only to look at it: possible wherever its store can be read.

Where the store cannot be written, because its disk is full or it is another user's, SQLite still
reads it beside a living runner. Without one, SQLite would have to make files of its own beside it.
Then a copy is looked at, which lies in memory and goes with the process.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import quote

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.moved import follow_folder
from tomoline.queue.spelling import add_functions
from tomoline.queue.store import BUSY_S, LOCK, WORK, Store
from tomoline.queue.store_faults import FILE, UNWRITABLE, check_schema, translated

IN_MEMORY = "/dev/shm"
LOG_ENDING = "-wal"
"""What SQLite adds to the name of a database for the file with its newest changes."""
ENDINGS = (LOG_ENDING, "-shm")
TRIES = 5


def open_readable(folder: Path, trouble: TomolineError) -> Store:
    """Open the store of a project that cannot be opened for writing, to be read only.

    Parameters
    ----------
    folder : Path
        Of the project.
    trouble : TomolineError
        Why it cannot be opened for writing. It is raised where that keeps it from being read, too.
    """
    if trouble.kind not in UNWRITABLE:
        raise trouble
    folder = Path(os.path.abspath(folder))
    with suppress(sqlite3.Error):
        return Store(folder, _itself(folder), trouble=trouble)
    for place in (IN_MEMORY, None):  # None is the usual one for what is temporary
        try:
            return Store(folder, _copied(folder, place), trouble=trouble, is_copy=True)
        except OSError:
            continue
        except TomolineError as error:
            if error.kind not in UNWRITABLE:  # a place that is full, as SQLite tells it
                raise
    raise trouble


def refuse_to_follow(store: Store) -> None:
    """Refuse to wait for changes of a store of which a copy is looked at.

    Raises
    ------
    TomolineError
        What keeps the store from being written.
    """
    if store.is_copy and store.trouble is not None:
        fault = store.trouble
        found = f"{fault.found} What changes from now on cannot be followed."
        raise fault.kind.error(fault.where, found, fault.remedy)


def _itself(folder: Path) -> sqlite3.Connection:
    """Open the store itself, where others have it open, so that SQLite has to make no file.

    A file of ours beside it would stay there, and whoever may write the store could not do so any
    more, since that one may not be written.
    """
    beside = [Path(f"{folder / FILE}{ending}") for ending in ENDINGS]
    with ExitStack() as stack:
        handles = []
        for path in beside:
            try:  # without taking part in the locks of SQLite, which closing them would take away
                handles.append(os.open(path, os.O_PATH | os.O_CLOEXEC))
            except OSError:
                raise sqlite3.OperationalError("nobody has it open") from None
            stack.callback(os.close, handles[-1])
        address = f"file:{quote(str(folder / FILE))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)
        prepared = _prepared(connection, folder)
        if all(os.fstat(one).st_nlink for one in handles):
            return prepared
    prepared.close()  # the last one has left just then
    with suppress(OSError):
        if (folder / FILE).stat().st_uid != os.geteuid():
            for path in beside:
                if path.stat().st_uid == os.geteuid():  # made by this look: no user of it can write
                    path.unlink()
    raise sqlite3.OperationalError("nobody has it open any more")


def _copied(folder: Path, place: str | None) -> sqlite3.Connection:
    """Open a copy of the store in memory."""
    with tempfile.TemporaryDirectory(prefix="tomoline-", dir=place) as scratch:
        copy = Path(scratch) / FILE
        _copy(folder / FILE, copy)
        connection = sqlite3.connect(":memory:", isolation_level=None)
        try:
            with translated(folder), closing(sqlite3.connect(copy)) as source:
                source.backup(connection)  # with what the log holds
        except BaseException:
            connection.close()
            raise
        return _prepared(connection, folder)


def _copy(store: Path, copy: Path) -> None:
    """Copy a store and its log as they are at one moment: now and then a runner may yet end."""
    log, log_copy = (Path(f"{one}{LOG_ENDING}") for one in (store, copy))
    for _ in range(TRIES):
        before = [_state(one) for one in (store, log)]
        shutil.copyfile(store, copy)
        log_copy.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.copyfile(log, log_copy)
        if before == [_state(one) for one in (store, log)]:
            return


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


def _prepared(connection: sqlite3.Connection, folder: Path) -> sqlite3.Connection:
    """Return a connection of which is known that it can be read, or close it."""
    try:
        connection.row_factory = sqlite3.Row
        add_functions(connection)
        check_schema(folder / FILE, connection)
        try:
            follow_folder(connection, folder, folder / WORK / LOCK)
        except TomolineError as error:
            if error.kind is not errors.project.OTHER_PLACE:  # its paths are right over there
                raise
    except BaseException:
        connection.close()
        raise
    return connection
