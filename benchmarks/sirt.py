"""SIRT: seconds of five iterations of the small case, and the rates of both projectors.

    python benchmarks/sirt.py [--repeat 3]

512 x 512 x 41 views to thickness 180. IMOD 4.8 needs 32 s for it on two cores (taken on a
comparable machine, not in this run); under 5 s are asked for.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tomoline.kernels import backproject as bp
from tomoline.kernels import sirt

WIDTH, HEIGHT, VIEWS, THICKNESS, ITERATIONS = 512, 512, 41, 180, 5
TARGET_S = 5.0


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=3)
    repeat = parser.parse_args().repeat
    shape = bp.SliceGeometry(np.radians(np.linspace(-60, 60, VIEWS)), WIDTH, THICKNESS)
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(VIEWS, bp.LANES, WIDTH)).astype(np.float32)
    data = bp.to_lanes(rows, shape)
    weights = sirt.sirt_weights(shape)
    volume = sirt.backproject(data, shape)
    updates = VIEWS * THICKNESS * WIDTH * bp.LANES
    for name, work in (
        ("projection", lambda: sirt.project(volume, shape)),
        ("back-projection", lambda: sirt.backproject(data, shape)),
    ):
        work()
        times = []
        for _ in range(repeat):
            begin = time.thread_time()
            work()
            times.append(time.thread_time() - begin)
        print(
            f"{name:16} {min(times):7.4f} s, {updates / min(times) / 1e9:5.2f}e9 updates/s and core"
        )

    def chunk(_: int) -> None:
        sirt.sirt(data, shape, weights, (ITERATIONS,))

    for threads in (1, 2):
        begin = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(chunk, range(HEIGHT // bp.LANES)))
        seconds = time.perf_counter() - begin
        verdict = "reached" if seconds < TARGET_S else "MISSED"
        print(f"{ITERATIONS} iterations, {threads} threads: {seconds:6.2f} s; {TARGET_S} {verdict}")


if __name__ == "__main__":
    main()
