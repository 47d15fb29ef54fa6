"""Flats: core-milliseconds a frame for choosing, reading, dividing, beside numpy and a median.

    python benchmarks/flats.py [--size 2048] [--flats 100] [--repeat 7]

Bytes are those that must come from memory or go there: frame, flats and dark read, the result
written; flops are those of the division, of the test for zingers, and of the matrix product. The
roofline is the time for these bytes at the speed of a plain copy on the same core in the same run.
The peers do the same: numpy for the division, scipy's 3 x 3 median for zingers, and numpy for the
comparison of one binned frame with all flats by the formula of the structural similarity.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage

from _timing import best
from tomoline.engine import ThreadsEngine
from tomoline.files.frames import FrameLocation
from tomoline.files.open_frames import open_frames
from tomoline.steps._correction import FlatChoice, FrameCorrector
from tomoline.steps._flats_params import FlatsParams
from tomoline.steps.flats import FLATS
from tomoline.steps.scan_layout import ScanLayout

TARGET_MS = 18.0


class Context:
    """A step's context on a folder."""

    root = "scan"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engine = ThreadsEngine(1, 8 << 30)

    def input(self, artifact: str) -> Path:
        """Return an artifact's path."""
        return self.folder / artifact

    def writing(self, artifact: str, **_: Any) -> Any:
        """Return it for writing."""
        return nullcontext(self.folder / artifact)

    def warn(self, notice: Any) -> None:
        """Print a warning."""
        print(notice)

    def log(self, message: str) -> None:
        """Print a message."""
        print(message)


def make_scan(folder: Path, size: int, flats: int) -> ScanLayout:
    """Write flats whose stripes move, some frames and darks."""
    rng = np.random.default_rng(0)
    rows = np.arange(size)[:, None]
    noise = 90 * rng.standard_normal((size + flats, size)).astype(np.float32)

    def save(name: str, count: int, level: float) -> FrameLocation:
        names = tuple(f"{name}_{number:05d}.tif" for number in range(count))
        for number, file in enumerate(names):
            shift = rng.uniform(-3, 3)
            stripes = sum(np.cos((rows - shift) * 6.28 / p + p) for p in (9, 17, 23, 41))
            image = level * (1 + 0.06 * stripes) + (level > 200) * noise[number : number + size]
            tifffile.imwrite(folder / file, np.clip(image + 100, 0, 65535).astype(np.uint16))
        return FrameLocation("tiff_files", str(folder), size, size, "<u2", names)

    layout = ScanLayout(
        root="scan",
        source_format="benchmark",
        height_px=size,
        width_px=size,
        angles_deg=tuple(range(8)),
        angles_source="",
        projections=(save("frame", 8, 8000.0),),
        flats=(save("flat", flats, 8000.0),),
        darks=(save("dark", 5, 0.0),),
    )
    layout.write(folder / "scan_layout")
    return layout


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--flats", type=int, default=100)
    parser.add_argument("--repeat", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), given.size, given.flats, given.repeat)


