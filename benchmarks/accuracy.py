"""Accuracy of the tilt recipe on simulated series, from the command line, against the truth.

For every seed a series is drawn (drift to 12 % of the width, axis and magnification jitter, tilt
offset to 4 and pitch to 5 degrees, 12 X-rays a view, a dark view in every third), processed, and
compared with its truth; the density also with what the true geometry gives.

    python benchmarks/accuracy.py [--seeds 1-20] [--no-gold] [--folder KEEP]
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

import mrcfile
import numpy as np

from tomoline.files import angles, transforms
from tomoline.simulate.judge import (
    axis_error_deg,
    centre_errors,
    density_correlation,
    find_beads,
    find_pose,
    match_beads,
    truth_in_frame_of,
)
from tomoline.simulate.tilt import simulate_tilt
from tomoline.simulate.truth import Truth

COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]
AXIS_DEG, CENTRES_PX, BEADS, DENSITY, DENSITY_WITHOUT_GOLD = 0.1, 0.08, 0.95, 0.97, 0.93
FLOATS = ("--set", "trim.output=float32")
HEAD = ("seed", "axis deg", "centres px", "beads", "density", "of true", "warnings")


def main() -> None:
    """Process the seeds, print a line for each, and say how many are within the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", default="1-20")
    parser.add_argument("--no-gold", action="store_true")
    parser.add_argument("--folder", type=Path)
    chosen = parser.parse_args()
    first, _, last = chosen.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    good = 0
    print("  ".join(f"{word:>10}" for word in HEAD))
    with tempfile.TemporaryDirectory() as scratch:
        for seed in seeds:
            good += _judge_seed(seed, not chosen.no_gold, chosen.folder or Path(scratch))
    print(f"{good} of {len(seeds)} within the limits")


def _judge_seed(seed: int, gold: bool, folder: Path) -> bool:
    root = f"seed{seed}{'' if gold else 'n'}"
    stack = folder / f"{root}.mrc"
    if not stack.exists():
        simulate_tilt(
            folder,
            root,
            seed=seed,
            gold=gold,
            beads=12 + (seed * 7) % 19,
            dark_views=int(seed % 3 == 0),
            axis_title=bool(seed % 2),
        )
    truth = Truth.read(folder / f"{root}_truth.json")
    options = ("--set", "setup.gold_diameter_nm=10") if gold else ()
    shutil.rmtree(folder / root, ignore_errors=True)
    _run(str(stack), *options, *FLOATS)
    document = json.loads(_run("show", str(folder / root), "--json", command=""))
    used = truth.good_views
    artifacts = {name: Path(path) for name, path in document["artifacts"].items()}
    found = transforms.read(artifacts["transforms"])
    centres = centre_errors(
        found, truth.transforms, angles.read(artifacts["tilt_angles"]), truth.tilt_deg, used
    )
    axis = abs(axis_error_deg(found, truth.transforms, used))
    beads, density = _judge_volume(artifacts["tomogram"], truth, gold)
    _, best = _judge_volume(_with_true_geometry(folder / root, truth, options), truth, gold)
    ratio = density / best
    within = (
        axis <= AXIS_DEG
        and centres.rms_px <= CENTRES_PX
        and (beads is None or beads >= BEADS)
        and ratio >= (DENSITY if gold else DENSITY_WITHOUT_GOLD)
    )
    if not gold:
        within = ratio >= DENSITY_WITHOUT_GOLD
    codes = ",".join(sorted({one["code"] for one in document["warnings"]})) or "-"
    shown = "-" if beads is None else f"{beads:.3f}"
    print(
        f"{seed:>10}  {axis:>10.4f}  {centres.rms_px:>10.4f}  {shown:>10}  {density:>10.4f}  "
        f"{ratio:>10.4f}  {codes}{'' if within else '  <-- outside'}",
        flush=True,
    )
    return within


def _judge_volume(path: Path, truth: Truth, gold: bool) -> tuple[float | None, float]:
    with mrcfile.open(path, permissive=True) as file:
        volume = np.asarray(file.data, dtype=np.float32)
    if not gold:
        slopes = ((0.0, 0.0), (truth.tilt_offset_deg, truth.pitch_deg))
        pose = find_pose(volume, truth.specimen, slopes)
        return None, -density_correlation(volume, truth.specimen, pose)
    true_beads = truth.specimen.beads
    seen = truth.seen_beads()
    diameter = 2 * float(np.median(true_beads[:, 3]))
    places = find_beads(volume, diameter, 2 * len(true_beads))
    depth, height, width = volume.shape
    match = match_beads(places, seen, (depth, height, width))
    return match.fraction, -density_correlation(volume, truth.specimen, match.pose)


def _with_true_geometry(folder: Path, truth: Truth, options: tuple[str, ...]) -> Path:
    """Reconstruct once more with the true transforms and angles in the place of those found."""
    other = folder.with_name(f"{folder.name}-true")
    shutil.rmtree(other, ignore_errors=True)
    shutil.copytree(folder, other)
    # In the coordinates of the result, so that the thickness and Z shift found go on holding.
    xf, tlt = other / f"{folder.name}.xf", other / f"{folder.name}.tlt"
    moved, tilted = truth_in_frame_of(
        transforms.read(xf), angles.read(tlt), truth.transforms, truth.tilt_deg, truth.good_views
    )
    transforms.write(xf, moved)
    angles.write(tlt, tilted)
    _run(str(other), *options, *FLOATS, "--from", "aligned_stack")
    return other / f"{folder.name}_rec.mrc"


def _run(*arguments: str, command: str = "run") -> str:
    words = [*COMMAND, *([command] if command else []), *arguments]
    done: subprocess.CompletedProcess[Any] = subprocess.run(
        words, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return str(done.stdout)


if __name__ == "__main__":
    main()
