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
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    fields = stat.rpartition(")")[2].split()  # the name may hold blanks and brackets
    return "" if fields[0] in "ZX" else f"{boot}:{fields[19]}"


def is_alive(pid: int | None, birth: str) -> bool:
    """Whether the process that had this pid and birth is still there."""
    return pid is not None and bool(birth) and birth_of(pid) == birth
