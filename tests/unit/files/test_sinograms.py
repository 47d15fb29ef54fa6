"""The store that turns projections into sinograms, in memory and in a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from tomoline.errors import TomolineError
from tomoline.files.sinograms import FileSinograms, MemorySinograms, Sinograms

SHAPE = (7, 11, 5)


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Sinograms:
    if request.param == "memory":
        return MemorySinograms(SHAPE)
    return FileSinograms(tmp_path / "scratch", SHAPE)


def projections() -> np.ndarray:
    rows, angles, columns = SHAPE
    return np.arange(rows * angles * columns, dtype=np.float32).reshape(angles, rows, columns)


@pytest.mark.parametrize("at_once", [1, 3, 11])
def test_angles_in_rows_out(store: Sinograms, at_once: int) -> None:
    frames = projections()
    for first in reversed(range(0, SHAPE[1], at_once)):
        store.write_angles(first, frames[first : first + at_once])
    sinograms = frames.transpose(1, 0, 2)
    np.testing.assert_array_equal(store.read_rows(0, SHAPE[0]), sinograms)
    np.testing.assert_array_equal(store.read_rows(2, 5), sinograms[2:5])
    np.testing.assert_array_equal(store.read_angle(4), frames[4])


def test_what_was_not_written_is_zero(store: Sinograms) -> None:
    store.write_angles(3, projections()[3:4])
    assert not store.read_angle(2).any()
    assert store.read_angle(3).any()


def test_a_block_that_is_not_contiguous(store: Sinograms) -> None:
    wide = np.zeros((2, SHAPE[0], 9), np.float32)
    wide[..., 2:7] = projections()[:2]
    store.write_angles(0, wide[..., 2:7])
    np.testing.assert_array_equal(store.read_angle(1), projections()[1])


def test_a_file_is_found_again(tmp_path: Path) -> None:
    first = FileSinograms(tmp_path / "scratch", SHAPE)
    first.write_angles(0, projections())
    first.close()
    again = FileSinograms(tmp_path / "scratch")
    assert again.shape == SHAPE
    np.testing.assert_array_equal(again.read_angle(10), projections()[10])


def test_writes_that_the_system_cuts_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FileSinograms(tmp_path / "scratch", SHAPE)
    monkeypatch.setattr(os, "pwritev", lambda descriptor, parts, offset: 3)
    store.write_angles(0, projections())
    np.testing.assert_array_equal(store.read_angle(6), projections()[6])


def test_a_full_disk_is_known_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(TomolineError) as caught:
        FileSinograms(tmp_path / "scratch", SHAPE)
    assert caught.value.code == "FILE-08"


def test_a_file_cut_short(tmp_path: Path) -> None:
    FileSinograms(tmp_path / "scratch", SHAPE).close()
    os.truncate(tmp_path / "scratch", 5000)
    with pytest.raises(TomolineError, match="ends"):
        FileSinograms(tmp_path / "scratch").read_rows(0, SHAPE[0])


def test_a_scratch_file_that_finds_no_room_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(TomolineError) as caught:
        FileSinograms(tmp_path / "store.scratch", (2, 3, 4))
    assert caught.value.code == "FILE-08"
    assert "--scratch" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []
