"""Files as microscopes and beamlines write them, small; a watch over them by a clock of its own."""

from __future__ import annotations

import atexit
import os
import shutil
import struct
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from tomoline.queue.model import BatchState
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state
from tomoline.queue.watches import Watch
from tomoline.queue.watching.service import WatchService


def mrc_bytes(views: int = 3, *, fill: int = 0, side: int = 8) -> bytes:
    """Return an MRC stack of bytes that all have one value."""
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, side, side, views, 0)
    header[208:214] = b"MAP DD"
    return bytes(header) + bytes([fill % 256]) * (side * side * views - 4) + struct.pack("<i", fill)


def tiff_bytes(pages: int = 1, *, side: int = 4, fill: int = 0) -> bytes:
    """Return a TIFF file of pages of bytes, each page's directory before its pixels."""
    content, size = bytearray(b"II*\0" + struct.pack("<I", 8)), side * side
    for page in range(pages):
        start = len(content)
        pixels = start + 2 + 4 * 12 + 4
        content += struct.pack("<H", 4)
        for tag, value in ((256, side), (257, side), (273, pixels), (279, size)):
            content += struct.pack("<HHII", tag, 4, 1, value)
        content += struct.pack("<I", pixels + size if page + 1 < pages else 0)
        content += bytes([fill % 256]) * size
    return bytes(content)


def mdoc_text(views: int, *, image: str = "", frames: Mapping[int, str] | None = None) -> str:
    """Return an .mdoc of so many views."""
    lines = [f"ImageFile = {image}"] if image else ["PixelSpacing = 2.5"]
    for view in range(views):
        lines += ["", f"[ZValue = {view}]", f"TiltAngle = {3 * view}"]
        if frames and view in frames:
            lines.append(f"SubFramePath = {frames[view]}")
    return "\n".join(lines) + "\n"


def put(path: Path, content: bytes | str, *, time_ns: int | None = None) -> Path:
    """Write a file, with its folder; its time of change may be any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    if time_ns is not None:
        os.utime(path, ns=(time_ns, time_ns))
    return path


@cache
def _empty_project() -> Path:
    """Return a project to copy: making one waits for the disk some twenty times."""
    base = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, base, ignore_errors=True)
    Project.create(base / "night").close()
    return base / "night"


class Watched:
    """A project that watches a folder, looked at by a clock that the test sets.

    Parameters
    ----------
    base : Path
        Gets the project ``night`` and the folder ``in``.
    recipe : str
        What to take.
    **settings
        Of the watch.
    """

    def __init__(self, base: Path, recipe: str = "tilt", **settings: Any) -> None:
        self.folder = base / "in"
        self.folder.mkdir(exist_ok=True)
        shutil.copytree(_empty_project(), base / "night")
        self.project = Project.open(base / "night")
        self.now = 1000.0
        self.project.watches.add(self.folder, recipe, **settings)
        self.service = WatchService(self.project.folder)

    def restart(self) -> None:
        """Look on as a new runner does."""
        self.service.close()
        self.service = WatchService(self.project.folder)

    def look(self, *, times: int = 1, every_s: float = 10.0) -> None:
        """Look, and let time pass."""
        for _ in range(times):
            self.service.turn(self.now)
            self.now += every_s

    def settle(self) -> None:
        """Look until what is there has settled."""
        self.look(times=5)

    @property
    def watch(self) -> Watch:
        """The watch."""
        return self.project.watches.all()[0]

    def seen(self) -> dict[str, str]:
        """Return the state of each path, relative to the folder."""
        return {
            str(one.path.relative_to(self.folder)): str(one.state)
            for one in self.project.watches.seen(self.watch)
        }

    def reasons(self) -> dict[str, str]:
        """Return why each path waits."""
        return {
            str(one.path.relative_to(self.folder)): one.reason
            for one in self.project.watches.seen(self.watch)
            if one.reason
        }

    def queue(self) -> list[str]:
        """Return the names of the data sets that wait, in order."""
        return [one.name for one in self.project.queue.batches(states=[BatchState.WAITING])]

    def codes(self) -> list[str]:
        """Return the codes of what was warned about, in order."""
        return [one.code for one in self.project.log.events(kind="watch") if one.code]

    def run_next(self, ending: BatchState = BatchState.FINISHED, *, code: str = "") -> str:
        """Run the next batch to its end, with the code of an error; return its data set."""
        batch = self.project.queue.next(1e12, alone_allowed=True)
        assert batch is not None
        store = self.project.store
        change_state(store, batch, BatchState.RUNNING, "", attempt=batch.attempt + 1)
        running = self.project.queue.latest([batch.data_set])[batch.data_set]
        change_state(store, running, ending, "", code=code, ended=self.now)
        return batch.name

    def run_all(self) -> list[str]:
        """Run all that waits."""
        names = []
        while self.queue():
            names.append(self.run_next())
        return names

    def close(self) -> None:
        """Close the project."""
        self.service.close()
        self.project.close()
