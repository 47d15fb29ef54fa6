"""What a run of a project looks like on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tomoline.cli._project_run import print_plans, refuse
from tomoline.cli._run_lines import counts_text, lines_of, processor_lines, status_lines
from tomoline.errors import TomolineError
from tomoline.queue.control import Control, Started
from tomoline.queue.model import BatchState, RunState
from tomoline.queue.project import Project
from tomoline.queue.rehearsal import Rehearsed
from tomoline.queue.rows import batch, change_state
from tomoline.queue.status import Status, read_status

S = BatchState


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with a batch that runs, one that failed, and one that was killed."""
    names = ("one", "two", "three")
    for name in names:
        (tmp_path / f"{name}.mrc").touch()
    with Project.create(tmp_path / "night") as opened:
        opened.data_sets.add([tmp_path / f"{name}.mrc" for name in names])
        control = Control(opened.store, ensure=lambda store: 1, alive=lambda store: 1)
        control.start(processors=2)
        for processor, one in enumerate(opened.queue.batches(), 1):
            change_state(opened.store, one, S.RUNNING, "begins", processor=processor, started=100.0)
        with opened.store.write() as db:
            db.execute(
                "UPDATE batch SET step = 'align', label = 'solving', done = 1, total = 4"
                " WHERE processor = 2"
            )
        one, _, three = opened.queue.batches()
        change_state(
            opened.store,
            one,
            S.FAILED,
            "FILE-03 ...",
            level="error",
            code="FILE-03",
            when=112.5,
            at="/raw/one.mrc",
            found="it is cut short.",
            remedy="Copy it again.",
        )
        change_state(opened.store, three, S.KILLED, "killed", when=175.0)
        yield opened


def status_of(project: Project, runner: int | None = 7) -> Status:
    return read_status(project.store, runner, now=160.0)


def test_status_tells_processors_failures_and_what_to_do(project: Project) -> None:
    text = "\n".join(status_lines(status_of(project)))
    assert "processors: 2" in text
    assert "1 running, 1 failed, 1 killed" in text
    assert "\nP1  free\nP2  two" in text
    assert "failed    one  FILE-03: /raw/one.mrc: it is cut short." in text
    assert "remedy: Copy it again." in text
    assert "tomoline retry" in text
    assert "tomoline resume" not in text  # it goes on with all of it


def test_what_may_still_come_is_told(project: Project, tmp_path: Path) -> None:
    assert "watched" not in "\n".join(status_lines(status_of(project)))
    with project.store.write() as db:
        db.execute(
            "INSERT INTO watch (folder, recipe, began) VALUES (?, 'tilt', 0)", (str(tmp_path),)
        )
    assert "1 killed; 1 watched folder" in "\n".join(status_lines(status_of(project)))


def test_what_is_to_be_tried_again_is_told_with_the_reason(project: Project) -> None:
    (one,) = project.queue.batches(states=(S.RUNNING,))
    assert "tried again at" not in "\n".join(status_lines(status_of(project)))
    project.queue.wait_again(
        one, "tried again", code="RUN-06", not_before=170.0, at="/out/two", found="it is held."
    )
    with project.store.write() as db:  # as the runner does
        db.execute("UPDATE batch SET code = 'RUN-06' WHERE id = ?", (one.id,))
    assert (
        "waiting   two  tried again at 1970-01-01 00:02:50 UTC, in 10 s, after RUN-06 /out/two: "
        "it is held." in list(status_lines(status_of(project)))
    )


def test_what_is_tried_again_is_told_with_the_reason_when_it_happens(project: Project) -> None:
    (one,) = project.queue.batches(states=(S.RUNNING,))
    said = "tried again in 10 s (QUEUE-10), after RUN-06 /out/two: it is held."
    project.queue.wait_again(one, said, level="warning", code="QUEUE-10", not_before=170.0)
    (event,) = project.log.events(batch=one.id, level="warning")
    assert list(lines_of(event, project, plain=False)) == [f"waiting   two  {said}"]


def test_a_data_set_counts_once_however_often_it_was_run(project: Project) -> None:
    (one,) = project.queue.batches(states=(S.RUNNING,))
    for _ in range(3):
        project.queue.add(project.data_sets.entries(["one"]))
        (waiting,) = project.queue.batches(states=(S.WAITING,))
        change_state(project.store, waiting, S.RUNNING, "begins", processor=1, started=100.0)
        (again,) = project.queue.batches(states=(S.RUNNING,), patterns=["one"])
        change_state(project.store, again, S.FINISHED, "finished", when=120.0)
    status = status_of(project)
    assert status.counts["finished"] == 3
    assert status.sets == {"running": 1, "finished": 1, "killed": 1}
    # One that is queued behind itself still runs.
    project.queue.add(project.data_sets.entries(["two"]))
    assert one.name == "two"
    assert status_of(project).sets == status.sets
    assert "3 data sets: 1 running, 1 finished, 1 killed" in "\n".join(status_lines(status))


