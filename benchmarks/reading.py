"""Reading frames: seconds of one core for each frame, beside a copy of as much memory.

    python benchmarks/reading.py [--repeat 7] [--folder /dev/shm]

The files lie in the page cache, so what is measured is the program's own cost, not the disk's.
The roofline is one copy of the frame's bytes: read and written once. Peers read the same files in
the same run: tifffile, and h5py into memory that is there.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import h5py
import numpy as np
import tifffile

from _timing import best
from tomoline.files._tiff_sequence import locate
from tomoline.files.frames import FrameLocation, Frames
from tomoline.files.open_frames import open_frames
from tomoline.files.open_scan import open_scan

SIZE, FRAMES = 2048, 24
PART = (100, 8, 1848, 2000)
TARGET_COPIES = 2.0


def write(folder: Path) -> dict[str, FrameLocation]:
    """Write the same frames in each way that they may be stored."""
    frames = np.random.default_rng(0).integers(0, 60000, (FRAMES, SIZE, SIZE), dtype=np.uint16)
    names = [f"f_{k:04d}.tif" for k in range(FRAMES)]
    for name, frame in zip(names, frames, strict=True):
        tifffile.imwrite(folder / name, frame)
    tifffile.imwrite(folder / "stack.tif", frames, photometric="minisblack", bigtiff=True)
    tifffile.imwrite(folder / "swapped.tif", frames, photometric="minisblack", byteorder=">")
    kinds = {"contiguous": {}, "chunked": {"chunks": (1, SIZE, SIZE)}}
    for name, how in kinds.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file.create_dataset("exchange/data", data=frames, **how)
    one_a_file = locate(folder, names).location
    return {
        "TIFF, one a file": one_a_file,
        "TIFF, some rows": FrameLocation(**{**vars(one_a_file), "region": (0, 8, SIZE, 2000)}),
        "TIFF, a part": FrameLocation(**{**vars(one_a_file), "region": PART}),
        "TIFF, pages": locate(folder, ["stack.tif"]).location,
        "TIFF, other byte order": locate(folder, ["swapped.tif"]).location,
        "HDF5, contiguous": open_scan(folder / "contiguous.h5").projections[0],
        "HDF5, chunk a frame": open_scan(folder / "chunked.h5").projections[0],
    }


def read_all(frames: Frames, out: np.ndarray) -> None:
    """Read each frame into the same memory."""
    for index in range(FRAMES):
        frames.read(index, out)


def peer(name: str, location: FrameLocation, out: np.ndarray) -> Callable[[], object]:
    """Return what reads the same frames with another library."""
    if name.startswith("HDF5"):

        def with_h5py() -> None:
            with h5py.File(location.path) as file:
                for index in range(FRAMES):
                    file["exchange/data"].read_direct(out, np.s_[index])

        return with_h5py
    if location.storage == "tiff_pages":
        return lambda: tifffile.imread(location.path)
    return lambda: [tifffile.imread(Path(location.path) / str(name)) for name in location.names]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    source = np.ones((FRAMES, SIZE, SIZE), np.uint16)
    whole = np.empty((SIZE, SIZE), np.uint16)

    def copy() -> None:
        for frame in source:
            np.copyto(whole, frame)

    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        places = write(Path(folder))
        copied = best(copy, arguments.repeat) / FRAMES
        print(f"a copy of {whole.nbytes >> 20} MiB in memory takes {copied * 1e3:.2f} ms\n")
        print(f"{'stored as':24} {'ms':>6} {'GB/s':>6} {'copies':>7} {'peer, ms':>9} {'ratio':>6}")
        for name, location in places.items():
            frames = open_frames(location)
            out = np.empty(frames.shape[1:], np.uint16)
            seconds = best(lambda: read_all(frames, out), arguments.repeat) / FRAMES  # noqa: B023
            other = best(peer(name, location, whole), max(2, arguments.repeat // 3)) / FRAMES
            roof = copied * out.nbytes / whole.nbytes
            print(
                f"{name:24} {seconds * 1e3:6.2f} {out.nbytes / seconds / 1e9:6.2f} "
                f"{seconds / roof:7.2f} {other * 1e3:9.2f} {other / seconds:6.1f}"
            )
            if name == "TIFF, one a file":
                reached = "reached" if seconds < TARGET_COPIES * roof else "MISSED"
                print(f"{'':24} target {TARGET_COPIES:g} copies {reached}")
        for name in ("TIFF, one a file", "HDF5, chunk a frame"):
            walls = [wall(places[name], threads, arguments.repeat) for threads in (1, 2)]
            print(f"{name}: two threads take {walls[1] / walls[0]:.2f} of one's time")


def wall(location: FrameLocation, threads: int, repeat: int) -> float:
    """Return the least seconds on the wall of reading all frames on some threads."""
    frames = open_frames(location)
    outs = [np.empty(frames.shape[1:], np.uint16) for _ in range(threads)]

    def some(thread: int) -> None:
        for index in range(thread, FRAMES, threads):
            frames.read(index, outs[thread])

    seconds = []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(repeat):
            begin = time.perf_counter()
            list(pool.map(some, range(threads)))
            seconds.append(time.perf_counter() - begin)
    return min(seconds)


if __name__ == "__main__":
    main()
