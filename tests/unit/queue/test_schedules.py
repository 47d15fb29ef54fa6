"""Schedules: what they may hold, and what their rounds do, on a clock of the tests' own."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tomoline.errors import Faults, TomolineError
from tomoline.queue.model import Batch, BatchState, Event, EventKind
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state, to_event
from tomoline.queue.schedules import Schedules, ScheduleService, ScheduleState
from tomoline.queue.store import Store

S = BatchState
NOW = 1_000_000.0
FIRST = ("setup", "preprocess")
TILT = (
    *("setup", "preprocess", "coarse_align", "prealign", "find_fiducials", "track", "align"),
    *("position", "aligned_stack", "filter_stack", "reconstruct", "trim"),
)


class Night:
    """A project with schedules; what they queue ends as it is told."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.store = project.store
        self.now = NOW
        self.ensured = 0
        self.schedules = Schedules(self.store, ensure=self._ensure, clock=lambda: self.now)
        self.service = ScheduleService(project.folder)

    def _ensure(self, store: Store) -> int:
        self.ensured += 1
        return 1

    def add(self, *names: str) -> None:
        raw = self.project.folder / "raw"
        raw.mkdir(exist_ok=True)
        for name in names:
            (raw / f"{name}.mrc").touch()
        self.project.data_sets.add([raw / f"{name}.mrc" for name in names])

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and have the service look until nothing more happens."""
        self.now += seconds
        before = None
        while before != self.state():
            before = self.state()
            self.service.turn(self.now)

    def state(self) -> object:
        with self.store.read() as db:
            rows = db.execute("SELECT * FROM schedule").fetchall()
        return [tuple(row) for row in rows], len(self.events())

    def waiting(self) -> list[Batch]:
        return self.project.queue.batches(states=(S.WAITING,))

    def names(self) -> list[str]:
        return [one.name for one in self.waiting()]

    def run(self, *, fail: Sequence[str] = (), kill: Sequence[str] = ()) -> list[str]:
        """Run all that waits, and return what was run."""
        done = []
        for one in self.waiting():
            self.end(one, S.FAILED if one.name in fail else S.KILLED if one.name in kill else None)
            done.append(one.name)
        return done

    def end(self, one: Batch, state: BatchState | None = None) -> None:
        change_state(self.store, one, S.RUNNING, "started")
        running = batch(self.store, one.id)
        assert running is not None
        if state is None:
            self.record(one.name, one.only.split(",") if one.only else TILT)
        change_state(self.store, running, state or S.FINISHED, "ended")

    def record(
        self, root: str, steps: Sequence[str], parameters: Mapping[str, Any] | None = None
    ) -> None:
        """Write, or add to, the record of a data set as if these steps had finished."""
        folder = self.project.folder / root
        path = folder / f"{root}.tomoline.json"
        folder.mkdir(exist_ok=True)
        known = json.loads(path.read_text())["steps"] if path.exists() else []
        kept = [one for one in known if one["name"] not in steps]
        new = [
            {
                "name": step,
                "state": "finished",
                "number": TILT.index(step),
                "seconds": 1.0,
                "fingerprint": os.urandom(4).hex(),
                "values": {"some": 1},
                "parameters": (parameters or {}).get(step, {}),
            }
            for step in steps
        ]
        document = {"schema": 1, "root": root, "recipe": "tilt", "steps": kept + new}
        path.write_text(json.dumps(document))

    def events(self) -> list[Event]:
        with self.store.read() as db:
            rows = db.execute("SELECT * FROM event WHERE kind = ? ORDER BY id", ("schedule",))
            return [to_event(row) for row in rows]

    def told(self) -> list[str]:
        return [one.message for one in self.events()]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    with Project.create(tmp_path / "night") as project:
        made = Night(project)
        yield made
        made.service.close()


def refused(night: Night, steps: str, **others: Any) -> list[str]:
    given = {"times": 2, "every_s": 60.0} | others
    with pytest.raises(TomolineError) as caught:
        night.schedules.new("one", steps.split(","), **given)
    assert night.schedules.all() == []
    faults = caught.value.faults if isinstance(caught.value, Faults) else [caught.value]
    return [f"{one.code} {one.found}" for one in faults]


# ---------------------------------------------------------------- what a schedule may hold


def test_a_schedule_can_be_made_before_there_is_any_data(night: Night) -> None:
    made = night.schedules.new(
        "one", ["import", "setup", "preprocess", "values"], times=3, every_s=600.0
    )
    assert (made.recipe, made.steps) == ("tilt", ("import", "setup", "preprocess", "values"))
    assert (made.times, made.every_s, made.needs) == (3, 600.0, ())
    assert (made.state, made.round, made.due) == (ScheduleState.PREPARED, 0, None)
    with Project.open(night.project.folder) as again:
        assert again.schedules.get("one") == made


def test_steps_may_be_numbers_and_tell_the_recipe(night: Night) -> None:
    assert night.schedules.new("one", ["0", "1", "2"], times=1, every_s=0, recipe="tilt").steps == (
        *FIRST,
        "coarse_align",
    )
    assert night.schedules.new("two", ["scan", "flats"], times=1, every_s=0).recipe == "scan"


@pytest.mark.parametrize(
    ("steps", "others", "found"),
    [
        ("setup,preproces", {}, ["PARAM-05 no schedule has such a step. Did you mean preprocess?"]),
        ("setpu,valeus", {}, ["Did you mean setup?", "Did you mean values?"]),
        ("setup,flats", {}, ["PARAM-05"]),
        ("", {}, ["PARAM-05 it names no step."]),
        ("setup", {"recipe": "titl"}, ["PARAM-06 there is no recipe 'titl'"]),
        ("scan", {"recipe": "tilt"}, ["PARAM-05"]),
        ("preprocess,setup", {}, ["SCHED-04 setup comes after preprocess."]),
        ("setup,setup", {}, ["SCHED-04 setup comes twice."]),
        ("setup,import", {}, ["SCHED-04 import comes once, and first."]),
        ("values,setup", {}, ["SCHED-04 values comes once, and last."]),
        ("values,values", {}, ["SCHED-04 values comes once, and last."]),
        ("preprocess", {}, ["SCHED-03 preprocess reads raw_stack, which setup writes"]),
        ("setup,prealign", {}, ["preprocess", "coarse_align"]),
        ("trim", {}, ["SCHED-03 trim reads full_tomogram, which reconstruct writes"]),
        ("setup", {"times": 0}, ["SCHED-05 0 is less than 1."]),
        ("setup", {"every_s": -60.0}, ["SCHED-05 -1 is no time."]),
        ("setup", {"every_s": float("nan")}, ["SCHED-05"]),
        ("setup", {"every_s": float("inf")}, ["SCHED-05"]),
        ("setup", {"every_s": 6e13}, ["SCHED-05 1e+12 minutes are more than 10 years."]),
        ("setup", {"times": 10**30}, ["SCHED-05"]),
    ],
)
def test_what_is_refused(
    night: Night, steps: str, others: Mapping[str, Any], found: Sequence[str]
) -> None:
    faults = refused(night, steps, **others)
    assert len(faults) == len(found)
    for fault, text in zip(faults, found, strict=True):
        assert text in fault


@pytest.mark.parametrize("name", ["", "a b", "a,b", "a\n", "../x"])
def test_names_that_cannot_be(night: Night, name: str) -> None:
    with pytest.raises(TomolineError) as caught:
        night.schedules.new(name, ["setup"], times=1, every_s=0)
    assert caught.value.code == "SCHED-07"


def test_two_of_one_name(night: Night) -> None:
    night.schedules.new("one", ["setup"], times=1, every_s=0)
    with pytest.raises(TomolineError) as caught:
        night.schedules.new("one", ["setup"], times=1, every_s=0)
    assert caught.value.code == "SCHED-01"


def test_what_others_are_going_to_write_is_input(night: Night) -> None:
    assert "SCHED-03" in refused(night, "coarse_align")[0]
    night.schedules.new("early", FIRST, times=1, every_s=0)
    made = night.schedules.new("late", ["coarse_align"], times=1, every_s=0)
    assert made.needs == ("preprocess",)


def test_what_the_queue_is_going_to_write_is_input(night: Night) -> None:
    night.add("TS_1")
    night.project.queue.add(night.project.data_sets.entries(), last="preprocess")
    assert "SCHED-03" in refused(night, "prealign")[0]
    assert night.schedules.new("late", ["coarse_align"], times=1, every_s=0)


def test_what_a_watched_folder_is_going_to_bring_is_input(night: Night, tmp_path: Path) -> None:
    night.project.watches.add(tmp_path, "tilt", last="preprocess")
    assert "SCHED-03" in refused(night, "prealign")[0]
    assert night.schedules.new("late", ["coarse_align"], times=1, every_s=0)


def test_what_has_been_written_is_input(night: Night) -> None:
    night.add("TS_1")
    night.record("TS_1", FIRST)
    assert "SCHED-03" in refused(night, "prealign")[0]
    assert night.schedules.new("late", ["coarse_align"], times=1, every_s=0)


def test_projections_that_are_made_again_need_not_be_there(night: Night) -> None:
    night.schedules.new("first", ["scan", "flats", "register"], times=1, every_s=0)
    made = night.schedules.new("late", ["axis"], times=1, every_s=0)
    assert made.needs == ("scan", "flats")  # `retrieve` is run again with it


# ---------------------------------------------------------------- start, stop, remove


def test_start_and_stop(night: Night) -> None:
    night.schedules.new("one", FIRST, times=2, every_s=60)
    assert not night.service.busy()
    assert night.schedules.start("one").state is ScheduleState.RUNNING
    assert night.ensured == 1
    assert night.service.busy()
    with pytest.raises(TomolineError, match="SCHED-06"):
        night.schedules.start("one")
    with pytest.raises(TomolineError, match="schedule stop one"):
        night.schedules.remove("one")
    assert night.schedules.stop("one").state is ScheduleState.STOPPED
    assert not night.service.busy()
    with pytest.raises(TomolineError, match="SCHED-06"):
        night.schedules.stop("one")
    night.schedules.remove("one")
    with pytest.raises(TomolineError, match="SCHED-02"):
        night.schedules.start("one")
    assert night.schedules.all() == []


# ---------------------------------------------------------------- rounds


def start(night: Night, steps: Sequence[str] = FIRST, times: int = 3, every_s: float = 600) -> None:
    night.schedules.new("one", steps, times=times, every_s=every_s)
    night.schedules.start("one")
    night.turn()


def test_rounds_take_what_is_new_and_keep_their_distance(night: Night) -> None:
    night.add("TS_1", "TS_2")
    start(night)
    assert [(one.name, one.only, one.origin) for one in night.waiting()] == [
        ("TS_1", "setup,preprocess", "schedule one"),
        ("TS_2", "setup,preprocess", "schedule one"),
    ]
    assert night.project.control.status().wanted == "running"
    night.turn(30)
    night.run()
    night.turn(10)
    night.add("TS_3")
    night.turn(559)
    assert night.names() == []
    night.turn(1)
    assert night.run() == ["TS_3"]
    night.turn(1)
    assert night.schedules.get("one").due == NOW + 1200
    night.turn(1000)
    assert not night.service.busy()
    assert night.schedules.get("one").state is ScheduleState.FINISHED
    assert night.told() == [
        "one: made: setup, preprocess, 3 times, at least 10 minutes apart",
        "one: started",
        "one: round 1 of 3 begins",
        "one: round 1 of 3: 2 queued",
        "one: round 1 of 3 has ended: 2 finished",
        "one: round 2 of 3 begins",
        "one: round 2 of 3: 1 queued",
        "one: round 2 of 3 has ended: 1 finished",
        "one: round 3 of 3 begins",
        "one: round 3 of 3: 0 queued",
        "one: round 3 of 3 has ended: nothing new",
        "one: has run its 3 rounds",
    ]


def test_a_long_round_is_followed_at_once_by_the_next(night: Night) -> None:
    night.add("TS_1")
    start(night)
    night.add("TS_2")
    night.turn(5000)
    assert night.names() == ["TS_1"]
    assert night.schedules.get("one").round == 1
    night.run()
    night.turn(1)
    assert night.schedules.get("one").round == 2
    assert night.names() == ["TS_2"]


def test_a_finished_schedule_begins_again(night: Night) -> None:
    night.add("TS_1")
    start(night, times=1)
    night.run()
    night.turn()
    assert night.schedules.get("one").state is ScheduleState.FINISHED
    night.add("TS_2")
    night.schedules.start("one")
    night.turn()
    assert night.names() == ["TS_2"]
    assert night.schedules.get("one").round == 1


@pytest.mark.parametrize(
    ("times", "minutes", "made", "ended"),
    [
        (1, 5, "once", "has run its 1 round"),
        (2, 0, "2 times", "has run its 2 rounds"),
        (2, 1, "2 times, at least 1 minute apart", "has run its 2 rounds"),
        (2, 1.5, "2 times, at least 1.5 minutes apart", "has run its 2 rounds"),
    ],
)
def test_its_numbers_are_told_with_their_nouns(
    night: Night, times: int, minutes: float, made: str, ended: str
) -> None:
    night.schedules.new("one", FIRST, times=times, every_s=60 * minutes)
    night.schedules.start("one")
    for _ in range(times):
        night.turn(60 * minutes)
    assert night.told()[0] == f"one: made: setup, preprocess, {made}"
    assert night.told()[-1] == f"one: {ended}"


def test_a_stopped_schedule_goes_on_where_it_was(night: Night) -> None:
    night.add("TS_1")
    start(night)
    night.schedules.stop("one")
    night.run()
    night.turn(5000)
    assert night.schedules.get("one").round == 1
    night.add("TS_2")
    night.turn()
    night.schedules.start("one")
    night.turn()
    assert night.schedules.get("one").round == 2
    assert night.names() == ["TS_2"]


def test_what_waits_already_or_is_not_flagged_is_left_alone(night: Night) -> None:
    night.add("TS_1", "TS_2", "TS_3")
    night.project.data_sets.set_run(["TS_3"], False)
    night.project.queue.add([night.project.data_sets.entry("TS_1")], last="align")
    start(night)
    assert [(one.name, one.last, one.only) for one in night.waiting()] == [
        ("TS_1", "align", ""),
        ("TS_2", "", "setup,preprocess"),
    ]
    assert night.told()[-1].endswith("1 queued; 1 in the queue already")


def test_other_recipes_are_left_alone(night: Night, tmp_path: Path) -> None:
    (tmp_path / "scan.h5").touch()
    night.project.data_sets.add([tmp_path / "scan.h5"])
    night.add("TS_1")
    start(night)
    assert night.names() == ["TS_1"]


def test_later_steps_wait_for_earlier_ones(night: Night) -> None:
    night.add("TS_1", "TS_2")
    night.record("TS_1", FIRST)
    start(night, ["coarse_align"])
    assert night.run() == ["TS_1"]
    assert night.told()[-1].endswith("1 queued; 1 without preprocess")
    night.record("TS_2", FIRST)
    night.turn(600)
    assert night.run() == ["TS_2"]


def test_newer_results_of_earlier_steps_are_taken_again(night: Night) -> None:
    night.add("TS_1", "TS_2")
    for name in ("TS_1", "TS_2"):
        night.record(name, FIRST)
    start(night, ["coarse_align"])
    night.run()
    night.record("TS_2", ["preprocess"])
    night.turn(600)
    assert night.run() == ["TS_2"]
    night.turn(600)
    assert night.names() == []


@pytest.mark.parametrize("layer", ["project", "data set"])
def test_changed_parameters_are_taken_again(night: Night, layer: str) -> None:
    night.add("TS_1")
    start(night, times=9)
    night.run()

    def change(key: str, value: object) -> list[str]:
        values = {key: (value, "test")}
        if layer == "project":
            night.project.layers.update(values)
        else:
            night.project.data_sets.set(["TS_1"], values)
        night.turn(600)
        return night.run()

    assert change("trim.bytes", True) == []  # which is not of these steps
    assert change("preprocess.max_radius_px", 3.0) == ["TS_1"]
    assert change("preprocess.max_radius_px", 3.0) == []
    assert change("preprocess.max_radius_px", 4.0) == ["TS_1"]


def test_a_replaced_acquisition_is_taken_again(night: Night) -> None:
    night.add("TS_1")
    start(night, times=9)
    night.run()
    source = night.project.folder / "raw" / "TS_1.mrc"
    source.rename(source.with_suffix(".away"))
    night.turn(600)
    assert night.run() == []  # a disk that is away is no reason
    source.with_suffix(".away").rename(source)
    night.turn(600)
    assert night.run() == []
    source.write_bytes(b"another one")
    night.turn(600)
    assert night.run() == ["TS_1"]


def test_deleted_results_are_made_again(night: Night) -> None:
    night.add("TS_1")
    start(night)
    night.run()
    (night.project.folder / "TS_1" / "TS_1.tomoline.json").unlink()
    night.turn(600)
    assert night.run() == ["TS_1"]


def test_what_failed_is_left_until_something_changes(night: Night) -> None:
    night.add("TS_1", "TS_2")
    start(night, times=9)
    night.run(fail=["TS_1"], kill=["TS_2"])
    with night.store.write() as db:
        db.execute("UPDATE run SET wanted = 'running'")
    night.turn(600)
    assert night.names() == []
    assert "2 failed before ('tomoline retry' runs them again)" in night.told()[-2]
    night.project.data_sets.set(["TS_1"], {"setup.gold_diameter_nm": (10.0, "test")})
    night.turn(600)
    assert night.run() == ["TS_1"]
    night.turn(600)
    assert night.names() == []


@pytest.mark.parametrize("steps", [FIRST, ("find_fiducials", "track")], ids=["first", "later"])
def test_a_new_data_set_does_not_bring_back_one_that_failed(
    night: Night, steps: Sequence[str]
) -> None:
    before = () if steps is FIRST else TILT[:4]
    night.add("TS_1", "TS_2")
    for name in ("TS_1", "TS_2"):
        night.record(name, before)
    start(night, steps, times=9)
    assert night.run(fail=["TS_1"]) == ["TS_1", "TS_2"]
    night.record("TS_1", steps[:1])  # it got so far
    for name in ("TS_3", "TS_4"):
        night.add(name)
        night.record(name, before)
        night.turn(600)
        assert night.run() == [name]
        assert "1 failed before" in "".join(night.told()[-3:])


def test_one_that_failed_in_a_batch_of_somebody_else_is_tried_once(night: Night) -> None:
    night.add("TS_1")
    night.project.queue.add(night.project.data_sets.entries())
    night.run(fail=["TS_1"])
    start(night)
    assert night.run(fail=["TS_1"]) == ["TS_1"]
    night.turn(600)
    assert night.names() == []


def test_a_retry_belongs_to_the_round(night: Night) -> None:
    night.add("TS_1", "TS_2")
    start(night)
    first, second = night.waiting()
    night.end(first, S.FAILED)
    night.project.queue.retry()
    night.end(second)
    night.turn()
    assert night.schedules.live(night.schedules.get("one")) == 1
    night.run()
    night.turn()
    assert night.told()[-1] == "one: round 1 of 3 has ended: 2 finished"


def test_what_was_done_before_is_not_done_again(night: Night) -> None:
    night.add("TS_1", "TS_2", "TS_3")
    values = {"preprocess.max_radius_px": (3.0, "test")}
    night.project.data_sets.set(["TS_2", "TS_3"], values)
    night.record("TS_1", TILT)
    night.record("TS_2", TILT, {"preprocess": {"max_radius_px": 3}})
    night.record("TS_3", TILT, {"preprocess": {"max_radius_px": 2.1}})
    start(night)
    assert night.run() == ["TS_3"]
    night.turn(600)
    assert night.run() == []
    night.project.data_sets.set(["TS_1"], values)
    night.turn(600)
    assert night.run() == ["TS_1"]


def test_what_was_taken_out_comes_again_and_the_flag_keeps_it_out(night: Night) -> None:
    night.add("TS_1", "TS_2")
    start(night)
    night.project.queue.take_out(["TS_1", "TS_2"])
    night.project.data_sets.set_run(["TS_2"], False)
    night.turn(600)
    assert night.names() == ["TS_1"]


def test_both_axes_must_have_finished(night: Night) -> None:
    night.add("TSa", "TSb")
    start(night, times=9)
    assert night.names() == ["TS"]
    [one] = night.waiting()
    assert night.project.data_sets.entry("TS").roots == ("TSa", "TSb")
    folder = night.project.data_sets.entry("TS").folder
    change_state(night.store, one, S.RUNNING, "started")
    running = batch(night.store, one.id)
    assert running is not None
    change_state(night.store, running, S.FINISHED, "ended")
    night.record("TSa", FIRST)
    folder.mkdir(exist_ok=True)
    (night.project.folder / "TSa/TSa.tomoline.json").rename(folder / "TSa.tomoline.json")
    night.turn(600)
    assert night.names() == ["TS"]  # axis b has no record


# ---------------------------------------------------------------- steps of the whole project


def test_values_are_written_at_the_end_of_each_round(night: Night) -> None:
    night.add("TS_1")
    start(night, [*FIRST, "values"])
    path = night.project.folder / "values.csv"
    assert not path.exists()
    night.run()
    night.turn()
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["data_set"] for row in rows] == ["TS_1"]
    assert rows[0]["setup.some"] == "1"
    night.add("Zähler, 2")
    night.turn(600)
    night.run()
    night.turn()
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert [row["data_set"] for row in rows] == ["TS_1", "Zähler, 2"]


def test_values_alone_are_a_schedule(night: Night) -> None:
    night.add("TS_1")
    start(night, ["values"], times=2)
    path = night.project.folder / "values.csv"
    assert path.exists()
    assert night.names() == []
    path.unlink()
    night.turn(600)
    assert path.exists()
    assert night.schedules.get("one").state is ScheduleState.FINISHED


def test_a_table_that_cannot_be_written_does_not_stop_the_rounds(night: Night) -> None:
    (night.project.folder / "values.csv").mkdir()
    start(night, ["values"], times=2)
    [event] = [one for one in night.events() if one.code]
    assert (event.code, event.level) == ("SCHED-08", "warning")
    assert "values.csv" in event.message
    night.turn(600)
    assert night.schedules.get("one").state is ScheduleState.FINISHED


def test_import_looks_at_the_watched_folders_first(night: Night, tmp_path: Path) -> None:
    from tomoline.files import mrc  # noqa: F401  (a watched stack is looked into)

    watched = tmp_path / "microscope"
    watched.mkdir()
    night.project.watches.add(watched, "tilt")
    looked = night.project.watches.all()[0].looked
    start(night, ["import", *FIRST])
    assert night.project.watches.all()[0].looked > looked
    night.run()
    assert night.schedules.get("one").round == 1


# ---------------------------------------------------------------- kill, pause, death, clocks


def test_killing_the_run_stops_the_schedule(night: Night) -> None:
    night.add("TS_1", "TS_2")
    start(night)
    first, _ = night.waiting()
    with night.store.write() as db:  # as a kill without names does
        db.execute("UPDATE run SET wanted = 'stopped'")
    night.end(first, S.KILLED)
    night.turn()
    assert night.schedules.get("one").state is ScheduleState.STOPPED
    assert night.told()[-1] == "one: stopped, since round 1 of 3 was killed"
    night.turn(5000)
    assert night.names() == ["TS_2"]
    night.schedules.start("one")
    night.turn()
    assert night.project.control.status().wanted == "running"
    assert night.schedules.get("one").state is ScheduleState.RUNNING
    assert night.told()[-1] == "one: started, goes on with round 1 of 3"
    night.run()
    night.turn()
    assert "round 1 of 3 has ended: 1 finished, 1 killed" in " ".join(night.told())


def test_killing_one_data_set_does_not_stop_it(night: Night) -> None:
    night.add("TS_1", "TS_2")
    start(night)
    night.run(kill=["TS_1"])
    night.turn(600)
    assert night.schedules.get("one").round == 2


def test_a_pause_stays_a_pause(night: Night) -> None:
    with night.store.write() as db:
        db.execute("UPDATE run SET wanted = 'paused'")
    night.add("TS_1")
    start(night)
    assert night.names() == ["TS_1"]
    assert night.project.control.status().wanted == "paused"
    night.turn(5000)
    assert night.schedules.get("one").round == 1


@pytest.mark.parametrize("where", ["_import", "_queue", "_write_values"])
def test_a_round_that_death_cut_is_taken_up(
    night: Night, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    night.add("TS_1")
    steps = ["import", *FIRST, "values"]
    night.schedules.new("one", steps, times=2, every_s=600)
    night.schedules.start("one")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ScheduleService, where, die)
        if where == "_write_values":
            night.service.turn(night.now)
        night.run()
        with pytest.raises(KeyboardInterrupt):
            night.service.turn(night.now)
    night.service.close()
    night.service = ScheduleService(night.project.folder)
    night.turn(1)
    night.run()
    night.turn()
    assert (night.project.folder / "values.csv").exists()
    assert night.schedules.get("one").round == 1
    assert not night.schedules.get("one").open
    [one] = night.project.queue.batches()
    assert (one.attempt, one.state) == (0, S.FINISHED)
    told = night.told()
    assert told.count("one: round 1 of 2 begins") == 1
    assert told.count("one: round 1 of 2 has ended: 1 finished") == 1


@pytest.mark.parametrize("jump", [-1.0, -599.0, -1e5, -1e9])
def test_a_clock_that_is_set_back_hangs_nothing(night: Night, jump: float) -> None:
    start(night, ["values"], times=3)
    night.now = NOW + jump
    for _ in range(3):
        night.turn(600)
    assert night.schedules.get("one").state is ScheduleState.FINISHED


def test_a_clock_that_is_set_forward_begins_one_round(night: Night) -> None:
    night.add("TS_1")
    start(night, times=5)
    night.turn(1e8)
    night.run()
    night.turn()
    assert night.schedules.get("one").round == 2


def test_stopping_in_the_instant_of_a_round_begins_none(night: Night) -> None:
    night.add("TS_1")
    night.schedules.new("one", ["import", *FIRST], times=2, every_s=600)
    night.schedules.start("one")
    real = ScheduleService._import

    def stop(service: ScheduleService, *given: Any) -> None:
        real(service, *given)
        night.schedules.stop("one")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScheduleService, "_import", stop)
        night.turn()
    assert night.names() == []
    night.schedules.start("one")
    night.turn()
    assert night.names() == ["TS_1"]
    assert night.schedules.get("one").round == 1


def test_what_is_queued_or_removed_in_the_meantime_is_not_taken(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tomoline.queue import schedule_rounds

    night.add("TS_1", "TS_2", "TS_3")
    real = schedule_rounds.take

    def take(*given: Any) -> Any:
        taken = real(*given)
        night.project.queue.add([night.project.data_sets.entry("TS_1")])
        night.project.data_sets.remove(["TS_2"])
        return taken

    monkeypatch.setattr(schedule_rounds, "take", take)
    start(night)
    assert [(one.name, one.only) for one in night.waiting()] == [
        ("TS_1", ""),
        ("TS_3", "setup,preprocess"),
    ]


def test_two_schedules_share_a_night(night: Night) -> None:
    night.add("TS_1")
    night.schedules.new("early", FIRST, times=2, every_s=60)
    night.schedules.new("late", ["coarse_align"], times=2, every_s=60)
    night.schedules.start("early")
    night.schedules.start("late")
    night.turn()
    assert [one.origin for one in night.waiting()] == ["schedule early"]
    night.run()
    night.turn(60)
    assert [one.origin for one in night.waiting()] == ["schedule late"]
    night.run()
    night.turn(60)
    assert not night.service.busy()


def test_thousands_of_finished_data_sets_are_not_queued_in_every_round(night: Night) -> None:
    import time

    names = [f"TS_{number:04}" for number in range(2000)]
    night.add(*names)
    for name in names:
        night.record(name, FIRST)
    start(night)
    assert night.names() == []
    began = time.process_time()
    night.turn(600)
    assert time.process_time() - began < 2.0
    assert night.names() == []


def test_events_of_a_schedule_are_of_that_kind(night: Night) -> None:
    start(night)
    assert {one.kind for one in night.events()} == {EventKind.SCHEDULE}


# ---------------------------------------------------------------- what is easily overlooked


def test_a_schedule_whose_runner_died_between_its_last_round_and_its_end_ends(night: Night) -> None:
    start(night, times=2)
    with night.store.write() as db:
        db.execute("UPDATE schedule SET round = 2, busy = 0")
    night.turn(600)
    assert night.schedules.get("one").state is ScheduleState.FINISHED
    assert night.schedules.get("one").round == 2


def test_a_run_flag_that_is_cleared_in_the_meantime_holds(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tomoline.queue.schedule_marks import take as real

    night.add("TS_1", "TS_2")

    def take(*given: Any) -> Any:
        taken = real(*given)
        night.project.data_sets.set_run(["TS_1"], False)
        return taken

    monkeypatch.setattr("tomoline.queue.schedule_rounds.take", take)
    start(night)
    assert night.names() == ["TS_2"]


def test_an_acquisition_that_is_replaced_by_one_of_the_same_size_is_taken_again(
    night: Night,
) -> None:
    night.add("TS_1")
    start(night, times=9)
    assert night.run() == ["TS_1"]
    os.utime(night.project.folder / "raw" / "TS_1.mrc", (NOW, NOW))
    night.turn(600)
    assert night.run() == ["TS_1"]


def test_changed_parameters_of_axis_b_are_taken_again(night: Night) -> None:
    night.add("TSa", "TSb")
    folder = night.project.data_sets.entry("TS").folder
    start(night, times=9)
    assert night.run() == ["TS"]
    for root in ("TSa", "TSb"):  # each axis has a record of its own
        night.record(root, FIRST)
        path = night.project.folder / root / f"{root}.tomoline.json"
        path.rename(folder / path.name)
    night.turn(600)
    assert night.run() == []
    values = {"preprocess.max_radius_px": (3.0, "test")}
    night.project.data_sets.set(["TS"], values, axis="b")
    night.turn(600)
    assert night.run() == ["TS"]
