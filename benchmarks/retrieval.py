"""Retrieval of one angle: core-seconds of its parts, with bytes and flops, beside numpy's way.

    python benchmarks/retrieval.py [--size 2048] [--padding 200] [--flats 100] [--repeat 5]

Frames of four distances are read from the page cache, matched with all flats, divided by the mean
of the best three, padded, transformed, moved, weighted, added and transformed back, and stored in
the sinograms. Bytes are those that each part must read and write at least, flops those of a
transform of n numbers, 2.5 n log2(n), and of the multiplications. The roofline is what a copy moves
and what a transform that stays in the cache computes on this machine, measured in the same run: a
part cannot take less than its bytes and its flops take there. The peer does the same arithmetic
with numpy and scipy: shifts, padding and filters one after the other, each with arrays of its own.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import scipy.fft
import tifffile
from numpy.typing import NDArray

from _timing import best
from tomoline.engine import ThreadsEngine
from tomoline.files.frames import FrameLocation
from tomoline.files.open_frames import open_frames
from tomoline.files.sinograms import FileSinograms, MemorySinograms
from tomoline.kernels import fourier
from tomoline.kernels.phase import PhaseTransform, Workspace
from tomoline.kernels.phase_filters import weights
from tomoline.steps._correction import FrameCorrector
from tomoline.steps._retriever import Retriever
from tomoline.steps._shifts import Shifts
from tomoline.steps.flats import FLATS, FlatsParams
from tomoline.steps.retrieve import RetrieveParams
from tomoline.steps.scan_layout import ScanHints, ScanLayout

Real = NDArray[np.float32]

DISTANCES_M = (0.073, 0.079, 0.085, 0.092)
ANGLES = 4
TARGET = 0.20


class Context:
    """Enough of a step's context to run the step `flats`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = ThreadsEngine(1, 8 << 30)

    def input(self, artifact: str) -> Path:
        """Return the path of an artifact."""
        return self.folder / artifact

    def has(self, artifact: str) -> bool:
        """Whether an artifact is there."""
        return self.input(artifact).exists()

    def writing(self, artifact: str) -> Any:
        """Give the path to write to."""
        return nullcontext(self.input(artifact))

    def warn(self, notice: Any) -> None:
        """Show a warning."""
        print("warning:", notice)

    def log(self, message: str) -> None:
        """Keep no log."""


def make_scan(folder: Path, size: int, flats: int) -> ScanLayout:
    """Write frames of drifting stripes with noise; all distances share one series of flats."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(size + 64, size)).astype(np.float32)
    y = np.arange(size)

    def frame(number: int) -> NDArray[np.uint16]:
        drift = 3 * math.sin(number)
        stripes = 1 + 0.1 * np.sin((y + drift) / 7) + 0.05 * np.sin((y - 2 * drift) / 19)
        row = rng.integers(0, 64)
        image = 8000 * stripes[:, None] + 90 * noise[row : row + size]
        return np.asarray(image, np.uint16)

    def written(name: str, count: int) -> FrameLocation:
        (folder / name).mkdir()
        names = tuple(f"{name}_{number:05d}.tif" for number in range(count))
        for number, one in enumerate(names):
            tifffile.imwrite(folder / name / one, frame(number))
        return FrameLocation("tiff_files", str(folder / name), size, size, "<u2", names)

    projections = tuple(written(f"d{number}", ANGLES) for number in range(len(DISTANCES_M)))
    flat = written("flat", flats)
    layout = ScanLayout(
        root="scan", source_format="HiTT", height_px=size, width_px=size,
        angles_deg=tuple(np.linspace(0, 180, ANGLES, endpoint=False)), angles_source="benchmark",
        projections=projections, flats=(flat,) * len(DISTANCES_M),
        darks=(None,) * len(DISTANCES_M), energy_kev=18.0, pixel_size_um=0.65,
        distances_m=DISTANCES_M, hints=ScanHints(flat_average=3, beta_over_delta=0.1),
    )  # fmt: skip
    layout.write(folder / "scan_layout")
    return layout


class Clock:
    """Least seconds of this thread for each part of some rounds."""

    def __init__(self) -> None:
        self.rounds: list[dict[str, float]] = []

    def begin(self) -> None:
        """Begin a round."""
        self.rounds.append(defaultdict(float))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what the block takes."""
        begin = time.thread_time()
        yield
        self.rounds[-1][name] += time.thread_time() - begin

    def least(self) -> dict[str, float]:
        """Return the least seconds of each part."""
        return {name: min(one[name] for one in self.rounds) for name in self.rounds[0]}


