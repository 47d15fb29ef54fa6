"""What the events of a process change in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tomoline.queue.model import Batch
from tomoline.queue.project import Project
from tomoline.queue.reading import store_events


@pytest.fixture
def project(queued: Project) -> Project:
    return queued


def only(project: Project) -> Batch:
    (one,) = project.queue.batches()
    return one


def test_the_last_step_that_is_done_is_known_with_its_axis(project: Project) -> None:
    for state, reached in (("finished", "b:align"), ("kept", "b:track"), ("failed", "b:track")):
        step = {"finished": "align", "kept": "track", "failed": "trim"}[state]
        event = {"event": "step", "axis": "b", "step": step, "state": state, "seconds": 1.0}
        store_events(project.store, only(project), [event], 10)
        assert only(project).reached == reached
    assert only(project).read_bytes == 10


def test_what_an_earlier_attempt_has_told_late_changes_nothing(project: Project) -> None:
    before = replace(only(project), attempt=7)
    event = {"event": "step", "axis": "", "step": "align", "state": "finished", "seconds": 1.0}
    store_events(project.store, before, [event], 10)
    assert (only(project).reached, only(project).read_bytes) == ("", 0)
