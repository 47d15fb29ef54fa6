"""Folders that cannot be reached for a while: nothing is concluded from that, and it is told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from microscope import Watched, mrc_bytes, put

from tomoline.queue.model import BatchState
from tomoline.queue.watching import scan

Make = Callable[..., Watched]
ALL = {"a.mrc": "taken", "sub/b.mrc": "taken", "sub/c.mrc": "taken", "sub/d.mrc": "taken"}


@pytest.fixture
def night(tilt: Watched) -> Watched:
    """Return a watch that has taken four, three of them in a sub-folder and one of these run."""
    for number, name in enumerate(("sub/b", "a", "sub/c", "sub/d")):
        stamp = 10**18 + number * 10**9 + 1
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=number), time_ns=stamp)
    tilt.settle()
    assert tilt.run_next() == "b"
    assert tilt.queue() == ["a", "c", "d"]
    return tilt


def rename_away(watched: Watched, name: str = "sub") -> Callable[[], object]:
    """Rename a sub-folder away, and return what renames it back."""
    place, away = watched.folder / name, watched.folder.with_name("elsewhere")
    place.rename(away)
    return lambda: away.rename(place)


def warning(watched: Watched) -> str:
    return watched.project.log.events(kind="watch", level="warning")[-1].message


def test_a_sub_folder_that_is_away_is_told_once_and_keeps_its_batches(night: Watched) -> None:
    back = rename_away(night)
    night.look(times=10)
    assert night.codes() == ["WATCH-10"]
    assert warning(night) == (
        f"{night.folder / 'sub'}: it is not there. 2 acquisitions of it wait in the queue."
    )
    away = {"sub/b.mrc": "gone", "sub/c.mrc": "away", "sub/d.mrc": "away"}
    assert night.seen() == {**ALL, **away}
    assert night.reasons()["sub/c.mrc"] == f"{night.folder / 'sub'}: it is not there."
    night.restart()
    night.look(times=10)
    back()
    night.look(times=20)
    assert night.codes() == ["WATCH-10"]
    assert night.seen() == ALL
    assert night.reasons() == {}
    assert night.run_all() == ["a", "c", "d"]
    night.look(times=20)
    assert night.queue() == []


def test_a_sub_folder_that_was_deleted_counts_as_that_after_an_hour(night: Watched) -> None:
    back = rename_away(night)
    since = night.now
    while night.codes()[-1:] != ["WATCH-07"]:
        assert "c" in night.queue()
        night.look()
        assert night.now <= since + 3600 + 30
    assert night.now >= since + 3600
    night.look(times=10)
    assert night.codes() == ["WATCH-10", "WATCH-07", "WATCH-07"]
    assert night.queue() == ["a"]
    back()
    night.look(times=10)
    assert night.queue() == ["a", "c", "d"]


def test_the_time_goes_on_while_no_runner_looks(night: Watched) -> None:
    rename_away(night)
    night.look(times=3)
    night.restart()
    night.now += 3600
    night.look(times=3)
    assert night.queue() == ["a"]


def test_a_clock_that_is_set_back_only_makes_it_wait_longer(night: Watched) -> None:
    rename_away(night)
    night.look(times=3)
    night.now -= 500
    night.look(times=3)
    since = night.now
    night.now = since + 3500
    night.look()
    assert night.queue() == ["a", "c", "d"]
    night.now = since + 3700
    night.look()
    assert night.queue() == ["a"]


@pytest.mark.parametrize("looks", [0, 3])
def test_it_does_not_matter_whether_a_look_comes_between_failure_and_return(
    night: Watched, looks: int
) -> None:
    back = rename_away(night)
    night.look(times=3)
    night.run_next()
    night.run_next(BatchState.FAILED, code="FILE-01")
    night.run_next(BatchState.FAILED, code="FID-01")
    night.look(times=looks)
    back()
    night.look(times=20)
    assert night.queue() == ["c"]


def test_what_failed_while_the_whole_folder_was_away_is_queued_again(night: Watched) -> None:
    night.run_next(BatchState.FAILED, code="FILE-01")  # before that, for another reason
    night.look()
    away = night.folder.with_name("elsewhere")
    night.folder.rename(away)
    night.look(times=3)
    night.run_next(BatchState.FAILED, code="FILE-01")
    away.rename(night.folder)
    night.look(times=20)
    assert night.codes() == ["WATCH-02"]
    assert night.queue() == ["d", "c"]


def test_one_that_vanishes_from_a_folder_that_is_there_has_vanished(night: Watched) -> None:
    (night.folder / "sub" / "c.mrc").unlink()
    night.look(times=20)
    assert night.codes() == ["WATCH-07"]
    assert night.queue() == ["a", "d"]


def test_a_folder_that_is_emptied_at_once_may_be_an_unmounted_one(night: Watched) -> None:
    night.run_next()
    night.run_next()
    kept = (night.folder / "sub" / "c.mrc").read_bytes()
    for path in (night.folder / "sub").iterdir():
        path.unlink()
    night.look(times=20)
    assert night.codes() == ["WATCH-10"]
    assert "all that was in it is gone at once. 1 acquisition of it waits" in warning(night)
    assert night.queue() == ["d"]
    put(night.folder / "sub" / "c.mrc", kept)  # so it is no disk
    night.look(times=20)
    assert night.queue() == ["c"]  # with another time of change


def test_a_sub_folder_that_is_renamed_is_followed(night: Watched) -> None:
    (night.folder / "sub").rename(night.folder / "old")
    night.look(times=20)
    assert night.codes() == []
    assert night.queue() == ["a", "c", "d"]
    assert night.project.data_sets.entry("c").source == night.folder / "old" / "c.mrc"


def test_folders_of_scans_are_away_with_the_folder_around_them(make: Make) -> None:
    from microscope import tiff_bytes

    scans = make("scan")
    for name in ("day/one", "day/two"):
        for number in range(5):
            frame = scans.folder / name / f"proj_{number:04}.tif"
            put(frame, tiff_bytes(fill=len(name)), time_ns=10**18 + number)
    scans.look(times=20)
    assert sorted(scans.queue()) == ["one", "two"]
    back = rename_away(scans, "day")
    scans.look(times=5)
    assert scans.codes() == ["WATCH-10"]
    back()
    scans.look(times=20)
    shutil.rmtree(scans.folder / "day" / "one")  # one of them, from a folder that is there
    scans.look(times=20)
    assert scans.codes() == ["WATCH-10", "WATCH-07"]
    assert scans.queue() == ["two"]


class Disks:
    """File systems: each place has a number, and what is below it has the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.numbers: dict[Path, int] = {}
        self._stat = os.stat
        monkeypatch.setattr(scan.os, "stat", self.stat)

    def stat(self, name: Any, **options: Any) -> os.stat_result:
        found = self._stat(name, **options)
        above = [one for one in self.numbers if Path(name).is_relative_to(one)]
        number = self.numbers[max(above)] if above else 1
        return os.stat_result([*found[:2], number, *found[3:10]])


