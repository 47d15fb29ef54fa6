"""What a message says, and is about, where many things have happened to a data set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mail_server import MailServer

from tomoline.queue import news
from tomoline.queue.model import Batch, BatchState
from tomoline.queue.notify import NotifyService
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state
from tomoline.queue.user_settings import UserSettings

S = BatchState
NOW = 1_000_000.0


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    with Project.create(tmp_path / "night") as one:
        for name in ("TS_1", "TS_2"):
            (tmp_path / f"{name}.mrc").touch()
        one.queue.add(one.data_sets.add([tmp_path / "TS_1.mrc", tmp_path / "TS_2.mrc"]))
        yield one


def become(project: Project, number: int, *states: BatchState, code: str = "") -> Batch:
    for state in states:
        one = batch(project.store, number)
        assert one is not None
        text = {"found": f"{code} was found.", "at": "here"} if code else {}
        change_state(project.store, one, state, f"{code} {state}", code=code, when=NOW, **text)
    found = batch(project.store, number)
    assert found is not None
    return found


def test_a_data_set_counts_as_it_has_ended_last(project: Project) -> None:
    become(project, 1, S.RUNNING)
    become(project, 1, S.FAILED, code="FILE-03")
    become(project, 2, S.RUNNING, S.FINISHED)
    project.queue.retry()
    become(project, 1, S.RUNNING, S.FINISHED)
    ending = news.ending_after(project.store, 0)
    assert ending is not None
    assert ending.title == "done: 2 finished"
    assert ending.failures == []


def test_a_failure_is_told_as_it_was_though_the_batch_has_failed_anew(project: Project) -> None:
    become(project, 1, S.RUNNING)
    become(project, 1, S.FAILED, code="FILE-03")
    project.queue.retry()
    become(project, 1, S.RUNNING)
    become(project, 1, S.FAILED, code="TILT-07")
    failures = [news.failure_of(project.store, one) for one in news.news_after(project.store, 0)]
    assert [(one.code, one.found) for one in failures] == [
        ("FILE-03", "failed"),
        ("TILT-07", "TILT-07 was found."),
    ]


def test_who_asks_for_failures_alone_is_not_told_that_all_is_done(
    project: Project, server: MailServer
) -> None:
    settings = UserSettings(Path("settings.toml"), server.settings(on=("failed",)))
    service = NotifyService(project.folder, settings=lambda: settings)
    become(project, 1, S.RUNNING)
    become(project, 1, S.FAILED, code="FILE-03")
    become(project, 2, S.RUNNING, S.FINISHED)
    for second in range(0, 200, 10):
        service.turn(NOW + second)
    service.close()
    assert server.subjects == ["tomoline: night: TS_1 failed"]
    assert "<tomoline.news." in server.messages[0]["Message-ID"]