def measure(folder: Path, size: int, flats: int, repeat: int) -> None:
    """Measure on a scan in `folder`."""
    layout = make_scan(folder, size, flats)
    context: Any = Context(folder)
    seconds = []
    for _ in range(2):
        begin = time.process_time()
        FLATS.run(FlatsParams(), context)
        seconds.append(time.process_time() - begin)
    stored = (folder / "flat_fields").stat().st_size
    print(f"step flats: {seconds[1]:.2f} core-s for {flats} flats, {stored / 1e6:.0f} MB kept\n")
    frames = open_frames(layout.projections[0])
    raws = [np.array(frames.read(number)) for number in range(8)]
    warm = FrameCorrector.open(layout, folder / "flat_fields", 0)
    cold = FrameCorrector.open(layout, folder / "flat_fields", 0, keep_bytes=0)
    FLATS.run(FlatsParams(method="fitted"), context)
    fitted = FrameCorrector.open(layout, folder / "flat_fields", 0)
    FLATS.run(FlatsParams(method="pca"), context)
    principal = FrameCorrector.open(layout, folder / "flat_fields", 0)
    padded = np.empty((size + 400, size + 400), np.float32)
    out = padded[200 : 200 + size, 200 : 200 + size]
    choices = warm.choose_many(raws)
    turn = [0]

    def cycle(corrector: FrameCorrector) -> Callable[[], object]:
        chosen = corrector.choose_many(raws)

        def work() -> None:
            turn[0] += 1
            corrector.correct(raws[turn[0] % 8], chosen[turn[0] % 8], None, out)

        return work

    def unlike() -> None:
        """Take flats that are not kept."""
        turn[0] += 3
        indices = tuple((turn[0] + step) % flats for step in range(3))
        choice = FlatChoice(indices, choices[0].scores, np.full(3, 1 / 3, np.float32))
        cold.correct(raws[0], choice, None, out)

    stack = [np.array(open_frames(layout.flats[0]).read(i)) for i in choices[0].indices]  # type: ignore[arg-type]
    dark = np.full((size, size), 100, np.float32)

    def with_numpy() -> None:
        below = (stack[0].astype(np.float32) + stack[1] + stack[2]) / 3 - dark
        np.divide(raws[0] - dark, np.maximum(below, 1), out=out)

    def with_median() -> None:
        middle = ndimage.median_filter(out, 3)
        np.where(out - middle > 0.2, middle, out)

    few = [raw[::4, ::4].astype(np.float32) for raw in raws]

    def with_ssim() -> None:
        x = few[0]
        for number in range(flats):
            y = few[number % 8]
            2 * x.mean() * y.mean() * np.mean((x - x.mean()) * (y - y.mean())) / x.var() / y.var()

    pixels = size * size
    moved = pixels * (2 + 3 * 2 + 4 + 4)
    parts = fitted._basis.parts.shape[0] + 1  # type: ignore[union-attr]  # noqa: SLF001
    blocks = pixels // 16
    source, target = np.empty(moved // 2, np.uint8), np.empty(moved // 2, np.uint8)
    copy_ms = 1e3 * best(lambda: np.copyto(target, source), repeat)
    lines: list[tuple[str, Callable[[], object], float, float]] = [
        ("is it usable", lambda: warm.fault(raws[0]), 2 * pixels / 7, 0),
        ("choose, one frame", lambda: warm.choose(raws[0]), 2 * pixels + 4 * parts * blocks,
         2 * parts * blocks),
        ("choose, 8 frames, each", lambda: warm.choose_many(raws),
         2 * pixels + 4 * parts * blocks / 8, 2 * parts * blocks),
        ("correct, flats kept", cycle(warm), moved, 13 * pixels),
        ("correct, flats read", unlike, moved + 3 * 4 * pixels, 13 * pixels),
        ("the same, 6 fitted, kept", cycle(fitted), moved + 3 * 2 * pixels, 19 * pixels),
        ("the same, 8 principal", cycle(principal), pixels * (2 + 4 + 8 * 2 + 4 + 4), 24 * pixels),
    ]  # fmt: skip
    print(f"{'work':26} {'ms':>8} {'GB/s':>7} {'GFLOP/s':>8} {'of roofline':>12}")
    took = {}
    for label, work, size_moved, flops in lines:
        each = 1e3 * best(work, repeat) / (8 if "8 frames" in label else 1)
        took[label] = each
        roof = copy_ms * size_moved / moved
        print(
            f"{label:26} {each:8.2f} {size_moved / each / 1e6:7.2f} {flops / each / 1e6:8.2f} "
            f"{roof / each:12.2f}"
        )
    whole = took["is it usable"] + took["choose, one frame"] + took["correct, flats read"]
    verdict = "reached" if whole < TARGET_MS else "MISSED"
    print(f"\n{'whole frame, flats read':26} {whole:8.2f}   target {TARGET_MS:g} {verdict}")
    for label, peer, mine in (
        ("numpy's division", with_numpy, "correct, flats kept"),
        ("scipy's 3 x 3 median", with_median, "correct, flats kept"),
        ("numpy's comparison", with_ssim, "choose, one frame"),
    ):
        each = 1e3 * best(peer, 2)
        print(f"{label:26} {each:8.2f}   {each / took[mine]:.1f} times '{mine}'")


if __name__ == "__main__":
    main()
