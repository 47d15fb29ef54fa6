"""The life of a runner's process: its lock, its signals, its rest between two turns."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.background import service_threads
from tomoline.queue.launch import lock_project, runner_process, sign_lock
from tomoline.queue.model import EventKind
from tomoline.queue.process import birth_of
from tomoline.queue.processors import SystemLauncher
from tomoline.queue.resources import MACHINE, available
from tomoline.queue.runner import Runner
from tomoline.queue.store import Store
from tomoline.queue.trouble import Told
from tomoline.queue.words import time_text

LOOK_S = 0.1
"""How often the store and the processes are looked at."""
IDLE_S = 1.0
"""How often all is looked at where nothing runs and nothing has changed."""
TROUBLE_S = 1.0
FORMER_S = 15.0
"""How long a runner that is about to end may take to go: its services are waited for."""
OTHER_S = 3.0
"""How long a runner is waited for that has not said that it is about to end."""
FAILED = 1


def serve(arguments: Sequence[str] | None = None) -> int:
    """Run the project that is named; return 0 when all is done, or 1 with a coded line."""
    (name,) = sys.argv[1:] if arguments is None else arguments
    try:
        os.setsid()
    except PermissionError:
        pass  # it leads a group already
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Store.open(Path(name)) as store:
            return _serve(store)
    except TomolineError as error:
        _say(error)
        return FAILED


def _serve(store: Store) -> int:
    lock = lock_project(store, OTHER_S)
    if lock is None and runner_process(store) is None:
        lock = lock_project(store, FORMER_S - OTHER_S)
    if lock is None:
        raise errors.queue.RUNNING.error(store.folder, "its runner is at work.")
    try:
        sign_lock(lock)
        identity = _identity(store)
        _register(store)
        ending = _Ending()
        trouble = _Trouble()
        runner = Runner(
            store,
            SystemLauncher(),
            services=service_threads(store.folder),
            tell=trouble.tell,
        )
        try:
            return _loop(store, runner, ending, trouble, identity)
        finally:
            runner.end()
    finally:
        os.close(lock)


def _register(store: Store) -> None:
    """Write down that this process is the runner; refuse if another machine has the project."""
    from tomoline.queue.permit import give_permit, write_down_kill
    from tomoline.queue.recovery import refuse_other_host

    refuse_other_host(store)
    write_down_kill(store)
    now = time.time()
    with store.write() as db:
        give_permit(store)
        db.execute(
            "UPDATE run SET pid = ?, birth = ?, host = ?, began = ?, seen = ?",
            (os.getpid(), birth_of(os.getpid()), socket.gethostname(), now, now),
        )
        db.execute("INSERT OR REPLACE INTO meta VALUES ('last_runner', ?)", (str(os.getpid()),))
        # A face may be allowed other cores, and other memory, than the runner has.
        store.set_setting(MACHINE, " ".join(map(str, available())))
        store.add_event(EventKind.RUN, f"runner begins, process {os.getpid()}")


def _loop(
    store: Store,
    runner: Runner,
    ending: _Ending,
    trouble: _Trouble,
    identity: tuple[int, int] | None,
) -> int:
    runner.begin()
    while not ending.wanted:
        if identity is None or _identity(store) != identity:
            runner.abandon()
            raise errors.project.NO_PROJECT.error(
                store.folder, "its store has been moved or deleted while it was being run."
            )
        try:
            before = store.changes()
            if not runner.turn():
                return 0
        except Exception as error:
            trouble.tell(error)
            time.sleep(TROUBLE_S)
            continue
        _rest(store, runner, ending, before)
    with store.write():
        store.add_event(
            EventKind.RUN,
            "the runner was ended by a signal; what runs goes on",
            level="warning",
        )
    return 0


def _rest(store: Store, runner: Runner, ending: _Ending, before: int) -> None:
    """Sleep until there may be something to do; a signal, or the end of a worker, wakes it."""
    until = time.monotonic() + (LOOK_S if runner.hurries else IDLE_S)
    while not ending.wanted and time.monotonic() < until:
        if ending.sleep(LOOK_S):
            return
        try:
            if store.changes() != before:
                return
        except TomolineError:
            return  # the next turn meets it, too, and tells it


def _identity(store: Store) -> tuple[int, int] | None:
    try:
        found = os.stat(store.path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class _Ending:
    """Whether a signal has asked this process to end; signals wake it from its rest."""

    def __init__(self) -> None:
        self.wanted = False
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)

    def _take(self, number: int, frame: FrameType | None) -> None:
        self.wanted = True

    def sleep(self, seconds: float) -> bool:
        """Sleep, and return whether a signal came."""
        ready, _, _ = select.select([self._reader], [], [], seconds)
        if ready:
            os.read(self._reader, 4096)
        return bool(ready)


class _Trouble:
    """Tells what goes wrong."""

    def __init__(self) -> None:
        self._told = Told()

    def tell(self, error: Exception) -> None:
        """Write it to the runner's own output."""
        if not self._told.is_new(str(error)):
            return
        if isinstance(error, TomolineError):
            _say(error)
        else:
            _write("".join(traceback.format_exception(error)))
            _say(errors.running.INTERNAL.error("runner", f"{type(error).__name__}: {error}."))


def _say(error: TomolineError) -> None:
    _write(f"{time_text(time.time())} {error}\n")


def _write(text: str) -> None:
    """Write to the runner's own output, or do without it: its disk may be the one that is full."""
    with suppress(OSError):
        sys.stderr.write(text)
        sys.stderr.flush()
