"""What the runner gives to a batch's process, and what comes back.

A job file tells the process all it needs, so that it opens no database and could run on another
machine. It answers in an event file to which it only appends: one JSON object a line, written with
one call each. Whoever reads it takes whole lines only; a line that a kill cut short is never seen.

Events, by their ``event``:

* ``started``: pid.
* ``part``: root, folder; the data set, or one axis of it, begins.
* ``step``: step, state (starts, kept, finished, failed), reason, seconds.
* ``progress``: step, label, done, total; some a second.
* ``warning``: step, code, where, found, remedy.
* ``ended``: state (finished, failed, paused); of a failure code, where, found, remedy, transient
  (it may go well later) and memory (it may go well with more memory for each thread).
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.queue.store import to_json

SCHEMA = 1


@dataclass(frozen=True)
class Part:
    """What is run in one go: a data set, or one axis of it.

    Attributes
    ----------
    root : str
        Root name.
    axis : str
        ``a`` or ``b`` of a dual-axis set, else "".
    source, folder : str
        Absolute paths of the acquisition and of the folder of results.
    layers : list of dict
        Layers of parameters in rising precedence, as `workflow.given.Layer.to_json` makes them.
    """

    root: str
    axis: str
    source: str
    folder: str
    layers: list[dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """All that a batch's process has to know.

    Attributes
    ----------
    batch, attempt : int
        Which batch, and how often it was started, from 1.
    name, recipe : str
        Names of the data set and of the recipe.
    parts : list of Part
        Run one after the other.
    first, last : str
        Steps to start from and to stop after; "" for the ends.
    only : list of str
        Steps to run; all if empty.
    reached : str
        ``axis:step`` that an earlier attempt finished last, so that steps asked for with `first`
        are not run a second time; "".
    threads, memory_bytes : int
        What it may use.
    events, stop : str
        Paths of the event file, and of the file whose existence asks to stop between two steps.
    scratch : str
        Folder for what does not fit the memory; "" for the data set's own.
    """

    batch: int
    attempt: int
    name: str
    recipe: str
    parts: list[Part]
    first: str
    last: str
    only: list[str]
    reached: str
    threads: int
    memory_bytes: int
    events: str
    stop: str
    scratch: str = ""

    def text(self) -> str:
        """Return the job as its file holds it."""
        return to_json({"schema": SCHEMA, **asdict(self)}) + "\n"

    @classmethod
    def read(cls, path: Path) -> Job:
        """Read a job file.

        Raises
        ------
        TomolineError
            QUEUE-12 if it cannot be read.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content.pop("schema") != SCHEMA:
                raise ValueError("it is of another version")
            content["parts"] = [Part(**part) for part in content["parts"]]
            return cls(**content)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise errors.queue.BAD_JOB.error(path, f"{error}.") from error


class EventWriter:
    """Appends events to a batch's event file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._cut_short = False

    def write(self, event: str, **facts: Any) -> None:
        """Append one event, with the time; a line that a full disk cut short is passed over."""
        text = to_json({"event": event, "time": time.time(), **facts}) + "\n"
        line = (("\n" if self._cut_short else "") + text).encode("utf-8", errors="replace")
        self._cut_short = True
        if os.write(self._file, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._cut_short = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def read_events(path: Path, offset: int) -> tuple[list[Mapping[str, Any]], int]:
    """Return the whole events after `offset` bytes of an event file, and where they end."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    end = content.rfind(b"\n") + 1
    found: list[Mapping[str, Any]] = []
    for line in content[:end].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # a broken disk must not stop the runner
        if isinstance(event, dict) and "event" in event:
            found.append(event)
    return found, offset + end
