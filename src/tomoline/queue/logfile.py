"""The log file of a whole run: every event of a project, one a line."""

from __future__ import annotations

import os

from tomoline.queue.rows import to_event
from tomoline.queue.store import LOG, Store

KEY = "logged"
AT_A_TIME = 2000


class LogFile:
    """Appends the events of a project to ``PROJECT/tomoline.log``.

    The store remembers the last event in the file, and how long the file is then: what a runner
    appended and could not write down any more is cut off and written again, so that every event
    stands there once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._path = store.folder / LOG
        self._begun = False

    def append(self) -> None:
        """Append what is new.

        Raises
        ------
        TomolineError
            Of the store.
        OSError
            Of the file.
        """
        while self._append_some() == AT_A_TIME:
            pass

    def _append_some(self) -> int:
        from tomoline.queue.log import line_of

        with self._store.read() as db:
            known = db.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
            last, size = map(int, known[0].split()) if known else (0, 0)
            rows = db.execute(
                "SELECT * FROM event WHERE id > ? ORDER BY id LIMIT ?", (last, AT_A_TIME)
            ).fetchall()
        if not rows:
            return 0
        events = [to_event(row) for row in rows]
        text = "".join(line_of(event).replace("\n", " ") + "\n" for event in events)
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            there = os.fstat(file).st_size
            if known is None:  # a file that is there already stays, as it is now
                size = there
                self._note(last, size)
            if not self._begun and size < there:
                os.ftruncate(file, size)
            self._begun = True
            content = memoryview(text.encode("utf-8", errors="replace"))
            while content:
                content = content[os.write(file, content) :]
            size = os.fstat(file).st_size
        except OSError:
            self._begun = False  # half of it may be there
            raise
        finally:
            os.close(file)
        self._note(events[-1].id, size)
        return len(rows)

    def _note(self, last: int, size: int) -> None:
        with self._store.write() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, f"{last} {size}"))
