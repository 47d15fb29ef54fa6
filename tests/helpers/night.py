"""A night's acquisitions: series and scans of different sizes, some of which cannot be used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tomoline.simulate.scan import simulate_scan
from tomoline.simulate.scan_settings import tiny_scan
from tomoline.simulate.tilt import simulate_tilt

GOLD = "setup.gold_diameter_nm=10"
WIDTHS = (192, 176, 208)
HEIGHTS = (160, 176)
VIEWS = (21, 19)


@dataclass(frozen=True)
class Night:
    """Files of a night, by name of the data set."""

    good: dict[str, Path]
    corrupt: Path
    short: Path
    goldless: Path

    @property
    def all(self) -> list[Path]:
        """All files, the bad ones among the others."""
        good = list(self.good.values())
        return [
            *good[:2],
            self.corrupt,
            *good[2:5],
            self.short,
            *good[5:8],
            self.goldless,
            *good[8:],
        ]


def make_series(folder: Path, name: str, number: int, *, gold: bool = True) -> Path:
    """Simulate a small series whose size depends on its number."""
    return simulate_tilt(
        folder,
        name,
        seed=10 + number,
        width=WIDTHS[number % 3],
        height=HEIGHTS[number % 2],
        views=VIEWS[number % 2],
        thickness_nm=50.0,
        beads=14,
        gold=gold,
        drift_percent=5.0,
    )


def make_night(folder: Path, series: int = 12, scans: int = 3) -> Night:
    """Simulate a night: of the series one is corrupt, one too short, one without gold."""
    good = {f"TS_{n:02d}": make_series(folder, f"TS_{n:02d}", n) for n in range(series - 3)}
    for number in range(scans):
        name = f"scan_{number}"
        settings = tiny_scan(seed=20 + number, width_px=96 + 16 * number, angles=60 + 6 * number)
        good[name] = simulate_scan(folder / name, name, settings)
    corrupt = make_series(folder, "corrupt", 1)
    os.truncate(corrupt, corrupt.stat().st_size // 2)
    short = simulate_tilt(folder, "short", seed=9, width=96, height=96, views=3)
    cut_to_two_views(short)
    goldless = make_series(folder, "goldless", 2, gold=False)
    return Night(good, corrupt, short, goldless)


def cut_to_two_views(stack: Path) -> None:
    """Leave only two views of a stack, as a session that was broken off does."""
    from tomoline.files.mrc import MrcWriter
    from tomoline.files.stack import open_stack

    whole = open_stack(stack)
    views = [whole.read(number) for number in range(2)]
    size = whole.pixel_size_nm or 1.0
    with MrcWriter(stack, (2, *views[0].shape), 1, pixel_size_nm=(size,) * 3) as writer:
        for number, view in enumerate(views):
            writer.write(number, view)
    for beside in stack.parent.glob(f"{stack.stem}.*mdoc"):
        beside.unlink()
    angles = stack.with_suffix(".rawtlt")
    angles.write_text("\n".join(angles.read_text().split()[:2]) + "\n")
