"""Writing volumes: GB/s of float32 slices and core, pyramid and sums included, beside zarr-python.

    python benchmarks/output.py [--size 2048] [--slices 64] [--repeat 4] [--folder DIR]

Slices are in memory; they are cut into blocks, summed up, halved to all levels, converted where
asked, and written through the page cache. Core-seconds are those of the process, the system's work
for it included. Bytes are those that must be moved at least: each slice is read twice (blocks,
next level), and what is stored is written once to a buffer, read from it, and written to the page
cache. A plain `pwrite` of the same bytes is the roof: nothing can be written faster. The peers
write level 0 alone: zarr-python with the same chunks and shards, and tifffile.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from tomoline.engine.threads import ThreadsEngine
from tomoline.files.ome_zarr import CHUNK, SHARD, OmeZarrWriter
from tomoline.files.volume_blocks import VolumeFacts, open_new, write_at
from tomoline.files.volume_hdf5 import Hdf5VolumeWriter
from tomoline.files.volume_mrc import MrcVolumeWriter
from tomoline.files.volume_tiff import TiffVolumeWriter
from tomoline.kernels.blocks import Quantisation
from tomoline.kernels.gridding import TOGETHER
from tomoline.kernels.pyramid import level_factors, level_shapes
from tomoline.steps._volume_writing import Units, VolumeBuilder

TARGET = 1.5e9
GROUP = TOGETHER

Real = NDArray[np.float32]


def facts(dtype: str) -> VolumeFacts:
    quantised = Quantisation.between(-4, 4)
    scale, offset = (1.0, 0.0) if dtype == "float32" else (quantised.step, quantised.low)
    return VolumeFacts("v", dtype, 0.65, "delta", "1", scale, offset, (-4.0, 4.0), {})


def build(folder: Path, slices: Real, kind: str, dtype: str, threads: int) -> None:
    """Write a volume as the step does."""
    shape: tuple[int, int, int] = slices.shape  # type: ignore[assignment]
    told = facts(dtype)
    shapes = level_shapes(shape) if kind == "zarr" else (shape,)
    writer: Any
    if kind == "zarr":
        writer = OmeZarrWriter(folder, shapes, level_factors(shape, len(shapes)), told)
    else:
        makers = {"tiff": TiffVolumeWriter, "hdf5": Hdf5VolumeWriter, "mrc": MrcVolumeWriter}
        writer = makers[kind](folder / "v", shape, told)  # type: ignore[abstract]
    quantisation = None if dtype == "float32" else Quantisation(told.offset, told.scale)
    units = Units(GROUP, GROUP, min(3, len(shapes) - 1))
    with writer as file:
        builder = VolumeBuilder(file, np.dtype(dtype), quantisation, told.fill)
        engine = ThreadsEngine(threads, 8 << 30)
        builder.build(lambda a, b: slices[a:b], units, engine, 2 * GROUP * slices[0].nbytes, "")
        file.finish({})


def plain(folder: Path, slices: Real) -> None:
    """Write the bytes, nothing else."""
    descriptor = open_new(folder / "v")
    for number, one in enumerate(slices):
        write_at(descriptor, one, number * one.nbytes, folder)


def with_zarr(folder: Path, slices: Real) -> None:
    """Write level 0 with zarr-python, a layer of shards at a time."""
    depth = len(slices)
    shard = [min(SHARD, -(-size // CHUNK) * CHUNK) for size in slices.shape]
    array = zarr.create_array(
        store=str(folder / "z"), shape=slices.shape, dtype="float32", chunks=(CHUNK,) * 3,
        shards=tuple(shard), compressors=None, filters=None,
    )  # fmt: skip
    for first in range(0, depth, shard[0]):
        array[first : first + shard[0]] = slices[first : first + shard[0]]


def with_tifffile(folder: Path, slices: Real) -> None:
    """Write a stack with tifffile."""
    tifffile.imwrite(folder / "v.tif", slices, bigtiff=True, photometric="minisblack")


def best(
    work: Callable[[Path], object], parent: Path, repeat: int, clock: Callable[[], float]
) -> float:
    """Return the least seconds of some runs, each in a new folder."""
    seconds = []
    for _ in range(repeat + 1):
        folder = Path(tempfile.mkdtemp(dir=parent))
        begin = clock()
        work(folder)
        seconds.append(clock() - begin)
        shutil.rmtree(folder)
    return min(seconds[1:])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--slices", type=int, default=64)
    parser.add_argument("--repeat", type=int, default=4)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    from tomoline.workflow._allocator import keep_freed_memory

    keep_freed_memory()  # as runs do
    rng = np.random.default_rng(0)
    slices = rng.normal(size=(options.slices, options.size, options.size)).astype(np.float32)
    size = slices.nbytes
    # Levels hold 1/8 + 1/64 + ... of level 0.
    moved = {"float32": size * (2 + 3) * 8 / 7, "uint16": size * (2 + 1.5) * 8 / 7}
    rows: list[tuple[str, Callable[[Path], object], float, Callable[[], float]]] = [
        ("pwrite alone", lambda folder: plain(folder, slices), 2 * size, time.process_time)
    ]
    for kind in ("zarr", "tiff", "hdf5", "mrc"):
        for dtype in ("float32", "uint16"):
            rows.append(
                (
                    f"{kind} {dtype}",
                    lambda folder, kind=kind, dtype=dtype: build(folder, slices, kind, dtype, 1),
                    moved[dtype],
                    time.process_time,
                )
            )
    rows += [
        (
            "zarr float32, two threads",
            lambda folder: build(folder, slices, "zarr", "float32", 2),
            moved["float32"],
            time.perf_counter,
        ),
        ("zarr-python, level 0", lambda folder: with_zarr(folder, slices), 0, time.process_time),
        ("tifffile", lambda folder: with_tifffile(folder, slices), 0, time.process_time),
    ]
    print(f"{options.slices} slices of {options.size} x {options.size}, {size / 1e9:.2f} GB")
    print(f"{'what':28} {'seconds':>8} {'GB/s':>6} {'moved GB/s':>11} {'of pwrite':>10}")
    roof = reached = 0.0
    for label, work, bytes_moved, clock in rows:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            seconds = best(work, options.folder, options.repeat, clock)
        rate = size / seconds
        roof = roof or rate
        reached = rate if label == "zarr float32" else reached
        moved_text = f"{bytes_moved / seconds / 1e9:11.2f}" if bytes_moved else f"{'':11}"
        print(f"{label:28} {seconds:8.3f} {rate / 1e9:6.2f} {moved_text} {rate / roof:10.2f}")
    verdict = "reached" if reached >= TARGET else "MISSED"
    print(f"target {TARGET / 1e9:g} GB/s and core for OME-Zarr with its pyramid: {verdict}")


if __name__ == "__main__":
    main()
