"""What the process of a batch does, seen from its event file."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import workflow_fakes
from waiting import wait_for
from workflow_fakes import RECIPE

from tomoline import errors
from tomoline.queue import worker, worker_parts
from tomoline.queue.claim import Claim, holder, take, take_back
from tomoline.queue.job import Job, Part, read_events
from tomoline.queue.transient import is_transient
from tomoline.queue.worker_parts import Pass, passes
from tomoline.recipes import TILT

Facts = Mapping[str, Any]


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe of three tiny steps is all that there is."""
    monkeypatch.setattr(worker_parts, "RECIPES", {"words": RECIPE})
    workflow_fakes.calls.clear()


@pytest.fixture(autouse=True)
def handler() -> Any:
    """Leave the signals as they were."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def make_part(folder: Path, root: str = "TS", axis: str = "", **values: Any) -> Part:
    source = folder / f"{root}.txt"
    source.write_text("raw")
    given = {key.replace("__", "."): [value, "a test"] for key, value in values.items()}
    layers = [{"name": "project", "values": given}]
    return Part(root, axis, str(source), str(folder / "out" / root), layers)


def make_job(folder: Path, *parts: Part, **changes: Any) -> Job:
    job = Job(
        batch=7,
        attempt=1,
        name="TS",
        recipe="words",
        parts=list(parts) or [make_part(folder)],
        first="",
        last="",
        only=[],
        reached="",
        threads=1,
        memory_bytes=1 << 20,
        events=str(folder / "7-1.events"),
        stop=str(folder / "7-1.stop"),
    )
    return replace(job, **changes)


def run(folder: Path, job: Job) -> tuple[int, list[Facts], Facts]:
    """Run a job in this process; return the exit code, all events and the last one."""
    path = folder / "7-1.json"
    path.write_text(job.text())
    Path(job.events).unlink(missing_ok=True)
    code = worker.main([str(path)])
    events, _ = read_events(Path(job.events), 0)
    assert events[-1]["event"] == "ended"
    return code, events, events[-1]


def steps(events: list[Facts]) -> list[str]:
    """Return the steps told, as axis, name and state."""
    told = [one for one in events if one["event"] == "step"]
    return [f"{one['axis']}{one['step']} {one['state']}" for one in told]


def test_a_whole_job_tells_each_step_and_its_end(tmp_path: Path) -> None:
    code, events, ended = run(tmp_path, make_job(tmp_path))
    assert code == worker.FINISHED
    assert ended["state"] == "finished"
    assert [one["event"] for one in events[:2]] == ["started", "part"]
    assert (events[0]["pid"], events[1]["root"]) == (os.getpid(), "TS")
    assert steps(events) == [
        f"{name} {state}"
        for name in ("first", "second", "third")
        for state in ("starts", "finished")
    ]
    (warning,) = [one for one in events if one["event"] == "warning"]
    assert (warning["step"], warning["code"]) == ("second", errors.tilt.DARK_VIEW.code)
    assert (tmp_path / "out" / "TS" / "TS.tomoline.json").exists()


def test_layers_hold_in_their_order(tmp_path: Path) -> None:
    part = make_part(tmp_path, first__word="low")
    part.layers.append({"name": "data set", "values": {"first.word": ["high", "a command"]}})
    run(tmp_path, make_job(tmp_path, part))
    assert "high" in (path.read_text() for path in (tmp_path / "out" / "TS").glob("TS*"))


def test_values_that_do_not_fit_end_it_before_anything_is_made(tmp_path: Path) -> None:
    part = make_part(tmp_path, first__word=[], second__on="perhaps")
    code, _, ended = run(tmp_path, make_job(tmp_path, part))
    assert code == worker.FAILED
    assert ended["code"] == errors.parameters.BAD_VALUE.code
    assert "And 1 more" in ended["found"]
    assert not (tmp_path / "out").exists()


def test_an_error_of_a_step_is_told_with_its_remedy(tmp_path: Path) -> None:
    code, events, ended = run(
        tmp_path, make_job(tmp_path, make_part(tmp_path, second__fail="coded"))
    )
    kind = errors.tilt.NO_ANGLES
    assert code == worker.FAILED
    assert (ended["code"], ended["where"], ended["remedy"]) == (kind.code, "somewhere", kind.remedy)
    assert not ended["transient"]
    assert not ended["memory"]
    assert steps(events)[-1] == "second failed"


def test_a_bug_is_told_as_one(tmp_path: Path) -> None:
    _, _, ended = run(tmp_path, make_job(tmp_path, make_part(tmp_path, second__fail="bug")))
    assert ended["code"] == "RUN-99"
    assert "made to fail" in ended["found"]


def test_a_bug_outside_of_a_step_is_told_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("made to fail")

    monkeypatch.setattr(worker_parts, "check_destination", fail)
    code, _, ended = run(tmp_path, make_job(tmp_path))
    assert (code, ended["code"]) == (worker.FAILED, "RUN-99")
    assert "LookupError: made to fail" in capsys.readouterr().err


@pytest.mark.parametrize("failure", [MemoryError(), errors.running.NO_MEMORY.error("a", "b.")])
def test_memory_that_ran_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(worker_parts, "check_destination", fail)
    _, _, ended = run(tmp_path, make_job(tmp_path))
    assert ended["memory"]


def test_told_to_stop_it_stops_before_the_next_step_that_has_to_run(tmp_path: Path) -> None:
    job = make_job(tmp_path, last="first")
    run(tmp_path, job)
    Path(job.stop).touch()
    code, events, ended = run(tmp_path, replace(job, last=""))
    assert (code, ended["state"]) == (worker.PAUSED, "paused")
    assert steps(events) == ["first kept"]
    assert "second" in ended["found"]


def test_an_acquisition_that_is_not_there_is_told(tmp_path: Path) -> None:
    part = make_part(tmp_path)
    Path(part.source).unlink()
    _, _, ended = run(tmp_path, make_job(tmp_path, part))
    assert (ended["code"], ended["transient"]) == ("FILE-01", False)
    assert not (tmp_path / "out").exists()


def test_another_result_is_not_written_over(tmp_path: Path) -> None:
    part = make_part(tmp_path)
    Path(part.folder).mkdir(parents=True)
    (Path(part.folder) / "TS.other").write_text("another's")
    _, _, ended = run(tmp_path, make_job(tmp_path, part))
    assert ended["code"] == "RUN-03"


def test_an_unknown_recipe_is_told(tmp_path: Path) -> None:
    _, _, ended = run(tmp_path, make_job(tmp_path, recipe="soup"))
    assert ended["code"] == "QUEUE-12"


def test_a_job_file_that_cannot_be_read_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "7-1.json"
    path.write_text("{}")
    assert worker.main([str(path)]) == worker.FAILED
    assert "QUEUE-12" in capsys.readouterr().err


def test_a_job_of_another_version_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "7-1.json"
    path.write_text(make_job(tmp_path).text().replace('"schema":1', '"schema":2'))
    assert worker.main([str(path)]) == worker.FAILED
    assert "it is of another version" in capsys.readouterr().err


def test_a_job_is_held_as_long_as_it_is_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "7-1.json"
    found: list[Claim] = []
    monkeypatch.setattr(worker_parts, "check_destination", lambda *_: found.append(take_back(path)))
    path.write_text(make_job(tmp_path).text())
    assert worker.main([str(path)]) == worker.FINISHED
    assert found == [Claim.HELD]


@pytest.mark.parametrize("scratch", ["", "/fast"])
def test_a_run_gets_the_means_of_its_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scratch: str
) -> None:
    engines: list[tuple[int, int]] = []
    runs: list[dict[str, Any]] = []
    monkeypatch.setattr(
        worker_parts, "ThreadsEngine", lambda threads, limit, _: engines.append((threads, limit))
    )
    monkeypatch.setattr(worker_parts, "run_and_report", lambda *_, **given: runs.append(given))
    run(tmp_path, make_job(tmp_path, threads=5, memory_bytes=77, scratch=scratch))
    assert engines == [(5, 77)]
    assert [one["scratch"] for one in runs] == [Path(scratch) if scratch else None]


def test_a_value_that_another_one_replaces_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_parts, "RECIPES", {"words": TILT})
    monkeypatch.setattr(worker_parts, "run_and_report", lambda *_, **given: None)
    part = make_part(tmp_path, reconstruct__thickness_px=100)
    values = {"reconstruct.binned_thickness_px": [20, "a command"]}
    part.layers.append({"name": "data set", "values": values})
    _, events, _ = run(tmp_path, make_job(tmp_path, part))
    (warning,) = [one for one in events if one["event"] == "warning"]
    assert warning["code"] == errors.parameters.REPLACED.code


def test_a_parameter_of_another_version_is_told(tmp_path: Path) -> None:
    _, _, ended = run(tmp_path, make_job(tmp_path, make_part(tmp_path, first__no_such=1)))
    assert (ended["state"], ended["code"]) == ("failed", errors.parameters.UNKNOWN_PARAMETER.code)


# Two axes.


def axes(folder: Path, **values: Any) -> list[Part]:
    return [make_part(folder, f"TS{axis}", axis, **values) for axis in "ab"]


def test_axis_b_comes_after_axis_a(tmp_path: Path) -> None:
    _, events, ended = run(tmp_path, make_job(tmp_path, *axes(tmp_path), last="first"))
    assert ended["state"] == "finished"
    assert steps(events) == ["afirst starts", "afirst finished", "bfirst starts", "bfirst finished"]


def test_axis_b_is_not_run_when_axis_a_fails_and_that_is_said(tmp_path: Path) -> None:
    parts = axes(tmp_path, second__fail="coded")
    _, events, ended = run(tmp_path, make_job(tmp_path, *parts))
    assert steps(events)[-1] == "asecond failed"
    assert ended["found"].endswith("So axis b was not run.")


def test_axis_b_takes_over_what_is_drawn_on_axis_a(tmp_path: Path) -> None:
    parts = axes(tmp_path, find_fiducials__boundary_model="cell.mod")
    job = make_job(tmp_path, *parts)
    first, second = (worker_parts.layers_of(job, part) for part in parts)
    assert [layer.name for layer in first] == ["project"]
    assert second[-1].values["setup.boundary_from"].value == "TSa"
    assert second[-1].values["setup.boundary_from_model"].value == "cell.mod"


# What an earlier attempt has done already.


def ran(events: list[Facts]) -> list[str]:
    return [one.removesuffix(" finished") for one in steps(events) if one.endswith(" finished")]


def test_steps_asked_for_run_though_they_are_up_to_date(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    run(tmp_path, job)
    assert ran(run(tmp_path, job)[1]) == []
    assert ran(run(tmp_path, replace(job, first="second"))[1]) == ["second", "third"]


def test_what_an_earlier_attempt_has_run_is_not_run_once_more(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    run(tmp_path, job)
    again = replace(job, first="first", reached=":second", attempt=2)
    assert ran(run(tmp_path, again)[1]) == ["third"]


def test_unless_its_parameters_have_changed_since(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    run(tmp_path, job)
    part = make_part(tmp_path, second__also_second=False)
    again = replace(job, parts=[part], first="first", reached=":second", attempt=2)
    assert ran(run(tmp_path, again)[1]) == ["second", "third"]


def test_steps_before_the_first_are_left_alone_in_a_later_attempt_too(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    run(tmp_path, job)
    part = make_part(tmp_path, first__word="changed")
    again = replace(job, parts=[part], first="second", reached=":second", attempt=2)
    assert ran(run(tmp_path, again)[1]) == ["third"]


def test_passes_over_two_axes(tmp_path: Path) -> None:
    parts = axes(tmp_path)
    job = make_job(tmp_path, *parts, first="second", reached="b:second")
    everything = Pass("second", "", ())
    assert passes(RECIPE, job, parts[0]) == [Pass("", "", ("second", "third"))]
    assert passes(RECIPE, job, parts[1]) == [Pass("", "", ("second",)), Pass("third", "", ())]
    early = replace(job, reached="a:third")
    assert passes(RECIPE, early, parts[0]) == [Pass("", "", ("second", "third"))]
    assert passes(RECIPE, early, parts[1]) == [everything]
    # What was reached lies outside of what is asked for now.
    assert passes(RECIPE, replace(job, reached="a:first"), parts[0]) == [everything]
    assert passes(RECIPE, replace(job, first="1", reached="a:second"), parts[1]) == [
        Pass("1", "", ())
    ]


# Whether it may go well later.


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN])
def test_a_file_system_that_went_away_may_come_back(tmp_path: Path, number: int) -> None:
    error = errors.files.NOT_READABLE.error(tmp_path, "gone.")
    assert not is_transient(error, make_job(tmp_path))
    error.__cause__ = OSError(number, "gone")
    assert is_transient(error, make_job(tmp_path))


def test_a_missing_folder_may_come_back_a_missing_file_may_not(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    error = errors.files.MISSING.error(tmp_path / "TS.txt", "no such file.")
    assert not is_transient(error, job)
    missed = errors.running.MISSING_INPUT.error(tmp_path / "out" / "TS" / "TS.mrc", "not there.")
    assert is_transient(missed, job)
    (tmp_path / "out" / "TS").mkdir(parents=True)
    assert not is_transient(missed, job)
    away = replace(job.parts[0], source=str(tmp_path / "mount" / "TS.txt"))
    assert is_transient(error, replace(job, parts=[away]))
    assert not is_transient(errors.tilt.NO_ANGLES.error("", ""), replace(job, parts=[away]))


def test_a_data_set_that_another_run_holds_will_be_free(tmp_path: Path) -> None:
    part = make_part(tmp_path)
    Path(part.folder).mkdir(parents=True)
    with (Path(part.folder) / ".TS.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, _, ended = run(tmp_path, make_job(tmp_path, part))
    assert (ended["code"], ended["transient"]) == ("RUN-06", True)


# The event file.


def test_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "7-1.events"
    path.write_bytes(b'{"event":"part","root":"TS"}\n{"event":"sta')
    found, end = read_events(path, 0)
    assert [one["event"] for one in found] == ["part"]
    assert read_events(path, end) == ([], end)
    with path.open("ab") as file:
        file.write(b'rted"}\n')
    found, end = read_events(path, end)
    assert [one["event"] for one in found] == ["started"]
    with worker.Events(path) as events:  # which adds to what is there
        events.write("ended")
    assert [one["event"] for one in read_events(path, 0)[0]] == ["part", "started", "ended"]
    assert [one["event"] for one in read_events(path, end)[0]] == ["ended"]


def test_an_event_that_a_full_disk_cut_short_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "7-1.events"
    room, write = [10], os.write

    def write_some(file: int, content: bytes) -> int:
        return write(file, content[: room.pop()] if room else content)

    monkeypatch.setattr(os, "write", write_some)
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with worker.Events(path) as events:
        events.write("part", root="TS")
        room.append(20)
        events.write_last("ended", state="finished")
    found, end = read_events(path, 0)
    assert [one["event"] for one in found] == ["ended"]
    assert end == path.stat().st_size


# Who has the job.


def test_a_job_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "7-1.json"
    path.write_text(make_job(tmp_path).text())
    claim = take(path)
    assert claim is not None
    assert take(path) is None
    assert take_back(path) is Claim.HELD
    assert path.exists()
    os.close(claim)
    assert take_back(path) is Claim.VOID
    assert not path.exists()
    assert take(path) is None
    assert take_back(path) is Claim.VOID


def test_a_process_that_is_late_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "7-1.json"
    job = make_job(tmp_path)
    path.write_text(job.text())
    lock = fcntl.flock

    def lock_too_late(file: int, how: int) -> None:
        monkeypatch.undo()
        assert take_back(path) is Claim.VOID  # it has opened the file by then
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", lock_too_late)
    assert worker.main([str(path)]) == worker.FINISHED
    assert fcntl.flock is lock
    assert not Path(job.events).exists()


# As a process.


def test_told_to_end_it_ends_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "7-1.json"
    source = tmp_path / "TS.mrc"
    os.mkfifo(source)  # opening it waits until somebody writes, so there is time
    part = Part("TS", "", str(source), str(tmp_path / "out" / "TS"), [])
    path.write_text(make_job(tmp_path, part, recipe="tilt").text())
    events = tmp_path / "7-1.events"
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", SLOW, str(path)], stdout=out, stderr=out, start_new_session=True
        )
        wait_for(lambda: any(one["event"] == "part" for one in read_events(events, 0)[0]))
        assert holder(path, events) is not None
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(10) == worker.FAILED
    ended = read_events(events, 0)[0][-1]
    assert (ended["event"], ended["code"]) == ("ended", "RUN-07")
    assert (tmp_path / "out.txt").read_text() == ""


SLOW = """
import sys, time
from tomoline.queue import worker, worker_parts
worker_parts.check_destination = lambda *_: time.sleep(60)
sys.exit(worker.main(sys.argv[1:]))
"""
