"""``tomoline queue``, ``log``, ``values`` and ``retry``, without a runner."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tomoline.cli._log import read_time
from tomoline.cli.main import EXIT_FAILED, app
from tomoline.errors import TomolineError
from tomoline.queue import asking, launch
from tomoline.queue.model import BatchState, RunState
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state
from tomoline.recipes import RECIPES

S = BatchState
Command = Callable[..., str]


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Four data sets TS_0 to TS_3, and a scan."""
    with Project.create(tmp_path / "night") as one:
        with one.store.write() as db:
            db.executemany(
                "INSERT INTO data_set (name, place, recipe, source, folder, added)"
                " VALUES (?, ?, ?, ?, ?, 0)",
                [
                    (name, place, recipe, f"/raw/{name}", str(tmp_path / name))
                    for place, (name, recipe) in enumerate(
                        [*((f"TS_{number}", "tilt") for number in range(4)), ("tomo", "scan")]
                    )
                ],
            )
        yield one


@pytest.fixture
def tomoline(project: Project, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command on the project, and return what it prints."""

    def run(*arguments: str, status: int = 0) -> str:
        ended = 0
        try:
            app([*arguments, "-p", str(project.folder)], standalone_mode=False)
        except TomolineError as error:  # as `main` tells it
            sys.stderr.write(f"{error}\n")
            ended = EXIT_FAILED
        printed = capsys.readouterr()
        assert ended == status, printed.err
        return printed.err if status else printed.out

    return run


def waiting(project: Project) -> list[str]:
    return [one.name for one in project.queue.batches(states=[S.WAITING])]


def fail(project: Project, name: str) -> None:
    (one,) = project.queue.batches(patterns=[name], states=[S.WAITING])
    change_state(project.store, one, S.RUNNING, "starts", processor=1, started=time.time())
    (one,) = project.queue.batches(patterns=[name], states=[S.RUNNING])
    change_state(
        project.store,
        one,
        S.FAILED,
        "it is short",
        level="error",
        code="FILE-03",
        found="it is short.",
        remedy="Copy it again.",
    )
    with project.store.write() as db:
        db.execute("UPDATE batch SET code = 'FILE-03' WHERE id = ?", (one.id,))


def records(project: Project) -> None:
    """Write records of two data sets."""
    for name, recipe, step, values in (
        ("TS_0", "tilt", "align", {"kind": "beads", "residual_mean_px": 0.123456789}),
        ("tomo", "scan", "axis", {"rotation_axis_px": 511.5, "sweep_axes_px": [1.0, 2.0]}),
    ):
        folder = project.folder.parent / name
        folder.mkdir()
        steps = [{"name": step, "number": 5, "state": "finished", "values": values, "seconds": 2}]
        content = {"schema": 1, "root": name, "recipe": recipe, "steps": steps}
        (folder / f"{name}.tomoline.json").write_text(json.dumps(content), encoding="utf-8")


def test_the_queue_is_changed_and_listed(project: Project, tomoline: Command) -> None:
    assert "empty" in tomoline("queue", "list")
    out = tomoline("queue", "add", "TS_*", "--until", "align")
    assert out.startswith("queued 4 data sets\n")
    assert "'tomoline resume'" in out
    tomoline("queue", "move", "TS_0", "3")
    tomoline("queue", "top", "TS_3")
    assert waiting(project) == ["TS_3", "TS_1", "TS_2", "TS_0"]
    assert tomoline("queue", "remove", "TS_1") == "took 1 data set out of the queue\n"
    lines = tomoline("queue", "list", "--limit", "2").splitlines()
    assert lines[0].split() == ["pos", "data", "set", "state", "part", "tries", "queued", "by"]
    assert lines[1].split() == ["1", "TS_3", "waiting", "until", "align", "0", "queue", "add"]
    assert lines[3:] == ["... and 1 more: --limit 0 shows all", "3 waiting, 1 dropped"]
    (listed,) = json.loads(tomoline("queue", "list", "TS_0", "--json"))
    assert (listed["position"], listed["name"], listed["last"]) == (3, "TS_0", "align")
    assert datetime.fromisoformat(listed["queued"]).tzinfo == UTC
    assert tomoline("queue", "list", "--state", "dropped").splitlines()[1].split()[1] == "TS_1"


def test_what_a_later_batch_has_made_good_is_not_listed(
    project: Project, tomoline: Command
) -> None:
    tomoline("queue", "add", "TS_2", "TS_0", "TS_1")
    assert waiting(project) == ["TS_2", "TS_0", "TS_1"]
    fail(project, "TS_0")
    assert tomoline("queue", "list", "--state", "failed").splitlines()[1].split()[1] == "TS_0"
    tomoline("queue", "add", "TS_0")
    out = tomoline("queue", "list")
    assert "failed" not in out
    assert out.splitlines()[-1] == "3 waiting"


def test_what_cannot_be_moved_is_told(project: Project, tomoline: Command) -> None:
    assert tomoline("queue", "top", "TS_0", status=1).startswith("QUEUE-05: TS_0")
    assert tomoline("queue", "list", "TS_9", status=1).startswith("PROJ-08: TS_9")
    assert tomoline("queue", "add", "TS_0", "--until", "axis", status=1).startswith("PARAM-05")
    assert tomoline("queue", "add", "TS_0", "--from", "align", status=1).startswith("QUEUE-04")
    tomoline("queue", "add", "TS_0", "--from", "align", "--any-step", "--top")
    assert project.queue.batches()[0].first == "align"


def test_queueing_with_parameters_keeps_them(project: Project, tomoline: Command) -> None:
    tomoline("queue", "add", "TS_1", "--set", "reconstruct.thickness_px=123")
    entry = project.data_sets.entry("TS_1")
    assert project.data_sets.given(entry)["reconstruct.thickness_px"][0] == 123
    wrong = tomoline("queue", "add", "TS_2", "--set", "reconstruct.thickness_px=-1", status=1)
    assert wrong.startswith("PARAM-")
    assert waiting(project) == ["TS_1"]


def test_what_runs_is_shown_with_its_progress(project: Project, tomoline: Command) -> None:
    tomoline("queue", "add", "TS_0")
    (one,) = project.queue.batches()
    columns: dict[str, Any] = {"processor": 2, "step": "align", "done": 3, "total": 20}
    change_state(project.store, one, S.RUNNING, "starts", attempt=1, **columns)
    row = tomoline("queue", "list").splitlines()[1].split()
    assert row == ["-", "TS_0", "running", "whole", "align", "3/20", "(P2)", "1", "queue", "add"]


def test_what_a_batch_waits_for_is_shown(project: Project, tomoline: Command) -> None:
    tomoline("queue", "add", "TS_0", "TS_1")
    with project.store.write() as db:
        db.execute("UPDATE batch SET not_before = 4e9 WHERE id = 1")
        db.execute("UPDATE batch SET alone = 1")
    lines = tomoline("queue", "list").splitlines()
    assert "not before 2096-10-02 07:06:40, alone" in lines[1]
    assert "before" not in lines[2]
    assert "alone" in lines[2]


def test_retry_tells_and_starts(
    project: Project, tomoline: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(launch, "ensure_runner", started.append)
    assert tomoline("retry") == "no data set has failed\n"
    tomoline("queue", "add", "TS_0", "TS_1", "TS_2")
    for name in ("TS_0", "TS_1"):
        fail(project, name)
    out = tomoline("retry", "TS_1", "--no-start")
    assert out.splitlines()[:3] == [
        "TS_1  FILE-03  it is short.",
        "    Copy it again.",
        "queued 1 data set again",
    ]
    assert "'tomoline resume'" in out
    assert started == []
    tomoline("retry")
    assert len(started) == 1
    assert project.control.status().wanted is RunState.RUNNING
    assert project.log.events(kind="run")[-1].message == "run asked for by retry"
    assert waiting(project) == ["TS_2", "TS_1", "TS_0"]
    assert tomoline("retry", "TS_2", status=1).startswith("QUEUE-07: TS_2")


def test_retry_leaves_a_paused_run_paused(
    project: Project, tomoline: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "ensure_runner", pytest.fail)
    tomoline("queue", "add", "TS_0")
    fail(project, "TS_0")
    with project.store.write() as db:
        asking.go_on(db, None, None, None)
        db.execute("UPDATE run SET wanted = 'paused'")
    assert "the run is paused" in tomoline("retry")
    assert project.control.status().wanted is RunState.PAUSED


def test_the_log_is_filtered_sorted_and_cut(project: Project, tomoline: Command) -> None:
    tomoline("queue", "add", "TS_*")
    fail(project, "TS_2")
    assert len(tomoline("log").splitlines()) == 7
    (error,) = tomoline("log", "--level", "error").splitlines()
    assert error.split()[2:] == ["error", "P1", "TS_2", "FILE-03", "it", "is", "short"]
    kept = tomoline("log", "--data-set", "TS_[01]", "--sort", "data-set", "--reverse")
    assert [line.split()[4] for line in kept.splitlines()] == ["TS_1", "TS_0"]
    assert tomoline("log", "--limit", "1").strip() == error
    document = json.loads(
        tomoline("log", "--json", "--kind", "state", "--processor", "1").split("\n")[1]
    )
    assert (document["was"], document["becomes"], document["code"]) == (
        "running",
        "failed",
        "FILE-03",
    )
    assert datetime.fromisoformat(document["time"]).tzinfo == UTC
    assert tomoline("log", "--since", "2000-01-01", "--until", "2000-01-02") == ""
    assert tomoline("log", "--since", "1h", "--step", "align") == ""
    assert tomoline("log", "--since", "soon", status=1).startswith("PARAM-06: --since: 'soon'")
    assert tomoline("log", "--follow", "--reverse", status=1).startswith("PARAM-06: --follow")


def test_following_shows_what_comes(
    project: Project, tomoline: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = iter(["first", "second", None])

    def sleep(seconds: float) -> None:
        message = next(turns)
        if message is None:
            raise KeyboardInterrupt
        project.queue.add([project.data_sets.entry("TS_1")], only=message)

    monkeypatch.setattr("tomoline.cli._log.time.sleep", sleep)
    out = tomoline("log", "--follow", "--limit", "1").splitlines()
    assert [line.split("  ")[-1] for line in out] == [
        "project made",
        "queued only first",
        "queued anew only second",
    ]


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("90s", 1e9 - 90),
        ("30min", 1e9 - 1800),
        ("1.5h", 1e9 - 5400),
        ("2d ago", 1e9 - 2 * 86400),
        ("1w", 1e9 - 7 * 86400),
        ("2001-09-09", 999_993_600.0),
        ("2001-09-09 03:46:40+02:00", 1e9),
    ],
)
def test_times_are_read(text: str, when: float) -> None:
    assert read_time(text, 1e9) == when


def test_times_of_this_zone_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        assert read_time("1970-01-02T03:00", 0.0, local=True) == 86400.0
    finally:
        monkeypatch.undo()
        time.tzset()
    with pytest.raises(TomolineError, match="no time"):
        read_time("5 parsecs", 0.0)


def test_values_are_shown_for_people(project: Project, tomoline: Command) -> None:
    records(project)
    tilt, scan = tomoline("values").split("\n\n")
    header, first, *others = tilt.splitlines()
    assert header.split() == ["data_set", "state", "kind", "residual_mean_px", "seconds"]
    assert first.split() == ["TS_0", "waiting", "beads", "0.123457", "2"]
    assert [line.split() for line in others] == [[f"TS_{number}", "none"] for number in (1, 2, 3)]
    assert scan.splitlines()[1].split() == ["tomo", "waiting", "511.5", "2"]
    header = tomoline("values", "tomo", "--all").splitlines()[0]
    assert "axis.sweep_axes_px" in header


def test_values_are_written_for_programs(project: Project, tomoline: Command) -> None:
    records(project)
    tomoline("queue", "add", "TS_1")
    fail(project, "TS_1")
    rows = list(csv.DictReader(io.StringIO(tomoline("values", "--csv"))))
    assert rows[0]["align.residual_mean_px"] == "0.123456789"
    assert (rows[1]["batch"], rows[1]["error"], rows[1]["align.kind"]) == ("failed", "FILE-03", "")
    assert rows[4]["axis.sweep_axes_px"] == "1.0 2.0"
    document = json.loads(tomoline("values", "tomo", "--json", "--key", "sweep_axes_px"))
    assert document[0]["axis.sweep_axes_px"] == [1.0, 2.0]
    assert "axis.rotation_axis_px" not in document[0]
    only = tomoline("values", "--step", "align", "--csv").splitlines()[0].split(",")
    assert only[5:-3] == ["align.kind", "align.residual_mean_px", "align.seconds"]


def test_values_that_nobody_measured_are_refused(project: Project, tomoline: Command) -> None:
    assert tomoline("values", "--key", "nonsense").splitlines()[0].split() == ["data_set", "state"]
    records(project)
    # Nobody knows yet whether a later step will measure it.
    assert "TS_0" in tomoline("values", "--key", "nonsense")
    path = project.folder.parent / "TS_0" / "TS_0.tomoline.json"
    steps = [
        {"name": name, "number": number, "state": "finished"}
        for number, name in enumerate(RECIPES["tilt"].step_names)
    ]
    content = {"schema": 1, "root": "TS_0", "recipe": "tilt", "steps": steps}
    path.write_text(json.dumps(content), encoding="utf-8")
    assert tomoline("values", "--key", "nonsense", status=1).startswith("PARAM-06: --key")
