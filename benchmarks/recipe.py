"""Time and memory of the whole tilt recipe, raw stack to trimmed tomogram, from the command line.

The seconds of IMOD 4.8's batchruntomo on two cores, for the same sizes, stand beside as a measure;
they were taken on a comparable machine, not in this run.

    python benchmarks/recipe.py [--case small|large|sirt] [--repeat 3]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tomoline.simulate.tilt import simulate_tilt

COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]

GOLD = ("--set", "setup.gold_diameter_nm=10")


@dataclass(frozen=True)
class Case:
    """A series to simulate, how to run it, and what is asked for."""

    series: dict[str, object]
    options: tuple[str, ...]
    target_s: float
    imod_s: float


CASES = {
    "small": Case(
        {"width": 512, "height": 512, "views": 41, "beads": 30},
        ("--set", "reconstruct.thickness_px=180"),
        6.0,
        37.0,
    ),
    "sirt": Case(
        {"width": 512, "height": 512, "views": 41, "beads": 30},
        (
            "--set",
            "reconstruct.thickness_px=180",
            "--set",
            "reconstruct.use_sirt=true",
            "--set",
            "reconstruct.leave_iterations=5",
        ),
        11.0,
        69.0,
    ),
    "large": Case(
        {"width": 2048, "height": 2048, "views": 61, "beads": 80},
        ("--set", "reconstruct.thickness_px=300"),
        50.0,
        180.0,
    ),
}


def main() -> None:
    """Measure and print a table for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=CASES, action="append")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the series here between calls")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in chosen.case or ("small",):
            _measure(name, CASES[name], chosen.folder or Path(scratch), chosen.repeat)


def _measure(name: str, case: Case, folder: Path, repeat: int) -> None:
    stack = folder / f"{name}.mrc"
    if not stack.exists():
        simulate_tilt(folder, name, seed=11, **case.series)  # type: ignore[arg-type]
    seconds, peaks, steps = [], [], {}
    for turn in range(repeat + 1):  # the first one compiles, and is not counted
        results = folder / "results"
        shutil.rmtree(results, ignore_errors=True)
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*COMMAND, "run", str(stack), *GOLD, *case.options, "--deliver", str(results)],
            stderr=subprocess.DEVNULL,
        )
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"the run of {name} failed")
        if turn:
            seconds.append(time.perf_counter() - begin)
            peaks.append(usage.ru_maxrss << 10)
            steps = _steps(results / name)
    stack_bytes = stack.stat().st_size
    whole = ("full_rec", "sirt_rec")
    paths = [results / name / f"{name}_{part}.mrc" for part in whole]
    tomogram_bytes = next(path.stat().st_size for path in paths if path.exists())
    print(f"{name}: {case.series}")
    for step, spent in steps.items():
        print(f"  {step:<16}{spent:8.2f} s")
    middle = statistics.median(seconds)
    print(f"  whole recipe    {middle:8.2f} s  (asked for {case.target_s:g}, IMOD {case.imod_s:g})")
    print(f"  ratio to IMOD   {middle / case.imod_s:8.2f}")
    bound = stack_bytes + tomogram_bytes + (1 << 30)
    print(f"  peak memory     {max(peaks) / 2**30:8.2f} GiB (asked for {bound / 2**30:.2f})")


def _steps(folder: Path) -> dict[str, float]:
    record = json.loads(next(folder.glob("*.tomoline.json")).read_text())
    return {step["name"]: step["seconds"] for step in record["steps"]}


if __name__ == "__main__":
    main()
