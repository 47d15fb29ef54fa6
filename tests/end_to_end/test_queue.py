"""The queue with real processes: order, failure and retry, other parameters, log and values."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.helpers.command import succeed, tomoline
from waiting import wait_for

from tomoline.queue.log import explain_states
from tomoline.queue.model import BatchState, Event
from tomoline.queue.project import Project

PATIENCE_S = 120.0
LAST = "coarse_align"


def copy_as(stack: Path, folder: Path, root: str) -> Path:
    """Copy a stack and what lies beside it under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in stack.parent.glob(f"{stack.stem}*"):
        shutil.copy(path, folder / path.name.replace(stack.stem, root, 1))
    return folder / f"{root}{stack.suffix}"


@pytest.fixture
def folder(tmp_path: Path, small_series: Path) -> Iterator[Path]:
    """A project with three series of which the second was cut short."""
    folder = tmp_path / "night"
    stacks = [copy_as(small_series, tmp_path / "raw", f"TS_{number}") for number in (1, 2, 3)]
    with stacks[1].open("r+b") as file:
        file.truncate(100_000)
    with Project.create(folder) as project:
        project.data_sets.add(stacks)
    yield folder
    with Project.open(folder) as project:
        project.control.kill()


def wait_until_done(folder: Path) -> None:
    """Wait until nothing waits or runs."""

    def counts() -> dict[BatchState, int]:
        with Project.open(folder) as project:
            return project.queue.counts()

    wait_for(
        counts,
        lambda found: not found[BatchState.WAITING] and not found[BatchState.RUNNING],
        patience_s=PATIENCE_S,
    )


def events(folder: Path, kind: str) -> list[Event]:
    with Project.open(folder) as project:
        return project.log.events(kind=kind)


def test_from_the_queue_to_the_values(folder: Path, small_series: Path) -> None:
    succeed("queue", "add", "TS_*", "--until", LAST, "-p", folder)
    succeed("queue", "top", "TS_3", "-p", folder)
    succeed("resume", "--detach", "--processors", "1", "-p", folder)
    wait_until_done(folder)
    started = [one.data_set for one in events(folder, "state") if one.becomes == "running"]
    assert started == ["TS_3", "TS_1", "TS_2"]

    # The bad one is told with its code and remedy; made good, it goes through.
    listed = json.loads(succeed("queue", "list", "--json", "-p", folder).stdout)
    assert [(one["name"], one["state"]) for one in listed] == [("TS_2", "failed")]
    assert listed[0]["code"].startswith("FILE-")
    copy_as(small_series, folder.parent / "raw", "TS_2")
    told = succeed("retry", "-p", folder).stdout
    assert f"TS_2  {listed[0]['code']}" in told
    assert listed[0]["remedy"] in told
    wait_until_done(folder)
    assert succeed("queue", "list", "-p", folder).stdout == "3 finished\n"

    # With another parameter only what that changes is run.
    before = events(folder, "step")[-1].id
    change = ("--set", f"{LAST}.binning=2", "--until", LAST)
    succeed("queue", "add", "TS_1", *change, "-p", folder)
    succeed("resume", "--detach", "-p", folder)
    wait_until_done(folder)
    again = [one for one in events(folder, "step") if one.id > before]
    assert {one.step for one in again if one.message.startswith("starts")} == {LAST}

    rows = list(csv.DictReader(io.StringIO(succeed("values", "--csv", "-p", folder).stdout)))
    assert [row["data_set"] for row in rows] == ["TS_1", "TS_2", "TS_3"]
    assert [row["coarse_align.binning"] for row in rows] == ["2", "1", "1"]
    assert {(row["batch"], row["error"]) for row in rows} == {("finished", "")}

    with Project.open(folder) as project:
        present = {one.id: one.state for one in project.queue.batches(states=list(BatchState))}
        assert explain_states(project.log.events()) == present
    errors = tomoline("log", "--level", "error", "-p", folder).stdout.splitlines()
    assert errors
    assert all("TS_2" in line for line in errors)