def test_a_run_that_is_over_is_told_with_its_time(tmp_path: Path) -> None:
    (tmp_path / "one.mrc").touch()
    with Project.create(tmp_path / "night") as project:

        def told() -> list[str]:
            return list(status_lines(read_status(project.store, None, now=7400.0)))

        assert told()[2] == "no data sets yet"
        assert told()[-1] == "'tomoline project add PATH' adds data sets."
        project.data_sets.add([tmp_path / "one.mrc"])
        assert told()[1:3] == ["stopped, no runner", "1 data set: 1 not queued"]
        assert "tomoline run PROJECT" in told()[-1]
        project.queue.add(project.data_sets.entries())
        assert told()[1] == "stopped, no runner"
        assert told()[-1] == "'tomoline resume' goes on with what waits."
        (one,) = project.queue.batches()
        change_state(project.store, one, S.RUNNING, "begins", processor=1, started=100.0)
        (one,) = project.queue.batches()
        change_state(project.store, one, S.FINISHED, "finished", when=200.0)
        assert told()[1] == "all done, no runner, since 1970-01-01 00:03:20 UTC (2 h 0 min ago)"
        assert "resume" not in told()[-1]
        # What is watched, or a schedule, keeps the runner.
        status = replace(read_status(project.store, 7, now=7400.0), began=7000.0, host="pc")
        text = "idle, runner 7 on pc, since 1970-01-01 01:56:40 UTC (7 min)"
        assert list(status_lines(status))[1] == text


def test_a_remedy_of_several_failures_is_told_once(project: Project) -> None:
    (failed,) = status_of(project).failed
    other = replace(failed, name="other", remedy="Look again.")
    status = replace(status_of(project), failed=[failed, replace(failed, name="same"), other])
    lines = [one for one in status_lines(status) if one.startswith(("failed ", "     "))]
    assert [line.split()[1] for line in lines] == ["one", "same", "Copy", "other", "Look"]
    many = [replace(failed, name=f"TS_{number}") for number in range(20)]
    lines = list(status_lines(replace(status, failed=[*many[:5], other, *many[5:]])))
    assert [line.split()[1] for line in lines if line.startswith("failed ")] == [
        *("TS_0", "TS_1", "TS_2"),
        "other",
    ]
    assert sum("Copy" in line for line in lines) == 1
    told = "FILE-03 also: TS_3, TS_4, TS_5, TS_6, TS_7, TS_8, TS_9, TS_10 and 9 more"
    assert told in "\n".join(lines)


def test_a_long_name_leaves_room_for_the_rest(project: Project) -> None:
    status = status_of(project)
    status.running[0] = replace(status.running[0], name="grid_3_" * 20 + "TS_07")
    _, wide = processor_lines(status)
    _, narrow = processor_lines(status, 80)
    for line, bar in ((wide, "[#####...............]"), (narrow, "[##........]")):
        assert line.startswith("P2  grid")
        assert "TS_07 align" in line
        assert bar in line


def test_many_free_processors_have_one_line(project: Project) -> None:
    status = status_of(project)
    for number, lines in ((5, 5), (64, 2)):
        status = replace(status, plan=replace(status.plan, processors=number))
        told = list(processor_lines(status))
        assert len(told) == lines
        assert sum("two" in line for line in told) == 1
    assert told[-1] == "63 processors are free"


def test_a_busy_processor_has_a_bar(project: Project) -> None:
    _, line = processor_lines(status_of(project))
    assert "align" in line
    assert "[#####...............]  25%" in line
    assert line.endswith("solving")
    assert len(next(iter(list(processor_lines(status_of(project), 40))[1:]))) <= 40


def test_time_that_is_left(project: Project) -> None:
    (one,) = project.queue.batches(states=(S.RUNNING,))
    assert status_of(project).left_s is None  # nothing has finished yet
    change_state(project.store, one, S.FINISHED, "finished", when=120.0)  # after 20 s
    project.queue.add(project.data_sets.entries())
    status = status_of(project)
    assert status.left_s == 30.0  # three of 20 s, two at a time
    assert counts_text(status) == "3 waiting; about 30 s left"
    for changed in ({"left_s": 0.4}, {"wanted": RunState.PAUSED}):
        assert counts_text(replace(status, **changed)) == "3 waiting"


def test_events_that_are_told_and_those_that_are_not(project: Project) -> None:
    def told(*, plain: bool) -> list[str]:
        events = project.log.events()
        return [line for event in events for line in lines_of(event, project, plain=plain)]

    assert told(plain=False) == [
        "failed    one  FILE-03: /raw/one.mrc: it is cut short.",
        "          remedy: Copy it again.",
        "killed    three  1 min 15 s",
    ]
    assert "starts    two" in told(plain=True)


def test_an_ending_that_is_past_is_told_from_the_log(project: Project) -> None:
    (event,) = project.log.events(level="error")
    one = batch(project.store, event.batch or 0)
    assert one is not None
    change_state(project.store, one, S.WAITING, "to be tried again")
    assert list(lines_of(event, project, plain=False)) == ["failed    one  FILE-03 ..."]


def test_plans_that_are_the_same_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    steps = [(6.0, "align", "run", "not run yet")]
    plans = [Rehearsed("a", "a", steps), Rehearsed("X", "Xa", steps), Rehearsed("b", "b", [])]
    print_plans(Started([], [], plans=plans))
    out = capsys.readouterr().out
    assert out.startswith("a, X (Xa):\n     6  align           run    not run yet\n")


@pytest.mark.parametrize("option", ["processors", "any_step", "detach"])
def test_options_of_projects_are_refused_for_acquisitions(option: str) -> None:
    refuse(processors=None, any_step=None, detach=None)
    with pytest.raises(TomolineError, match="for projects") as caught:
        refuse(**{option: 0})
    assert caught.value.where == f"--{option.replace('_', '-')}"
