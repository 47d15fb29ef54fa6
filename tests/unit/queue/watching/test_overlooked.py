"""What is easily overlooked in a watched folder."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from microscope import Watched, mrc_bytes, put

from tomoline.queue.watching.inside import lacking
from tomoline.queue.watching.settle import Row, SeenState, judge


def test_a_pattern_chooses_scans_too(make: Any) -> None:
    watched: Watched = make("scan", pattern="good*")
    for name in ("good.h5", "bad.h5"):
        put(watched.folder / name, b"not looked into by watching")
    watched.settle()
    watched.look(times=10)
    assert watched.queue() == ["good"]
    assert list(watched.seen()) == ["good.h5"]


def test_an_hdf5_file_that_its_writer_has_not_closed_lacks_its_end(tmp_path: Path) -> None:
    """Superblock of version 3: HDF5 File Format Specification 3.0, II.A."""
    size = 4096
    for flags, found in ((0, ""), (1, "it has not been closed by its writer")):
        start = b"\x89HDF\r\n\x1a\n" + bytes([3, 8, 8, flags])
        content = start + struct.pack("<4Q", 0, 2**64 - 1, size, 48)
        path = put(tmp_path / "a.h5", content.ljust(size, b"\0"))
        assert lacking(path) == found


def test_a_watch_that_is_started_again_knows_on_which_disk_it_was(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    device = tilt.folder.stat().st_dev
    assert tilt.watch.settings.device == device
    tilt.project.watches.stop(tilt.folder)
    tilt.project.watches.add(tilt.folder, "tilt", settle_s=5.0)
    assert (tilt.watch.settings.device, tilt.watch.settings.settle_s) == (device, 5.0)


def test_a_watch_that_is_stopped_while_it_looks_takes_nothing(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.look()
    (watcher,) = (one for _, one in tilt.service._watchers.values())
    tilt.project.watches.stop(tilt.folder)
    for _ in range(10):
        tilt.now += 10.0
        watcher.look(tilt.project.store, tilt.now)
    assert tilt.queue() == []


def test_nothing_vanishes_where_nothing_could_be_seen() -> None:
    rows = {
        path: Row(path, SeenState.TAKEN, "a.b.0", "a.b.0", 0.0)
        for path in ("/in/away/TS_1.mrc", "/in/TS_2.mrc")
    }
    verdict = judge(rows, [], 100.0, 30.0, unknown=lambda path: path.startswith("/in/away/"))
    assert [row.path for row in verdict.vanished] == ["/in/TS_2.mrc"]


def test_what_is_missing_in_one_look_alone_has_not_vanished(tilt: Watched) -> None:
    """As when a program renames a file, and another one over it a moment later."""
    path = put(tilt.folder / "a.mrc", mrc_bytes())
    put(tilt.folder / "b.mrc", mrc_bytes(fill=1))
    tilt.settle()
    path.rename(tilt.folder.parent / "a.mrc")
    tilt.look()
    assert tilt.queue() == ["a", "b"]
    assert tilt.seen() == {"a.mrc": "taken", "b.mrc": "taken"}
    (tilt.folder.parent / "a.mrc").rename(path)
    tilt.look(times=10)
    assert tilt.queue() == ["a", "b"]
    assert tilt.codes() == []
