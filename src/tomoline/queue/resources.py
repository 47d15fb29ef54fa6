"""How many batches run side by side, with how many threads and how much memory each."""

from __future__ import annotations

from dataclasses import dataclass

from tomoline import errors

MACHINE = "machine"
"""Setting of the project: cores and bytes that its runner may use, as it found when it began."""
GIB = 1 << 30
OVERHEAD_BYTES = 3 * GIB // 10
"""What a worker takes beside its pieces of work: Python, the libraries, compiled kernels."""
LEAST_BYTES = 3 * GIB // 2
"""A batch with less than this for its pieces runs into its limit too often."""
SMALLEST_BYTES = GIB // 16
"""With less than this, not even the smallest data set can be worked on."""
THREADS_EACH = 1
"""Threads of a processor where nothing else is asked for."""


@dataclass(frozen=True)
class Plan:
    """How the machine is divided.

    Attributes
    ----------
    processors : int
        Batches that run side by side.
    threads : int
        Threads of each.
    bytes_each : int
        Memory for the pieces of work of each.
    bytes_alone : int
        The same for a batch that runs alone.
    """

    processors: int
    threads: int
    bytes_each: int
    bytes_alone: int


def available() -> tuple[int, int]:
    """Return the cores and the bytes that a run may use: affinity, scheduler, cgroup."""
    from tomoline.workflow.memory import available_threads, memory_limit

    return available_threads(), memory_limit()


def plan_processors(processors: int, threads: int, memory: int, cores: int, limit: int) -> Plan:
    """Divide cores and memory among batches.

    Parameters
    ----------
    processors, threads, memory : int
        As asked for; 0 where it is left to this function. Memory is for all together.
    cores, limit : int
        What there is, as `available` tells.

    Returns
    -------
    Plan
        The sum over its processors stays within the memory.

    >>> plan = plan_processors(0, 0, 0, 16, 64 * GIB)
    >>> plan.processors, plan.threads
    (16, 1)
    >>> plan_processors(0, 0, 0, 16, 8 * GIB).processors
    4
    >>> plan_processors(4, 0, 0, 16, 64 * GIB).threads
    4
    """
    total = memory or limit
    if not processors:
        processors = max(1, cores // (threads or THREADS_EACH))
        processors = max(1, min(processors, total // (LEAST_BYTES + OVERHEAD_BYTES)))
    threads = threads or max(1, cores // processors)
    # A limit below the overhead of Python itself is not ours to keep; pieces are then refused.
    each = max(1, total // processors - OVERHEAD_BYTES)
    return Plan(processors, threads, each, max(1, total - OVERHEAD_BYTES))


def refuse_too_little(plan: Plan) -> None:
    """Refuse a division that leaves a processor nothing to work with.

    Raises
    ------
    TomolineError
        PARAM-06.

    >>> refuse_too_little(plan_processors(2, 0, 2 * GIB, 16, 64 * GIB))
    """
    if plan.bytes_each < SMALLEST_BYTES:
        least = plan.processors * (OVERHEAD_BYTES + SMALLEST_BYTES) / GIB
        raise errors.parameters.BAD_OPTION.error(
            "--memory, --processors",
            f"{plan.processors} side by side need at least {least:.1f} GiB together.",
            "Give more memory, or fewer processors; 0 is what the machine has.",
        )
