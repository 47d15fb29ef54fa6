"""Time of the bundle adjustment, beside its operations and a general least-squares solver.

    python benchmarks/alignment.py [--repeat 5] [--peer]

The operations are those of the two dense parts: taking the points out (rows of the views times
rows, over three columns a track) and factoring what is left. A core of the machines it was written
on does some 10 billion such multiply-adds a second when they come from the cache.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import dataclass

import numpy as np
import scipy.optimize
import scipy.sparse
from numpy.typing import NDArray

from tomoline.kernels.bundle import BundleOptions, BundleSolution, leave_out_error, solve_bundle

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A series to solve and the seconds it may take."""

    name: str
    tracks: int
    views: int
    length: int
    target_s: float


CASES = (
    Case("60 beads, 41 views", 60, 41, 41, 0.05),
    Case("80 beads, 61 views", 80, 61, 61, 0.10),
    Case("500 patches, 61 views", 500, 61, 61, 0.50),
    Case("2000 pieces of 16 views", 2000, 61, 16, 1.00),
)


def make(case: Case) -> tuple[Floats, Floats, float]:
    """Return tracks, tilt angles and tilt axis of a series with noise and gaps."""
    rng = np.random.default_rng(0)
    tilt = np.radians(np.linspace(-60, 60, case.views))
    places = rng.uniform(-1, 1, (case.tracks, 3)) * [900.0, 900.0, 80.0]
    rotation = np.radians(-12 + 0.04 * rng.standard_normal(case.views))
    u = places[:, :1] * np.cos(tilt) + places[:, 2:] * np.sin(tilt)
    v = np.broadcast_to(places[:, 1:2], u.shape)
    x, y = np.cos(rotation) * u - np.sin(rotation) * v, np.sin(rotation) * u + np.cos(rotation) * v
    tracks = np.stack([x, y], axis=-1) + rng.uniform(-20, 20, (case.views, 2))
    tracks += 0.2 * rng.standard_normal(tracks.shape)
    tracks[rng.random(tracks.shape[:2]) < 0.05] = np.nan
    start = rng.integers(0, case.views - case.length + 1, case.tracks)
    view = np.arange(case.views)
    tracks[(view < start[:, None]) | (view >= start[:, None] + case.length)] = np.nan
    return tracks, tilt, float(np.radians(-11.5))


def multiply_adds(case: Case) -> float:
    """Return the multiply-adds of one step."""
    rows = 4 * case.length
    return case.tracks * 3 * rows**2 / 2 + (4 * case.views) ** 3 / 6


def peer_seconds(tracks: Floats, tilt: Floats, axis: float) -> float:
    """Solve the same by scipy's sparse least squares, without weights and priors."""
    seen = np.argwhere(np.isfinite(tracks[..., 0]))
    point, view = seen.T
    points, views = tracks.shape[:2]
    pattern = scipy.sparse.lil_matrix((2 * len(seen), 4 * views + 3 * points), dtype=int)
    row = np.arange(len(seen))
    for offset in range(2):
        for kind in range(4):
            pattern[2 * row + offset, 4 * view + kind] = 1
        for kind in range(3):
            pattern[2 * row + offset, 4 * views + 3 * point + kind] = 1

    def residuals(values: Floats) -> Floats:
        per_view = values[: 4 * views].reshape(views, 4)[view]
        x, y, z = values[4 * views :].reshape(points, 3)[point].T
        u = x * np.cos(tilt[view]) + z * np.sin(tilt[view])
        cos, sin = np.cos(axis + per_view[:, 0]), np.sin(axis + per_view[:, 0])
        scale = 1 + per_view[:, 1]
        px = scale * (cos * u - sin * y) + per_view[:, 2]
        py = scale * (sin * u + cos * y) + per_view[:, 3]
        return (tracks[point, view] - np.stack([px, py], axis=-1)).ravel()

    started = time.perf_counter()
    scipy.optimize.least_squares(
        residuals, np.zeros(4 * views + 3 * points), jac_sparsity=pattern, max_nfev=20
    )
    return time.perf_counter() - started


def timed(
    tracks: Floats, tilt: Floats, axis: float, repeat: int
) -> tuple[float, BundleSolution, float]:
    """Return median seconds of a solution and of leaving out, and the solution."""
    solving, leaving = [], []
    options = BundleOptions()
    solution = solve_bundle(tracks, tilt, axis, options)
    for _ in range(repeat):
        started = time.perf_counter()
        solution = solve_bundle(tracks, tilt, axis, options)
        solving.append(time.perf_counter() - started)
        started = time.perf_counter()
        leave_out_error(tracks, tilt, axis, options, solution=solution)
        leaving.append(time.perf_counter() - started)
    return statistics.median(solving), solution, statistics.median(leaving)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--peer", action="store_true", help="time scipy's least_squares as well")
    given = parser.parse_args()
    print(f"{'case':26}{'s':>8}{'aim':>7}{'steps':>7}{'G/s':>7}{'leave-out s':>13}{'scipy s':>9}")
    for case in CASES:
        tracks, tilt, axis = make(case)
        seconds, solution, leaving = timed(tracks, tilt, axis, given.repeat)
        rate = multiply_adds(case) * solution.iterations / seconds / 1e9
        peer = (
            f"{peer_seconds(tracks, tilt, axis):9.2f}" if given.peer and case.tracks < 100 else ""
        )
        print(
            f"{case.name:26}{seconds:8.3f}{case.target_s:7.2f}{solution.iterations:7d}{rate:7.2f}"
            f"{leaving:13.3f}{peer}"
        )


if __name__ == "__main__":
    main()
