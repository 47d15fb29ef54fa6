"""Services that work beside the batches: watching, schedules, mail. Each has a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.model import EventKind
from tomoline.queue.store import Store
from tomoline.queue.trouble import Told

AGAIN_S = 60.0
"""How long a service rests after an error."""
LONGEST_S = 60.0
"""How long a service sleeps at most: a clock that is set, or a machine that slept, makes things due
that were to wait for hours."""


class Service(Protocol):
    """Something that works beside the batches, all in one thread, with a store of its own."""

    name: str

    def turn(self, now: float) -> float:
        """Do what is due, and return after how many seconds to be called again."""

    def busy(self) -> bool:
        """Whether the runner must not end yet."""

    def close(self) -> None:
        """Close its store; it is not called any more after that."""


@dataclass(frozen=True)
class Entry:
    """Where a service comes from, and whether the run goes on while it is busy.

    Mail that is not sent yet keeps the runner, but it does not keep a run from being done.
    """

    name: str
    module: str
    maker: str
    holds_run: bool


SERVICES = (
    Entry("watch", "tomoline.queue.watching.service", "WatchService", True),
    Entry("schedule", "tomoline.queue.schedules", "ScheduleService", True),
    Entry("notify", "tomoline.queue.notify", "NotifyService", False),
)


class ServiceThread:
    """Runs a service until it is told to end."""

    def __init__(self, name: str, folder: Path, make: Callable[[], Service], *, holds_run: bool):
        self.name = name
        self.holds_run = holds_run
        self._folder = folder
        self._make = make
        self._wake = threading.Event()
        self._end = False
        self._lock = threading.Lock()
        self._asked = 0
        self._answered = -1
        self._busy = True
        self._told = Told()
        self._thread = threading.Thread(target=self._run, name=f"tomoline-{name}", daemon=True)

    def begin(self) -> None:
        """Start the thread."""
        self._thread.start()

    def ask(self) -> int:
        """Ask for a fresh answer to whether it is busy, and return the question's number."""
        with self._lock:
            self._asked += 1
            asked = self._asked
        self._wake.set()
        return asked

    @property
    def is_busy(self) -> bool:
        """What it has answered last, to whatever question; at first that it is."""
        with self._lock:
            return self._busy

    def is_free(self, question: int) -> bool:
        """Whether it has answered this question, or a later one, with no."""
        with self._lock:
            return self._answered >= question and not self._busy

    def end(self, wait_s: float = 5.0) -> None:
        """Tell the thread to end, and wait a little for it."""
        self._end = True
        self._wake.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        service: Service | None = None
        rests_until = float("-inf")
        while not self._end:
            self._wake.clear()
            with self._lock:
                asked = self._asked
            # A service that fails has nothing to wait for; what it looks after keeps the runner.
            delay, busy = rests_until - time.monotonic(), False
            if delay <= 0:
                try:
                    service = service or self._make()
                    delay = float(service.turn(time.time()))
                    busy = bool(service.busy())
                except Exception as error:
                    self._tell(error)
                    delay = AGAIN_S
                    rests_until = time.monotonic() + AGAIN_S
            with self._lock:
                self._answered, self._busy = asked, busy
            self._wake.wait(min(max(delay, 0.0), LONGEST_S))
        if service is not None:
            service.close()

    def _tell(self, error: Exception) -> None:
        """Write down what went wrong in the service."""
        if not isinstance(error, TomolineError):
            found = f"{type(error).__name__}: {error}."
            error = errors.running.INTERNAL.error(self.name, found)
        text = f"{error.where}: {error.found} {error.remedy}"
        if not self._told.is_new(text):
            return
        try:
            with Store.open(self._folder) as store:
                store.add_event(EventKind.ERROR, text, level="error", code=error.code)
        except TomolineError:
            pass  # the runner meets the same, and tells it


def service_threads(folder: Path) -> list[ServiceThread]:
    """Return a thread for each service, not begun yet."""

    def maker(entry: Entry) -> Callable[[], Service]:
        def make() -> Service:
            made: Service = getattr(import_module(entry.module), entry.maker)(folder)
            return made

        return make

    return [
        ServiceThread(one.name, folder, maker(one), holds_run=one.holds_run) for one in SERVICES
    ]
