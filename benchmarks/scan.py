"""The whole scan recipe on HiTT's case: 4 x 1810 frames of 2048 x 2048, 4 x 100 flats, 2040 slices.

Measured on a tenth and added up: everything up to the rotation axis on 181 angles at full frame
size, everything after it on 204 slices of 1810 angles. Core-seconds are the processor time of all
threads, as each step records it; reading comes from the page cache. HiTT's own figure for this case
is 88 cores for 65 s, 5,720 core-seconds (Nikolova, NOBUGS 2024); the aim here is 700.

    python benchmarks/scan.py [--threads 1 2] [--folder DIR] [--scale 1.0]

The frames in DIR take 5 GB; every eighth angle is simulated and stands for those after it, and of
the 100 flats of a distance 20 are distinct.
`--scale 0.25` measures everything at a quarter of the frame size, for a quick look.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tifffile

from tomoline.simulate.scan import Scan
from tomoline.simulate.scan_settings import ScanSimulation

COMMAND = [sys.executable, "-c", "from tomoline.cli.main import main; main()"]
ANGLES, SLICES, FLATS, SIZE = 1810, 2040, 100, 2048
DISTANCES_M = (0.073, 0.077, 0.083, 0.092)
PART = 10
DISTINCT_FLATS = 20
REPEATED_ANGLES = 8
HITT_CORE_S = 5720.0
AIM_CORE_S = 700.0
# Steps whose cost grows with the number of angles; the others before the axis are done once.
PER_ANGLE = ("register", "retrieve")
PER_SLICE = ("output",)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--folder", type=Path, help="keep the frames here between calls")
    parser.add_argument("--scale", type=float, default=1.0, help="frame size relative to 2048")
    chosen = parser.parse_args()
    size = int(SIZE * chosen.scale)
    with tempfile.TemporaryDirectory() as scratch:
        folder = chosen.folder or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        frames = _frames(folder / f"frames_{size}", size)
        sinograms = _sinograms(folder / f"sinograms_{size}.h5", size)
        walls = {}
        for threads in chosen.threads:
            first = _run(frames, threads, "--until", "axis")
            second = _run(sinograms, threads, "--set", "axis.axis_px=%g" % ((size - 1) / 2))
            _print(first, second, threads)
            walls[threads] = _wall(first, PER_ANGLE), _wall(second, PER_SLICE)
    if 1 in walls and 2 in walls:
        for name, one, two in zip(("retrieval", "slices"), walls[1], walls[2], strict=True):
            print(f"{name}: two threads take {two / one:.2f} of one thread's time (aim: 0.55)")


def _frames(folder: Path, size: int) -> Path:
    """Write a tenth of the angles of a simulated scan; frames and flats repeat as links."""
    parameters = folder / "hitt.par"
    if parameters.exists():
        return parameters
    folder.mkdir(exist_ok=True)
    angles = ANGLES // PART
    scan = Scan(
        ScanSimulation(
            width_px=size,
            height_px=size,
            angles=angles,
            distances_m=DISTANCES_M,
            flats=DISTINCT_FLATS,
        )
    )

    names = [f"hitt_d{distance + 1}_1_" for distance in range(len(DISTANCES_M))]
    for angle in range(angles):  # the simulation keeps the wave of one angle for all distances
        for distance, prefix in enumerate(names):
            path = folder / f"{prefix}{angle + 1:05d}.tiff"
            like = angle - angle % REPEATED_ANGLES
            if like == angle:
                tifffile.imwrite(path, scan.frame(distance, angle))
            else:
                os.link(folder / f"{prefix}{like + 1:05d}.tiff", path)
    for distance, prefix in enumerate(names):
        for flat in range(FLATS):
            path = folder / f"ff_{prefix}{flat + 1:05d}.tiff"
            if flat < DISTINCT_FLATS:
                tifffile.imwrite(path, scan.flat(distance, flat))
            else:
                os.link(folder / f"ff_{prefix}{flat % DISTINCT_FLATS + 1:05d}.tiff", path)
    parameters.write_text(
        "ENERGY = 18.0\nPIXELSIZE = 0.650\n"
        f"DISTANCES = {', '.join(f'{one:.6f}' for one in DISTANCES_M)}\nFLATAVG = 3\n"
        f"ROI = 0, {size - size * SLICES // SIZE}, {size}, {size * SLICES // SIZE}\n"
        f"BETADELTA = 0.1\nZEROCOMP = 0.1\nPADDING = {200 * size // SIZE}\n"
        f"ANGLE-START = 0\nANGLE-STEP = {180 / angles:.8f}\n"
        f"PREFIX = {','.join(names)}\nPREFIX-FF = {','.join('ff_' + name for name in names)}\n"
    )
    return parameters


def _sinograms(path: Path, size: int) -> Path:
    """Write a tenth of the rows of a scan with all its angles, as a Data Exchange file."""
    if path.exists():
        return path
    rows = size * SLICES // SIZE // PART
    generator = np.random.default_rng(1)
    columns = np.arange(size) - (size - 1) / 2
    disc = 2 * np.sqrt(np.maximum((0.45 * size) ** 2 - columns**2, 0)) / size
    part = path.with_suffix(".part")
    with h5py.File(part, "w") as file:
        data = file.create_dataset("exchange/data", (ANGLES, rows, size), np.uint16)
        for angle in range(ANGLES):
            expected = 8000 * np.exp(-disc)
            data[angle] = generator.normal(expected, np.sqrt(expected), (rows, size)).astype("u2")
        file["exchange/data_white"] = np.full((10, rows, size), 8000, np.uint16)
        file["exchange/data_dark"] = np.zeros((2, rows, size), np.uint16)
        file["exchange/theta"] = np.arange(ANGLES) * 180.0 / ANGLES
    os.replace(part, path)
    return path


def _run(source: Path, threads: int, *options: str) -> dict[str, dict[str, Any]]:
    """Run the recipe in a process of its own and return what each step recorded."""
    with tempfile.TemporaryDirectory(dir=source.parent) as results:
        arguments = ["run", str(source), "--deliver", results, "--threads", str(threads), *options]
        subprocess.run([*COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)
        shown = subprocess.run(
            [*COMMAND, "show", str(Path(results) / source.stem), "--json"],
            check=True,
            capture_output=True,
        )
    return {step["name"]: step for step in json.loads(shown.stdout)["steps"]}


def _wall(steps: dict[str, dict[str, Any]], names: tuple[str, ...]) -> float:
    return sum(steps[name]["seconds"] for name in names)


def _print(
    first: dict[str, dict[str, Any]], second: dict[str, dict[str, Any]], threads: int
) -> None:
    total = 0.0
    print(f"{threads} thread(s)")
    print(f"{'step':<12}{'measured s':>12}{'core-s':>10}{'times':>7}{'whole core-s':>14}")
    for name in ("scan", "flats", "register", "retrieve", "axis"):
        total += _row(name, first[name], PART if name in PER_ANGLE else 1)
    for name in ("slices", "output"):
        total += _row(name, second[name], PART if name in PER_SLICE else 1)
    peak = max(step["peak_memory_bytes"] for step in (*first.values(), *second.values()))
    print(
        f"{'sum':<12}{'':>29}{total:>14.0f}  core-s; aim {AIM_CORE_S:.0f}, HiTT {HITT_CORE_S:.0f}"
    )
    print(
        f"retrieval {first['retrieve']['core_seconds'] * PART / ANGLES:.3f} core-s an angle "
        "(aim 0.20), slices "
        f"{second['output']['core_seconds'] * PART / SLICES:.3f} core-s each with writing "
        f"(aim 0.12 without); peak memory {peak / (1 << 30):.2f} GiB\n"
    )


def _row(name: str, step: dict[str, Any], times: int) -> float:
    whole = step["core_seconds"] * times
    print(
        f"{name:<12}{step['seconds']:>12.2f}{step['core_seconds']:>10.2f}{times:>7}{whole:>14.1f}"
    )
    return float(whole)


if __name__ == "__main__":
    main()
