"""How much memory and how many cores there are, and how much a step has used."""

from __future__ import annotations

import os
import re
from pathlib import Path

_CGROUP_FILES = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
DEFAULT_FRACTION = 0.8


def available_threads() -> int:
    """Return the number of cores that this process may use: scheduler, affinity, cgroup."""
    scheduled = os.environ.get("SLURM_CPUS_PER_TASK", "")
    cores = len(os.sched_getaffinity(0))
    if scheduled.isdigit() and int(scheduled) > 0:
        cores = min(cores, int(scheduled))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        if quota != "max":
            cores = min(cores, max(1, int(int(quota) / int(period))))
    except (OSError, ValueError):
        pass
    return max(1, cores)


def memory_limit() -> int:
    """Return the default limit in bytes: a fraction of what cgroup, Slurm or the machine allow."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _CGROUP_FILES:
        try:
            limits.append(int(Path(name).read_text()))
        except (OSError, ValueError):
            continue
    slurm = os.environ.get("SLURM_MEM_PER_NODE", "")
    if slurm.isdigit() and int(slurm) > 0:
        limits.append(int(slurm) << 20)
    return int(min(limits) * DEFAULT_FRACTION)


class PeakMemory:
    """Measures the largest resident memory of this process since the last `reset`."""

    def reset(self) -> None:
        """Start a new measurement (Linux: clear_refs 5 resets the high-water mark)."""
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            pass

    def read(self) -> int:
        """Return the peak in bytes, 0 where the system does not tell."""
        try:
            status = Path("/proc/self/status").read_text()
        except OSError:
            return 0
        match = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(match.group(1)) << 10 if match else 0
