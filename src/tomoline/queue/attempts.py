"""The batches that run: starting them, finding them again, following them, and how they end.

The order of writes is what keeps a batch from being lost or run twice; see
``docs/explanations/queue.md``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.batches import Queue
from tomoline.queue.claim import Claim, holder, take_back
from tomoline.queue.ending import write_end, write_failure
from tomoline.queue.job import Job, read_events
from tomoline.queue.job_files import FOLDER, JobFiles, attempts_in, build_job, means_of, write_job
from tomoline.queue.listing import ANEW
from tomoline.queue.model import Batch, BatchState, RunState
from tomoline.queue.outcome import End
from tomoline.queue.process import GRACE_S
from tomoline.queue.processors import Launcher, Worker
from tomoline.queue.reading import is_news, store_events
from tomoline.queue.rows import batch as batch_of
from tomoline.queue.rows import change_state, wanted_of
from tomoline.queue.store import Store

LINGER_S = 5.0
"""How long a process may take to go after it has told how it ended."""
TELL_S = 0.5
"""At least so long between two writes that tell only progress."""
S = BatchState


@dataclass
class Attempt:
    """An attempt at a batch that this runner knows."""

    files: JobFiles
    number: int
    threads: int
    bytes: int
    worker: Worker | None
    witnessed: bool
    signalled: float | None = None
    """When it was told to end."""
    ended: float | None = None
    """When it told that it had ended."""
    told: float = 0.0
    began: float | None = None
    """When it was started, if by this runner, on the clock that only goes forward."""


class Attempts:
    """The attempts that this runner knows, by number of the batch."""

    def __init__(
        self,
        store: Store,
        launcher: Launcher,
        *,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.active: dict[int, Attempt] = {}
        self._store = store
        self._launcher = launcher
        self._clock = clock
        self._ticks = ticks

    def start(self, batch: Batch, processor: int, threads: int, memory_bytes: int) -> bool:
        """Start the process of a batch; return False if the run is not to go on any more.

        First it is written down that the batch runs, then come the job file and the process, and
        last its pid: whatever is done when this process dies, the next runner finds it out.

        Raises
        ------
        TomolineError
            QUEUE-07 if a face has changed the batch since it was read, QUEUE-09 if the process
            cannot be started, FILE-08 if there is no room for its job; the batch waits again then.
        """
        begun = replace(batch, attempt=batch.attempt + 1, state=S.RUNNING, processor=processor)
        files = JobFiles.of(self._store, begun.id, begun.attempt)
        with self._store.write():
            if wanted_of(self._store) is not RunState.RUNNING:
                return False
            fields = {"attempt": begun.attempt, "processor": processor, "pid": None, "birth": ""}
            change_state(
                self._store,
                batch,
                S.RUNNING,
                f"begins on processor {processor}",
                when=self._clock(),
                **(ANEW | fields | {"wanted": "", "started": self._clock()}),
            )
            # A face may have asked for other steps, or a resume joined some, since it was read.
            begun = batch_of(self._store, batch.id) or begun
        try:
            job = build_job(self._store, begun, threads=threads, memory_bytes=memory_bytes)
        except Exception as error:
            write_failure(self._store, begun, error, self._clock())
            return True
        try:
            worker = self._launch(files, job)
        except TomolineError as error:
            text = f"could not be started: {error.found}"
            Queue(self._store).wait_again(begun, text, level="warning", code=error.code)
            raise
        attempt = Attempt(files, begun.attempt, threads, memory_bytes, worker, witnessed=True)
        attempt.began = self._ticks()
        self.active[begun.id] = attempt
        self._write_process(begun, worker)
        return True

    def _launch(self, files: JobFiles, job: Job) -> Worker:
        try:
            write_job(files.job, job)
            return self._launcher.start(files.job, job)
        except OSError as error:
            files.remove()
            raise errors.queue.NO_RUNNER.error(
                job.name, f"its process cannot be started ({error.strerror})."
            ) from error

    def _write_process(self, batch: Batch, worker: Worker) -> None:
        with self._store.write() as db:
            db.execute(
                "UPDATE batch SET pid = ?, birth = ? WHERE id = ? AND attempt = ?"
                " AND state = 'running'",
                (worker.pid, worker.birth, batch.id, batch.attempt),
            )

    def follow(self, batch: Batch, *, kill: bool = False, more_memory: int = 0) -> None:
        """Look after a batch that runs: what it tells, what is wanted of it, whether it ended.

        Parameters
        ----------
        batch : Batch
            As it is in the store.
        kill : bool
            Whether all that runs is to end.
        more_memory : int
            Bytes that a batch has that runs alone.
        """
        attempt = self.active.get(batch.id)
        if attempt is None or attempt.number != batch.attempt:
            attempt = self._adopt(batch)
            if attempt is None:
                return  # its process is just beginning
        elif batch.pid is None and attempt.worker is not None:
            self._write_process(batch, attempt.worker)
        worker = attempt.worker
        alive = worker is not None and worker.alive()
        if worker is not None and alive:
            self._obey(batch, attempt, worker, kill=kill)
        try:
            events, end = read_events(attempt.files.events, batch.read_bytes)
        except OSError:
            if alive:
                raise
            events, end = [], batch.read_bytes  # as if it had died without a word
        ended = next((one for one in events if one["event"] == "ended"), None)
        now = self._ticks()
        if alive:
            if ended is not None:  # to be read again, and written down, when it is gone
                attempt.ended = attempt.ended or now
                if worker is not None and now - attempt.ended > LINGER_S:
                    worker.kill()
            elif events and (is_news(events) or now - attempt.told > TELL_S):
                attempt.told = now
                store_events(self._store, batch, events, end)
            return
        if take_back(attempt.files.job) is Claim.HELD:
            return  # not all of it is gone
        how = End(
            ended,
            killed=attempt.signalled is not None or kill,
            witnessed=attempt.witnessed,
            returncode=worker.returncode if worker is not None else None,
            output=attempt.files.last_words() if ended is None else "",
            threads=attempt.threads or 1,
            more_memory=more_memory > attempt.bytes,
        )
        with self._store.write():
            # What a face has asked for since the batch was read holds as well.
            now_there = batch_of(self._store, batch.id)
            if now_there is not None and now_there.attempt == batch.attempt:
                if events:
                    store_events(self._store, batch, events, end)
                stopped = wanted_of(self._store) is RunState.STOPPED
                started = self._started(batch, attempt)
                present = replace(batch, wanted=now_there.wanted, started=started)
                how = replace(how, killed=how.killed or stopped)
                write_end(self._store, present, how, self._clock())
        self.forget(batch.id)

    def _started(self, batch: Batch, attempt: Attempt) -> float | None:
        """Return when a batch began by the clock of now, which may have been set since."""
        if attempt.began is None:
            return batch.started
        return self._clock() - (self._ticks() - attempt.began)

    def _adopt(self, batch: Batch) -> Attempt | None:
        """Find out about a batch that another runner has started."""
        files = JobFiles.of(self._store, batch.id, batch.attempt)
        threads, memory_bytes = means_of(files.job)
        worker: Worker | None = None
        if batch.pid is not None:
            worker = self._launcher.attach(batch.pid, batch.birth)
        elif take_back(files.job) is Claim.HELD:
            found = holder(files.job, files.events)
            if found is None:
                return None
            worker = self._launcher.attach(*found)
            self._write_process(batch, worker)
        alive = worker is not None and worker.alive()
        attempt = Attempt(files, batch.attempt, threads, memory_bytes, worker, witnessed=alive)
        self.active[batch.id] = attempt
        return attempt

    def _obey(self, batch: Batch, attempt: Attempt, worker: Worker, *, kill: bool) -> None:
        """Do with a living process what is wanted of its batch."""
        now = self._ticks()
        if kill or batch.wanted == "kill":
            if attempt.signalled is None:
                attempt.signalled = now
                worker.terminate()
            elif now - attempt.signalled >= GRACE_S:
                worker.kill()
        elif batch.wanted == "pause":
            attempt.files.stop.touch()
        else:
            attempt.files.stop.unlink(missing_ok=True)

    def forget(self, number: int) -> None:
        """Forget a batch that does not run any more, and delete its files."""
        attempt = self.active.pop(number, None)
        if attempt is not None:
            attempt.files.remove()

    def kill_all(self) -> None:
        """End all processes at once, because nobody could look after them any more."""
        for attempt in self.active.values():
            if attempt.worker is not None:
                attempt.worker.kill()

    def clean(self) -> None:
        """Delete what attempts have left behind that are over, and end those that nobody wants.

        A process that nobody wants is one that a face has set aside before its pid was known.
        """
        from tomoline.files.atomic import remove_leftovers

        remove_leftovers(self._store.work / FOLDER)
        with self._store.read() as db:
            rows = db.execute("SELECT id, attempt FROM batch WHERE state = 'running'").fetchall()
        running = {(row["id"], row["attempt"]) for row in rows}
        for key, files in attempts_in(self._store).items():
            if key in running:
                continue
            if take_back(files.job) is Claim.HELD:
                found = holder(files.job, files.events)
                if found is not None:
                    self._launcher.attach(*found).kill()
                continue
            files.remove()
