"""One processor against two: wall time of eight equal tilt series through a project.

Each run is a project of its own, driven by the command line as a user would, from `tomoline run` to
its end, starts of processes included. Ratios are of runs that follow each other on the same
machine. The aim is 0.58 on two cores.

    python benchmarks/processors.py [--series 8] [--size 384] [--views 41] [--repeats 1]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tomoline.simulate.tilt import simulate_tilt

COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]
AIM = 0.58


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=8)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--views", type=int, default=41)
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        first = simulate_tilt(
            folder / "raw",
            "TS_0",
            seed=1,
            width=chosen.size,
            height=chosen.size,
            views=chosen.views,
        )
        series = [first] + [_copy(first, f"TS_{number}") for number in range(1, chosen.series)]
        _run(folder / "warm", series[:1], 1, 1)  # compiled kernels and files in the page cache
        print(f"{chosen.series} series of {chosen.views} views, {chosen.size} x {chosen.size}")
        print(f"{'processors x threads':<22}{'wall s':>8}{'ratio':>8}")
        for repeat in range(chosen.repeats):
            alone = 0.0
            for processors, threads in ((1, 1), (2, 1), (1, 2)):
                name = f"{processors}x{threads}_{repeat}"
                seconds = _run(folder / name, series, processors, threads)
                alone = alone or seconds
                note = f"  (aim {AIM})" if processors == 2 else ""
                print(f"{name[:3]:<22}{seconds:8.1f}{seconds / alone:8.3f}{note}", flush=True)
                shutil.rmtree(folder / name, ignore_errors=True)  # its runner is just ending


def _copy(stack: Path, name: str) -> Path:
    for beside in stack.parent.glob(f"{stack.stem}.*"):
        os.link(beside, beside.with_name(beside.name.replace(stack.stem, name, 1)))
    return stack.with_name(f"{name}{stack.suffix}")


def _run(project: Path, series: list[Path], processors: int, threads: int) -> float:
    _tomoline("project", "new", project)
    _tomoline("project", "set", "-p", project, "--set", "setup.gold_diameter_nm=10")
    _tomoline("project", "add", "-p", project, *series)
    begin = time.perf_counter()
    _tomoline("run", project, "--processors", processors, "--threads", threads)
    return time.perf_counter() - begin


def _tomoline(*arguments: object) -> None:
    done = subprocess.run(
        [*COMMAND, *(str(one) for one in arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
