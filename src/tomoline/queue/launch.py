"""Starting the runner of a project, and finding the one that is there.

A runner holds a lock on ``.tomoline/runner.lock`` as long as it lives, however it ends, and has
written its pid into the store as long as it looks there for what is wanted. So a face that has
written what it wants, and then sees that pid alive, knows that it will be done; if it does not see
it, it starts a runner, which waits until a former one has let the lock go.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from tomoline import errors
from tomoline.queue.claim import is_held
from tomoline.queue.process import birth_of, is_alive, is_dying
from tomoline.queue.store import LOCK, WORK, Store

OUTPUT = "runner.log"
START_S = 20.0
"""How long a runner may take to begin."""
_START = '"$@" </dev/null >>"$TOMOLINE_RUNNER_LOG" 2>&1 & echo $!'


def runner_process(store: Store) -> int | None:
    """Return the pid of the project's runner, None if there is none.

    One that has seen that nothing is left to do, and is about to end, does not count. One that
    cannot be seen from here, since it runs in another container, does.
    """
    with store.read() as db:
        row = db.execute("SELECT pid, birth FROM run").fetchone()
    pid, birth = row["pid"], row["birth"]
    if pid is None:
        return None
    lives = is_alive(pid, birth) or lock_holder(store.folder) == (pid, birth)
    return int(pid) if lives else None


def lock_project(store: Store, wait_s: float = 0.0) -> int | None:
    """Take the runner's lock of a project.

    Returns
    -------
    int or None
        The open file; None if another process has it still after `wait_s` seconds.
    """
    file = os.open(store.work / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(file)
                return None
            time.sleep(0.02)
        else:
            return file


def sign_lock(file: int) -> None:
    """Write into the lock who holds it, for those who cannot ask the store."""
    words = f"{os.getpid()} {birth_of(os.getpid())}\n".encode()
    with suppress(OSError):  # a full disk: the store does not take a runner either then
        os.pwrite(file, words, 0)
        os.ftruncate(file, len(words))


def lock_holder(folder: Path) -> tuple[int, str] | None:
    """Return pid and birth of a project's living runner, by its lock alone; None without one.

    It may be one that cannot be seen from here: then its lock tells that it lives.
    """
    lock = folder / WORK / LOCK
    try:
        pid, birth = lock.read_text(encoding="ascii").split()
        found = int(pid), birth
    except (OSError, ValueError):
        return None
    # The threads of one that was killed hold the lock a moment longer than it lives.
    return found if is_alive(*found) or (not is_dying(*found) and is_held(lock)) else None


def ensure_runner(store: Store) -> int:
    """Start a runner where there is none, and return its pid when it is at work.

    It is no child of this process, has no terminal, and goes on when this process ends. Two faces
    that do this at once get the same runner.

    Raises
    ------
    TomolineError
        QUEUE-09 if it does not start, with what it said.
    """
    until = time.monotonic() + START_S
    started = told = 0
    while True:
        found = runner_process(store)
        if found is not None:
            return found
        if not started:
            told = _told_bytes(store)
            started = _start(store)
        elif not birth_of(started):
            # It may have done all there was to do already, or found that another one was faster.
            found = runner_process(store)
            if found is not None:
                return found
            if _has_been_there(store, started):
                return started
            raise errors.queue.NO_RUNNER.error(store.folder, _last_words(store, told))
        if time.monotonic() > until:
            raise errors.queue.NO_RUNNER.error(
                store.folder, f"process {started} has not begun after {START_S:g} s."
            )
        time.sleep(0.01)


def _start(store: Store) -> int:
    """Start a runner by a shell that ends at once, so that it is nobody's child."""
    # Options that were given to this interpreter, such as warnings, are not for the runner.
    command = [sys.executable, "-P", "-m", "tomoline.queue.runner", str(store.folder)]
    log = store.work / OUTPUT
    try:
        done = subprocess.run(
            ["/bin/sh", "-c", _START, "sh", *command],
            env=os.environ | {"TOMOLINE_RUNNER_LOG": str(log)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd="/",
            start_new_session=True,
            check=True,
        )
        return int(done.stdout)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise errors.queue.NO_RUNNER.error(store.folder, f"{error}.") from error


def _has_been_there(store: Store, pid: int) -> bool:
    """Whether a runner that is gone has been at work and ended because nothing was left to do."""
    with store.read() as db:
        row = db.execute("SELECT value FROM meta WHERE key = 'last_runner'").fetchone()
    return row is not None and row[0] == str(pid)


def _told_bytes(store: Store) -> int:
    try:
        return (store.work / OUTPUT).stat().st_size
    except OSError:
        return 0


def _last_words(store: Store, before: int) -> str:
    """Return what a runner said last, behind so many bytes that earlier ones have said."""
    try:
        text = (store.work / OUTPUT).read_bytes()[before:].decode(errors="replace")
    except OSError:
        text = ""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("  ")]
    return lines[-1] if lines else "it ended at once and said nothing."
