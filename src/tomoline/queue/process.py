"""Telling processes apart: a pid is given again, a pid with its birth is not."""

from __future__ import annotations

import os
from pathlib import Path

from tomoline.workflow.boot import boot_id

GRACE_S = 1.0
"""From the signal to end, which a process may refuse, until the one that it cannot."""


def birth_of(pid: int) -> str:
    """Return a word that no other process of that pid has; empty if there is no such process.

    It is the boot of the machine and the process's start within it (proc(5), ``/proc/PID/stat``,
    field 22). A zombie counts as gone.

    >>> import os
    >>> birth_of(os.getpid()) == birth_of(os.getpid())
    True
    """
    state, birth = _state_and_birth(pid)
    return "" if state in "ZX" else birth


def is_alive(pid: int | None, birth: str) -> bool:
    """Whether the process that had this pid and birth is still there."""
    return pid is not None and bool(birth) and birth_of(pid) == birth


def is_dying(pid: int, birth: str) -> bool:
    """Whether that process is still listed here though it has ended, as a zombie.

    Others of its threads may live a little longer, and hold what it had locked.
    """
    state, found = _state_and_birth(pid)
    return state in "ZX" and found == birth != ""


def group_of(leader: int) -> list[int]:
    """Return the living processes of a process group."""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return []  # the usual case, and much quicker than to look at all processes
    except PermissionError:
        pass  # somebody else's
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            state, _, group, *_ = _stat(int(name))
        except OSError:
            continue  # it has just ended
        if int(group) == leader and state not in "ZX":
            found.append(int(name))
    return found


def _state_and_birth(pid: int) -> tuple[str, str]:
    try:
        fields = _stat(pid)
    except OSError:
        return "X", ""
    return fields[0], f"{boot_id()}:{fields[19]}"


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third, the state, on."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return text.rpartition(")")[2].split()  # the name may hold blanks and brackets
