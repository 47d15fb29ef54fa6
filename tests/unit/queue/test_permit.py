"""The file that a kill deletes where nothing can be written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import STUBBORN, python

from tomoline.queue.model import BatchState, RunState
from tomoline.queue.permit import (
    PERMIT,
    give_permit,
    is_withdrawn,
    overrule_kill,
    withdraw_permit,
    write_down_kill,
)
from tomoline.queue.process import birth_of
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state, wanted_of


def refuse(*_: object, **__: object) -> None:
    raise OSError(30, "Read-only file system")


def test_only_who_was_given_it_can_lose_it(project: Project) -> None:
    store = project.store
    assert withdraw_permit(project.folder)
    assert not is_withdrawn(store)
    give_permit(store)
    assert (store.work / PERMIT).exists()
    assert not is_withdrawn(store)
    for _ in range(2):
        assert withdraw_permit(project.folder)  # it is gone, whoever has deleted it
        assert is_withdrawn(store)


def test_where_it_cannot_be_made_it_is_not_missed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "touch", refuse)
    give_permit(project.store)
    assert not is_withdrawn(project.store)


def test_where_it_cannot_be_deleted_that_is_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_permit(project.store)
    monkeypatch.setattr(Path, "unlink", refuse)
    assert not withdraw_permit(project.folder)


def test_what_is_asked_for_later_overrules_only_what_was_withdrawn(project: Project) -> None:
    give_permit(project.store)
    with project.store.write() as db:
        overrule_kill(db)  # there is none
    withdraw_permit(project.folder)
    assert is_withdrawn(project.store)
    with project.store.write() as db:
        overrule_kill(db)
    assert not is_withdrawn(project.store)


@pytest.mark.parametrize("wanted", list(RunState))
@pytest.mark.parametrize("running", [True, False])
def test_a_kill_is_written_down_once_and_told_if_it_ended_something(
    queued: Project, wanted: RunState, running: bool
) -> None:
    store = queued.store
    with store.write() as db:
        db.execute("UPDATE run SET wanted = ?", (wanted,))
    if running:
        (one,) = queued.queue.batches()
        change_state(store, one, BatchState.RUNNING, "")
    give_permit(store)
    assert write_down_kill(store) is None
    assert wanted_of(store) is wanted
    withdraw_permit(queued.folder)
    notice = write_down_kill(store)
    told = [one.message for one in queued.log.events(message="QUEUE-") if one.kind == "run"]
    if wanted is RunState.STOPPED and not running:
        assert (notice, told) == (None, [])
    else:
        assert notice is not None
        assert told == [notice.found]
        assert notice.found.endswith(": TS." if running else "it is now.")
    assert wanted_of(store) is RunState.STOPPED
    (one,) = queued.queue.batches()
    assert one.state is (BatchState.KILLED if running else BatchState.WAITING)
    assert not is_withdrawn(store)
    assert write_down_kill(store) is None


def test_what_lives_on_is_to_be_killed(queued: Project) -> None:
    store = queued.store
    with python(STUBBORN) as worker:
        (one,) = queued.queue.batches()
        facts = {"pid": worker.pid, "birth": birth_of(worker.pid)}
        change_state(store, one, BatchState.RUNNING, "", processor=1, **facts)
        give_permit(store)
        withdraw_permit(queued.folder)
        assert write_down_kill(store) is not None
        (one,) = queued.queue.batches()
        assert (one.state, one.wanted) == (BatchState.RUNNING, "kill")
