"""Writing a simulated scan as EMBL's HiTT records it: a parameter file and TIFF sequences.

Frames get their names when they are whole, as at a beamline, and appear as slowly as asked for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from numpy.typing import NDArray

from tomoline.files.atomic import temporary_path, write_text

if TYPE_CHECKING:
    from tomoline.simulate.scan import Scan

Frame = NDArray[np.uint16]


def prefix(name: str, distance: int) -> str:
    """Return how the names of a distance's frames begin."""
    return f"{name}_d{distance + 1}_1_"


def frame_name(name: str, distance: int, index: int) -> str:
    """Return the file name of a projection; files are counted from 1."""
    return f"{prefix(name, distance)}{index + 1:05d}.tiff"


def parameter_text(scan: Scan, name: str) -> str:
    """Return the parameter file's text, with HiTT's keys."""
    settings = scan.settings
    distances = range(len(settings.distances_m))
    prefixes = [prefix(name, one) for one in distances]
    lines = [
        f"ENERGY= {settings.energy_kev}",
        f"PIXELSIZE= {settings.pixel_size_um}",
        f"DISTANCES= {', '.join(f'{one:.6f}' for one in settings.distances_m)},",
        f"FLATAVG = {settings.flat_average}",
        f"ROI = 0, 0, {settings.width_px}, {settings.height_px}",
        f"BETADELTA= {settings.beta_over_delta}",
        "ZEROCOMP= 0.1",
        f"PADDING= {settings.padding_px}",
        "OFFSET-Y-360= 0",
        f"PREFIX= {','.join(prefixes)}",
    ]
    if settings.flats:
        lines.append(f"PREFIX-FF = {','.join('ff_' + one for one in prefixes)}")
    if settings.darks:
        lines.append(f"PREFIX-DARK = {','.join('dark_' + one for one in prefixes)}")
    if settings.tell_angles:
        lines += ["ANGLE-START= 0", f"ANGLE-STEP= {settings.step_deg!r}"]
    return "\n".join(lines) + "\n"


def write(
    folder: Path, name: str, scan: Scan, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Write the parameter file, then darks, flats and projections; return the parameter file."""
    settings = scan.settings
    path = folder / f"{name}.par"
    write_text(path, parameter_text(scan, name))
    clock = _Clock(settings.frames_per_second)
    distances = range(len(settings.distances_m))
    for distance in distances:
        for index in range(settings.darks):
            frame = scan.dark(index, distance)
            clock.tick()
            _write_frame(folder / f"dark_{frame_name(name, distance, index)}", frame)
        _write_flats(folder, name, scan, distance, clock)
    damage = {(one.distance, one.angle): one.damage for one in scan.truth.bad_frames}
    order = [(d, a) for d in distances for a in range(settings.angles)]
    if settings.frames_per_second == 0:
        # The distances of an angle share the work; nobody sees the order.
        order.sort(key=lambda place: place[1])
    for done, (distance, angle) in enumerate(order):
        harm = damage.get((distance, angle))
        if harm != "missing":
            frame = scan.frame(distance, angle)
            clock.tick()
            keep = 0.6 if harm == "truncated" else 1.0
            _write_frame(folder / frame_name(name, distance, angle), frame, keep)
        if progress is not None:
            progress(done + 1, len(order))
    return path


def _write_flats(folder: Path, name: str, scan: Scan, distance: int, clock: _Clock) -> None:
    count = scan.settings.flats
    if scan.settings.flats_in_one_file and count:
        pages = np.stack([scan.flat(distance, index) for index in range(count)])
        clock.tick(count)
        _write_frame(folder / f"ff_{frame_name(name, distance, 0)}", pages)
        return
    for index in range(count):
        frame = scan.flat(distance, index)
        clock.tick()
        _write_frame(folder / f"ff_{frame_name(name, distance, index)}", frame)


def _write_frame(path: Path, frames: Frame, keep: float = 1.0) -> None:
    """Write a frame or pages of frames; only a part of the file where `keep` is below 1."""
    temporary = temporary_path(path)
    tifffile.imwrite(temporary, frames, photometric="minisblack", metadata=None)
    if keep < 1:
        os.truncate(temporary, int(keep * temporary.stat().st_size))
    temporary.replace(path)


class _Clock:
    """Holds the writing of frames to a rate."""

    def __init__(self, frames_per_second: float) -> None:
        self._rate = frames_per_second
        self._start = time.monotonic()
        self._count = 0

    def tick(self, frames: int = 1) -> None:
        """Wait until these frames are due."""
        if self._rate > 0:
            self._count += frames
            time.sleep(max(0.0, self._start + self._count / self._rate - time.monotonic()))
