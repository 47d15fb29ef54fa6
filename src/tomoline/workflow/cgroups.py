"""What the control groups of this process leave it: memory and cores.

A limit of any group around a process holds for it: a systemd slice, a Slurm job, a container. The
files of version 2 are ``memory.max`` and ``cpu.max``, those of version 1 ``memory.limit_in_bytes``
and ``cpu.cfs_quota_us`` with ``cpu.cfs_period_us`` (Linux kernel, admin-guide/cgroup-v2 and
cgroup-v1).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def memory_limits() -> Iterator[int]:
    """Yield the limits of memory, in bytes."""
    for folder in _folders("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name)
            if text.isdigit():  # "max" where there is none
                yield int(text)


def core_limits() -> Iterator[float]:
    """Yield the limits of processor time, in cores."""
    for folder in _folders("cpu"):
        quota, _, period = _text(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def _folders(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups, of both versions, from the inmost one out.

    In a container the names may be those that the host knows; the outermost folder is its own then.
    """
    for line in _text(OWN).splitlines() or ["0::/"]:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:  # version 2, alone or beside version 1
            bases = [ROOT, ROOT / "unified"]
        elif controller in controllers.split(","):
            bases = [ROOT / controllers, ROOT / controller]
        else:
            continue
        for base in dict.fromkeys(bases):
            inside = PurePosixPath(group.lstrip("/"))
            yield from (base / one for one in dict.fromkeys((inside, *inside.parents)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
