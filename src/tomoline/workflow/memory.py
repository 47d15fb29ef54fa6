"""How much memory and how many cores there are, and how much a step has used."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tomoline.workflow.cgroups import core_limits, memory_limits

DEFAULT_FRACTION = 0.8


def available_threads() -> int:
    """Return the number of cores that this process may use: scheduler, affinity, cgroup."""
    cores = len(os.sched_getaffinity(0))
    scheduled = _slurm("CPUS_PER_TASK")
    if scheduled:
        cores = min(cores, scheduled)
    return max(1, int(min([cores, *core_limits()])))


def memory_limit() -> int:
    """Return the default limit in bytes: a fraction of what cgroup, Slurm or the machine allow."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *memory_limits()]
    if _slurm("MEM_PER_NODE"):
        limits.append(_slurm("MEM_PER_NODE") << 20)
    elif _slurm("MEM_PER_CPU"):
        cores = _slurm("CPUS_PER_TASK") or _slurm("CPUS_ON_NODE") or 1
        limits.append((_slurm("MEM_PER_CPU") << 20) * cores)
    return int(min(limits) * DEFAULT_FRACTION)


def _slurm(name: str) -> int:
    """Return a number that Slurm tells its jobs, 0 where it does not."""
    text = os.environ.get(f"SLURM_{name}", "")
    return int(text) if text.isdigit() else 0


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
