"""Run control: start, pause, kill, resume, reset; every face uses this and nothing else.

A face writes down what it wants, and the runner, a process of its own, does it.

Every command on a project comes through here, so each method loads only what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.errors import Notice
from tomoline.queue.answers import Reset, Started
from tomoline.queue.model import Batch, BatchState, EventKind
from tomoline.queue.recovery import (
    find_runner,
    recover,
    refuse_other_host,
    start_runner,
)
from tomoline.queue.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tomoline.queue.batches import Queue
    from tomoline.queue.data_sets import DataSets
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.status import Status

__all__ = ["Control", "Reset", "Started"]

S = BatchState


class Control:
    """The run of a project.

    Parameters
    ----------
    store : Store
        The project's.
    ensure : callable, optional
        Starts a runner where there is none; by default `launch.ensure_runner`.
    alive : callable, optional
        Tells the process id of the living runner, or None; by default `launch.runner_process`.
    """

    def __init__(
        self,
        store: Store,
        *,
        ensure: Callable[[Store], int] | None = None,
        alive: Callable[[Store], int | None] | None = None,
    ) -> None:
        self._store = store
        self._ensure = ensure or start_runner
        self._alive = alive or find_runner
        self._told: list[Notice] = []

    @cached_property
    def _queue(self) -> Queue:
        from tomoline.queue.batches import Queue

        return Queue(self._store)

    @cached_property
    def _data_sets(self) -> DataSets:
        from tomoline.queue.data_sets import DataSets

        return DataSets(self._store)

    def start(
        self,
        patterns: Sequence[str] = (),
        *,
        first: str = "",
        last: str = "",
        any_step: bool = False,
        processors: int | None = None,
        threads: int | None = None,
        memory: int | None = None,
        dry_run: bool = False,
    ) -> Started:
        """Queue data sets, and run the queue.

        Parameters
        ----------
        patterns : sequence of str
            Names of data sets, ``*`` and ``?`` may be used; those with the run flag if empty.
        first, last : str
            Names or batchruntomo's numbers of steps to start from and to stop after.
        any_step : bool
            Whether to start later than what a data set has reached.
        processors, threads, memory : int, optional
            So many batches side by side, threads of each, bytes for all together; 0 for what the
            machine has. What is left out stays as it was last asked for.
        dry_run : bool
            Only tell what would be run, and why.

        Raises
        ------
        TomolineError
            QUEUE-06 without data sets, PROJ-08 for a name that there is not, PROJ-11 for a
            dual-axis set with one stack, QUEUE-04 and PARAM-05 for the steps, PROJ-07 where another
            machine runs the project, QUEUE-09 if the runner does not start.
        """
        from tomoline.queue.starting import Means, start

        refuse_other_host(self._store)
        return start(
            self._store,
            self._ensure,
            patterns,
            (first, last),
            Means(processors, threads, memory),
            any_step=any_step,
            dry_run=dry_run,
        )

    def run_queue(self, origin: str) -> None:
        """Run the queue as it is: nothing is added, and what was killed is left alone.

        Parameters
        ----------
        origin : str
            Who asks for it, for the log.

        Raises
        ------
        TomolineError
            PROJ-07 where another machine runs the project, QUEUE-09 if the runner does not start.
        """
        from tomoline.queue.starting import run_queue

        refuse_other_host(self._store)
        run_queue(self._store, self._ensure, origin)

    def pause(self, *, at_step: bool = False) -> list[Batch]:
        """Start no more batches; those that run end, or with `at_step` stop at their next step.

        Returns
        -------
        list of Batch
            Those that run now.

        Raises
        ------
        TomolineError
            QUEUE-07 if nothing runs, PROJ-07 where another machine runs the project, FILE-08 and
            the like where it cannot be written down; then nothing is paused.
        """
        from tomoline.queue.stopping import pause

        refuse_other_host(self._store)
        return pause(self._store, at_step=at_step)

    def kill(self, patterns: Sequence[str] = (), *, wait: bool = True) -> list[Batch]:
        """End what runs, now, with all its processes; `resume` goes on with it.

        Parameters
        ----------
        patterns : sequence of str
            Names of data sets: only these are ended, or set aside if they wait, and the run goes
            on. By default all that runs is ended, and the run stops.
        wait : bool
            Return when their processes are gone, which takes less than 2 s.

        Returns
        -------
        list of Batch
            What was killed, as it was.

        Raises
        ------
        TomolineError
            QUEUE-07 if none of those named runs or waits, PROJ-07, PROJ-08; FILE-08 and the like
            where it cannot be written down. Without patterns all is ended even so, runner and all,
            and the error tells what has ended, and what to do.
        """
        from tomoline.queue.stopping import kill

        refuse_other_host(self._store)
        return kill(self._store, patterns, self._alive, wait=wait)

    def resume(
        self,
        *,
        processors: int | None = None,
        threads: int | None = None,
        memory: int | None = None,
        take_over: bool = False,
    ) -> Started:
        """Go on after a pause or a kill: what was ended waits again, before all others.

        Parameters
        ----------
        processors, threads, memory : int, optional
            As for `start`.
        take_over : bool
            Also where another machine ran the project, which is gone for good.

        Raises
        ------
        TomolineError
            QUEUE-06 if nothing waits or runs, QUEUE-07 while a kill goes on that was not waited
            for, PROJ-07 where another machine runs the project, QUEUE-09 if the runner does not
            start.
        """
        from tomoline.queue.starting import Means, resume

        if not take_over:
            refuse_other_host(self._store)
        means = Means(processors, threads, memory)
        return resume(self._store, self._ensure, means, take_over=take_over)

    def reset(self, patterns: Sequence[str] = (), *, remove_results: bool = False) -> Reset:
        """Forget what was done: batches are dropped, and all steps run again when next asked for.

        Parameters
        ----------
        patterns : sequence of str
            Names of data sets; all if empty.
        remove_results : bool
            Whether to delete what tomoline made. Raw data are never deleted.

        Raises
        ------
        TomolineError
            QUEUE-07 if one of them runs, PROJ-08 for a name that there is not, RUN-06, FILE-09.
        """
        from tomoline.queue.resetting import forget, put_aside, refuse_busy

        refuse_other_host(self._store)
        entries = self._data_sets.entries(patterns)
        self._not_running(entries)
        refuse_busy(entries)  # whoever works on them: nothing is forgotten then
        with self._store.write():
            batches = self._not_running(entries)
            for one in batches:
                self._queue.drop(one, "forgotten by a reset")
        kept = "results removed" if remove_results else "results kept"
        aside: list[Path] = []
        done: list[str] = []
        files = 0
        try:
            for entry in entries:
                if (there := put_aside(entry)) is not None:
                    aside.append(there)
                files += forget(entry, remove_results=remove_results)
                done.append(entry.name)
        finally:
            with self._store.write():
                for name in done:
                    self._store.add_event(EventKind.PROJECT, f"reset, {kept}", data_set=name)
        return Reset(done, len(batches), files, aside)

    def _not_running(self, entries: Sequence[DataSetEntry]) -> list[Batch]:
        """Return the batches of data sets, of which none may run."""
        from tomoline.queue.asking import batches_of
        from tomoline.queue.reach import shortened

        batches = batches_of(self._store, entries)
        running = [one.name for one in batches if one.state is S.RUNNING]
        if running:
            raise errors.queue.WRONG_STATE.error(shortened(running), "it is being run.")
        return batches

    def recover(self) -> list[Notice]:
        """Start the runner again where it was to go on and is gone, and tell what it was doing.

        A kill that could not be written down is, and a disk that is full is told of; what stays
        the same is told once.

        Raises
        ------
        TomolineError
            PROJ-07 where another machine runs the project, QUEUE-09 if the runner does not start.
        """
        notices = recover(self._store, self._alive, self._ensure)
        # Who looks at a run asks again and again, and a full disk stays full for hours.
        told, self._told = self._told, notices
        return [one for one in notices if one not in told]

    def status(self) -> Status:
        """Return the present state of the run: all that a face shows."""
        from tomoline.queue.status import read_status

        return read_status(self._store, self._alive(self._store))
