"""The nouns of the queue: states, and the rows of the store as plain objects."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class BatchState(StrEnum):
    """State of a batch."""

    WAITING = "waiting"
    """In the queue."""
    RUNNING = "running"
    """A process works on it."""
    PAUSED = "paused"
    """Stopped between two steps; resuming goes on with the next."""
    FINISHED = "finished"
    FAILED = "failed"
    """Ended with an error; code and remedy are kept."""
    KILLED = "killed"
    """Ended because somebody wanted so; resuming goes on from what is complete."""
    DROPPED = "dropped"
    """Taken out of the queue, forgotten by a reset, or taken over by another batch."""


S = BatchState
TRANSITIONS: dict[BatchState, frozenset[BatchState]] = {
    S.WAITING: frozenset({S.RUNNING, S.DROPPED, S.KILLED}),
    # Back to waiting: it is tried again by itself. Dropped: the batch of its data set that waits
    # already takes over what it was to do.
    S.RUNNING: frozenset({S.FINISHED, S.FAILED, S.KILLED, S.PAUSED, S.WAITING, S.DROPPED}),
    S.PAUSED: frozenset({S.WAITING, S.DROPPED, S.KILLED}),
    S.FAILED: frozenset({S.WAITING, S.DROPPED}),
    S.KILLED: frozenset({S.WAITING, S.DROPPED}),
    S.FINISHED: frozenset({S.DROPPED}),
    S.DROPPED: frozenset(),
}
"""Which state may follow which; a new batch is waiting."""

LIVE = (S.WAITING, S.RUNNING, S.PAUSED)
"""States of batches that have not ended."""


class RunState(StrEnum):
    """What is wanted of the run of a project."""

    STOPPED = "stopped"
    """Nothing runs, and nothing is to run."""
    RUNNING = "running"
    """Batches are started as long as there are any; then it becomes stopped."""
    PAUSED = "paused"
    """No batch is started; those that run end, or stop at their next step."""


class EventKind(StrEnum):
    """What an event of the log is about."""

    STATE = "state"
    """A batch changed its state (`was`, `becomes`)."""
    STEP = "step"
    """A step began, ended or was kept."""
    WARNING = "warning"
    ERROR = "error"
    RUN = "run"
    """The run began, paused, went on, ended, or its runner was found gone."""
    QUEUE = "queue"
    """A batch was moved."""
    PROJECT = "project"
    """Data sets or parameters were changed."""
    WATCH = "watch"
    SCHEDULE = "schedule"
    NOTICE = "notice"
    """Mail and hooks."""


@dataclass(frozen=True)
class DataSetEntry:
    """A line of a project's table of data sets."""

    id: int
    name: str
    recipe: str
    source: Path
    source_b: Path | None
    folder: Path
    run: bool
    added: float

    @property
    def dual(self) -> bool:
        """Whether it has two axes."""
        return self.source_b is not None

    @property
    def roots(self) -> tuple[str, ...]:
        """Root names of what is run: one, or one for each axis."""
        return (f"{self.name}a", f"{self.name}b") if self.dual else (self.name,)


@dataclass(frozen=True)
class Batch:
    """A data set with the part of a recipe to run; see ``schema.sql`` for the fields."""

    id: int
    data_set: int
    name: str
    """Name of the data set."""
    state: BatchState
    place: float
    first: str
    last: str
    only: str
    reached: str
    origin: str
    attempt: int
    retries: int
    threads: int
    alone: bool
    not_before: float
    wanted: str
    processor: int | None
    pid: int | None
    birth: str
    read_bytes: int
    step: str
    label: str
    done: int
    total: int
    queued: float
    started: float | None
    ended: float | None
    code: str
    at: str
    found: str
    remedy: str


@dataclass(frozen=True)
class Event:
    """A line of a project's log."""

    id: int
    time: float
    level: str
    kind: str
    processor: int | None
    data_set: str
    batch: int | None
    step: str
    was: str
    becomes: str
    code: str
    message: str