@pytest.mark.parametrize("number", [1, 9])  # nothing is mounted there, or another disk
def test_an_unmounted_sub_folder_is_told_by_the_mount_point(
    make: Make, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    tilt, disks = make(), Disks(monkeypatch)
    disk = tilt.folder / "disk"
    disks.numbers[disk] = 7
    for fill, name in enumerate(("disk/a", "disk/grid1/b", "disk/grid2/c")):
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=fill), time_ns=10**18 + fill)
    tilt.settle()
    away = tilt.folder.with_name("elsewhere")
    disk.rename(away)
    disk.mkdir()
    put(disk / "readme", "mount it here")
    disks.numbers[disk] = number
    tilt.restart()
    tilt.look(times=20)
    assert tilt.codes() == ["WATCH-10"]
    assert warning(tilt).startswith(f"{disk}: it is on another file system than before. 3 acq")
    assert tilt.queue() == ["a", "b", "c"]
    tilt.restart()
    tilt.look(times=20)
    shutil.rmtree(disk)
    away.rename(disk)
    disks.numbers[disk] = 8  # numbers are given anew
    tilt.look(times=20)
    assert tilt.seen() == dict.fromkeys(
        ("disk/a.mrc", "disk/grid1/b.mrc", "disk/grid2/c.mrc"), "taken"
    )
    (disk / "a.mrc").unlink()
    tilt.look(times=20)
    assert tilt.codes() == ["WATCH-10", "WATCH-07"]
    assert tilt.queue() == ["b", "c"]


def test_another_disk_in_place_of_the_watched_one_is_no_loss(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tilt, disks = make(), Disks(monkeypatch)
    put(tilt.folder / "day" / "a.mrc", mrc_bytes())
    tilt.settle()
    os.rename(tilt.folder, tilt.folder.with_name("elsewhere"))
    put(tilt.folder / "day" / "other.mrc", mrc_bytes(5))
    disks.numbers[tilt.folder] = 9
    tilt.look(times=20)
    assert tilt.codes() == ["WATCH-10"]
    assert tilt.queue() == ["a", "other"]


def test_a_folder_that_cannot_be_listed_is_told_where_something_waits(
    night: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    (night.folder / "lost+found").mkdir()
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith(("sub", "lost+found")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    with monkeypatch.context() as patched:
        patched.setattr(scan.os, "scandir", scandir)
        night.restart()
        night.look(times=2)
        night.now += 10_000
        night.look(times=20)
    assert night.codes() == ["WATCH-10"]
    assert warning(night) == (
        f"{night.folder / 'sub'}: Permission denied. 2 acquisitions of it wait in the queue."
    )
    night.look(times=20)
    assert night.queue() == ["a", "c", "d"]
    assert night.seen() == ALL
