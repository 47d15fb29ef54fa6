"""Watching the two axes of specimens: what waits for the other one, and what is run alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
from microscope import Watched, mrc_bytes, put, tiff_bytes

from tomoline.queue.model import DataSetEntry
from tomoline.queue.reach import refuse_missing_axes
from tomoline.queue.watching.take import Taker

Make = Callable[..., Watched]


def test_both_axes_become_one_data_set(tilt: Watched) -> None:
    put(tilt.folder / "TSa.mrc", mrc_bytes())
    put(tilt.folder / "TSb.mrc", mrc_bytes(4)[:1100])
    tilt.look(times=10)
    assert tilt.queue() == []
    assert tilt.reasons()["TSa.mrc"] == "waits for TSb.mrc"
    put(tilt.folder / "TSb.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.queue() == ["TS"]
    assert tilt.project.data_sets.entry("TS").dual


def test_an_axis_does_not_wait_for_ever(make: Make) -> None:
    tilt = make(late_s=300.0)
    put(tilt.folder / "TSa.mrc", mrc_bytes())
    put(tilt.folder / "TSb.mrc", mrc_bytes(4)[:1100])
    tilt.look(times=25)
    assert tilt.queue() == []
    tilt.look(times=10)
    assert tilt.queue() == ["TSa"]
    told = [one.message for one in tilt.project.log.events(kind="watch")]
    assert any(one.endswith("TSb.mrc, is not complete") for one in told)


def test_stacks_of_different_formats_are_no_two_axes(tilt: Watched) -> None:
    put(tilt.folder / "TSa.mrc", mrc_bytes())
    put(tilt.folder / "TSb.tif", tiff_bytes())
    tilt.settle()
    assert tilt.queue() == ["TSa", "TSb"]
    told = [one.message for one in tilt.project.log.events(kind="watch")]
    assert not any("other axis" in one for one in told)


def test_a_second_axis_joins_one_that_was_not_run(tilt: Watched) -> None:
    put(tilt.folder / "TSa.mrc", mrc_bytes())
    tilt.settle()
    assert tilt.queue() == ["TSa"]
    put(tilt.folder / "TSb.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.queue() == ["TS"]
    assert set(tilt.seen().values()) == {"taken"}


def test_a_second_axis_of_one_that_was_run_stays_alone(tilt: Watched) -> None:
    put(tilt.folder / "TSa.mrc", mrc_bytes())
    tilt.settle()
    tilt.run_all()
    put(tilt.folder / "TSb.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.queue() == ["TSb"]
    told = [one.message for one in tilt.project.log.events(kind="watch")]
    assert any("TSa.mrc, had been run already" in one for one in told)


def test_axes_are_not_paired_against_the_users_will(make: Make) -> None:
    tilt = make(values={"setup.dual_axis": [False, "--set"]})
    put(tilt.folder / "TSa.mrc", mrc_bytes())
    put(tilt.folder / "TSb.mrc", mrc_bytes(4))
    tilt.settle()
    assert sorted(tilt.queue()) == ["TSa", "TSb"]


@pytest.mark.parametrize("layer", ["", "system template", "project"])
def test_one_axis_of_two_waits_for_the_other(make: Make, layer: str) -> None:
    tilt = make(late_s=300.0, values={} if layer else {"setup.dual_axis": [True, "--set"]})
    if layer:
        tilt.project.layers.put(layer, {"setup.dual_axis": (True, layer)})
    put(tilt.folder / "TSb.mrc", mrc_bytes())
    tilt.look(times=60)
    assert tilt.queue() == []
    assert tilt.reasons() == {"TSb.mrc": "waits for TSa.mrc"}
    assert tilt.codes() == ["WATCH-04"]
    put(tilt.folder / "TSa.mrc", mrc_bytes(4)[:1100])
    tilt.look(times=60)
    assert tilt.queue() == []
    put(tilt.folder / "TSa.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.queue() == ["TS"]
    assert tilt.project.data_sets.entry("TS").dual


def test_what_cannot_have_two_axes_is_run_alone_and_not_marked(make: Make) -> None:
    tilt = make(values={"setup.dual_axis": [True, "--set"]})
    put(tilt.folder / "TS_1.mrc", mrc_bytes())
    put(tilt.folder / "a.mrc", mrc_bytes(4))
    tilt.settle()
    assert tilt.queue() == ["TS_1", "a"]
    refuse_missing_axes(tilt.project.store, tilt.project.data_sets.entries())


def test_one_axis_that_the_user_has_added_waits_for_nothing(make: Make) -> None:
    tilt = make(values={"setup.dual_axis": [True, "--set"]})
    first, second = (put(tilt.folder / f"{name}.mrc", mrc_bytes()) for name in ("Aa", "Bb"))
    tilt.look(times=10)
    assert tilt.queue() == []
    tilt.project.data_sets.add([first])
    other = put(tilt.folder / "Ba.mrc", mrc_bytes(5))
    tilt.project.data_sets.add([other])
    other.unlink()
    tilt.settle()
    assert tilt.queue() == ["Aa", "B"]
    assert tilt.project.data_sets.entry("B").source_b == second


def test_one_that_follows_two_axes_is_run_alone_and_not_marked(tilt: Watched) -> None:
    for name in ("TS_1a", "TS_1b"):
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=ord(name[-1])))
    tilt.settle()
    put(tilt.folder / "lamella.mrc", mrc_bytes(7))
    tilt.settle()
    assert tilt.queue() == ["TS_1", "lamella"]
    entries = tilt.project.data_sets.entries()
    refuse_missing_axes(tilt.project.store, entries)
    assert tilt.project.data_sets.given(entries[1])["setup.dual_axis"][0] is False
    put(tilt.folder / "lamellb.mrc", mrc_bytes(8))  # as no automatic mark holds against it
    tilt.settle()
    assert tilt.queue() == ["TS_1", "lamell"]


@pytest.mark.parametrize("at_once", [True, False])
def test_two_axes_of_one_name_in_two_folders_stay_together(tilt: Watched, at_once: bool) -> None:
    for number, folder in enumerate(("one", "two", "copy")):
        for axis in "ab":
            content = mrc_bytes(3 + number % 2, fill=ord(axis))
            put(tilt.folder / folder / f"TS{axis}.mrc", content, time_ns=10**18 + number)
        if not at_once:
            tilt.settle()
    put(tilt.folder / "copy" / "TSa.mrc", mrc_bytes(3, fill=ord("a")))
    put(tilt.folder / "copy" / "TSb.mrc", mrc_bytes(3, fill=ord("b")))
    tilt.settle()
    assert tilt.queue() == ["TS", "two_TS"]
    assert all(entry.dual for entry in tilt.project.data_sets.entries())
    assert tilt.codes() == ["WATCH-06"] * 2


def test_two_axes_are_taken_in_one_piece_or_not_at_all(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tomoline.queue.watching.take.PIECE", 2)
    pieces: list[int] = []
    queue = Taker._queue

    def counted(self: Taker, entries: Iterable[DataSetEntry]) -> None:
        pieces.append(len(list(entries)))
        queue(self, entries)

    monkeypatch.setattr(Taker, "_queue", counted)
    tilt = make(values={"setup.dual_axis": [True, "--set"]})
    for number, name in enumerate(("1", "2a", "2b", "3a", "3b")):
        put(tilt.folder / f"{name}.mrc", mrc_bytes(fill=number), time_ns=10**18 + number)
    other = put(tilt.folder.parent / "other.mrc", mrc_bytes(9))
    tilt.project.data_sets.add([other], name="x", folder=tilt.project.folder / "3")
    tilt.settle()
    assert tilt.queue() == ["1", "2"]
    assert pieces[:1] == [2]
    assert tilt.codes() == ["PROJ-09"] * 2
