"""How cores and memory are divided among batches."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoline.queue.project import Project
from tomoline.queue.resources import (
    GIB,
    LEAST_BYTES,
    MACHINE,
    OVERHEAD_BYTES,
    available,
    plan_processors,
)
from tomoline.queue.status import read_status
from tomoline.workflow import cgroups


@given(
    processors=st.integers(0, 200),
    threads=st.integers(0, 200),
    memory=st.integers(0, 2000).map(lambda n: n * GIB // 4),
    cores=st.integers(1, 256),
    limit=st.integers(1, 4000).map(lambda n: n * GIB // 4),
)
def test_batches_never_have_more_than_the_memory_together(
    processors: int, threads: int, memory: int, cores: int, limit: int
) -> None:
    plan = plan_processors(processors, threads, memory, cores, limit)
    total = memory or limit
    assert plan.processors >= 1
    assert plan.threads >= 1
    assert plan.bytes_each >= 1
    if plan.bytes_each > 1:
        assert plan.processors * (plan.bytes_each + OVERHEAD_BYTES) <= total
        assert plan.bytes_alone + OVERHEAD_BYTES <= total
    # What is asked for is done.
    assert processors in (0, plan.processors)
    assert threads in (0, plan.threads)
    if not processors and plan.processors > 1:
        assert plan.bytes_each >= LEAST_BYTES
        assert plan.processors <= cores
    if not (processors or threads):
        assert plan.processors * plan.threads <= cores


def test_little_memory_means_fewer_batches_with_more_threads() -> None:
    plan = plan_processors(0, 0, 0, 8, 4 * GIB)
    assert (plan.processors, plan.threads) == (2, 4)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 8 cores and 16 GiB, of which scheduler and cgroup say what a test writes."""
    sizes = {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 16 * GIB // 4096}
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__)
    for name in ("CPUS_PER_TASK", "CPUS_ON_NODE", "MEM_PER_NODE", "MEM_PER_CPU"):
        monkeypatch.delenv(f"SLURM_{name}", raising=False)
    monkeypatch.setattr(cgroups, "ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(cgroups, "OWN", tmp_path / "own")
    return tmp_path


def write(machine: Path, name: str, text: str) -> None:
    """Write a file of a control group."""
    (machine / "cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
    (machine / "cgroup" / name).write_text(f"{text}\n")


def test_cores_are_those_that_affinity_scheduler_and_cgroup_leave(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert available()[0] == 8
    for text, cores in (("max 100000", 8), ("350000 100000", 3), ("50000 100000", 1)):
        write(machine, "cpu.max", text)
        assert available()[0] == cores
    (machine / "cgroup" / "cpu.max").unlink()
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "2")
    assert available()[0] == 2


def test_memory_is_a_part_of_what_machine_scheduler_and_cgroup_leave(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert available()[1] == 16 * GIB * 8 // 10
    write(machine, "memory.max", "max")
    assert available()[1] == 16 * GIB * 8 // 10
    write(machine, "memory.max", f"{10 * GIB}")
    assert available()[1] == 8 * GIB
    monkeypatch.setenv("SLURM_MEM_PER_CPU", "2560")
    monkeypatch.setenv("SLURM_CPUS_ON_NODE", "2")
    assert available()[1] == 4 * GIB
    monkeypatch.setenv("SLURM_MEM_PER_NODE", "2560")
    assert available()[1] == 2 * GIB


def test_limits_of_all_groups_around_a_process_hold(machine: Path) -> None:
    (machine / "own").write_text("0::/user.slice/night.scope\n")
    write(machine, "user.slice/memory.max", f"{5 * GIB}")
    write(machine, "user.slice/night.scope/memory.max", "max")
    write(machine, "user.slice/night.scope/cpu.max", "400000 100000")
    write(machine, "user.slice/other.scope/memory.max", f"{GIB}")
    assert available() == (4, 4 * GIB)
    write(machine, "cpu.max", "200000 100000")
    assert available() == (2, 4 * GIB)


def test_limits_of_the_older_groups_hold(machine: Path) -> None:
    (machine / "own").write_text(
        "4:memory:/slurm/job_7\n2:cpu,cpuacct:/slurm/job_7\n1:pids:/x\n0::/\n"
    )
    write(machine, "memory/memory.limit_in_bytes", f"{1 << 63}")  # as good as none
    write(machine, "memory/slurm/job_7/memory.limit_in_bytes", f"{5 * GIB}")
    write(machine, "cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us", "300000")
    write(machine, "cpu,cpuacct/slurm/job_7/cpu.cfs_period_us", "100000")
    write(machine, "pids/x/memory.limit_in_bytes", f"{GIB}")
    assert available() == (3, 4 * GIB)
    write(machine, "cpu,cpuacct/slurm/job_7/cpu.cfs_quota_us", "-1")
    assert available() == (8, 4 * GIB)


def test_this_machine_has_something_to_run_on() -> None:
    cores, limit = available()
    assert cores >= 1
    assert limit > 0


def test_a_face_shows_the_means_of_the_runner_not_its_own(tmp_path: Path) -> None:
    with Project.create(tmp_path / "night") as project:
        project.store.set_setting(MACHINE, f"64 {256 << 30}")
        plan = read_status(project.store, os.getpid()).plan
        assert (plan.processors, plan.threads) == (64, 1)
        assert read_status(project.store, None).plan == plan_processors(0, 0, 0, *available())
