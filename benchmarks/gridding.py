"""Slices by gridding: core-seconds of the parts, beside finufft, and on two threads.

    python benchmarks/gridding.py [--repeat 5] [--width 2048] [--angles 1810]

Eight slices are made from random sinograms; seconds are those of the processor, for one slice.
Bytes are those that must go to memory and come back at least: sinogram, spectra, half-transformed
grid, slice. Operations count transforms as 5 n log2 n and a multiply-add as two. The peer, finufft
on one thread with its plan made beforehand, gets the same spectra, two slices in one complex
transform; padding and filter, which it lacks, are ours.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import finufft  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray

from _timing import best
from tomoline.kernels import _gridding_numba as loops
from tomoline.kernels._gridding_window import WIDTH
from tomoline.kernels.gridding import TOGETHER, GriddingPlan

Real = NDArray[np.float32]

TARGET_S = 0.12
TWO_THREADS_TARGET = 0.55


def operations(plan: GriddingPlan, angles: int) -> dict[str, float]:
    """Return floating-point operations of the parts, for one slice."""

    def transform(count: float, length: int) -> float:
        return count * 5 * length * math.log2(length)

    rows = plan.grid + 2 * loops.MARGIN
    samples = plan.samples
    return {
        "padding, filter, axis": transform(4 * angles, samples) / 2 + 40 * angles * samples / 2,
        "gridding, rows": (
            (4 * WIDTH * WIDTH + 4 * WIDTH) * angles * samples + transform(rows, plan.grid)
        )
        / 2,
        "columns, slices": transform(plan.size, plan.grid) / 2 + 2 * plan.size**2,
    }


def peer(plan: GriddingPlan, angles: NDArray[np.float64], tolerance: float, repeat: int) -> float:
    """Return finufft's seconds for one slice."""
    frequency = 2 * np.pi * np.arange(-plan.samples // 2, plan.samples // 2) / plan.samples
    y, x = (np.outer(part, frequency).ravel() for part in (np.sin(angles), np.cos(angles)))
    theirs = finufft.Plan(
        1, (plan.size, plan.size), eps=tolerance, isign=1, dtype="complex64", nthreads=1
    )
    theirs.setpts(y.astype(np.float32), x.astype(np.float32))
    rng = np.random.default_rng(0)
    values = rng.normal(size=y.size).astype(np.float32) + 0j
    values = values.astype(np.complex64)
    out = np.empty((plan.size, plan.size), np.complex64)
    return best(lambda: theirs.execute(values, out=out), repeat) / 2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--angles", type=int, default=1810)
    given = parser.parse_args()
    width, count, repeat = given.width, given.angles, given.repeat
    angles = np.arange(count) * np.pi / count
    axis = np.full(TOGETHER, width / 2 + 3.3)
    begin = time.thread_time()
    plan = GriddingPlan(angles, width, axis, mask_radius_px=0.475 * width)
    print(
        f"plan, once a scan: {time.thread_time() - begin:.2f} s, {plan.bytes_of_plan / 1e6:.0f} MB"
    )
    rng = np.random.default_rng(0)
    sinograms = rng.normal(size=(TOGETHER, count, width)).astype(np.float32)
    out = np.empty((TOGETHER, width, width), np.float32)
    room = plan.make_room()
    pairs = TOGETHER // 2
    spectra = 4 * count * plan.samples
    half = 4 * plan.grid * width
    parts: dict[str, tuple[Callable[[], object], int]] = {
        "padding, filter, axis": (
            lambda: plan.filter_rows(sinograms, axis, room),
            4 * count * width + spectra,
        ),
        "gridding, rows": (lambda: plan.grid_samples(room, pairs), spectra + half),
        "columns, slices": (lambda: plan.write_slices(room, out), half + 4 * width**2),
    }
    flops = operations(plan, count)
    print(f"{'work':28} {'core-s/slice':>12} {'MB':>7} {'GB/s':>6} {'Gflop':>6} {'Gflop/s':>8}")
    total = moved = done = 0.0
    for name, (work, size) in parts.items():
        seconds = best(work, repeat) / TOGETHER
        total, moved, done = total + seconds, moved + size, done + flops[name]
        print_line(name, seconds, size, flops[name])
    print_line("sum", total, moved, done)
    whole = best(lambda: plan.reconstruct(sinograms, axis, out), repeat) / TOGETHER
    print_line("in one call", whole, moved, done)
    uneven = axis + np.linspace(0, 0.1, TOGETHER)
    apart = best(lambda: plan.reconstruct(sinograms, uneven, out), repeat) / TOGETHER
    print_line("  an axis for each slice", apart, moved, done)
    for tolerance in (1e-3, 1e-4):
        seconds = peer(plan, angles, tolerance, max(2, repeat // 2))
        ours = total - best(parts["padding, filter, axis"][0], 1) / TOGETHER
        print(
            f"{f'finufft, {tolerance:g}, no filter':28} {seconds:12.4f}   "
            f"{seconds / ours:.1f} times ours without filter"
        )
    wall_one, wall_two = two_threads(plan, sinograms, axis, repeat)
    verdict = "reached" if whole <= TARGET_S else "MISSED"
    print(f"target {TARGET_S} core-s/slice: {verdict}")
    print(f"two threads take {wall_two / wall_one:.2f} of one's time (target {TWO_THREADS_TARGET})")


def print_line(name: str, seconds: float, size: float, flops: float) -> None:
    """Print a line of the table."""
    print(
        f"{name:28} {seconds:12.4f} {size / 1e6:7.0f} {size / seconds / 1e9:6.2f} "
        f"{flops / 1e9:6.2f} {flops / seconds / 1e9:8.1f}"
    )


def two_threads(
    plan: GriddingPlan, sinograms: Real, axis: NDArray[np.float64], repeat: int
) -> tuple[float, float]:
    """Return the wall's seconds for four groups of slices, on one thread and on two."""
    outs = [np.empty((TOGETHER, plan.size, plan.size), np.float32) for _ in range(2)]

    def on(threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            work = [
                pool.submit(plan.reconstruct, sinograms, axis, outs[n % threads]) for n in range(4)
            ]
            for one in work:
                one.result()

    one, two = (best(lambda n=n: on(n), repeat, time.perf_counter) for n in (1, 2))  # type: ignore[misc]
    return one, two


if __name__ == "__main__":
    main()
