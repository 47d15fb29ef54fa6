"""Schedules: steps that are repeated over whatever is new, so many times, so many minutes apart."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence

from tomoline import errors
from tomoline.queue.model import EventKind
from tomoline.queue.recovery import start_runner
from tomoline.queue.schedule_rounds import ScheduleService
from tomoline.queue.schedule_steps import PROJECT_STEPS, check_steps
from tomoline.queue.schedule_table import (
    Round,
    Schedule,
    ScheduleState,
    all_schedules,
    live_batches,
    want_running,
)
from tomoline.queue.store import Store
from tomoline.queue.words import count_of

__all__ = ["PROJECT_STEPS", "Schedule", "ScheduleService", "ScheduleState", "Schedules"]

YEAR_S = 365.25 * 86400.0
LONGEST_S = 10 * YEAR_S
"""Most seconds between two rounds: what is further away has no date that could be told."""
MOST_TIMES = 1_000_000_000
_NAME = re.compile(r"[\w.-]+")
S = ScheduleState


class Schedules:
    """The schedules of a project.

    Parameters
    ----------
    store : Store
        The project's.
    ensure : callable, optional
        Starts a runner where there is none; by default `launch.ensure_runner`.
    clock : callable
        Time, for tests.
    """

    def __init__(
        self,
        store: Store,
        *,
        ensure: Callable[[Store], int] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._ensure = ensure or start_runner
        self._clock = clock

    def new(
        self, name: str, steps: Sequence[str], *, times: int, every_s: float, recipe: str = ""
    ) -> Schedule:
        """Prepare a schedule; the project need not have any data yet.

        Parameters
        ----------
        name : str
            Its name.
        steps : sequence of str
            Steps of one recipe, in its order; ``import`` may come first and ``values`` last.
        times : int
            How many rounds.
        every_s : float
            At least so many seconds between the starts of two rounds.
        recipe : str
            Whose steps they are; by default the steps tell.

        Raises
        ------
        TomolineError
            SCHED-01, SCHED-07 for the name, SCHED-05 for the numbers, PARAM-05, SCHED-03 and
            SCHED-04 for the steps.
        """
        if not _NAME.fullmatch(name):
            raise errors.schedule.BAD_NAME.error(name, f"{name!r} has other characters.")
        if times < 1:
            raise errors.schedule.BAD_NUMBERS.error("--times", f"{times} is less than 1.")
        if times > MOST_TIMES:
            raise errors.schedule.BAD_NUMBERS.error(
                "--times", f"{times} is more than {MOST_TIMES}."
            )
        if not (math.isfinite(every_s) and every_s >= 0):
            raise errors.schedule.BAD_NUMBERS.error("--every", f"{every_s / 60:g} is no time.")
        if every_s > LONGEST_S:
            text = f"{every_s / 60:g} minutes are more than {LONGEST_S / YEAR_S:.0f} years."
            raise errors.schedule.BAD_NUMBERS.error("--every", text)
        with self._store.write() as db:
            if any(one.name == name for one in self.all()):
                raise errors.schedule.EXISTS.error(name, "the project has one of that name.")
            checked = check_steps(self._store, name, steps, recipe)
            db.execute(
                "INSERT INTO schedule (name, recipe, steps, needs, times, every_s, state)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    checked.recipe,
                    ",".join(checked.steps),
                    ",".join(checked.needs),
                    times,
                    every_s,
                    S.PREPARED,
                ),
            )
            self._tell(name, f"made: {', '.join(checked.steps)}, {_rounds(times, every_s)}")
        return self.get(name)

    def all(self) -> list[Schedule]:
        """Return the schedules, by name."""
        return all_schedules(self._store)

    def get(self, name: str) -> Schedule:
        """Return one schedule.

        Raises
        ------
        TomolineError
            SCHED-02 if there is none of that name.
        """
        known = self.all()
        for one in known:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in known)
        found = f"the project has {names}." if names else "the project has no schedules."
        raise errors.schedule.UNKNOWN.error(name, found)

    def live(self, one: Schedule) -> int:
        """Return how many batches of a schedule's present round wait or run."""
        return live_batches(self._store, one)

    def start(self, name: str) -> Schedule:
        """Start a schedule: its first round begins at once, or it goes on where it was stopped.

        One that has finished begins again with its first round.

        Raises
        ------
        TomolineError
            SCHED-02 if there is none, SCHED-06 if it runs, QUEUE-09 if the runner does not start.
        """
        with self._store.write() as db:
            one = self.get(name)
            if one.state is S.RUNNING:
                raise errors.schedule.WRONG_STATE.error(name, "it runs already.")
            anew = one.state is S.FINISHED
            db.execute(
                "UPDATE schedule SET state = ?, round = ?, busy = ? WHERE name = ?",
                (
                    S.RUNNING,
                    0 if anew else one.round,
                    Round.ENDED if anew else one.busy,
                    name,
                ),
            )
            if one.open and self.live(one):  # they were left in the queue by a kill
                want_running(db)
            if anew or not one.round:
                self._tell(name, "started")
            elif one.open:
                self._tell(name, f"started, goes on with round {one.round} of {one.times}")
            else:
                self._tell(name, f"started, {one.round} of {count_of(one.times, 'round')} done")
        self._ensure(self._store)
        return self.get(name)

    def stop(self, name: str) -> Schedule:
        """Stop a schedule: no round begins any more; what it has queued stays in the queue.

        Raises
        ------
        TomolineError
            SCHED-02 if there is none, SCHED-06 if it does not run.
        """
        with self._store.write() as db:
            one = self.get(name)
            if one.state is not S.RUNNING:
                raise errors.schedule.WRONG_STATE.error(name, f"it is {one.state}.")
            db.execute("UPDATE schedule SET state = ? WHERE name = ?", (S.STOPPED, name))
            self._tell(name, f"stopped in round {one.round} of {one.times}")
        return self.get(name)

    def remove(self, name: str) -> None:
        """Forget a schedule; what it has queued stays in the queue.

        Raises
        ------
        TomolineError
            SCHED-02 if there is none, SCHED-06 if it runs.
        """
        with self._store.write() as db:
            if self.get(name).state is S.RUNNING:
                raise errors.schedule.WRONG_STATE.error(
                    name, "it runs.", f"Stop it first: 'tomoline schedule stop {name}'."
                )
            db.execute("DELETE FROM schedule WHERE name = ?", (name,))
            self._tell(name, "removed")

    def _tell(self, name: str, message: str) -> None:
        self._store.add_event(EventKind.SCHEDULE, f"{name}: {message}", when=self._clock())


def _rounds(times: int, every_s: float) -> str:
    if times == 1:
        return "once"
    apart = f", at least {count_of(every_s / 60, 'minute')} apart" if every_s else ""
    return f"{times} times{apart}"
