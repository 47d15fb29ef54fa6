"""The log: filters, order, lines, and the states that it explains."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tomoline.queue.levels import Order
from tomoline.queue.log import Log, explain_states, line_of
from tomoline.queue.model import TRANSITIONS, BatchState, Event, EventKind
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state
from tomoline.queue.store import Store

S = BatchState

# How to get into each state from nothing.
WAYS: dict[BatchState, tuple[BatchState, ...]] = {
    S.WAITING: (S.WAITING,),
    S.RUNNING: (S.WAITING, S.RUNNING),
    S.PAUSED: (S.WAITING, S.RUNNING, S.PAUSED),
    S.FINISHED: (S.WAITING, S.RUNNING, S.FINISHED),
    S.FAILED: (S.WAITING, S.RUNNING, S.FAILED),
    S.KILLED: (S.WAITING, S.KILLED),
    S.DROPPED: (S.WAITING, S.DROPPED),
}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    """A log of six events, at 10 s, 20 s ... 60 s."""
    with Store.create(tmp_path_factory.mktemp("log") / "night") as store:
        facts: list[dict[str, Any]] = [
            {"kind": EventKind.PROJECT, "message": "project made"},
            {"kind": EventKind.STATE, "message": "queued", "data_set": "TS_1", "batch": 1},
            {"kind": EventKind.STEP, "message": "starts", "data_set": "TS_1", "batch": 1},
            {"kind": EventKind.WARNING, "message": "few beads", "data_set": "TS_1", "batch": 1},
            {"kind": EventKind.ERROR, "message": "too short", "data_set": "TS_[2]", "batch": 2},
            {"kind": EventKind.STEP, "message": "finished", "data_set": "TS_1", "batch": 1},
        ]
        more: list[dict[str, Any]] = [
            {},
            {},
            {"processor": 1, "step": "align"},
            {"processor": 1, "step": "track", "level": "warning", "code": "TRACK-02"},
            {"processor": 2, "level": "error", "code": "FILE-03"},
            {"processor": 1, "step": "align"},
        ]
        for index, (one, extra) in enumerate(zip(facts, more, strict=True), 1):
            store.add_event(when=10.0 * index, **one, **extra)
        yield Log(store)


def test_the_newest_are_those_written_last_although_a_clock_was_set_back(tmp_path: Path) -> None:
    with Store.create(tmp_path / "night") as store:
        for number in range(5):
            store.add_event(EventKind.RUN, f"before {number}", when=1000.0 + number)
        store.add_event(EventKind.RUN, "after", when=10.0)
        assert [one.message for one in Log(store).events(newest=2)] == ["after", "before 4"]


@pytest.mark.parametrize(
    ("conditions", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"processor": 1}, [3, 4, 6]),
        ({"data_set": "TS_1"}, [2, 3, 4, 6]),
        ({"data_set": "TS_?"}, [2, 3, 4, 6]),
        ({"data_set": "TS_[!1]*"}, [5]),
        ({"step": "align"}, [3, 6]),
        ({"level": "info"}, [1, 2, 3, 4, 5, 6]),
        ({"level": "warning"}, [4, 5]),
        ({"level": "error"}, [5]),
        ({"kind": "step"}, [3, 6]),
        ({"message": "FEW"}, [4]),
        ({"message": "e b"}, []),
        ({"message": "%"}, []),
        ({"message": "track-0"}, [4]),
        ({"message": "o", "level": "error"}, [5]),
        ({"batch": 2}, [5]),
        ({"since": 30.0}, [3, 4, 5, 6]),
        ({"until": 30.0}, [1, 2]),
        ({"since": 20.0, "until": 50.0}, [2, 3, 4]),
        ({"after": 4}, [5, 6]),
        ({"limit": 2}, [1, 2]),
        ({"limit": 2, "descending": True}, [6, 5]),
        ({"newest": 2}, [5, 6]),
        ({"processor": 1, "data_set": "TS_*", "step": "align", "since": 31.0}, [6]),
        ({"sort": "processor"}, [1, 2, 3, 4, 6, 5]),
        ({"sort": "data-set"}, [1, 2, 3, 4, 6, 5]),
        ({"sort": "level", "descending": True}, [5, 4, 6, 3, 2, 1]),
        ({"sort": "message", "newest": 3}, [4, 6, 5]),
        ({"sort": "step", "newest": 3, "limit": 1}, [5]),
    ],
)
def test_events_are_filtered_and_sorted(
    log: Log, conditions: dict[str, Any], numbers: list[int]
) -> None:
    assert [event.id for event in log.events(**conditions)] == numbers


@pytest.mark.parametrize("order", list(Order))
def test_each_order_gives_all_events(log: Log, order: Order) -> None:
    assert sorted(event.id for event in log.events(sort=order)) == [1, 2, 3, 4, 5, 6]


def test_orders_and_levels_that_there_are_not_are_refused(log: Log) -> None:
    with pytest.raises(ValueError, match="place"):
        log.events(sort="place; DROP TABLE event")
    with pytest.raises(ValueError, match="fatal"):
        log.events(level="fatal")
    assert log.last() == 6


def test_a_line_holds_what_a_person_wants() -> None:
    event = Event(7, 86400.5, "warning", "step", 3, "TS_1", 2, "align", "", "", "A-1", "two\nlines")
    assert line_of(event) == "1970-01-02 00:00:00 warning P3   TS_1  align  A-1 two lines"
    told = Event(8, 0.0, "error", "state", None, "TS_1", 2, "", "", "", "A-1", "A-1 it is short")
    assert line_of(told) == "1970-01-01 00:00:00 error   -    TS_1  A-1 it is short"


def test_a_line_steers_no_terminal() -> None:
    event = Event(
        7, 0.0, "info", "project", None, "x\x1b[2J", 2, "", "", "", "", "ä\x1b[31m\x9b\u202e"
    )
    line = line_of(event)
    assert line.isprintable()
    assert line.endswith(r"x\x1b[2J  ä\x1b[31m\x9b\u202e")


def change(number: int, batch: int | None, was: str, becomes: str) -> Event:
    return Event(number, 0.0, "info", "state", None, "TS_1", batch, "", was, becomes, "", "")


@pytest.mark.parametrize(("was", "becomes"), list(product(BatchState, repeat=2)))
def test_states_are_explained_by_allowed_changes_only(was: BatchState, becomes: BatchState) -> None:
    states = ["", *WAYS[was], becomes]
    events = [
        change(number, 5, states[number - 1], states[number]) for number in range(1, len(states))
    ]
    events.append(Event(0, 0.0, "info", "queue", None, "TS_1", 5, "", "", "", "", "moved"))
    if becomes in TRANSITIONS[was]:
        assert explain_states(reversed(events)) == {5: becomes}
    else:
        with pytest.raises(ValueError, match=f"from {was} to {becomes}"):
            explain_states(events)


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([change(1, 5, "", "running")], "begins"),
        ([change(1, 5, "waiting", "running")], "begins"),
        ([change(1, 5, "", "waiting"), change(2, 5, "running", "failed")], "was waiting"),
        ([change(1, 5, "", "waiting"), change(2, 5, "", "waiting")], "was waiting"),
        ([change(1, None, "", "waiting")], "names no batch"),
    ],
)
def test_gaps_in_the_log_are_found(events: list[Event], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        explain_states(events)


@pytest.mark.parametrize(
    ("ends", "steps"),
    [(S.FAILED, ["trim"]), (S.KILLED, ["trim"]), (S.PAUSED, ["trim"]), (S.FINISHED, [""])],
)
def test_the_log_says_in_which_step_a_batch_ended(
    queued: Project, ends: BatchState, steps: list[str]
) -> None:
    (waiting,) = queued.queue.batches()
    change_state(queued.store, waiting, S.RUNNING, "starts")
    (running,) = queued.queue.batches()
    with queued.store.write() as db:
        db.execute("UPDATE batch SET step = 'trim'")  # after it was read
    change_state(queued.store, running, ends, "it ended")
    assert [one.step for one in queued.log.events() if one.message == "it ended"] == steps
