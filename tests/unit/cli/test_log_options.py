"""Each option of ``tomoline log`` by itself."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from tomoline.cli import queue_app
from tomoline.cli._log import read_time
from tomoline.cli.main import app
from tomoline.errors import TomolineError
from tomoline.queue.log import Log
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
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        app(["log", "-p", str(folder), "--local", "--limit", "1"], standalone_mode=False)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert capsys.readouterr().out.startswith("1970-01-01 06:00:00 ")


def shown(folder: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    app(["log", "-p", str(folder), *options], standalone_mode=False)
    return [line.split()[-1] for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("TS_2", "third"),
        ("--json --limit 2", "second third"),
        ("--limit 0", "first second third"),
        ("--since 1970-01-01T02:00 --until 1970-01-01T03:00", "second"),
    ],
)
def test_options_go_together(
    folder: Path, capsys: pytest.CaptureFixture[str], options: str, found: str
) -> None:
    app(["log", "-p", str(folder), *options.split()], standalone_mode=False)
    out = capsys.readouterr().out
    assert all((name in out) is (name in found) for name, *_ in EVENTS)
    assert out.startswith("{") is ("--json" in options)
    if "--json" in options:
        assert json.loads(out.splitlines()[0])["time"] == "1970-01-01T02:00:00.000+00:00"


def test_of_many_lines_the_newest_are_shown_but_programs_get_all(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue_app, "LINES", 2)
    assert shown(folder, capsys) == ["second", "third"]
    assert len(shown(folder, capsys, "--json")) == 3
    assert shown(folder, capsys, "--limit", "0") == ["first", "second", "third"]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ("--follow --sort level", "--follow"),
        ("--follow --reverse", "--follow"),
        ("--follow --until 2031-05-17", "--follow"),
        ("--since yesterday", "--since"),
        ("--until tomorrow", "--until"),
        ("TS_1 --data-set TS_2", "--data-set"),
    ],
)
def test_what_makes_no_sense_is_refused(folder: Path, options: str, where: str) -> None:
    with pytest.raises(TomolineError) as caught:
        app(["log", "-p", str(folder), *options.split()], standalone_mode=False)
    assert (caught.value.code, caught.value.where) == ("PARAM-06", where)


AGO = {"90s": 90, "90 sec ago": 90, "2m": 120, "2 min": 120, " 1.5h ": 5400, "3d": 259200}


@pytest.mark.parametrize(("text", "seconds"), [*AGO.items(), ("1w ago", 604800)])
def test_so_long_ago(text: str, seconds: int) -> None:
    assert read_time(text, 1e9) == 1e9 - seconds


@pytest.mark.parametrize("text", ["99999w", "1900-01-01"])
def test_what_was_before_all_time_is_no_missing_bound(text: str) -> None:
    assert 0 < read_time(text, 1e9) < 1


@pytest.mark.parametrize("option", ["--since", "--until"])
def test_times_are_read_in_this_zone_if_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        found = shown(folder, capsys, "--local", option, "1970-01-01T05:00")  # 02:00 of UTC
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found == (["second", "third"] if option == "--since" else ["first"])


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_happens_later_follows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Only what is new and was asked for, once, in the form that was asked for, at once."""
    with Project.create(tmp_path / "night") as project:
        project.store.add_event(EventKind.NOTICE, "older", data_set="TS_1", when=3600.0)
        project.store.add_event(EventKind.NOTICE, "old", data_set="TS_1", when=7200.0)
        project.store.add_event(EventKind.NOTICE, "another's", data_set="TS_2", when=7200.0)
    told: list[str] = []
    waits = iter(["", "new", "", "newer", ""])

    def sleep(_: float) -> None:
        told.append(capsys.readouterr().out)
        message = next(waits, None)
        if message is None:
            raise KeyboardInterrupt
        if message:
            with Project.open(tmp_path / "night") as other:
                for name in ("TS_2", "TS_1"):
                    other.store.add_event(
                        EventKind.NOTICE, f"{message} {name}", data_set=name, when=7200.0
                    )

    monkeypatch.setattr(time, "sleep", sleep)
    monkeypatch.setenv("TZ", "UTC-3")
    time.tzset()
    try:
        options = ["--follow", "--limit", "1", "--local", *(["--json"] if form == "json" else [])]
        arguments = ["log", "TS_1", "-p", str(tmp_path / "night"), *options]
        assert not app(arguments, standalone_mode=False)  # Ctrl-C is its usual end
    finally:
        monkeypatch.undo()
        time.tzset()
    if form == "json":
        lines = [json.loads(line)["message"] if line else "" for line in told]
        assert lines == ["old", "", "new TS_1", "", "newer TS_1", ""]
    else:
        assert [line.split("  ")[-1].strip() for line in told] == [
            *("old", "", "new TS_1", "", "newer TS_1", "")
        ]
        assert told[2].startswith("1970-01-01 05:00:00 ")


def test_lines_do_not_stay_in_a_pipe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe(io.StringIO):
        arrived = ""

        def flush(self) -> None:
            self.arrived = self.getvalue()

    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)
    app(["log", "-p", str(folder)], standalone_mode=False)
    assert pipe.arrived.count("\n") == len(EVENTS)


def test_what_happens_while_the_log_is_read_is_told_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Project.create(tmp_path / "night").close()
    last = Log.last

    def before(log: Log) -> int:
        number = last(log)
        with Project.open(tmp_path / "night") as other:
            other.store.add_event(EventKind.NOTICE, "just now")
        return number

    waits = iter([True, False])

    def sleep(_: float) -> None:
        if not next(waits):
            raise KeyboardInterrupt
        with Project.open(tmp_path / "night") as other:
            other.store.add_event(EventKind.NOTICE, "later")

    monkeypatch.setattr(Log, "last", before)
    monkeypatch.setattr(time, "sleep", sleep)
    app(["log", "--follow", "-p", str(tmp_path / "night")], standalone_mode=False)
    said = capsys.readouterr().out
    assert (said.count("just now"), said.count("later")) == (1, 1)
