"""Sinograms of discs with a known axis, and what a step needs to run on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.engine import ThreadsEngine
from tomoline.errors import Notice
from tomoline.files.frames import FrameLocation
from tomoline.files.sinograms import MemorySinograms
from tomoline.steps._retrieval import Retrieval
from tomoline.steps.scan_layout import ScanHints, ScanLayout

Real = NDArray[np.float32]
Floats = NDArray[np.float64]


def angles_of(
    count: int, range_deg: float = 180.0, *, end: bool = False, start: float = 0.0, way: int = 1
) -> Floats:
    """Even angles; `way` -1 turns the other way."""
    return start + way * np.linspace(0.0, range_deg, count, endpoint=end)


def discs(
    axis_px: float,
    angles_deg: Floats,
    *,
    rows: int = 8,
    width: int = 256,
    radius_px: float = 90.0,
    slope: float = 0.0,
    noise: float = 0.0,
    rings: float = 0.0,
    seed: int = 0,
    count: int = 40,
) -> Real:
    """Exact projections (row, angle, column) of balls in a cylinder about the axis."""
    rng = np.random.default_rng(seed)
    theta = np.radians(angles_deg)
    away, turn = radius_px * np.sqrt(rng.uniform(0, 1, count)), rng.uniform(0, 2 * np.pi, count)
    x, y, z = away * np.cos(turn), away * np.sin(turn), rng.uniform(0, rows, count)
    size, density = rng.uniform(4, radius_px / 4, count), rng.uniform(0.3, 1.0, count)
    column = np.arange(width)
    out = np.zeros((rows, len(theta), width))
    for row in range(rows):
        axis = axis_px + slope * (row - (rows - 1) / 2)
        # An elliptic body that all balls lie in, so that projections differ with the angle.
        half = 1.25 * radius_px * np.sqrt(1 - 0.2 * np.cos(theta - 0.7) ** 2)
        for n in range(-1, count):
            if n < 0:
                middle, reach, dense = np.full(len(theta), axis), half, 0.3
            else:
                square = size[n] ** 2 - (z[n] - row) ** 2
                if square <= 0:
                    continue
                middle = axis + x[n] * np.cos(theta) + y[n] * np.sin(theta)
                reach, dense = np.full(len(theta), np.sqrt(square)), density[n]
            chord = reach[:, None] ** 2 - (column[None] - middle[:, None]) ** 2
            out[row] += dense * 2 * np.sqrt(np.maximum(chord, 0)) / width
    out += noise * rng.standard_normal(out.shape)
    out += rings * rng.standard_normal((rows, 1, width))
    return out.astype(np.float32)


class AxisContext:
    """As much of a step's context as the step axis takes."""

    root = "made"

    def __init__(
        self,
        folder: Path,
        sinograms: Real,
        angles_deg: Sequence[float] | Floats,
        *,
        guess_px: float | None = None,
        excluded: dict[int, str] | None = None,
        threads: int = 2,
    ) -> None:
        rows, angles, width = sinograms.shape
        self.folder, self.source = folder, folder
        self.engine = ThreadsEngine(threads=threads, memory_bytes=4 << 30)
        self.warnings: list[Notice] = []
        location = FrameLocation(
            "tiff_files", str(folder), rows, width, "<u2", names=tuple(map(str, range(angles)))
        )
        ScanLayout(
            root=self.root,
            source_format="made",
            height_px=rows,
            width_px=width,
            angles_deg=tuple(float(angle) for angle in angles_deg),
            angles_source="made",
            projections=(location,),
            flats=(None,),
            darks=(None,),
            hints=ScanHints(rotation_axis_px=guess_px),
        ).write(self.input("scan_layout"))
        Retrieval("phase", "rad", None, None, excluded or {}).write(self.input("retrieval"))
        self._store = MemorySinograms(sinograms.shape)
        self._store.write_angles(0, np.ascontiguousarray(sinograms.transpose(1, 0, 2)))

    @property
    def codes(self) -> list[str]:
        return [notice.code for notice in self.warnings]

    def has(self, artifact: str) -> bool:
        return False

    def input(self, artifact: str) -> Path:
        return self.folder / artifact

    @contextlib.contextmanager
    def writing(self, artifact: str, *, suffix: str = "", folder: bool = False) -> Iterator[Path]:
        yield self.folder / artifact

    def keep(self, artifact: str) -> None:
        raise NotImplementedError

    def create_sinograms(self, artifact: str, shape: tuple[int, int, int]) -> Any:
        raise NotImplementedError

    def sinograms(self, artifact: str) -> MemorySinograms:
        return self._store

    def warn(self, notice: Notice) -> None:
        self.warnings.append(notice)

    def log(self, message: str) -> None:
        pass
