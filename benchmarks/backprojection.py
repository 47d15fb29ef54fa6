"""Back-projection: voxel updates a second and core, beside one slice at a time and numpy.

    python benchmarks/backprojection.py [--repeat 5]

An update is one voxel seen in one view: two multiply-adds and 8 bytes from the cache. Bytes are
those that must come from memory at least: the filtered rows once, the slices once. The two peers
work on the same rows in the same run: a plain Numba loop over one slice, and numpy's `interp`.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import njit
from numpy.typing import NDArray

from _timing import best
from tomoline.kernels import backproject as bp
from tomoline.kernels import filters

Real = NDArray[np.float32]

# name, width, views, thickness, updates a second and core asked for
CASES = (("512 x 41 -> 180", 512, 41, 180), ("2048 x 61 -> 300", 2048, 61, 300))
TARGET = 5e9


@njit(nogil=True)
def one_slice(rows, cosines, sines, axis_column, out):  # type: ignore[no-untyped-def]
    """Back-project a single slice the plain way: views outermost."""
    half_z, half_x = (out.shape[0] - 1) / 2, (out.shape[1] - 1) / 2
    out[:] = 0.0
    for view in range(rows.shape[0]):
        row = rows[view]
        for z in range(out.shape[0]):
            start = axis_column + (z - half_z) * sines[view] - half_x * cosines[view]
            for x in range(out.shape[1]):
                u = start + x * cosines[view]
                column = int(u)
                weight = np.float32(u - column)
                out[z, x] += row[column] + weight * (row[column + 1] - row[column])


def with_numpy(rows: Real, geometry: bp.SliceGeometry) -> Real:
    """Back-project a single slice with numpy's linear interpolation."""
    z = np.arange(geometry.thickness)[:, None] - geometry.z_offset
    x = np.arange(geometry.x_count)[None, :] - geometry.x_offset
    columns = np.arange(geometry.columns)
    out = np.zeros((geometry.thickness, geometry.x_count))
    for row, cosine, sine in zip(rows, geometry.cosines, geometry.sines, strict=True):
        u = geometry.axis_column + x * cosine + z * sine
        out += np.interp(u.ravel(), columns, row).reshape(out.shape)
    return out.astype(np.float32)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=5)
    repeat = parser.parse_args().repeat
    rng = np.random.default_rng(0)
    print(f"{'case':18} {'work':26} {'seconds':>8} {'1e9 updates/s':>14} {'GB/s':>6} {'ratio':>6}")
    for name, width, views, thickness in CASES:
        shape = bp.SliceGeometry(np.radians(np.linspace(-60, 60, views)), width, thickness)
        padded = filters.padded_size(width, shape.margin)
        weights = filters.radial_weights(shape.tilt_rad, padded, filters.RadialFilter())
        rows = rng.normal(size=(views, bp.LANES, width)).astype(np.float32)
        data = bp.filter_to_lanes(rows, weights, padded, shape)
        single = np.ascontiguousarray(data[:, :, 0])
        out = np.empty((bp.LANES, thickness, width), dtype=np.float32)
        section = out[0].copy()
        updates = views * thickness * width

        def plain(single=single, shape=shape, section=section) -> None:  # type: ignore[no-untyped-def]
            one_slice(single, shape.cosines, shape.sines, shape.axis_column, section)

        def pair(data=data, shape=shape) -> None:  # type: ignore[no-untyped-def]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda _: bp.backproject(data, shape), range(2)))

        moved = data.nbytes + out.nbytes
        lines = [
            ("32 slices together", lambda: bp.backproject(data, shape, out=out), 32, moved),  # noqa: B023
            ("  the same, two threads", pair, 64, 2 * moved),
            ("one slice, Numba", plain, 1, single.nbytes + section.nbytes),
            ("one slice, numpy", lambda: with_numpy(single, shape), 1, moved // 32),  # noqa: B023
        ]
        rates = []
        for label, work, slices, size in lines:
            # What two threads do together only the clock on the wall can tell.
            clock = time.perf_counter if slices == 64 else time.thread_time
            seconds = best(work, repeat if slices > 1 else 1, clock)
            rates.append(slices * updates / seconds)
            print(
                f"{name:18} {label:26} {seconds:8.4f} {rates[-1] / 1e9:14.2f} "
                f"{size / seconds / 1e9:6.2f} {rates[0] / rates[-1]:6.1f}"
            )
        seconds = best(lambda: bp.filter_to_lanes(rows, weights, padded, shape), repeat)  # noqa: B023
        print(f"{name:18} {'radial filter, 32 slices':26} {seconds:8.4f}")
        difference = np.abs(out[0] - with_numpy(single, shape)).max()
        verdict = "reached" if rates[0] >= TARGET else "MISSED"
        print(f"{name:18} target {TARGET / 1e9:g} {verdict}; from numpy's by {difference:.1e}\n")


if __name__ == "__main__":
    main()
