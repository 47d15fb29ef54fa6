"""Accuracy of the scan recipe on simulated scans, from the command line, against the truth.

For every seed a scan is drawn (four distances, 18 keV, 0.65 um, 8000 counts, drifting stripes,
shifts to 2.5 px, axis unknown), reconstructed, and compared with its truth; the volume also with
what true shifts and true axis give.

    python benchmarks/scan_accuracy.py [--seeds 1-10] [--full-turn] [--folder KEEP]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from tomoline.simulate.judge.scan_volume import compare_shifts, compare_volume
from tomoline.simulate.scan import simulate_scan
from tomoline.simulate.scan_settings import ScanSimulation
from tomoline.simulate.scan_truth import ScanTruth
from tomoline.steps._shifts import Shifts

COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]
AXIS_PX, SHIFTS_PX, SLOPE, OF_TRUE, OF_TRUE_FULL_TURN = 0.1, 0.1, 0.03, 0.98, 0.97
HEAD = ("seed", "axis px", "trust", "shifts px", "correlation", "of true", "slope", "warnings")


def main() -> None:
    """Process the seeds, print a line for each, and say how many are within the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="1-10")
    parser.add_argument("--full-turn", action="store_true")
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    first, _, last = chosen.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    good = 0
    print("  ".join(f"{word:>11}" for word in HEAD))
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            good += _judge_seed(seed, chosen.full_turn, chosen.folder or Path(scratch))
    print(f"{good} of {len(seeds)} within the limits")


def _settings(seed: int, full_turn: bool) -> ScanSimulation:
    if not full_turn:
        return ScanSimulation(seed=seed)
    return ScanSimulation(
        seed=seed,
        angles=800,
        range_deg=360.0,
        overlap_px=80.0 + 7 * (seed % 10),
        axis_side="left" if seed % 2 else "right",
    )


def _judge_seed(seed: int, full_turn: bool, folder: Path) -> bool:
    root = f"seed{seed}{'full' if full_turn else ''}"
    parameters = folder / f"{root}.par"
    if not parameters.exists():
        simulate_scan(folder, root, _settings(seed, full_turn))
    truth = ScanTruth.read(folder / f"{root}_truth.json")
    shutil.rmtree(folder / root, ignore_errors=True)
    _run("run", str(parameters))
    document = json.loads(_run("show", str(folder / root), "--json"))
    axis = next(step["values"] for step in document["steps"] if step["name"] == "axis")
    axis_error = abs(axis["rotation_axis_px"] - truth.axis_px)
    shifts = compare_shifts(Shifts.read(Path(document["artifacts"]["shifts"])).shifts_px, truth)
    found = compare_volume(_volume(document), truth)
    best = compare_volume(_volume(_with_true_geometry(folder / root, truth)), truth)
    ratio = found.correlation / best.correlation
    within = (
        axis_error <= AXIS_PX
        and shifts <= SHIFTS_PX
        and abs(found.slope - 1) <= SLOPE
        and ratio >= (OF_TRUE_FULL_TURN if full_turn else OF_TRUE)
    )
    codes = ",".join(sorted({one["code"] for one in document["warnings"]})) or "-"
    print(
        f"{seed:>11}  {axis_error:>11.4f}  {axis['confidence']:>11.2f}  {shifts:>11.4f}  "
        f"{found.correlation:>11.4f}  {ratio:>11.4f}  {found.slope:>11.4f}  "
        f"{codes}{'' if within else '  <-- outside'}",
        flush=True,
    )
    return within


def _volume(document: dict[str, Any]) -> np.ndarray:
    return np.asarray(zarr.open_group(document["artifacts"]["volume"], mode="r")["0"])


def _with_true_geometry(folder: Path, truth: ScanTruth) -> dict[str, Any]:
    """Reconstruct once more with the true shifts and axis in the place of those found."""
    other = folder.with_name(f"{folder.name}-true")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    true = np.array(truth.shifts_px)
    Shifts(true, (1.0,) * true.shape[1]).write(other / f"{folder.name}_shifts.json")
    _run("run", str(other), "--from", "retrieve", "--set", f"axis.axis_px={truth.axis_px}")
    document: dict[str, Any] = json.loads(_run("show", str(other), "--json"))
    return document


def _run(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
