"""What a message says, and is about, where many things have happened to a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mail_server import MailServer

from tomoline.queue import news
from tomoline.queue.model import Batch, BatchState, Event, EventKind
from tomoline.queue.notify import NotifyService
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state
from tomoline.queue.store import Store
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


def failed(project: Project, **facts: str) -> news.Failure:
    """Have the first batch fail, with a remedy, and return what is told of it."""
    become(project, 1, S.RUNNING)
    one = batch(project.store, 1)
    assert one is not None
    change_state(project.store, one, S.FAILED, "FILE-03 it is cut.", code="FILE-03", **facts)
    (event,) = news.news_after(project.store, 0)
    return news.failure_of(project.store, event)


def test_a_failure_is_told_with_all_that_is_known(project: Project) -> None:
    told = failed(project, found="it is cut.", at="TS_1.mrc", remedy="Copy it.", step="setup")
    log = project.data_sets.entry("TS_1").folder / "TS_1.log"
    assert told.text().splitlines() == [
        "TS_1 failed in step setup",
        "    FILE-03: TS_1.mrc: it is cut.",
        "    remedy: Copy it.",
        f"    log: {log}",
    ]


def test_what_is_not_known_of_a_failure_is_left_out(project: Project) -> None:
    told = failed(project)
    assert told.text().splitlines()[:2] == ["TS_1 failed", "    FILE-03: FILE-03 it is cut."]
    assert len(told.text().splitlines()) == 3


def test_a_batch_that_goes_on_has_failed_as_its_event_says(project: Project) -> None:
    failed(project, found="it is cut.", at="TS_1.mrc", remedy="Copy it.")
    project.queue.retry()
    (event,) = news.news_after(project.store, 0)
    told = news.failure_of(project.store, event)
    assert (told.code, told.found, told.at, told.remedy) == ("FILE-03", "it is cut.", "", "")
    become(project, 1, S.RUNNING)  # again, and its code is still there
    with project.store.write() as db:
        db.execute("UPDATE batch SET code = 'FILE-03', found = 'something else'")
    assert news.failure_of(project.store, event).found == "it is cut."


def test_of_two_axes_the_folder_is_where_the_logs_are(project: Project) -> None:
    with project.store.write() as db:
        db.execute("UPDATE data_set SET source_b = '/raw/TS_1b.mrc'")
    assert failed(project).log == project.data_sets.entry("TS_1").folder


def test_the_hook_gets_all_that_is_known(project: Project) -> None:
    become(project, 1, S.RUNNING)
    one = batch(project.store, 1)
    assert one is not None
    change_state(
        project.store, one, S.FAILED, "it is cut", level="error", when=NOW + 9,
        code="FILE-03", found="cut", remedy="Copy it.", step="setup", started=NOW, ended=NOW + 5,
    )  # fmt: skip
    (event,) = news.news_after(project.store, 0)
    entry = project.data_sets.entry("TS_1")
    assert news.facts_of(project.store, event) == {
        "project": str(project.folder),
        "data_set": "TS_1",
        "state": "failed",
        "code": "FILE-03",
        "id": event.id,
        "time": NOW + 9,
        "level": "error",
        "step": "setup",
        "batch": 1,
        "message": "it is cut",
        "found": "cut",
        "remedy": "Copy it.",
        "seconds": 5.0,
        "recipe": "tilt",
        "source": str(entry.source),
        "folder": str(entry.folder),
    }
    project.queue.retry()
    (one,) = (one for one in project.queue.batches() if one.name == "TS_1")
    change_state(project.store, one, S.RUNNING, "again", step="align")
    # It is at another one now; what is told is where it failed.
    assert news.facts_of(project.store, event)["step"] == "setup"


def test_trouble_of_watching_is_news_and_other_warnings_are_none(project: Project) -> None:
    since = project.log.last()
    add = project.store.add_event
    for level, code in (
        *(("warning", f"WATCH-{number:02}") for number in range(1, 12)),
        ("error", "FILE-09"),
        ("info", ""),
    ):
        add(EventKind.WATCH, "it happened", level=level, code=code)
        add(EventKind.WARNING, "it happened", level=level, code=code)
    found = news.news_after(project.store, since)
    codes = ["WATCH-02", "WATCH-04", "WATCH-07", "WATCH-10", "FILE-09"]
    assert [one.code for one in found] == codes
    assert {news.occasion_of(one) for one in found} == {"watch"}
    assert news.news_after(project.store, found[-1].id) == []
    assert news.ending_after(project.store, since) is None  # no data set has ended


def test_a_run_took_from_its_first_start_to_its_last_end(project: Project) -> None:
    moments = iter((100.0, 160.0, 200.0, 460.0, 500.0, 507.0))

    def go(number: int, *states: BatchState) -> None:
        for state in states:
            one = batch(project.store, number)
            assert one is not None
            change_state(project.store, one, state, str(state), when=next(moments))

    go(1, S.RUNNING, S.FINISHED)
    go(2, S.RUNNING, S.FAILED)
    first = news.ending_after(project.store, 0)
    assert first is not None
    assert (first.last, first.seconds) == (project.log.last(), 360.0)
    assert first.text(Path("/night")).splitlines()[:5] == [
        "Project /night",
        "It took 6 min 0 s.",
        "Log: /night/tomoline.log",
        "",
        "TS_2 failed",
    ]
    project.queue.add(project.data_sets.entries(["TS_1"]))
    go(3, S.RUNNING, S.FINISHED)
    second = news.ending_after(project.store, first.last)
    assert second is not None
    assert (second.counts, second.seconds) == ({"finished": 1}, 7.0)


def test_a_clock_that_was_set_back_gives_no_time_below_none(project: Project) -> None:
    for state, when in ((S.RUNNING, NOW), (S.FINISHED, NOW - 3600)):
        one = batch(project.store, 1)
        assert one is not None
        change_state(project.store, one, state, "", when=when)
    ending = news.ending_after(project.store, 0)
    assert ending is not None
    assert ending.seconds == 0.0


def test_exactly_as_many_as_are_listed_are_no_more() -> None:
    most = news.MOST_LISTED
    assert len(news.listed(["x"] * most)) == 2 * most
    assert news.listed(["x"] * (most + 2))[-1].startswith("and 2 more: ")


@pytest.mark.parametrize("tell", [news.failure_of, news.facts_of])
def test_a_data_set_that_is_removed_meanwhile_is_told_all_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch, tell: Callable[[Store, Event], object]
) -> None:
    before = failed(project, found="it is cut.")
    (event,) = news.news_after(project.store, 0)
    facts = news.facts_of(project.store, event)
    find = news.batch_of

    def removed(store: Store, number: int) -> Batch | None:
        found = find(store, number)
        with Project.open(project.folder) as other, other.store.write() as db:
            db.execute("DELETE FROM data_set")
        return found

    monkeypatch.setattr(news, "batch_of", removed)
    assert tell(project.store, event) in (before, facts)
    # The next time the event alone is there.
    assert news.failure_of(project.store, event).log == project.folder / "tomoline.log"
    assert "recipe" not in news.facts_of(project.store, event)
