import errno
import os
from pathlib import Path

import pytest

from tomoline.errors import TomolineError
from tomoline.files import atomic


def test_a_failed_block_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with atomic.writing(path) as part:
            part.write_text("new")
            raise KeyError("something else")

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "FILE-08"),
        (errno.EDQUOT, "FILE-08"),
        (errno.EACCES, "FILE-09"),
        (errno.EROFS, "FILE-09"),
        (errno.EIO, "FILE-09"),
        (errno.EISDIR, "FILE-02"),
    ],
)
def test_system_errors_are_told_in_users_words(tmp_path: Path, number: int, code: str) -> None:
    path = tmp_path / "a.txt"

    def fail() -> None:
        with atomic.writing(path) as part:
            part.write_text("half")
            raise OSError(number, os.strerror(number))

    with pytest.raises(TomolineError) as caught:
        fail()
    assert caught.value.code == code
    assert caught.value.where == str(path)
    assert list(tmp_path.iterdir()) == []


def test_reading_errors_are_told_as_such() -> None:
    error = atomic.translate_os_error(PermissionError(errno.EACCES, "no"), Path("a"), reading=True)
    assert error.code == "FILE-10"


def test_an_error_about_another_file_keeps_its_name(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic.writing(tmp_path / "a.txt"):
            (tmp_path / "input.mrc").read_bytes()

    with pytest.raises(TomolineError) as caught:
        fail()
    assert caught.value.code == "FILE-01"
    assert caught.value.where == str(tmp_path / "input.mrc")


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(TomolineError) as caught:
        atomic.write_text(tmp_path / "a", "text")
    assert caught.value.code == "FILE-02"


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TomolineError) as caught:
        atomic.write_text(tmp_path / "none" / "a", "text")
    assert caught.value.code == "FILE-01"


def test_leftovers_of_other_processes_are_removed(tmp_path: Path) -> None:
    stale = tmp_path / ".a.mrc.0-12345678.part"
    stale.write_text("half")
    own = atomic.temporary_path(tmp_path / "a.mrc")
    own.write_text("being written")
    (tmp_path / "a.part").write_text("a user's own")
    assert atomic.remove_leftovers(tmp_path) == [stale]
    assert own.exists()
    assert (tmp_path / "a.part").exists()


def test_text_has_unix_line_ends(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a", "ä\n")
    assert (tmp_path / "a").read_bytes() == b"\xc3\xa4\n"


def test_a_writer_inside_a_block_writes_to_the_blocks_own_path(tmp_path: Path) -> None:
    with atomic.writing(tmp_path / "a.txt") as part:
        atomic.write_text(part, "inner")
        assert list(tmp_path.iterdir()) == [part]
    assert (tmp_path / "a.txt").read_text() == "inner"
    assert list(tmp_path.iterdir()) == [tmp_path / "a.txt"]


def test_errors_inside_name_the_destination(tmp_path: Path) -> None:
    def fail() -> None:
        with atomic.writing(tmp_path / "a.txt") as part, atomic.writing(part):
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(TomolineError) as caught:
        fail()
    assert caught.value.where == str(tmp_path / "a.txt")
    assert list(tmp_path.iterdir()) == []
