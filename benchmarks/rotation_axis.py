"""The rotation axis: core-seconds of each method for frames of 2048 columns and 1810 angles.

    python benchmarks/rotation_axis.py [--width 2048] [--angles 1810] [--repeat 3]

Seconds are of this thread alone, for one block of rows, and for the blocks that the step looks at.
The peer is the double wedge as it was published: for each axis, the mirror image is moved and the
whole turn transformed again (Vo et al. 2014), here with one axis timed, in the same run.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from _timing import best
from tomoline.kernels import axis_pairs, axis_rows, axis_sharpness, axis_vo
from tomoline.kernels.fourier import forward_along, forward_rows
from tomoline.steps._axis_methods import scales_of, wedge_of
from tomoline.steps._axis_rows import Turn
from tomoline.steps._axis_sizes import SLICE_ANGLES, SLICE_COLUMNS, SLICE_SIDE_PX

Real = NDArray[np.float32]

BLOCKS, SHARP_BLOCKS = 12, 5


def discs(axis_px: float, angles_rad: NDArray[np.float64], width: int) -> Real:
    """Exact projections (angle, column) of discs, with some noise."""
    rng = np.random.default_rng(0)
    out = 0.01 * rng.standard_normal((len(angles_rad), width))
    column = np.arange(width)
    for _ in range(40):
        away, turn = 0.4 * width * np.sqrt(rng.uniform()), rng.uniform(0, 2 * np.pi)
        size, middle = rng.uniform(4, width / 12), axis_px + away * np.cos(angles_rad - turn)
        chord = size**2 - (column[None] - middle[:, None]) ** 2
        out += 2 * np.sqrt(np.maximum(chord, 0)) / width
    return out.astype(np.float32)


def one_axis_as_published(sinogram: Real, axis_px: float) -> float:
    """Join a sinogram with its mirror image about one axis, and transform the whole turn."""
    angles, width = sinogram.shape
    padded = np.zeros((2 * angles, 2 * width), np.float32)
    padded[:angles, :width] = sinogram
    padded[angles:] = np.roll(padded[:angles, ::-1], round(2 * axis_px) + 1, axis=1)
    spectrum = forward_rows(padded)
    forward_along(spectrum, 0)
    return float(np.abs(spectrum).sum())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--angles", type=int, default=1810)
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    width, repeat = options.width, options.repeat
    degrees = np.linspace(0, 180, options.angles, endpoint=False)
    true = 0.503 * width
    raw = discs(true, np.radians(degrees), width)
    turn = Turn.of(degrees, np.ones(options.angles, bool))
    rows = axis_rows.without_stripes(raw)
    pairs = axis_pairs.find_pairs(turn.angles_rad, turn.step_rad)
    factor, stride = -(-width // SLICE_COLUMNS), -(-options.angles // SLICE_ANGLES)
    binned = np.ascontiguousarray(axis_rows.bin_columns(rows[::stride], factor))
    axes = ((true + np.arange(-15, 16) * 0.3 * factor) - (factor - 1) / 2) / factor

    def sharpness() -> None:
        slices = axis_sharpness.slices_for_axes(
            binned, turn.angles_rad[::stride], axes.tolist(), SLICE_SIDE_PX, 1.5
        )
        axis_sharpness.spread_of_gradients(slices)

    def wedge() -> None:
        axis_vo.misfit(wedge_of(rows, turn), 0.3)

    parts = [
        ("stripes", lambda: axis_rows.without_stripes(raw), BLOCKS),
        ("pairs", lambda: axis_pairs.mirror_sums(rows, pairs, scales_of(width)), BLOCKS),
        ("wedge, all axes", wedge, BLOCKS),
        ("sharpness, 31 axes", sharpness, SHARP_BLOCKS),
    ]
    print(f"{'work':22} {'s a block':>10} {'blocks':>7} {'core-s':>7}")
    total, times = 0.0, {}
    for name, work, blocks in parts:
        seconds = times[name] = best(work, repeat)
        total += seconds * blocks
        print(f"{name:22} {seconds:10.4f} {blocks:7d} {seconds * blocks:7.2f}")
    print(f"{'sum':22} {'':10} {'':7} {total:7.2f}")
    columns = axis_rows.bin_columns(rows, -(-width // 1024))
    even = axis_rows.even_half_turn(columns, turn.angles_rad, turn.angles_rad[0], 720)
    single = best(lambda: one_axis_as_published(even, true), repeat)
    ratio = single * 2 * width / times["wedge, all axes"]
    print(
        f"as published, one axis of the same binned rows: {single:.4f} s; "
        f"{ratio:.0f} times ours for axes half a pixel apart"
    )


if __name__ == "__main__":
    main()
