"""Watching real folders by a clock of the test's own: what is taken, when, and what is not."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from microscope import Watched, mdoc_text, mrc_bytes, put, tiff_bytes

from tomoline.errors import TomolineError
from tomoline.queue.model import BatchState
from tomoline.queue.store import Store
from tomoline.queue.watching.take import Taker

Make = Callable[..., Watched]


def test_a_stack_is_taken_when_it_has_been_the_same_for_long_enough(tilt: Watched) -> None:
    put(tilt.folder / "TS_01.mrc", mrc_bytes())
    tilt.look(times=3)
    assert tilt.queue() == []
    assert tilt.seen() == {"TS_01.mrc": "growing"}
    tilt.look()
    assert tilt.queue() == ["TS_01"]
    assert tilt.seen() == {"TS_01.mrc": "taken"}
    tilt.look(times=50)
    assert tilt.run_all() == ["TS_01"]
    tilt.look(times=50)
    assert tilt.queue() == []


def test_one_that_grows_waits_and_one_that_lacks_bytes_too(tilt: Watched) -> None:
    whole = mrc_bytes(views=9)
    for end in range(1100, len(whole), 100):
        put(tilt.folder / "a.mrc", whole[:end])
        tilt.look()
    tilt.look(times=20)
    assert tilt.queue() == []
    assert "its header promises 1600 bytes, there are 1500" in tilt.reasons()["a.mrc"]
    put(tilt.folder / "a.mrc", whole)
    tilt.settle()
    assert tilt.queue() == ["a"]


def test_a_folder_where_nothing_changes_costs_little(
    tilt: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        put(tilt.folder / f"sub{number % 2}" / f"{number}.mrc", mrc_bytes(fill=number))
    tilt.settle()
    assert len(tilt.run_all()) == 50
    tilt.look(times=10)
    listed: list[str] = []
    asked: list[str] = []
    written: set[float] = set()
    scandir, stat = os.scandir, os.stat

    def counted(path: Any, **options: Any) -> os.stat_result:
        asked.extend([path] if str(path).startswith(str(tilt.folder)) else [])
        return stat(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, "scandir", lambda path: listed.append(path) or scandir(path))
        patched.setattr(os, "stat", counted)
        for _ in range(100):
            tilt.look()
            written.add(tilt.watch.looked)
    assert len(listed) == 3 * 10  # in every tenth look: writing into a file changes no folder
    assert len(asked) == 3 * 100
    assert len(written) <= 1 + 1000 / 60  # once a minute


@pytest.mark.parametrize(
    "name",
    [".a.mrc", "a.mrc~", "~a.mrc", "a.mrc.part", "a.mrc.tmp", "a.mrc.partial", "a.mrc.filepart",
     "a.mrc.crdownload", "a.mrc.!sync", ".a.mrc.Xy12Za"],
)  # fmt: skip
def test_temporary_names_are_left_alone_until_they_are_renamed(tilt: Watched, name: str) -> None:
    put(tilt.folder / name, mrc_bytes())
    tilt.look(times=10)
    assert tilt.seen() == {}
    os.rename(tilt.folder / name, tilt.folder / "a.mrc")
    tilt.settle()
    assert tilt.queue() == ["a"]


@pytest.mark.parametrize("years", [-50, 50])
def test_the_clock_of_a_server_does_not_matter(tilt: Watched, years: int) -> None:
    tilt.now = 1.8e9
    when = int((1.8e9 + years * 3.15e7) * 1e9)
    put(tilt.folder / "a.mrc", mrc_bytes(), time_ns=when)
    tilt.settle()
    assert tilt.queue() == ["a"]


def test_empty_files_and_headers_that_are_not_written_wait(tilt: Watched) -> None:
    put(tilt.folder / "empty.mrc", b"")
    put(tilt.folder / "zero.mrc", bytes(4000))
    put(tilt.folder / "short.st", bytes(100))
    tilt.look(times=10)
    assert tilt.queue() == []
    assert set(tilt.seen().values()) == {"incomplete"}


def test_a_damaged_header_does_not_hold_it_back_for_its_run_tells_more(tilt: Watched) -> None:
    put(tilt.folder / "bad.mrc", b"\xff" * 5000)
    tilt.settle()
    assert tilt.queue() == ["bad"]


def test_an_mdoc_holds_back_a_stack_that_is_not_there(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc.mdoc", mdoc_text(3, image="a.mrc"))
    tilt.look(times=10)
    assert tilt.reasons() == {"a.mrc.mdoc": "waits for a.mrc"}
    put(tilt.folder / "a.mrc", mrc_bytes(3))
    tilt.settle()
    assert tilt.queue() == ["a"]
    assert tilt.seen() == {"a.mrc": "taken"}


def test_an_mdoc_and_its_stack_must_agree_on_the_number_of_views(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes(3))
    put(tilt.folder / "a.mrc.mdoc", mdoc_text(5, image="a.mrc"))
    tilt.look(times=10)
    assert tilt.reasons()["a.mrc"] == "its .mdoc describes 5 views, the stack has 3"
    put(tilt.folder / "a.mrc", mrc_bytes(5))
    tilt.settle()
    assert tilt.queue() == ["a"]


def test_one_that_waits_for_long_is_warned_about_once(make: Make) -> None:
    tilt = make(late_s=300.0)
    put(tilt.folder / "a.mrc.mdoc", mdoc_text(3, image="a.mrc"))
    tilt.look(times=25)
    assert tilt.codes() == []
    tilt.look(times=10)
    tilt.restart()
    tilt.look(times=50)
    assert tilt.codes() == ["WATCH-04"]
    put(tilt.folder / "b.mrc.mdoc", mdoc_text(3, image="b.mrc"))
    while len(tilt.codes()) == 1:
        tilt.look()
        assert tilt.now < 5000
    for _ in range(12):  # the runner may end at any time after that
        tilt.restart()
        tilt.look()
    assert tilt.codes() == ["WATCH-04"] * 2
    message = tilt.project.log.events(kind="watch", level="warning")[0].message
    assert "waits for a.mrc" in message


def test_what_waits_is_told_before_what_was_taken(tilt: Watched) -> None:
    for name in ("a", "b"):
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=ord(name)))
    put(tilt.folder / "c.mrc", mrc_bytes()[:1100])
    tilt.settle()
    watches = tilt.project.watches
    assert [one.path.stem for one in watches.seen(tilt.watch)] == ["a", "b", "c"]
    assert [one.path.stem for one in watches.seen(tilt.watch, limit=2)] == ["c", "a"]
    assert [one.path.stem for one in watches.seen(tilt.watch, states=("taken",))] == ["a", "b"]


def test_what_is_taken_is_written_all_at_once(
    tilt: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.look(times=3)
    save = Taker.save

    def killed(self: Taker, rows: Any) -> None:
        if any(row is not None and row.state == "taken" for row in rows.values()):
            raise KeyboardInterrupt
        save(self, rows)

    with monkeypatch.context() as patched:
        patched.setattr(Taker, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            tilt.look()
    assert tilt.queue() == []
    assert tilt.project.data_sets.entries() == []
    tilt.restart()
    tilt.settle()
    assert tilt.run_all() == ["a"]


def test_frames_are_no_stacks(tilt: Watched) -> None:
    frames = {view: rf"D:\frames\a_{view}.tif" for view in range(3)}
    for view in range(3):
        put(tilt.folder / "frames" / f"a_{view}.tif", tiff_bytes(4))
        put(tilt.folder / "frames" / f"b_00{view}_{3 * view}.0.tif", tiff_bytes(4))
    put(tilt.folder / "CountRef_a.mrc", mrc_bytes(1))
    put(tilt.folder / "a.mrc.mdoc", mdoc_text(3, image="a.mrc", frames=frames))
    tilt.settle()
    assert tilt.seen() == {"a.mrc.mdoc": "incomplete"}
    put(tilt.folder / "a.mrc", mrc_bytes(3))
    tilt.settle()
    assert tilt.queue() == ["a"]


def test_results_beside_a_stack_are_no_stacks(tilt: Watched) -> None:
    for end in ("", "_preali", "_ali", "_rec", "_full_rec"):
        put(tilt.folder / f"a{end}.mrc", mrc_bytes())
    tilt.settle()
    assert tilt.queue() == ["a"]


def test_results_that_are_written_into_the_folder_are_no_acquisitions(tilt: Watched) -> None:
    # As IMOD's data sets lie: in a folder of their own name, with results beside.
    put(tilt.folder / "a" / "a.mrc", mrc_bytes())
    tilt.project.store.set_setting("deliver", str(tilt.folder))
    tilt.settle()
    assert tilt.run_all() == ["a"]
    put(tilt.folder / "a" / "a.tomoline.json", "{}")
    put(tilt.folder / "a" / "a.rawtlt", "0\n")
    put(tilt.folder / "a" / "other.mrc", mrc_bytes(4))
    put(tilt.folder / "elsewhere" / "x.tomoline.json", "{}")
    put(tilt.folder / "elsewhere" / "x.mrc", mrc_bytes(5))
    tilt.look(times=30)
    assert tilt.queue() == []
    assert tilt.seen() == {"a/a.mrc": "taken"}
    put(tilt.folder / "a" / "a.mrc", mrc_bytes(6))
    tilt.look(times=30)
    assert tilt.queue() == ["a"]


def test_what_comes_late_to_a_stack_is_run_too(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes(3))
    tilt.settle()
    assert tilt.run_all() == ["a"]
    put(tilt.folder / "a.rawtlt", "0\n3\n6\n")
    tilt.settle()
    assert tilt.run_all() == ["a"]
    assert tilt.codes() == ["WATCH-05"]
    (tilt.folder / "a.rawtlt").unlink()  # it has been read
    tilt.look(times=30)
    assert tilt.queue() == []
    put(tilt.folder / "notes.txt", "nothing of ours")
    tilt.settle()
    assert tilt.queue() == []


def test_a_replaced_stack_settles_again_and_is_queued_again(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    tilt.run_all()
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    while tilt.seen() == {"a.mrc": "taken"}:
        tilt.look()
        assert tilt.now < 1000 + 200  # what was taken is looked at in every tenth look at least
    assert tilt.seen() == {"a.mrc": "growing"}
    assert tilt.queue() == []
    tilt.look(times=3)
    assert tilt.queue() == ["a"]
    assert tilt.codes() == ["WATCH-05"]


@pytest.mark.parametrize(("views", "seconds"), [(4, 5), (3, 6)])
def test_another_size_or_another_time_is_another_content(
    tilt: Watched, views: int, seconds: int
) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes(3), time_ns=5 * 10**9)
    tilt.settle()
    assert tilt.run_all() == ["a"]
    put(tilt.folder / "a.mrc", mrc_bytes(views), time_ns=seconds * 10**9)
    tilt.look(times=20)
    assert tilt.run_all() == ["a"]


def test_one_that_is_replaced_while_it_runs_gets_a_batch_behind_it(tilt: Watched) -> None:
    from tomoline.queue.rows import change_state

    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    batch = tilt.project.queue.next(0.0, alone_allowed=True)
    assert batch is not None
    change_state(tilt.project.store, batch, BatchState.RUNNING, "", attempt=1)
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    tilt.look(times=20)
    states = [one.state for one in tilt.project.queue.batches()]
    assert states == [BatchState.RUNNING, BatchState.WAITING]
    assert tilt.project.queue.next(1e12, alone_allowed=True) is None


def test_one_that_is_replaced_before_it_runs_is_run_once(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    tilt.look(times=20)
    assert tilt.run_all() == ["a"]
    assert tilt.codes() == []


def test_one_that_vanishes_before_it_is_taken_is_forgotten(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.look()
    (tilt.folder / "a.mrc").unlink()
    tilt.look()
    assert tilt.seen() == {}
    assert tilt.codes() == []


def test_one_that_vanishes_before_it_is_run_is_queued_when_it_comes_back(tilt: Watched) -> None:
    path = put(tilt.folder / "a.mrc", mrc_bytes(), time_ns=5_000_000_000)
    tilt.settle()
    path.unlink()
    tilt.look(times=20)
    assert tilt.codes() == ["WATCH-07"]
    assert tilt.queue() == []
    tilt.restart()
    put(path, mrc_bytes(), time_ns=5_000_000_000)
    tilt.look(times=20)
    assert tilt.run_all() == ["a"]
    path.unlink()
    tilt.look(times=20)
    put(path, mrc_bytes(), time_ns=5_000_000_000)
    tilt.look(times=20)
    assert tilt.queue() == []
    assert tilt.codes() == ["WATCH-07"]


def test_a_folder_that_is_away_is_told_once_and_nothing_is_queued_anew(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    put(tilt.folder / "sub" / "b.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.run_next() == "a"
    away = tilt.folder.with_name("away")
    tilt.folder.rename(away)
    tilt.look(times=10)
    assert tilt.codes() == ["WATCH-02"]
    assert tilt.queue() == ["b"]
    away.rename(tilt.folder)
    tilt.look(times=20)
    tilt.restart()
    tilt.look(times=20)
    assert tilt.codes() == ["WATCH-02"]
    assert tilt.queue() == ["b"]


def test_an_empty_folder_on_another_file_system_is_a_disk_that_is_not_mounted(
    tilt: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tomoline.queue.watching import scan

    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    path = tilt.folder / "a.mrc"
    content, status = path.read_bytes(), path.stat()
    path.unlink()
    real = os.stat

    def stat(name: Any, **options: Any) -> os.stat_result:
        found = real(name, **options)
        return os.stat_result([*found[:2], found.st_dev + 1, *found[3:10]])

    with monkeypatch.context() as patched:
        patched.setattr(scan.os, "stat", stat)
        tilt.look(times=10)
    assert tilt.codes() == ["WATCH-02"]
    assert tilt.queue() == ["a"]
    put(path, content, time_ns=status.st_mtime_ns)
    tilt.look(times=20)
    assert tilt.queue() == ["a"]


def test_a_sub_folder_that_cannot_be_read_is_not_taken_for_gone(tilt: Watched) -> None:
    put(tilt.folder / "sub" / "a.mrc", mrc_bytes())
    tilt.settle()
    (tilt.folder / "sub").chmod(0)
    if os.access(tilt.folder / "sub", os.R_OK):
        (tilt.folder / "sub").chmod(0o755)
        pytest.skip("root may read everything")
    tilt.look(times=20)
    (tilt.folder / "sub").chmod(0o755)
    assert tilt.queue() == ["a"]


def test_a_copy_of_the_same_name_is_a_duplicate(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    tilt.run_all()
    put(tilt.folder / "sub" / "a.mrc", mrc_bytes())
    tilt.settle()
    assert tilt.queue() == []
    assert tilt.seen() == {"a.mrc": "taken", "sub/a.mrc": "duplicate"}
    assert tilt.codes() == ["WATCH-06"]
    (tilt.folder / "a.mrc").unlink()  # the copy is what is left
    tilt.look(times=10)
    assert tilt.seen() == {"sub/a.mrc": "taken"}
    assert tilt.project.data_sets.entry("a").source == tilt.folder / "sub" / "a.mrc"
    assert tilt.queue() == []


def test_another_one_of_the_same_name_is_called_by_its_folder(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    put(tilt.folder / "grid2" / "a.mrc", mrc_bytes(4))
    put(tilt.folder / "old" / "grid2" / "a.mrc", mrc_bytes(5))
    tilt.settle()
    assert sorted(tilt.queue()) == ["a", "grid2_a", "grid2_a_2"]
    put(tilt.folder / "a.st", mrc_bytes(6))
    tilt.settle()
    assert tilt.queue()[-1] == "in_a"


def test_a_copy_of_what_is_replaced_is_all_that_is_left_of_it(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    put(tilt.folder / "sub" / "a.mrc", mrc_bytes())
    tilt.settle()
    assert tilt.run_all() == ["a"]
    put(tilt.folder / "a.mrc", mrc_bytes(7))
    tilt.look(times=20)
    assert sorted(tilt.run_all()) == ["a", "sub_a"]


def test_links_are_followed_once(tilt: Watched) -> None:
    path = put(tilt.folder / "run" / "a.mrc", mrc_bytes())
    os.link(path, tilt.folder / "b.mrc")
    (tilt.folder / "c.mrc").symlink_to(path)
    (tilt.folder / "loop").symlink_to(tilt.folder)
    (tilt.folder / "again").symlink_to(tilt.folder / "run")
    (tilt.folder / "self.mrc").symlink_to(tilt.folder / "self.mrc")
    (tilt.folder / "nothing.mrc").symlink_to(tilt.folder / "missing.mrc")
    tilt.settle()
    assert len(tilt.queue()) == 1
    assert sorted(tilt.seen().values()) == ["duplicate", "duplicate", "taken"]


def test_moved_and_renamed_acquisitions_are_followed(tilt: Watched) -> None:
    path = put(tilt.folder / "a.mrc", mrc_bytes(), time_ns=1_700_000_000_123_456_789)
    put(tilt.folder / "a.rawtlt", "0\n")
    tilt.settle()
    (tilt.folder / "done").mkdir()
    os.rename(path, tilt.folder / "done" / "renamed.mrc")
    os.rename(tilt.folder / "a.rawtlt", tilt.folder / "done" / "renamed.rawtlt")
    tilt.look(times=20)
    assert tilt.seen() == {"done/renamed.mrc": "taken"}
    assert tilt.project.data_sets.entry("a").source == tilt.folder / "done" / "renamed.mrc"
    assert tilt.run_all() == ["a"]
    assert tilt.codes() == []


def test_what_takes_the_name_of_a_renamed_one_is_new(tilt: Watched) -> None:
    path = put(tilt.folder / "a.mrc", mrc_bytes(3))
    tilt.settle()
    tilt.run_all()
    os.rename(path, tilt.folder / "a_old.mrc")
    put(path, mrc_bytes(4))
    tilt.look(times=20)
    assert sorted(tilt.run_all()) == ["a", "a_old"]


@pytest.mark.parametrize("name", ["with blanks", "Zürich 試料", "tab\tand\nline", "a'b\"c", "-x"])
def test_names_may_be_anything_that_is_text(tilt: Watched, name: str) -> None:
    put(tilt.folder / f"{name}.mrc", mrc_bytes())
    tilt.settle()
    assert tilt.queue() == [name.replace("\t", "_").replace("\n", "_")]


def test_a_name_that_is_not_utf8_is_told_and_left_out(tilt: Watched) -> None:
    try:
        put(Path(os.fsdecode(os.fsencode(tilt.folder) + b"/gr\xfcn.mrc")), mrc_bytes())
    except OSError:
        pytest.skip("the file system takes only UTF-8")
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.look(times=20)
    assert tilt.queue() == ["a"]
    assert tilt.codes() == ["WATCH-09"]


def test_sub_folders_are_looked_into_so_deep(make: Make) -> None:
    tilt = make(depth=1)
    put(tilt.folder / "1" / "a.mrc", mrc_bytes())
    put(tilt.folder / "1" / "2" / "b.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.queue() == ["a"]


def test_a_pattern_chooses(make: Make) -> None:
    tilt = make(pattern="grid2_*")
    put(tilt.folder / "grid1_a.mrc", mrc_bytes())
    put(tilt.folder / "grid2_a.mrc", mrc_bytes(4))
    put(tilt.folder / "grid1_b.mrc.mdoc", mdoc_text(3, image="grid1_b.mrc"))
    tilt.settle()
    assert tilt.seen() == {"grid2_a.mrc": "taken"}


@pytest.mark.parametrize("pattern", ["Caf\u00e9.mrc", "?af\u00e9.*", "Cafe\u0301*"])
def test_a_pattern_chooses_however_accents_are_written(make: Make, pattern: str) -> None:
    tilt = make(pattern=pattern)
    put(tilt.folder / "Cafe\u0301.mrc", mrc_bytes())
    put(tilt.folder / "Cafe.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.seen() == {"Cafe\u0301.mrc": "taken"}


def test_what_was_there_may_be_passed_over_until_it_changes(make: Make) -> None:
    tilt = make(existing=False)
    put(tilt.folder / "old.mrc", mrc_bytes())
    put(tilt.folder / "coming.mrc", mrc_bytes()[:1100])
    tilt.look()
    put(tilt.folder / "coming.mrc", mrc_bytes())
    put(tilt.folder / "new.mrc", mrc_bytes(4))
    tilt.look(times=20)
    assert sorted(tilt.run_all()) == ["coming", "new"]
    put(tilt.folder / "old.mrc", mrc_bytes(9))
    tilt.look(times=20)
    assert tilt.queue() == ["old"]


def test_the_newest_is_run_first(make: Make) -> None:
    tilt = make(on_top=True)
    for number in (2, 1, 3):
        put(tilt.folder / f"{number}.mrc", mrc_bytes(fill=number), time_ns=number * 10**9)
    tilt.settle()
    assert tilt.queue() == ["3", "2", "1"]
    put(tilt.folder / "4.mrc", mrc_bytes(fill=4), time_ns=4 * 10**9)
    tilt.settle()
    assert tilt.queue() == ["4", "3", "2", "1"]


def test_otherwise_first_come_first_served(tilt: Watched) -> None:
    for number in (2, 1, 3):
        put(tilt.folder / f"{number}.mrc", mrc_bytes(fill=number), time_ns=number * 10**9)
    tilt.settle()
    assert tilt.queue() == ["1", "2", "3"]


@pytest.mark.parametrize("on_top", [True, False])
def test_many_are_taken_in_pieces_in_the_same_order(
    make: Make, monkeypatch: pytest.MonkeyPatch, on_top: bool
) -> None:
    monkeypatch.setattr("tomoline.queue.watching.take.PIECE", 2)
    tilt = make(on_top=on_top)
    for number in (2, 5, 1, 4, 3):
        put(tilt.folder / f"{number}.mrc", mrc_bytes(fill=number), time_ns=number * 10**9)
    tilt.settle()
    assert tilt.queue() == sorted("12345", reverse=on_top)


def test_the_disk_is_not_asked_while_the_store_is_held(
    tilt: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    held = False
    write = Store.write

    @contextmanager
    def writing(self: Store) -> Iterator[Any]:
        nonlocal held
        with write(self) as db:
            before, held = held, True
            try:
                yield db
            finally:
                held = before

    def watching(name: str) -> Callable[..., Any]:
        real = getattr(os, name)

        def look(path: Any, *more: Any, **options: Any) -> Any:
            if not isinstance(path, int) and str(path).startswith(str(tilt.folder)):
                asked.append(f"{name} {path}" if held else "")
            return real(path, *more, **options)

        return look

    monkeypatch.setattr(Store, "write", writing)
    for name in ("stat", "lstat", "scandir", "listdir", "readlink", "access"):
        monkeypatch.setattr(os, name, watching(name))
    for name in ("TSa", "TSb", "la", "single"):
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=len(name)))
    put(tilt.folder / "grid" / "TSa.mrc", mrc_bytes(9))
    tilt.settle()
    assert len(tilt.queue()) == 4
    assert asked
    assert not [one for one in asked if one]


def test_what_the_user_has_added_is_not_queued_twice(tilt: Watched) -> None:
    path = put(tilt.folder / "a.mrc", mrc_bytes())
    entries = tilt.project.data_sets.add([path])
    tilt.project.queue.add(entries, last="align")
    tilt.settle()
    (batch,) = tilt.project.queue.batches()
    assert batch.last == "align"
    tilt.run_all()
    tilt.look(times=10)
    assert tilt.queue() == []


@pytest.mark.parametrize(
    ("queued", "last", "expected"),
    [
        ({"last": "trim"}, "align", ("", "trim", "")),
        ({}, "align", ("", "", "")),
        ({"first": "align"}, "align", ("", "", "")),
        ({"only": "trim"}, "", ("", "", "")),
        ({"last": "align"}, "trim", ("", "trim", "")),
    ],
)
def test_one_that_changes_while_it_waits_still_does_what_the_user_wanted(
    make: Make, queued: dict[str, str], last: str, expected: tuple[str, ...]
) -> None:
    tilt = make(last=last)
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    assert tilt.run_all() == ["a"]
    tilt.project.queue.add([tilt.project.data_sets.entry("a")], **queued)
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    tilt.look(times=20)
    (batch,) = tilt.project.queue.batches(states=[BatchState.WAITING])
    assert (batch.first, batch.last, batch.only) == expected


def test_values_and_the_last_step_go_to_each_data_set(make: Make) -> None:
    tilt = make(values={"setup.gold_diameter_nm": [10.0, "watch --set"]}, last="align")
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    (batch,) = tilt.project.queue.batches()
    assert batch.last == "align"
    assert batch.origin == f"watch {tilt.folder}"
    given = tilt.project.data_sets.given(tilt.project.data_sets.entry("a"))
    assert given["setup.gold_diameter_nm"] == [10.0, "watch --set"]


def test_a_restart_neither_misses_nor_takes_twice(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.look(times=2)
    tilt.restart()
    tilt.look(times=3)
    assert tilt.queue() == ["a"]
    put(tilt.folder / "b.mrc", mrc_bytes(4))
    put(tilt.folder / "a.mrc", mrc_bytes(5))
    tilt.restart()
    tilt.look(times=6)
    assert tilt.run_all() == ["a", "b"]


def test_two_that_look_at_once_take_it_once(tilt: Watched) -> None:
    from tomoline.queue.watching.service import WatchService

    other = WatchService(tilt.project.folder)
    put(tilt.folder / "a.mrc", mrc_bytes())
    for _ in range(6):
        tilt.service.turn(tilt.now)
        other.turn(tilt.now)
        tilt.now += 10
    assert tilt.run_all() == ["a"]
    put(tilt.folder / "a.mrc", mrc_bytes(6))
    for _ in range(20):
        tilt.service.turn(tilt.now)
        other.turn(tilt.now + 1)
        tilt.now += 10
    other.close()
    assert tilt.run_all() == ["a"]
    assert tilt.queue() == []


def test_a_stopped_watch_takes_nothing_and_goes_on_where_it_was(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    tilt.run_all()
    assert tilt.service.busy()
    tilt.project.watches.stop(tilt.folder)
    put(tilt.folder / "b.mrc", mrc_bytes(4))
    tilt.look(times=10)
    assert tilt.queue() == []
    assert not tilt.service.busy()
    with pytest.raises(TomolineError, match="nothing is watched"):
        tilt.project.watches.stop(tilt.folder)
    tilt.project.watches.add(tilt.folder, "tilt")
    tilt.settle()
    assert tilt.queue() == ["b"]


def test_a_removed_data_set_is_not_taken_again_until_it_changes(tilt: Watched) -> None:
    put(tilt.folder / "a.mrc", mrc_bytes())
    tilt.settle()
    tilt.project.data_sets.remove(["a"])
    tilt.look(times=20)
    assert tilt.queue() == []
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    tilt.look(times=20)
    assert tilt.queue() == ["a"]


def test_what_cannot_be_added_is_told_once_and_hinders_no_other(tilt: Watched) -> None:
    put(tilt.folder / "night.mrc", mrc_bytes())
    folder = tilt.project.folder
    elsewhere = put(folder.parent / "other.mrc", mrc_bytes(9))
    tilt.project.data_sets.add([elsewhere], folder=folder / "a")
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    tilt.look(times=20)
    assert tilt.queue() == ["night"]
    assert tilt.codes() == ["PROJ-09"]
    assert tilt.reasons()["a.mrc"].startswith("PROJ-09")


def test_no_error_of_one_hinders_another(tilt: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    from tomoline import errors
    from tomoline.queue.data_sets import DataSets

    add = DataSets.add

    def refuse(self: DataSets, paths: Any, **options: Any) -> Any:
        if any(one.source.name == "b.mrc" for one in paths.found):
            raise errors.parameters.BAD_OPTION.error("--name", "it will not do.")
        return add(self, paths, **options)

    for number, name in enumerate("abc"):
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=number))
    with monkeypatch.context() as patched:
        patched.setattr(DataSets, "add", refuse)
        tilt.look(times=20)
    assert tilt.queue() == ["a", "c"]
    assert tilt.codes() == ["PARAM-06"]
    tilt.look(times=2)
    assert tilt.queue() == ["a", "c", "b"]


@pytest.mark.parametrize(
    ("folder", "options", "code"),
    [
        ("missing", {}, "WATCH-01"),
        ("in", {}, "WATCH-08"),
        ("in/sub", {}, "WATCH-08"),
        (".", {}, "WATCH-08"),
        ("new", {"settle_s": -1.0}, "PARAM-06"),
        ("new", {"every_s": 0.0}, "PARAM-06"),
        ("new", {"every_s": float("nan")}, "PARAM-06"),
        ("new", {"recipe": "movie"}, "PARAM-06"),
    ],
)
def test_what_cannot_be_watched(
    tilt: Watched, folder: str, options: dict[str, Any], code: str
) -> None:
    (tilt.folder / "sub").mkdir()
    (tilt.folder.parent / "new").mkdir()
    path = tilt.folder.parent / folder
    given = {"recipe": "tilt"} | options
    with pytest.raises(TomolineError) as error:
        tilt.project.watches.add(path, **given)
    assert error.value.code == code
