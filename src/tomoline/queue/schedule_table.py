"""The schedules of a project, as the store keeps them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from tomoline.queue.model import RunState
from tomoline.queue.schedule_steps import IMPORT, PROJECT_STEPS, VALUES
from tomoline.queue.store import Store


class ScheduleState(StrEnum):
    """State of a schedule."""

    PREPARED = "prepared"
    """Made, and never started."""
    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    """All its rounds have ended."""


class Round(StrEnum):
    """How far the present round of a schedule has come, as the store's column ``busy`` says."""

    ENDED = "0"
    BEGUN = "1"
    QUEUED = "2"


@dataclass(frozen=True)
class Schedule:
    """Steps that are repeated.

    Attributes
    ----------
    name, recipe : str
        Its name, and whose steps they are; "" where they are all of the project.
    steps : tuple of str
        In order, those of `PROJECT_STEPS` included.
    needs : tuple of str
        Other steps that a data set must have run before.
    times : int
        How many rounds.
    every_s : float
        At least so many seconds between the starts of two rounds.
    state : ScheduleState
        Whether it runs.
    round : int
        How many rounds have begun.
    began : float
        Start of the latest one.
    busy : Round
        How far that has come.
    """

    name: str
    recipe: str
    steps: tuple[str, ...]
    needs: tuple[str, ...]
    times: int
    every_s: float
    state: ScheduleState
    round: int
    began: float
    busy: Round

    @property
    def imports(self) -> bool:
        """Whether a round begins with a look at the watched folders."""
        return IMPORT in self.steps

    @property
    def writes_values(self) -> bool:
        """Whether a round ends with the table of values."""
        return VALUES in self.steps

    @property
    def recipe_steps(self) -> tuple[str, ...]:
        """Its steps of the recipe."""
        return tuple(step for step in self.steps if step not in PROJECT_STEPS)

    @property
    def open(self) -> bool:
        """Whether the latest round has not ended."""
        return self.busy is not Round.ENDED

    @property
    def due(self) -> float | None:
        """When the next round may begin; None where there is none to come."""
        if self.state is not ScheduleState.RUNNING or self.round >= self.times:
            return None
        return self.began + self.every_s if self.round else 0.0


def to_schedule(row: sqlite3.Row) -> Schedule:
    """Return the schedule of a row of ``schedule``."""
    return Schedule(
        name=row["name"],
        recipe=row["recipe"],
        steps=tuple(row["steps"].split(",")),
        needs=tuple(filter(None, row["needs"].split(","))),
        times=row["times"],
        every_s=row["every_s"],
        state=ScheduleState(row["state"]),
        round=row["round"],
        began=row["began"],
        busy=Round(str(row["busy"])),
    )


def origin_of(name: str) -> str:
    """Return what the batches of a schedule have as their origin."""
    return f"schedule {name}"


def all_schedules(store: Store) -> list[Schedule]:
    """Return the schedules of a project, by name."""
    with store.read() as db:
        return [to_schedule(row) for row in db.execute("SELECT * FROM schedule ORDER BY name")]


def want_running(db: sqlite3.Connection) -> None:
    """Want the run to go on where it is stopped; one that is paused stays so."""
    db.execute("UPDATE run SET wanted = ? WHERE wanted = ?", (RunState.RUNNING, RunState.STOPPED))


def live_batches(store: Store, one: Schedule) -> int:
    """Return how many batches of the present round wait or run."""
    with store.read() as db:
        found = db.execute(
            "SELECT count(*) FROM schedule_item AS i JOIN batch AS b ON b.id = i.batch"
            " WHERE i.schedule = ? AND i.round = ? AND b.state IN ('waiting', 'running', 'paused')",
            (one.name, one.round),
        )
        return int(found.fetchone()[0])