def machine(repeat: int) -> tuple[float, float]:
    """Return what a copy moves, bytes a second, and what a transform computes, flops a second."""
    source = np.ones(1 << 25, np.float32)
    target = np.empty_like(source)
    copied = 2 * source.nbytes / best(lambda: np.copyto(target, source), repeat)
    rows = np.ones((64, 2048), np.float32)
    spectrum = np.empty((64, 1025), np.complex64)
    seconds = best(lambda: fourier.forward_rows(rows, out=spectrum), 20 * repeat)
    return copied, 2.5 * rows.size * math.log2(2048) / seconds


def with_numpy(frames: Real, retriever: Retriever, shifts: NDArray[np.float64]) -> Real:
    """Retrieve from corrected frames with numpy and scipy, one operation after the other."""
    plan, padded = retriever.plan, retriever.padded
    size = frames.shape[1]
    gap = [full - size for full in padded]
    q_y, q_x = np.fft.fftfreq(padded[0])[:, None], np.fft.rfftfreq(padded[1])[None, :]
    optics = plan.optics
    if optics is None:
        raise SystemExit("no optics")
    if not hasattr(with_numpy, "filters"):
        made = weights(plan.retrieving, optics, q_y**2 + q_x**2).astype(np.float32)
        with_numpy.filters = made  # type: ignore[attr-defined]
    filters = with_numpy.filters  # type: ignore[attr-defined]
    total = np.zeros((padded[0], padded[1] // 2 + 1), np.complex64)
    for frame, weight, (dy, dx) in zip(frames, filters, shifts, strict=True):
        wide = np.pad(frame, [(one // 2, one - one // 2) for one in gap], mode="edge")
        spectrum = scipy.fft.rfft2(wide, workers=1)
        spectrum *= np.exp(-2j * np.pi * (q_y * dy + q_x * dx)).astype(np.complex64)
        total += weight * spectrum
    image = scipy.fft.irfft2(total, s=padded, workers=1)
    top, left = gap[0] // 2, gap[1] // 2
    inner = image[top : top + size, left : left + size]
    return np.asarray(np.log(inner) * retriever.plan.retrieving.log_factor, np.float32)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--padding", type=int, default=200)
    parser.add_argument("--flats", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), options)


def measure(folder: Path, options: argparse.Namespace) -> None:
    """Measure the parts and the whole."""
    size, count = options.size, len(DISTANCES_M)
    layout = make_scan(folder, size, options.flats)
    begin = time.process_time()
    FLATS.run(FlatsParams(), Context(folder))
    print(f"flats described: {time.process_time() - begin:.2f} s for {options.flats} flats")
    moves = np.array([[0.0, 0.0], [1.2, -0.4], [-2.1, 0.8], [0.3, 1.9]])
    shifts = Shifts(np.tile(moves, (ANGLES, 1, 1)), (1.0,) * count)
    params = RetrieveParams(padding_px=options.padding)
    correctors = [FrameCorrector.open(layout, folder / "flat_fields", d) for d in range(count)]
    frames = [open_frames(location) for location in layout.projections]
    retriever = Retriever(layout, correctors, frames, shifts, params)
    optics = retriever.plan.optics
    if optics is None:
        raise SystemExit("no optics")
    transform = PhaseTransform((size, size), options.padding, retriever.plan.retrieving, optics)
    work = Workspace(transform)
    raw = np.empty((size, size), np.uint16)
    out = np.empty((size, size), np.float32)
    # The real number of angles, so that rows of the store lie as far apart as in a scan.
    in_memory = MemorySinograms((size, 64, size))
    in_file = FileSinograms(folder / "scratch", (size, 64, size))
    clock = Clock()
    for turn in range(options.repeat + 1):
        if turn == 1:
            clock.rounds.clear()
        clock.begin()
        angle = turn % ANGLES
        for distance in range(count):
            with clock.part("read"):
                image = frames[distance].read(angle, raw)
            with clock.part("fault"):
                correctors[distance].fault(image)
            with clock.part("match"):
                choice = correctors[distance].choose(image)
            with clock.part("flats"):
                correctors[distance].correct(image, choice, None, work.image)
            with clock.part("transform"):
                transform.take(distance, moves[distance], work)
        with clock.part("back"):
            transform.finish(work, out)
        with clock.part("store"):
            in_memory.write_angles(angle, out[None])
    parts = clock.least()
    whole = best(
        lambda: in_memory.write_angles(0, retriever.retrieve(0, out).projection[None]),
        options.repeat,
    )
    bandwidth, speed = machine(options.repeat)
    frame, spectrum = size * size, transform.padded[0] * (transform.padded[1] // 2 + 1)
    padded = transform.padded[0] * transform.padded[1]
    one = 2.5 * padded * math.log2(padded)
    table = {
        "read": (count * 2 * 2 * frame, 0.0),
        "fault": (count * 2 * frame / 7, 0.0),
        "match": (count * 2 * frame, count * 2.0 * frame),
        # The frame, three flats, the result.
        "flats": (count * (2 + 3 * 2 + 4) * frame, count * 6.0 * frame),
        # Rows in, spectrum out, in again, out again; weights in; sum in and out.
        "transform": (
            count * (4 * frame + (3 * 8 + 2) * spectrum) + (count - 1) * 16 * spectrum,
            count * one + (count - 1) * 16.0 * spectrum,
        ),
        "back": ((3 * 8) * spectrum + 8 * frame, one),
        "store": (2 * 4 * frame, 0.0),
    }
    print(
        f"machine: copies {bandwidth / 1e9:.1f} GB/s, transforms {speed / 1e9:.1f} Gflop/s, a core"
    )
    print(f"{size} x {size}, padded to {transform.padded}, {count} distances, one angle:")
    print(f"{'part':10} {'ms':>7} {'GB':>6} {'Gflop':>6} {'GB/s':>6} {'Gflop/s':>8} {'roof ms':>8}")
    for name, (moved, flops) in table.items():
        seconds = parts[name]
        roof = max(moved / bandwidth, flops / speed)
        print(
            f"{name:10} {1e3 * seconds:7.1f} {moved / 1e9:6.3f} {flops / 1e9:6.2f} "
            f"{moved / seconds / 1e9:6.1f} {flops / seconds / 1e9:8.1f} {1e3 * roof:8.1f}"
        )
    print(f"{'sum':10} {1e3 * sum(parts.values()):7.1f}")
    verdict = "reached" if whole <= TARGET else "MISSED"
    print(f"whole      {1e3 * whole:7.1f}   target {1e3 * TARGET:.0f} ms {verdict}")
    block = np.repeat(out[None], 4, axis=0)
    for label, angles in (("1 angle", block[:1]), ("4 angles", block)):
        seconds = best(lambda: in_file.write_angles(0, angles), options.repeat)  # noqa: B023
        print(f"store in a file, {label} at once: {1e3 * seconds / len(angles):.1f} ms an angle")
    kept = []
    Retriever(
        layout, correctors, frames, shifts, params, lambda d, a, image, c: kept.append(image.copy())
    ).retrieve(0, out)
    corrected = np.array(kept)
    ours = best(lambda: _ours(transform, work, corrected, moves, out), options.repeat)
    theirs = best(lambda: with_numpy(corrected, retriever, moves), 1)
    inner = (slice(size // 4, -size // 4),) * 2
    difference = np.abs(with_numpy(corrected, retriever, moves) - out)[inner].max()
    print(
        f"corrected frames to phase: {1e3 * ours:.1f} ms, numpy {1e3 * theirs:.1f} ms, ratio "
        f"{theirs / ours:.1f}; they differ by {difference:.1e} rad of {np.ptp(out[inner]):.1e}"
    )


def _ours(transform: PhaseTransform, work: Workspace, frames: Real, moves: Any, out: Real) -> None:
    for distance, frame in enumerate(frames):
        work.image[...] = frame
        transform.take(distance, moves[distance], work)
    transform.finish(work, out)


if __name__ == "__main__":
    main()
