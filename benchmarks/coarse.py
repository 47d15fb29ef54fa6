"""Time and accuracy of the steps preprocess and coarse_align on a simulated series.

IMOD 4.8's ccderaser and tiltxcorr took 5.5 and 3.0 s for 2048 x 2048 x 61 on two cores of a
comparable machine, not in this run. A pass over the stack reads and writes its bytes once.

    python benchmarks/coarse.py [--size 512] [--views 41] [--threads 2] [--seed 1] [--no-gold]
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.engine.threads import ThreadsEngine
from tomoline.files import transforms
from tomoline.kernels.correlator import projection
from tomoline.simulate.tilt import simulate_tilt
from tomoline.simulate.truth import Truth
from tomoline.steps import Step
from tomoline.steps.acquisition import Acquisition, View
from tomoline.steps.coarse_align import COARSE_ALIGN
from tomoline.steps.preprocess import PREPROCESS
from tomoline.workflow.dataset import DataSet, RunContext

REPEATS = 3


def main() -> None:
    """Simulate, run both steps a few times, and print the best times and the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--views", type=int, default=41)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-gold", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stack = simulate_tilt(
            folder,
            "bench",
            seed=chosen.seed,
            width=chosen.size,
            height=chosen.size,
            views=chosen.views,
            gold=not chosen.no_gold,
        )
        truth = Truth.read(folder / "bench_truth.json")
        data_set = _data_set(folder / "bench", stack, truth, chosen.size)
        bytes_moved = 2 * stack.stat().st_size
        for step in (PREPROCESS, COARSE_ALIGN):
            seconds, values = _best(step, data_set, chosen.threads)
            speed = f"{bytes_moved / seconds / 1e9:.2f} GB/s" if step is PREPROCESS else ""
            print(f"{step.name:>14}  {seconds:7.2f} s  {speed}")
        found = transforms.read(data_set.path("coarse_transforms"))
        axis_apart = math.remainder(values["tilt_axis_found_deg"] - truth.tilt_axis_deg, 180.0)
        print(f"axis error {axis_apart:.2f} degrees, confidence {values['tilt_axis_confidence']}")
        errors = _errors(found, truth)
        print(f"centres    {math.sqrt((errors**2).mean()):.2f} px rms, {errors.max():.2f} at most")


def _data_set(folder: Path, stack: Path, truth: Truth, size: int) -> DataSet:
    folder.mkdir()
    data_set = DataSet("bench", folder, stack)
    data_set.path("raw_stack").symlink_to(stack)
    views = tuple(
        View(number=place + 1, tilt_deg=float(tilt))
        for place, tilt in enumerate(truth.nominal_tilt_deg)
    )
    Acquisition(root="bench", views=views, height_px=size, width_px=size).write(
        data_set.path("acquisition")
    )
    return data_set


def _best(step: Step[Any], data_set: DataSet, threads: int) -> tuple[float, dict[str, Any]]:
    """Return the least seconds of a few runs after one for compilation, and the values."""
    seconds = []
    for _ in range(REPEATS + 1):
        context = RunContext(data_set, ThreadsEngine(threads, 4 << 30))
        started = time.perf_counter()
        values = step.run(step.validate({}), context)
        seconds.append(time.perf_counter() - started)
    return min(seconds[1:]), values


def _errors(found: NDArray[np.float64], truth: Truth) -> NDArray[np.float64]:
    """Return how far each centre lies from the truth, another specimen point allowed for."""
    phi = math.radians(truth.tilt_axis_deg)
    true = np.array([-np.linalg.solve(one[:, :2], one[:, 2]) for one in truth.transforms])
    tilt = np.radians(truth.tilt_deg)
    across = np.sin(tilt)[:, None] * [math.cos(phi), math.sin(phi)]
    flat = np.array([projection(float(angle), phi) for angle in tilt])
    design = np.concatenate([flat, across[:, :, None]], axis=2)
    wrong = -found[:, :, 2] - true
    good = truth.good_views
    point, *_ = np.linalg.lstsq(design[good].reshape(-1, 3), wrong[good].ravel(), rcond=None)
    rest: NDArray[np.float64] = np.hypot(*(wrong - design @ point)[good].T)
    return rest


if __name__ == "__main__":
    main()
