"""Telling processes apart: a pid is given again, a pid with its birth is not."""

from __future__ import annotations

from pathlib import Path


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


def _state_and_birth(pid: int) -> tuple[str, str]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "X", ""
    fields = stat.rpartition(")")[2].split()  # the name may hold blanks and brackets
    return fields[0], f"{boot}:{fields[19]}"
