"""The runner of a project: ``python -m tomoline.queue.runner FOLDER``.

It starts batches, follows them and writes down what becomes of them. Faces never talk to it: they
write into the store what they want, and it looks there. So it can die at any moment, and another
one goes on from what is written down.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.attempts import Attempts
from tomoline.queue.background import Service, ServiceThread
from tomoline.queue.batches import Queue
from tomoline.queue.listing import SERVED, state_is
from tomoline.queue.logfile import LogFile
from tomoline.queue.model import LIVE, Batch, EventKind, RunState
from tomoline.queue.outcome import retries_of
from tomoline.queue.processors import Launcher, Worker
from tomoline.queue.resources import OVERHEAD_BYTES, Plan, available, plan_processors
from tomoline.queue.rows import running_batches, wanted_of
from tomoline.queue.store import Store

__all__ = ["Launcher", "Runner", "Service", "Worker", "main"]

SIGN_OF_LIFE_S = 10.0
LOG_S = 1.0
REST_S = 10.0
"""How long no batch is started after one could not be."""


class Runner:
    """Runs the queue of a project.

    Parameters
    ----------
    store : Store
        The project's; whoever makes a runner holds its lock (see `tomoline.queue.launch`).
    launcher : Launcher
        Where processes come from.
    clock, ticks : callable, optional
        Time of day, and time that only goes forward.
    services : sequence of ServiceThread
        What works beside the batches.
    machine : callable
        Tells cores and bytes.
    tell : callable
        Gets what went wrong beside the batches.
    """

    def __init__(
        self,
        store: Store,
        launcher: Launcher,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        services: Sequence[ServiceThread] = (),
        machine: Callable[[], tuple[int, int]] = available,
        tell: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ticks = ticks
        self._services = services
        self._attempts = Attempts(store, launcher, clock=clock, ticks=ticks)
        self._queue = Queue(store)
        self._log = LogFile(store)
        self._machine = machine()
        self._tell = tell
        self._alive_at = self._logged_at = float("-inf")
        self._start_after = float("-inf")
        self._questions: dict[str, int] = {}

    @property
    def active(self) -> int:
        """How many processes it knows."""
        return len(self._attempts.active)

    @property
    def hurries(self) -> bool:
        """Whether something may be to do any moment, of which the store does not tell."""
        return bool(self._attempts.active or self._questions)

    def begin(self) -> None:
        """Tidy up after earlier runners, and start the services."""
        self._attempts.clean()
        for service in self._services:
            service.begin()

    def end(self) -> None:
        """End the services; what runs goes on, for the next runner to find."""
        for service in self._services:
            service.end()

    def abandon(self) -> None:
        """End all processes: the store is gone, and nobody could look after them any more."""
        self._attempts.kill_all()

    def turn(self) -> bool:
        """Do once all that there is to do, without waiting.

        Returns
        -------
        bool
            False when there is nothing left to do: the runner may end.

        Raises
        ------
        TomolineError
            Of the store, or of a process that cannot be started or followed; all else has been
            done, as far as that can be, and it can be called again.
        """
        self._sign_of_life()
        plan, wanted = self._plan()
        running = self._running()
        trouble: Exception | None = None
        for batch in running:
            try:
                self._attempts.follow(
                    batch, kill=wanted is RunState.STOPPED, more_memory=plan.bytes_alone
                )
            except Exception as error:  # the others are not to suffer from it
                trouble = error
                if getattr(error, "kind", None) is errors.queue.WRONG_STATE:  # a face was faster
                    self._attempts.forget(batch.id)
        for number in set(self._attempts.active) - {batch.id for batch in running}:
            self._attempts.forget(number)
        if wanted is RunState.RUNNING and self._ticks() >= self._start_after:
            self._start(plan)
        goes_on = self._goes_on()
        self._append_log(last=not goes_on)
        if trouble is not None:
            raise trouble
        return goes_on

    def _sign_of_life(self) -> None:
        now = self._ticks()
        if now - self._alive_at >= SIGN_OF_LIFE_S:
            self._alive_at = now
            with self._store.write() as db:
                clock = self._clock()
                db.execute("UPDATE run SET seen = ?", (clock,))
                # A clock that was set back must not keep one from being tried again.
                latest = clock + max(retries_of(self._store)[1])
                db.execute(
                    "UPDATE batch SET not_before = ? WHERE state = 'waiting' AND not_before > ?",
                    (latest, latest),
                )

    def _plan(self) -> tuple[Plan, RunState]:
        with self._store.read() as db:
            run = db.execute("SELECT wanted, processors, threads, memory FROM run").fetchone()
        plan = plan_processors(run["processors"], run["threads"], run["memory"], *self._machine)
        return plan, RunState(run["wanted"])

    def _running(self) -> list[Batch]:
        return running_batches(self._store)

    def _start(self, plan: Plan) -> None:
        """Start batches as long as there is one, and a processor and memory for it."""
        while True:
            running = self._running()
            if len(running) >= plan.processors or any(one.alone for one in running):
                return
            batch = self._queue.next(self._clock(), alone_allowed=not running)
            if batch is None:
                return
            threads, memory = plan.threads, plan.bytes_each
            if batch.alone:
                threads, memory = plan.threads * plan.processors, plan.bytes_alone
            taken = sum(one.bytes + OVERHEAD_BYTES for one in self._attempts.active.values())
            if running and taken + memory > plan.bytes_alone:
                return  # those that run were given more, by an earlier plan
            busy = {one.processor for one in running}
            free = next(n for n in range(1, plan.processors + 1) if n not in busy)
            try:
                threads = min(threads, batch.threads or threads)
                if not self._attempts.start(batch, free, threads, memory):
                    return
            except TomolineError as error:
                if error.kind is errors.queue.WRONG_STATE:
                    continue  # a face has just taken it out
                self._start_after = self._ticks() + REST_S
                raise

    def _goes_on(self) -> bool:
        """Whether there is anything left to do; write down that all is done when it is."""
        run = wanted_of(self._store)
        if self._busy(run):
            self._questions.clear()
            return True
        # A run that is paused is done, too, if there is nothing left that could be resumed.
        done = run is not RunState.STOPPED and not self._is_live()
        ends = done or run is RunState.RUNNING
        if not self._services_are_free(only_holding=ends):
            return True
        with self._store.write() as db:
            now = wanted_of(self._store)
            if now is not run or self._busy(now) or (done and self._is_live()):
                return True  # somebody has just asked for more
            if ends:
                db.execute("UPDATE run SET wanted = ?", (RunState.STOPPED,))
                self._store.add_event(EventKind.RUN, self._summary(), when=self._clock())
                self._questions = {one.name: one.ask() for one in self._services}
                return True  # what tells people about it has yet to do so
            # From here on, whoever wants a runner starts one.
            db.execute("UPDATE run SET pid = NULL, birth = '', seen = ?", (self._clock(),))
        return False

    def _busy(self, wanted: RunState) -> bool:
        """Whether batches run, or will, or may still come.

        The services are not asked here: one that meets an error may be at rest for a while, and
        what it looks after must not be forgotten for that.
        """
        states = "'running', 'waiting'" if wanted is RunState.RUNNING else "'running'"
        # A batch that waits behind a paused one of its data set cannot start.
        query = (
            f"SELECT {SERVED} OR EXISTS (SELECT 1 FROM batch WHERE state IN ({states})"
            " AND (state = 'running' OR NOT EXISTS (SELECT 1 FROM batch AS b"
            " WHERE b.data_set = batch.data_set AND b.state = 'paused')))"
        )
        with self._store.read() as db:
            return bool(db.execute(query).fetchone()[0])

    def _is_live(self) -> bool:
        query = f"SELECT 1 FROM batch WHERE {state_is(LIVE)} LIMIT 1"
        with self._store.read() as db:
            return db.execute(query).fetchone() is not None

    def _services_are_free(self, *, only_holding: bool) -> bool:
        """Whether no service has anything left to do, asked after all else had ended."""
        asked = [one for one in self._services if one.holds_run or not only_holding]
        if any(one.is_busy for one in asked):
            self._questions.clear()  # it looks by itself, and will be asked when it is free
            return False
        for one in asked:
            if one.name not in self._questions:
                self._questions[one.name] = one.ask()
        return all(one.is_free(self._questions[one.name]) for one in asked)

    def _summary(self) -> str:
        """Return how many batches ended, and how, since all was done the last time."""
        with self._store.read() as db:
            rows = db.execute(
                "SELECT batch.state, count(*) FROM batch WHERE state IN ('finished', 'failed',"
                " 'killed') AND id IN (SELECT batch FROM event WHERE kind = 'state' AND id >"
                " (SELECT coalesce(max(id), 0) FROM event WHERE kind = 'run'"
                " AND message LIKE 'all done:%')) GROUP BY batch.state"
            )
            counts = {row[0]: row[1] for row in rows}
        text = f"all done: {counts.get('finished', 0)} finished, {counts.get('failed', 0)} failed"
        return f"{text}, {counts['killed']} killed" if counts.get("killed") else text

    def _append_log(self, *, last: bool) -> None:
        now = self._ticks()
        if last or now - self._logged_at >= LOG_S:
            self._logged_at = now
            try:
                self._log.append()
            except (OSError, TomolineError) as error:
                self._tell(error)  # the store has it all; the file gets it later


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the project whose folder is named, until there is nothing left to do."""
    from tomoline.queue.serving import serve

    return serve(arguments)


if __name__ == "__main__":
    import sys

    sys.exit(main())
