"""Which processes work for a project, seen from outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tomoline.queue.process import group_of

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork():
    print("ready", flush=True)
time.sleep(60)
"""
"""A process that refuses to end when it is asked, with a child that does so too."""
APART = ("unshare", "-Urpf", "--mount-proc")


@contextmanager
def python(text: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in a session of its own, from its first line of output on; end it then."""
    with subprocess.Popen(
        [sys.executable, "-c", text], stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        for pid in group_of(process.pid):
            os.kill(pid, 9)


def in_another_namespace() -> tuple[str, ...]:
    """Return the words before a command that has it see no process of ours, as in a container."""
    probe = [*APART, "true"]
    if not shutil.which(APART[0]) or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("a namespace of its own for processes is not allowed here")
    return APART


def processes_left(folder: Path, wait_s: float = 20.0) -> list[str]:
    """Return what still works for a project after a while, in which a runner may end by itself."""
    until = time.monotonic() + wait_s
    while (found := processes_of(folder)) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all living processes that work for a project."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            words = path.read_bytes().decode(errors="replace").split("\0")
            if "-m" in words and any(word.startswith(str(folder)) for word in words):
                found.append(" ".join(words))
    return found
