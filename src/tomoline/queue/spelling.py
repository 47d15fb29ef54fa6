"""Names that read the same, however their accents are written.

An é is one character, or an e with an accent of its own, as in the names of files that come from
macOS. Names stay as they are; whoever names a data set means the one that reads the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from tomoline import errors

if TYPE_CHECKING:
    from tomoline.queue.store import Store

NOT_ASCII = "*[^ -~]*"
"""Pattern of SQLite for names that may be written in several ways; most are not."""
WILD = frozenset("*?[")


def composed(text: str) -> str:
    r"""Return a text with all accents written in one way (NFC).

    >>> composed("e\u0301") == "\u00e9"
    True
    """
    if text.isascii():
        return text
    from unicodedata import normalize

    return normalize("NFC", text)


def fits(name: str, pattern: str) -> bool:
    r"""Whether a name fits a pattern with ``*``, ``?`` or ``[..]``, as written or as read.

    Without one of these it has to be the name just so.

    >>> fits("TS_1", "TS_?"), fits("e\u0301t", "?t"), fits("e\u0301t", "[\u00e9]t")
    (True, True, True)
    """
    if not WILD & set(pattern):
        return name == pattern
    if fnmatchcase(name, pattern):
        return True
    if name.isascii() and pattern.isascii():
        return False
    return fnmatchcase(composed(name), composed(pattern))


def add_functions(db: sqlite3.Connection) -> None:
    """Let queries of a connection compare names; to be called before it is used."""
    db.create_function("fits", 2, fits, deterministic=True)
    db.create_function("composed", 1, composed, deterministic=True)


def other_spelling(db: sqlite3.Connection, name: str) -> str | None:
    """Return the name of the data set that reads like one, of which there is no such data set.

    Raises
    ------
    TomolineError
        PROJ-20 if there are several.
    """
    sought = composed(name)
    rows = db.execute(
        "SELECT name FROM data_set WHERE name GLOB ? OR name = ? ORDER BY place",
        (NOT_ASCII, sought),
    )
    found: list[str] = [row[0] for row in rows if composed(row[0]) == sought]
    if len(found) > 1:
        written = " and ".join(ascii(one) for one in found)
        raise errors.project.SAME_SPELLING.error(name, f"it could be {written}.")
    return found[0] if found else None


def as_spelt(store: Store, names: Sequence[str]) -> list[str]:
    """Return names of data sets as these are written; patterns, and what is none, as given.

    Raises
    ------
    TomolineError
        PROJ-20 for what could be several.
    """
    with store.read() as db:
        known = "SELECT 1 FROM data_set WHERE name = ?"
        return [
            name if db.execute(known, (name,)).fetchone() else other_spelling(db, name) or name
            for name in names
        ]


def logged(db: sqlite3.Connection, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the condition for events of the data sets that are named, and what it is given.

    The log also tells of data sets that are there no longer, so the table does not help.
    """
    if WILD & set(name):
        # GLOB is as fnmatch, only that it negates sets with ^.
        condition = "(data_set GLOB ? OR data_set GLOB ? AND fits(data_set, ?))"
        return condition, (name.replace("[!", "[^"), NOT_ASCII, name)
    if db.execute("SELECT 1 FROM event WHERE data_set = ? LIMIT 1", (name,)).fetchone():
        return "data_set = ?", (name,)
    return "data_set GLOB ? AND composed(data_set) = ?", (NOT_ASCII, composed(name))
