"""A small scan whose beam has stripes that move, for tests of flats."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from tomoline.engine import ThreadsEngine
from tomoline.files.frames import FrameLocation
from tomoline.steps._correction import FrameCorrector
from tomoline.steps._flats_params import FlatsParams
from tomoline.steps.flats import FLATS
from tomoline.steps.scan_layout import ScanLayout

Real = NDArray[np.float32]

ROWS, COLUMNS = 96, 160
LEVEL, DARK = 8000.0, 100.0
FLATS_COUNT = 24


def beam(shift_px: float, shape: tuple[int, int] = (ROWS, COLUMNS)) -> Real:
    """A striped beam of mean 1, its stripes moved down."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    stripes = sum(
        0.07 * np.cos(2 * np.pi * (y - shift_px) / period + phase)
        for period, phase in ((7.3, 0.4), (12.1, 2.0), (19.7, 5.0), (31.0, 1.0))
    )
    return ((1 + stripes) * (1 + 0.2 * np.cos(x / shape[1] * 3))).astype(np.float32)


def specimen() -> Real:
    """Transmission of a few grains with bright rims, in the middle of the frame."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    image = np.ones((ROWS, COLUMNS))
    for _ in range(12):
        cy, cx, radius = rng.uniform(10, 86), rng.uniform(40, 120), rng.uniform(4, 12)
        distance = np.hypot(y - cy, x - cx)
        image *= np.exp(-0.15 * np.sqrt(np.maximum(1 - (distance / radius) ** 2, 0)))
        image *= 1 + 0.15 * np.exp(-((distance - radius - 1.5) ** 2) / 2)
    return image.astype(np.float32)


class Context:
    """A step's context on a folder."""

    root = "scan"

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.folder = self.source = folder
        self.engine = ThreadsEngine(threads, 1 << 30)
        self.codes: list[str] = []
        self.messages: list[str] = []

    def input(self, artifact: str) -> Path:
        return self.folder / artifact

    def writing(self, artifact: str, **_: Any):  # type: ignore[no-untyped-def]
        return nullcontext(self.folder / artifact)

    def warn(self, notice: Any) -> None:
        self.codes.append(notice.code)
        self.messages.append(str(notice))

    def log(self, message: str) -> None:
        pass

    def recall(self, name: str) -> None:
        """Nothing was prepared."""


class Scan:
    """A small scan in TIFF files: flats at known shifts of the stripes."""

    def __init__(self, folder: Path, noise: bool = True) -> None:
        self.folder = folder
        self.rng = np.random.default_rng(11)
        self.noise = noise
        self.gain = (1 + 0.01 * self.rng.standard_normal((ROWS, COLUMNS))).astype(np.float32)
        self.flat_shifts = self.rng.permutation(np.linspace(-6, 6, FLATS_COUNT))
        self.frame_shifts = self.rng.uniform(-5.5, 5.5, 6)
        self.flats = [self.count(beam(shift)) for shift in self.flat_shifts]
        self.specimen = specimen()
        self.frames = [self.count(beam(s) * self.specimen) for s in self.frame_shifts]
        self.darks = [
            np.rint(DARK + 2 * self.rng.standard_normal((ROWS, COLUMNS))).astype(np.uint16)
            for _ in range(10)
        ]

    def count(self, intensity: Real) -> NDArray[np.uint16]:
        photons = LEVEL * intensity
        if self.noise:
            photons = photons + np.sqrt(photons) * self.rng.standard_normal(photons.shape)
        return np.clip(np.rint(photons * self.gain + DARK), 0, 65535).astype(np.uint16)

    def location(self, name: str, images: list[Any], **more: Any) -> FrameLocation:
        names = []
        for number, image in enumerate(images):
            names.append(f"{name}_{number:05d}.tif")
            tifffile.imwrite(self.folder / names[-1], image)
        dtype = np.dtype(images[0].dtype).str
        return FrameLocation(
            "tiff_files", str(self.folder), *images[0].shape, dtype, tuple(names), **more
        )

    def write(self, **changes: Any) -> ScanLayout:
        layout = ScanLayout(
            root="scan",
            source_format="test",
            height_px=ROWS,
            width_px=COLUMNS,
            angles_deg=tuple(float(n) for n in range(len(self.frames))),
            angles_source="test",
            projections=(self.location("frame", self.frames),),
            flats=(self.location("flat", self.flats),),
            darks=(self.location("dark", self.darks),),
        )
        layout = replace(layout, **changes)
        layout.write(self.folder / "scan_layout")
        return layout

    def run(
        self, layout: ScanLayout, threads: int = 1, **params: Any
    ) -> tuple[Context, dict[str, Any], FrameCorrector]:
        context = Context(self.folder, threads)
        values = FLATS.run(FlatsParams(**params), context)
        return context, values, FrameCorrector.open(layout, self.folder / "flat_fields", 0)


def corrected(corrector: FrameCorrector, raw: NDArray[Any], time: float | None = None) -> Real:
    out = np.empty((ROWS, COLUMNS), np.float32)
    corrector.correct(raw, corrector.choose(raw), time, out)
    return out


def stripe_error(scan: Scan, corrector: FrameCorrector) -> float:
    """Standard deviation that is left of a noise-free beam, mean of the frames."""
    errors = []
    for raw in scan.frames:
        left = corrected(corrector, raw) / scan.specimen
        errors.append(float((left / left.mean()).std()))
    return float(np.mean(errors))
