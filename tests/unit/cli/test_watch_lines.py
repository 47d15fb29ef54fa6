"""What ``tomoline watch`` says of what waits, and when watching ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from microscope import Watched, mrc_bytes, put, tiff_bytes

from tomoline.cli._watch import print_watches, stop_watch
from tomoline.queue.control import Control


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("running", "Of what it has queued, 2 batches are still run.\n"),
        ("paused", "2 batches wait in the queue; the run is paused, and 'tomoline resume' goes on"),
        ("stopped", "2 batches wait in the queue; nothing is run now, and 'tomoline resume'"),
    ],
)
def test_the_end_of_watching_says_what_becomes_of_what_was_queued(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], wanted: str, found: str
) -> None:
    tilt = Watched(tmp_path)
    for name in "abc":
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=ord(name)))
    other = put(tmp_path / "other.mrc", mrc_bytes(9))
    tilt.project.queue.add(tilt.project.data_sets.add([other]))
    tilt.settle()
    tilt.run_next()
    tilt.run_next()
    with tilt.project.store.write() as db:
        db.execute("UPDATE run SET wanted = ?", (wanted,))
    folder = tilt.project.folder
    tilt.close()
    stop_watch(folder, tilt.folder)
    told = capsys.readouterr().err
    assert told.startswith(f"{tilt.folder} is no longer watched. ")
    assert found in told


@pytest.fixture(autouse=True)
def no_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start none for a watch that a test has made."""
    monkeypatch.setattr(Control, "recover", lambda self: [])


def test_what_settles_says_how_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tilt = Watched(tmp_path, settle_s=60.0)
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.look(times=2)
    for now, told in ((1020.0, "to be the same for 40 s more"), (1060.0, "the next look")):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        print_watches(tilt.project.folder, None, as_json=False)
        assert told in capsys.readouterr().out
    tilt.close()


def test_a_scan_that_tells_no_number_of_frames_says_how_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = Watched(tmp_path, "scan", settle_s=30.0)
    for number in range(20):
        put(scan.folder / "bone" / f"proj_{number:04d}.tif", tiff_bytes(fill=number))
    scan.look(times=2)
    monkeypatch.setattr(time, "time", lambda: 1045.0)
    print_watches(scan.project.folder, None, as_json=False)
    assert "to be the same for 120 s; 45 s so far" in capsys.readouterr().out
    scan.close()
