"""Each option of ``tomoline log`` by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoline.cli.main import app
from tomoline.queue.model import EventKind
from tomoline.queue.project import Project

EVENTS = (
    ("first", EventKind.STEP, {"data_set": "TS_1", "step": "align", "processor": 1}),
    ("second", EventKind.WARNING, {"data_set": "TS_1", "step": "trim", "level": "warning"}),
    ("third", EventKind.NOTICE, {"data_set": "TS_2", "processor": 2, "level": "error"}),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("project") / "night"
    with Project.create(place) as project, project.store.write() as db:
        db.execute("DELETE FROM event")
        for hour, (message, kind, facts) in enumerate(EVENTS):
            project.store.add_event(kind, message, when=3600.0 * (hour + 1), **facts)
    return place


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("", "first second third"),
        ("--data-set TS_1", "first second"),
        ("--processor 2", "third"),
        ("--step trim", "second"),
        ("--level warning", "second third"),
        ("--kind step", "first"),
        ("--message HIR", "third"),
        ("--since 1970-01-01T02:00", "second third"),
        ("--until 1970-01-01T02:00", "first"),
        ("--sort level", "first second third"),
        ("--sort step", "third first second"),
        ("--reverse", "third second first"),
        ("--limit 1", "third"),
    ],
)
def test_an_option_chooses_or_sorts(
    folder: Path, capsys: pytest.CaptureFixture[str], options: str, found: str
) -> None:
    app(["log", "-p", str(folder), *options.split()], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[-1] for line in lines] == found.split()


def test_times_are_those_of_this_zone_if_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        app(["log", "-p", str(folder), "--local", "--limit", "1"], standalone_mode=False)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert capsys.readouterr().out.startswith("1970-01-01 06:00:00 ")
