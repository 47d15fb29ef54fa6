"""Run control: how fast a kill is, and how much memory two data sets take side by side.

A kill is timed as a user sees it: from the start of `tomoline kill` until no worker of the run is
left, and until the runner is gone, too. The runs are killed at moments spread over the first
seconds of their work. Asked for are less than 2 s.

Memory is that of runner and workers together, at the worst moment of a run of two data sets side by
side with a limit (`tomoline run --memory`): what is theirs alone and their part of what they share
(PSS), and for comparison their resident memory (RSS), which counts what is shared once for each.

    python benchmarks/run_control.py [--kills 10] [--size 384] [--views 41] [--only kill|memory]
        [--large 1024] [--limit 2G] [--scan-limit 1.2G]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from _timing import middle_and_worst
from tomoline.queue.process import birth_of, group_of, is_alive
from tomoline.queue.project import Project
from tomoline.simulate.scan import simulate_scan
from tomoline.simulate.tilt import simulate_tilt
from tomoline.units import parse_bytes

COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]
ASKED_S = 2.0
SPREAD_S = 4.0
"""Over how many seconds of a run the kills are spread."""
LOOK_S = 0.002
SAMPLE_S = 0.05
PATIENCE_S = 600.0
GOLD = ("--set", "setup.gold_diameter_nm=10")


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="of each number of processors")
    parser.add_argument("--size", type=int, default=384, help="of the tilt series to be killed")
    parser.add_argument("--views", type=int, default=41)
    parser.add_argument("--large", type=int, default=1024, help="width of what memory is for")
    parser.add_argument("--limit", default="2G", help="for two tilt series")
    parser.add_argument("--scan-limit", default="1.2G", help="for two scans")
    parser.add_argument("--only", choices=("kill", "memory"))
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        if chosen.only != "memory":
            _measure_kills(folder / "kill", chosen.kills, chosen.size, chosen.views)
        if chosen.only != "kill":
            _measure_memory(
                folder / "memory", chosen.large, chosen.views, chosen.limit, chosen.scan_limit
            )


def _measure_kills(folder: Path, kills: int, size: int, views: int) -> None:
    series = [
        simulate_tilt(folder / "raw", f"TS_{number}", seed=1, width=size, height=size, views=views)
        for number in range(4)
    ]
    _tomoline("run", _project(folder / "warm", series[:1]))  # compiled kernels, files in the cache
    print(f"kills of runs of tilt series of {views} views, {size} x {size}")
    print(f"  {'':<12}{'workers gone, s':>18}{'runner, too':>18}   (asked for {ASKED_S:g} s)")
    print(f"  {'processors':<12}{'median':>9}{'worst':>9}{'median':>9}{'worst':>9}")
    for processors in (1, 2):
        project = _project(folder / f"night_{processors}", series)
        found = [
            _kill(project, processors, after_s=SPREAD_S * number / kills) for number in range(kills)
        ]
        workers, runner = (middle_and_worst(seconds) for seconds in zip(*found, strict=True))
        cells = "".join(f"{one:>9.2f}" for one in (*workers, *runner))
        print(f"  {processors:<12}{cells}", flush=True)


def _kill(project: Path, processors: int, after_s: float) -> tuple[float, float]:
    """Kill a run while all its processors are at work; return after how long all were gone."""
    _tomoline("reset", "*", "--remove-results", "--yes", "-p", project)
    _tomoline("run", project, "--processors", processors, "--threads", 1, "--detach")
    _wait(lambda: len(_workers(project, at_work=True)) == processors)
    time.sleep(after_s)
    # One may just have ended, and the next one not begun.
    _wait(lambda: len(_workers(project, at_work=True)) == processors, patience_s=10.0)
    with Project.open(project, looking=True) as opened:
        runner = opened.control.status().runner
    if runner is None:
        raise SystemExit("the run has ended before it was to be killed: give a larger --size")
    known = {pid: birth_of(pid) for one in _workers(project) for pid in (one, *group_of(one))}
    birth = birth_of(runner)
    begin = time.perf_counter()
    command = _started("kill", "-p", project)
    _wait(lambda: not any(is_alive(*one) for one in known.items()), LOOK_S)
    workers = time.perf_counter() - begin
    _wait(lambda: not is_alive(runner, birth), LOOK_S)
    both = time.perf_counter() - begin
    told = "".join(command.communicate())
    if command.returncode:
        raise SystemExit(told)
    return workers, max(workers, both)


def _measure_memory(folder: Path, size: int, views: int, limit: str, scan_limit: str) -> None:
    print("memory of runner and workers, two data sets side by side, MiB")
    print(f"  {'':<44}{'limit':>8}{'PSS':>8}{'RSS':>8}")
    series = [
        simulate_tilt(
            folder / "tilt", f"TS_{seed}", seed=seed, width=size, height=size, views=views
        )
        for seed in (1, 2)
    ]
    _print_peak(folder / "tilts", series, f"tilt series of {views} views, {size} x {size}", limit)
    angles, distances = 600, (0.073, 0.077, 0.083, 0.092)
    scans = [
        simulate_scan(
            folder / "scan",
            f"scan_{seed}",
            seed=seed,
            width_px=size,
            height_px=size // 4,
            angles=angles,
            distances_m=distances,
        )
        for seed in (1, 2)
    ]
    what = f"scans of {angles} angles, {len(distances)} x {size} x {size // 4}"
    _print_peak(folder / "scans", scans, what, scan_limit)


def _print_peak(folder: Path, data_sets: Sequence[Path], what: str, limit: str) -> None:
    project = _project(folder, data_sets)
    run = ("run", project, "--processors", 2, "--threads", 1, "--memory", limit)
    most = {"Pss": 0, "Rss": 0}
    with _started(*run) as command, Project.open(project, looking=True) as opened:
        while command.poll() is None:
            status = opened.control.status()
            workers = [one.pid for one in status.running if one.pid]
            pids = {pid for one in workers for pid in (one, *group_of(one))}
            held = _held(pids | ({status.runner} if status.runner else set()))
            if len(workers) == 2:
                most = {name: max(most[name], held[name]) for name in most}
            time.sleep(SAMPLE_S)
        if command.returncode:
            raise SystemExit(command.communicate()[1])
    cells = "".join(f"{one / 2**20:>8.0f}" for one in (parse_bytes(limit), *most.values()))
    print(f"  {what:<44}{cells}", flush=True)


def _held(pids: set[int]) -> dict[str, int]:
    """Return the bytes that processes hold just now, by PSS and by RSS."""
    held = {"Pss": 0, "Rss": 0}
    for pid in pids:
        with suppress(OSError):  # it has just ended
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                name, _, number = line.partition(":")
                if name in held:
                    held[name] += int(number.split()[0]) << 10
    return held


def _project(folder: Path, data_sets: Sequence[Path]) -> Path:
    _tomoline("project", "new", folder)
    if data_sets[0].suffix == ".mrc":
        _tomoline("project", "set", "-p", folder, *GOLD)
    _tomoline("project", "add", "-p", folder, *data_sets)
    return folder


def _workers(project: Path, *, at_work: bool = False) -> list[int]:
    """Return the workers of a run; only those that have begun a step, if that is wanted."""
    with Project.open(project, looking=True) as opened:
        running = opened.control.status().running
    return [one.pid for one in running if one.pid and (one.step or not at_work)]


def _wait(
    condition: Callable[[], bool], turn_s: float = SAMPLE_S, patience_s: float = PATIENCE_S
) -> None:
    until = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > until:
            raise SystemExit("waited in vain for a run: its series may be too small, see --size")
        time.sleep(turn_s)


def _started(*arguments: object) -> subprocess.Popen[str]:
    words = [*COMMAND, *(str(one) for one in arguments)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _tomoline(*arguments: object) -> None:
    command = _started(*arguments)
    told = "".join(command.communicate())
    if command.returncode:
        raise SystemExit(told)


if __name__ == "__main__":
    main()
