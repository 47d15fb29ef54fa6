"""The queue: order, moves, what is unique, what waits again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tomoline.errors import Faults, TomolineError
from tomoline.queue.batch_range import Range, joined
from tomoline.queue.batches import Queue
from tomoline.queue.log import Log, explain_states
from tomoline.queue.model import Batch, BatchState, DataSetEntry
from tomoline.queue.rows import batch, change_state, to_data_set
from tomoline.queue.schedules import Schedules
from tomoline.queue.store import Store

S = BatchState
FEW = 8


@pytest.fixture
def queue(store: Store) -> Queue:
    return Queue(store)


def fill(store: Store, number: int = FEW) -> list[DataSetEntry]:
    """Put data sets into the table, TS_0 and so on."""
    with store.write() as db:
        db.executemany(
            "INSERT INTO data_set (name, place, recipe, source, folder, added)"
            " VALUES (?, ?, 'tilt', ?, ?, 0)",
            [(f"TS_{i}", i, f"/raw/TS_{i}.mrc", f"/done/TS_{i}") for i in range(number)],
        )
        rows = db.execute("SELECT * FROM data_set ORDER BY place").fetchall()
    return [to_data_set(row) for row in rows]


def line(queue: Queue) -> list[str]:
    """Return the names of the batches that wait, in order."""
    return [one.name for one in queue.batches(states=[S.WAITING])]


def names(*numbers: int) -> list[str]:
    return [f"TS_{number}" for number in numbers]


def become(store: Store, number: int, *states: BatchState) -> Batch:
    """Bring a batch through states, and return it."""
    for state in states:
        one = batch(store, number)
        assert one is not None
        change_state(store, one, state, f"made {state}")
    one = batch(store, number)
    assert one is not None
    return one


def present(store: Store) -> dict[int, BatchState]:
    with store.read() as db:
        return {row[0]: S(row[1]) for row in db.execute("SELECT id, state FROM batch")}


def test_first_come_first_served_unless_on_top(store: Store, queue: Queue) -> None:
    entries = fill(store)
    assert queue.add(entries[:2], origin="run") == [1, 2]
    assert queue.add([entries[2], entries[2]]) == [3, 3]
    queue.add(entries[3:5], top=True)
    queue.add(entries[5:6], top=True)
    assert line(queue) == names(5, 3, 4, 0, 1, 2)
    first = queue.next(time.time(), alone_allowed=False)
    assert first is not None
    assert first.name == "TS_5"
    assert [event.message for event in Log(store).events(data_set="TS_0")] == ["queued by run"]


def test_queued_again_while_it_waits_gets_the_new_part(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries)
    assert queue.add(entries[3:4], first="align", last="trim", origin="queue add") == [4]
    one = batch(store, 4)
    assert one is not None
    assert (one.first, one.last, one.origin) == ("align", "trim", "queue add")
    assert line(queue) == names(0, 1, 2, 3, 4, 5, 6, 7)
    assert queue.add(entries[3:4], top=True) == [4]
    assert line(queue) == names(3, 0, 1, 2, 4, 5, 6, 7)
    before = Log(store).last()
    assert queue.add(entries[3:4]) == [4]
    assert Log(store).last() == before  # nothing has changed, nothing is told


def test_queued_again_while_it_runs_waits_behind_itself(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:1])
    become(store, 1, S.RUNNING)
    assert queue.add(entries[:1]) == [2]
    assert queue.next(time.time(), alone_allowed=True) is None
    queue.add(entries[1:2])
    found = queue.next(time.time(), alone_allowed=True)
    assert found is not None
    assert found.name == "TS_1"
    become(store, 1, S.FINISHED)
    found = queue.next(time.time(), alone_allowed=True)
    assert found is not None
    assert found.id == 2


def test_numbers_are_not_given_again(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:2])
    queue.take_out(["TS_1"])
    with store.write() as db:
        db.execute("DELETE FROM data_set WHERE name = 'TS_1'")
    assert queue.add(entries[2:3]) == [3]


def test_what_was_removed_meanwhile_is_not_queued(store: Store, queue: Queue) -> None:
    entries = fill(store)
    with store.write() as db:
        db.execute("DELETE FROM data_set WHERE name = 'TS_7'")
        db.execute(  # which may get its number
            "INSERT INTO data_set (id, name, place, recipe, source, folder, added)"
            " VALUES (8, 'other', 9, 'tilt', '/raw/o.mrc', '/done/o', 0)"
        )
    with pytest.raises(TomolineError) as error:
        queue.add(entries)
    assert error.value.code == "PROJ-08"
    assert queue.batches() == []


def test_moves_go_to_any_position(store: Store, queue: Queue) -> None:
    queue.add(fill(store))
    queue.move(["TS_6"], 2)
    assert line(queue) == names(0, 6, 1, 2, 3, 4, 5, 7)
    queue.move(["TS_0"], 99)
    assert line(queue) == names(6, 1, 2, 3, 4, 5, 7, 0)
    queue.move(["TS_5", "TS_1"], 3)
    assert line(queue) == names(6, 2, 5, 1, 3, 4, 7, 0)
    queue.top(["TS_[02]"])
    assert line(queue) == names(2, 0, 6, 5, 1, 3, 4, 7)
    assert queue.positions() == {
        number: position for position, number in enumerate([3, 1, 7, 6, 2, 4, 5, 8], 1)
    }


def test_moves_go_on_when_numbers_between_run_out(store: Store, queue: Queue) -> None:
    queue.add(fill(store, 3))
    for _ in range(60):  # each halves the room between the first two
        last = line(queue)[-1]
        queue.move([last], 2)
    assert line(queue)[0] == "TS_0"
    assert sorted(line(queue)) == names(0, 1, 2)
    assert len({one.place for one in queue.batches()}) == 3


def test_names_that_do_not_wait_are_all_told(store: Store, queue: Queue) -> None:
    queue.add(fill(store)[:3])
    become(store, 1, S.RUNNING)
    with pytest.raises(TomolineError, match="no batch of it waits") as running:
        queue.top(["TS_0"])
    assert running.value.code == "QUEUE-05"
    with pytest.raises(Faults) as several:
        queue.move(["TS_1", "TS_0", "TS_X", "Q*"], 1)
    assert [fault.code for fault in several.value.faults] == ["QUEUE-05", "PROJ-08", "PROJ-08"]
    assert line(queue) == names(1, 2)
    with pytest.raises(TomolineError) as ended:
        queue.take_out(["TS_5"])
    assert ended.value.code == "QUEUE-05"


def test_taking_out_drops_what_waits(store: Store, queue: Queue) -> None:
    queue.add(fill(store))
    assert [one.name for one in queue.take_out(["TS_2", "TS_[67]"])] == names(2, 6, 7)
    assert line(queue) == names(0, 1, 3, 4, 5)
    assert queue.counts()[S.DROPPED] == 3
    one = become(store, 1, S.RUNNING)
    with pytest.raises(TomolineError) as error:
        queue.drop(one, "forgotten")
    assert error.value.code == "QUEUE-07"


def test_taking_out_drops_what_a_resume_would_bring_back(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:5])
    become(store, 1, S.RUNNING, S.PAUSED)
    become(store, 2, S.RUNNING, S.KILLED)
    become(store, 3, S.RUNNING, S.FAILED)
    become(store, 4, S.RUNNING)
    with pytest.raises(TomolineError, match="it is paused"):
        queue.top(["TS_0"])
    queue.add(entries[:1], last="align")  # behind its paused one
    assert [one.name for one in queue.take_out(["TS_0", "TS_1"])] == names(0, 1)
    assert [number for number, state in present(store).items() if state is S.DROPPED] == [1, 2, 6]
    assert queue.resume_ended() == []
    assert line(queue) == names(4)
    with pytest.raises(Faults) as several:
        queue.take_out(["TS_2", "TS_3"])
    assert [fault.found for fault in several.value.faults] == [
        "no batch of it waits.",
        "no batch of it waits; it is being run.",
    ]


def test_next_waits_for_its_time_and_for_being_alone(store: Store, queue: Queue) -> None:
    queue.add(fill(store)[:3])
    with store.write() as db:
        db.execute("UPDATE batch SET not_before = 100 WHERE id = 1")
        db.execute("UPDATE batch SET alone = 1 WHERE id = 2")
    early = queue.next(99.0, alone_allowed=True)
    assert early is not None
    assert early.id == 2
    # It is not passed by, or it would never have its turn.
    assert queue.next(99.0, alone_allowed=False) is None
    late = queue.next(100.0, alone_allowed=False)
    assert late is not None
    assert late.id == 1


def test_batches_come_in_order_and_filtered(store: Store, queue: Queue) -> None:
    queue.add(fill(store))
    for number, state in ((3, S.FINISHED), (5, S.FAILED), (2, S.PAUSED)):
        become(store, number, S.RUNNING, state)
    become(store, 8, S.RUNNING)
    queue.take_out(["TS_0"])
    assert [one.id for one in queue.batches()] == [8, 2, 4, 6, 7, 5, 3]
    assert [one.id for one in queue.batches(limit=3)] == [8, 2, 4]
    assert [one.id for one in queue.batches(states=[S.DROPPED])] == [1]
    assert [one.id for one in queue.batches(patterns=["TS_[15]", "TS_7"], limit=2)] == [8, 2]
    assert [one.id for one in queue.batches(states=[S.FAILED, S.WAITING], limit=4)] == [4, 6, 7, 5]
    assert queue.batches(patterns=["nothing"]) == []
    assert queue.batches(limit=1)[0] == batch(store, 8)


def test_the_latest_batch_counts(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:3])
    become(store, 1, S.RUNNING, S.FAILED)
    become(store, 2, S.RUNNING, S.FINISHED)
    queue.add(entries[:2])
    queue.take_out(["TS_1"])
    latest = queue.latest()
    assert {number: one.id for number, one in latest.items()} == {1: 4, 2: 2, 3: 3}
    assert queue.latest([2, 8]) == {2: latest[2]}


def test_failed_ones_are_tried_again_behind_the_others(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:5])
    for number in (3, 1, 4):
        become(store, number, S.RUNNING)
        one = batch(store, number)
        assert one is not None
        change_state(
            store, one, S.FAILED, "broken", code="FILE-03", found="it is short.", retries=2
        )
        with store.write() as db:
            db.execute(
                "UPDATE batch SET code = 'FILE-03', alone = 1, threads = 1 WHERE id = ?", (number,)
            )
    queue.add(entries[3:4])  # by now somebody has queued this one himself
    with pytest.raises(TomolineError) as error:
        queue.retry(["TS_0", "TS_1"])
    assert error.value.code == "QUEUE-07"
    assert [one.code for one in queue.retry(["TS_2"])] == ["FILE-03"]
    assert [(one.id, one.found) for one in queue.retry()] == [(1, "it is short.")]
    assert line(queue) == names(1, 4, 3, 2, 0)
    again = batch(store, 1)
    assert again is not None
    assert (again.code, again.found, again.retries) == ("", "", 0)
    assert (again.alone, again.threads) == (False, 0)
    assert queue.retry() == []


def test_what_was_run_again_since_it_failed_can_be_left_out(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:4])
    for number, state in ((1, S.FAILED), (2, S.KILLED), (3, S.FAILED), (4, S.FINISHED)):
        become(store, number, S.RUNNING, state)
    queue.add([entries[0], entries[3]])
    become(store, 5, S.RUNNING, S.FINISHED)
    become(store, 6, S.RUNNING, S.FAILED)
    queue.add(entries[1:3])
    become(store, 8, S.DROPPED)
    shown = {one.id for one in queue.batches(newest=True)}
    assert shown == {3, 5, 6, 7}  # 1 was made good, 2 waits to be, 4 was run again
    assert {one.id for one in queue.batches()} == {*range(1, 8)}
    counts = queue.counts(newest=True)
    assert (counts[S.FAILED], counts[S.KILLED], counts[S.FINISHED]) == (2, 0, 1)
    assert queue.counts()[S.FAILED] == 3


def test_resumed_ones_come_first_in_their_old_order(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:6])
    for number, state in ((4, S.PAUSED), (2, S.KILLED), (5, S.KILLED), (1, S.KILLED)):
        become(store, number, S.RUNNING, state)
    queue.add(entries[4:5])  # TS_4 was killed, and has been run since
    become(store, 7, S.RUNNING, S.FINISHED)
    assert [one.id for one in queue.resume_ended()] == [1, 2, 4]
    assert line(queue) == names(0, 1, 3, 2, 5)
    assert queue.resume_ended() == []


def test_a_resumed_one_joins_the_one_that_waits(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:2])
    become(store, 2, S.RUNNING, S.PAUSED)
    queue.add(entries[1:2], first="align", last="trim")
    queue.resume_ended()
    assert line(queue) == names(1, 0)
    joined = queue.batches(limit=1)[0]
    assert (joined.id, joined.first, joined.last, joined.reached) == (3, "", "", "")
    assert present(store)[2] is S.DROPPED


def test_steps_that_were_done_count_only_as_long_as_the_same_is_asked_for(
    store: Store, queue: Queue
) -> None:
    entries = fill(store)
    queue.add(entries[:2], first="align")
    for number in (1, 2):
        become(store, number, S.RUNNING, S.PAUSED)
        with store.write() as db:
            db.execute("UPDATE batch SET reached = ':position' WHERE id = ?", (number,))
    queue.resume_ended()
    queue.add(entries[:1], first="align")
    assert become(store, 1).reached == ":position"
    queue.add(entries[:1], first="align", last="trim")
    assert become(store, 1).reached == ""
    # Joined, it keeps what it has done itself if the other one asks for nothing else.
    become(store, 2, S.RUNNING)
    queue.add(entries[1:2], first="align")
    with store.write() as db:
        db.execute("UPDATE batch SET reached = ':align' WHERE id = 3")
    queue.wait_again(become(store, 2), "tried again")
    assert become(store, 3).reached == ":align"
    become(store, 3, S.RUNNING)
    queue.add(entries[1:2], first="track")
    with store.write() as db:
        db.execute("UPDATE batch SET reached = ':track' WHERE id = 4")
    queue.wait_again(become(store, 3), "tried again")
    assert (become(store, 4).first, become(store, 4).reached) == ("track", ":track")
    become(store, 4, S.RUNNING)
    queue.add(entries[1:2], first="align")
    with store.write() as db:
        db.execute("UPDATE batch SET reached = ':align' WHERE id = 5")
    queue.wait_again(become(store, 4), "tried again")
    assert (become(store, 5).first, become(store, 5).reached) == ("track", "")


def test_steps_asked_for_one_by_one_are_joined_too() -> None:
    one, other = Range(only="trim,setup"), Range(only="align")
    assert joined(one, other, "tilt") == Range(only="setup,align,trim")
    assert joined(one, Range(), "tilt") == Range()


def test_one_behind_a_paused_one_waits_for_it(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:1])
    become(store, 1, S.RUNNING, S.PAUSED)
    queue.add(entries[:2])
    found = queue.next(time.time(), alone_allowed=True)
    assert found is not None
    assert found.name == "TS_1"


def test_one_that_was_killed_while_it_waited_for_its_time_begins_at_once(
    store: Store, queue: Queue
) -> None:
    queue.add(fill(store)[:1])
    with store.write() as db:
        db.execute("UPDATE batch SET not_before = 1e12")
    become(store, 1, S.KILLED)
    queue.resume_ended()
    assert queue.next(time.time(), alone_allowed=True) is not None


def test_two_killed_parts_of_a_data_set_become_one(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries[:1], first="track", last="align")
    become(store, 1, S.RUNNING, S.KILLED)
    queue.add(entries[:1], first="align", last="position")
    become(store, 2, S.KILLED)
    queue.resume_ended()
    (one,) = queue.batches()
    assert (one.state, one.first, one.last) == (S.WAITING, "track", "position")


def test_one_that_runs_waits_again_or_ends_for_the_one_behind_it(
    store: Store, queue: Queue
) -> None:
    entries = fill(store)
    queue.add(entries[:2])
    queue.wait_again(
        become(store, 1, S.RUNNING), "tried again", level="warning", retries=1, not_before=50.0
    )
    one = batch(store, 1)
    assert one is not None
    assert (one.state, one.retries, one.not_before) == (S.WAITING, 1, 50.0)
    become(store, 1, S.RUNNING)
    queue.add(entries[:1], only="trim")
    again: dict[str, Any] = {"threads": 2, "retries": 2, "found": "too little memory."}
    queue.wait_again(become(store, 1), "tried again", code="QUEUE-10", when=time.time(), **again)
    # It has not failed: what it was to do is still to be done.
    assert present(store) == {1: S.DROPPED, 2: S.WAITING, 3: S.WAITING}
    other = batch(store, 3)
    assert other is not None
    assert other.only == ""  # it does what both were to do
    assert (other.threads, other.retries) == (2, 2)
    assert become(store, 1).found == "too little memory."
    told = {event.message for event in Log(store).events(data_set="TS_0", newest=2)}
    assert told == {"takes over batch 1", "tried again, as part of batch 3"}


@pytest.mark.parametrize(
    "ask",
    [
        lambda queue, entry: queue.add([entry]),
        lambda queue, entry: queue.top([entry.name]),
        lambda queue, entry: queue.retry([entry.name]),
        lambda queue, entry: queue.retry(),
    ],
)
def test_who_asks_for_one_that_waits_for_its_next_try_does_not_wait(
    store: Store, queue: Queue, ask: Callable[[Queue, DataSetEntry], object]
) -> None:
    entries = fill(store)
    queue.add(entries[:2])
    queue.wait_again(become(store, 1, S.RUNNING), "tried again", retries=1, not_before=5000.0)
    queue.wait_again(become(store, 2, S.RUNNING), "tried again", retries=1, not_before=6000.0)
    assert queue.next(1000.0, alone_allowed=True) is None
    ask(queue, entries[0])
    found = queue.next(1000.0, alone_allowed=True)
    assert found is not None
    assert found.id == 1


def test_what_runs_cannot_be_dropped(store: Store, queue: Queue) -> None:
    queue.add(fill(store)[:1])
    with pytest.raises(TomolineError, match="QUEUE-07"):
        queue.drop(become(store, 1, S.RUNNING), "forgotten")
    assert present(store) == {1: S.RUNNING}


def test_a_round_of_a_schedule_waits_for_what_takes_over_its_batch(
    store: Store, queue: Queue
) -> None:
    entries = fill(store)
    schedules = Schedules(store, ensure=lambda _: 1)
    schedules.new("nightly", ["setup"], times=1, every_s=60.0)
    (first,) = queue.add(entries[:1], only="setup")
    with store.write() as db:
        db.execute("INSERT INTO schedule_item VALUES ('nightly', ?, '', ?, 1)", (1, first))
    running = become(store, first, S.RUNNING)
    (other,) = queue.add(entries[:1])
    queue.wait_again(running, "tried again")
    with store.read() as db:
        assert db.execute("SELECT batch FROM schedule_item").fetchone()[0] == other


def test_every_state_is_explained(store: Store, queue: Queue) -> None:
    entries = fill(store)
    queue.add(entries)
    become(store, 1, S.RUNNING, S.FAILED)
    become(store, 2, S.RUNNING, S.PAUSED)
    become(store, 3, S.RUNNING, S.FINISHED)
    become(store, 4, S.KILLED)
    queue.add(entries[1:2])
    queue.take_out(["TS_6"])
    queue.retry()
    queue.resume_ended()
    assert explain_states(Log(store).events()) == present(store)


@contextmanager
def too_late() -> Iterator[None]:
    """Pass over what is told because the other one was faster, and nothing else."""
    try:
        yield
    except TomolineError as error:
        faults = error.faults if isinstance(error, Faults) else [error]
        if not {fault.code for fault in faults} <= {"QUEUE-05", "QUEUE-07"}:
            raise


def change_the_queue(folder: Path, seed: int, turns: int) -> None:
    """Do what faces do, in random order."""
    random = Random(seed)
    with Store.open(folder) as store, store.read() as db:
        rows = db.execute("SELECT * FROM data_set ORDER BY place").fetchall()
    entries = [to_data_set(row) for row in rows]
    with Store.open(folder) as store:
        queue = Queue(store)
        actions: list[Callable[[list[DataSetEntry]], object]] = [
            lambda chosen: queue.add(chosen, top=random.random() < 0.5),
            lambda chosen: queue.move([one.name for one in chosen], random.randint(1, FEW)),
            lambda chosen: queue.take_out([one.name for one in chosen]),
            lambda chosen: queue.retry(),
            lambda chosen: queue.resume_ended(),
        ]
        for _ in range(turns):
            with too_late():
                random.choice(actions)(random.sample(entries, random.randint(1, 3)))


def run_the_queue(folder: Path, seed: int, faces: Sequence[Future[None]]) -> None:
    """Do what the runner does, without processes, as long as there are faces and a little more."""
    random = Random(seed)
    with Store.open(folder) as store:
        queue = Queue(store)
        left = 20
        while left:
            left -= all(face.done() for face in faces)
            one = queue.next(time.time(), alone_allowed=True)
            if one is not None:
                with too_late():
                    change_state(store, one, S.RUNNING, "starts")
            running = queue.batches(states=[S.RUNNING])
            if len(running) > 1 or one is None:
                for other in running:
                    how = random.choice([S.FINISHED, S.FAILED, S.KILLED, S.PAUSED, S.WAITING])
                    if how is S.WAITING:
                        queue.wait_again(other, "tried again")
                    else:
                        change_state(store, other, how, "ends")


def test_faces_and_runner_do_not_disturb_each_other(store: Store) -> None:
    fill(store)
    with ThreadPoolExecutor(3) as threads:
        faces = [threads.submit(change_the_queue, store.folder, seed, 40) for seed in (1, 2)]
        runner = threads.submit(run_the_queue, store.folder, 3, faces)
    for job in (*faces, runner):
        job.result()
    events = Log(store).events()
    assert explain_states(events) == present(store)
    assert {"running", "dropped"} <= {event.becomes for event in events}


def test_a_long_queue_is_not_sorted_to_find_the_next(store: Store, queue: Queue) -> None:
    entries = fill(store, 20_000)
    numbers = queue.add(entries)
    assert len(set(numbers)) == len(entries)
    queue.move(["TS_19999"], 10_000)
    assert queue.counts()[S.WAITING] == len(entries)
    assert [one.name for one in queue.batches(limit=3)] == names(0, 1, 2)
    assert line(queue)[9_999] == "TS_19999"
    plans: list[str] = []
    with store.read() as db:
        db.set_trace_callback(plans.append)
        found = queue.next(time.time(), alone_allowed=False)
        db.set_trace_callback(None)
        plan = " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {plans[0]}"))
    assert found is not None
    assert found.name == "TS_0"
    assert "batch_next" in plan
    assert "TEMP B-TREE" not in plan


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add on top", "move", "top", "take out"]),
        st.lists(st.integers(0, FEW - 1), min_size=1, max_size=3, unique=True),
        st.integers(1, FEW + 2),
    ),
    max_size=25,
)


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.create(tmp_path_factory.mktemp("shared") / "night") as one:
        fill(one)
        yield one


def expected(present: list[int], action: str, chosen: Sequence[int], position: int) -> list[int]:
    """Do with a plain list what the queue is to do."""
    if action == "add":
        return present + [one for one in chosen if one not in present]
    rest = [one for one in present if one not in chosen]
    if action == "take out":
        return rest
    if action == "add on top":
        return [*chosen, *rest]
    at = position - 1 if action == "move" else 0
    return [*rest[:at], *chosen, *rest[at:]]


@given(ACTIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_queue_is_as_a_list(
    shared_store: Store, actions: list[tuple[str, list[int], int]]
) -> None:
    queue = Queue(shared_store)
    with shared_store.write() as db:
        db.execute("DELETE FROM batch")
        db.execute("DELETE FROM event")
        entries = [to_data_set(row) for row in db.execute("SELECT * FROM data_set ORDER BY place")]
    known: list[int] = []
    for action, chosen, position in actions:
        all_wait = set(chosen) <= set(known)
        if action.startswith("add"):
            queue.add([entries[one] for one in chosen], top=action == "add on top")
        elif not all_wait:
            with pytest.raises(TomolineError):
                queue.move(names(*chosen), position)
            continue
        elif action == "take out":
            queue.take_out(names(*chosen))
        elif action == "move":
            queue.move(names(*chosen), position)
        else:
            queue.top(names(*chosen))
        known = expected(known, action, chosen, position)
        assert line(queue) == names(*known)
    assert explain_states(Log(shared_store).events()) == present(shared_store)
