"""What can be wrong with a project's store, in a user's words."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError

FILE = "tomoline.sqlite"
SCHEMA = 1
UNWRITABLE = (errors.files.DISK_FULL, errors.files.NOT_WRITABLE, errors.project.READ_ONLY)
"""What keeps a store from being written, and may let it be read."""
ROOM_BYTES = 256 * 1024
"""With less room than this SQLite cannot work; it calls that an error of input or output."""


def is_there(path: Path) -> bool:
    """Whether there is such a file.

    Raises
    ------
    TomolineError
        PROJ-06 where one may not even look.
    """
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except PermissionError as error:
        raise errors.project.READ_ONLY.error(path.parent, "you may not look into it.") from error
    except (OSError, ValueError):
        return False


def check_schema(path: Path, connection: sqlite3.Connection) -> None:
    """Refuse what is no store, or one of another version.

    Raises
    ------
    TomolineError
        PROJ-03, PROJ-04.
    """
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    if "meta" not in tables:
        size = path.stat().st_size
        raise errors.project.DAMAGED.error(path, f"it holds no project ({size} bytes).")
    row = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
    version = str(row[0]) if row else "unknown"
    if version != str(SCHEMA):
        raise errors.project.OTHER_SCHEMA.error(
            path, f"its schema is {version}, this version reads {SCHEMA}."
        )


@contextmanager
def translated(folder: Path, *, opening: bool = False) -> Iterator[None]:
    """Turn SQLite's errors, and while `opening` the system's, into coded ones."""
    try:
        yield
    except sqlite3.Error as error:
        raise _coded(error, folder) from error
    except UnicodeEncodeError as error:  # what was typed, since all else came out of the store
        found, remedy = "it is not of UTF-8.", "Write it in UTF-8."
        raise errors.parameters.BAD_OPTION.error(ascii(error.object), found, remedy) from error
    except PermissionError as error:
        raise errors.project.READ_ONLY.error(folder, f"{error.strerror}.") from error
    except OSError as error:
        if not opening:
            raise
        from tomoline.files.atomic import translate_os_error

        coded = translate_os_error(error, Path(error.filename or folder))
        if coded.kind is errors.files.DISK_FULL:
            raise coded from error
        raise errors.project.READ_ONLY.error(folder, f"{error}.") from error


def _coded(error: sqlite3.Error, folder: Path) -> TomolineError:
    name = getattr(error, "sqlite_errorname", "") or ""
    path = folder / FILE
    unsure = name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN"))
    if name.startswith("SQLITE_FULL") or (unsure and is_full(folder)):
        return errors.files.DISK_FULL.error(
            path,
            f"The disk is full ({error}).",
            "Free some space on the project's disk, and give the command again. 'tomoline kill' "
            "works even so.",
        )
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return errors.project.READ_ONLY.error(folder, f"{error}.")
    if name.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or _lacks_parts(error):
        return errors.project.DAMAGED.error(path, f"{error}.")
    if name.startswith("SQLITE_IOERR"):
        return errors.files.NOT_WRITABLE.error(path, f"The system reports: {error}.")
    if name.startswith("SQLITE_BUSY"):
        return errors.project.HELD.error(path, f"{error}.")
    return errors.running.INTERNAL.error(path, f"{name} {error}.")


def is_full(folder: Path) -> bool:
    """Whether the disk of a folder has no room for what SQLite needs."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        found = os.statvfs(there)
    except OSError:
        return False
    blocks = found.f_bavail if os.geteuid() else found.f_bfree  # some are kept for root
    return blocks * found.f_frsize < ROOM_BYTES


def _lacks_parts(error: sqlite3.Error) -> bool:
    return str(error).startswith(("no such table", "no such column"))
