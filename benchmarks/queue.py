"""A long queue: time to add data sets and batches, time of each command, memory of the runner.

Each command is a process of its own, as a user starts it, with the compiled files that pip leaves
with a package; asked for are less than 0.3 s. Without those files, or where Python is forbidden to
keep them, each command compiles a megabyte of Python first, and takes about twice as long. Adding
is to take less than 10 s, the runner less than 200 MiB.

    python benchmarks/queue.py [--number 20000] [--repeat 5] [--folder DIR] [--runner-seconds 20]
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tomoline.queue.launch import ensure_runner
from tomoline.queue.project import Project

ENVIRONMENT = {key: one for key, one in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]
ADDING_S = 10.0
COMMAND_S = 0.3
RUNNER_BYTES = 200 << 20


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=20_000, help="data sets")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="on the disk to measure; must be empty")
    parser.add_argument("--runner-seconds", type=float, default=20.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        _measure(folder, chosen.number, chosen.repeat)
        _measure_runner(folder / "night", chosen.runner_seconds)


def _measure(folder: Path, number: int, repeat: int) -> None:
    raw = folder / "raw"
    raw.mkdir()
    paths = [raw / f"TS_{index:05d}.mrc" for index in range(number)]
    for path in paths:
        path.touch()
    for index in range(4 * repeat):
        (raw / f"late_{index}.mrc").touch()
    project = Project.create(folder / "night")
    begin = time.perf_counter()
    entries = project.data_sets.add(paths)
    added = time.perf_counter()
    project.queue.add(entries, origin="benchmark")
    queued = time.perf_counter()
    project.close()
    print(f"{number} data sets")
    print(f"  added in {added - begin:.2f} s, queued in {queued - added:.2f} s", end="")
    print(f"  (together asked for {ADDING_S:g})")
    late = iter(range(4 * repeat))
    last, middle = f"TS_{number - 1:05d}", f"TS_{number // 2:05d}"
    steps: list[tuple[str, ...]] = [
        ("--help",),
        ("status",),
        ("queue", "list"),
        ("queue", "list", "--state", "finished"),
        ("queue", "top", last),
        ("queue", "move", last, str(number // 2)),
        ("queue", "add", middle, "--top"),
        ("queue", "add", middle, "--until", "align"),
        ("queue", "add", middle, "--set", "reconstruct.thickness_px=300"),
        ("log", "--limit", "50"),
        ("log", "--level", "error"),
        ("log", "--data-set", middle),
        ("values", middle),
        ("retry",),
        ("project", "list"),
        ("project", "list", middle),
        ("project", "set", middle, "--set", "reconstruct.thickness_px=300"),
        ("project", "set", middle, "--no-run"),
        ("project", "explain", middle, "reconstruct.thickness_px"),
        ("project", "add", "LATE"),
        ("queue", "remove", "LATEST"),
        ("pause",),
        ("kill",),
    ]
    titles = f"{'median':>8}{'worst':>8}{'of processor':>14}"
    print(f"  {'command':<62}{titles}   (asked for {COMMAND_S:g} s)")
    for words in steps:
        seconds: list[float] = []
        busy: list[float] = []
        for _ in range(repeat):
            arguments = list(words)
            if words[-1] == "LATE":
                arguments[-1] = str(raw / f"late_{next(late)}.mrc")
            elif words[-1] == "LATEST":
                arguments[-1] = f"TS_{number - 2 - len(seconds):05d}"
            elif words[0] in ("pause", "kill"):
                _want_paused(folder / "night")
            spent, processor = _run(arguments, folder / "night")
            seconds.append(spent)
            busy.append(processor)
        slow = "  too slow" if statistics.median(seconds) > COMMAND_S else ""
        text = " ".join(words)
        found = f"{statistics.median(seconds):>8.2f}{max(seconds):>8.2f}{min(busy):>14.2f}"
        print(f"  {text:<62}{found}{slow}")


def _want_paused(folder: Path) -> None:
    """Let it look as if a run had been paused, without a runner."""
    with Project.open(folder) as project, project.store.write() as db:
        db.execute("UPDATE run SET wanted = 'paused'")


def _run(arguments: list[str], folder: Path) -> tuple[float, float]:
    """Run a command, and return its seconds and those of the processor alone."""
    project = [] if arguments[0] == "--help" else ["--project", str(folder)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(
        [*COMMAND, *arguments, *project],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise SystemExit(f"tomoline {' '.join(arguments)}: {done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, processor


def _measure_runner(folder: Path, seconds: float) -> None:
    """Start a runner on a queue of which nothing may start yet, and look at its process."""
    with Project.open(folder) as project:
        with project.store.write() as db:
            db.execute("UPDATE batch SET not_before = ?", (time.time() + 1e6,))
            db.execute("UPDATE run SET wanted = 'running', processors = 1")
        pid = ensure_runner(project.store)
        before = _processor_seconds(pid)
        for _ in range(max(1, int(seconds / 2))):
            time.sleep(2.0)
            with project.store.write() as db:  # it looks at the queue whenever something changes
                db.execute("UPDATE data_set SET run = 1 WHERE id = 1")
        spent = _processor_seconds(pid) - before
        peak = _peak_bytes(pid)
        with project.store.write() as db:
            db.execute("UPDATE run SET wanted = 'stopped'")
        os.kill(pid, signal.SIGTERM)
    print(
        f"  runner: at most {peak / 2**20:.0f} MiB (asked for {RUNNER_BYTES >> 20}),"
        f" {100 * spent / seconds:.1f} % of a core"
    )


def _peak_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) << 10
    raise SystemExit("the runner has ended")


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
