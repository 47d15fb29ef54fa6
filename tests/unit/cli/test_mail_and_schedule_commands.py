"""``tomoline mail`` and ``tomoline schedule``, within this process."""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mail_server import MailServer
from typer.testing import CliRunner

from tomoline.cli.main import app
from tomoline.errors import TomolineError
from tomoline.queue import launch
from tomoline.queue.control import Control
from tomoline.queue.project import Project
from tomoline.queue.user_settings import read_settings


@dataclass
class Told:
    """What a command said, and the error that it ended with."""

    stdout: str
    stderr: str
    status: int
    error: str


def call(*arguments: str | Path) -> Told:
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    error = result.exception
    if error is not None and not isinstance(error, TomolineError | SystemExit):
        raise error
    text = str(error) if isinstance(error, TomolineError) else ""
    return Told(result.stdout, result.stderr, result.exit_code, text)


@pytest.fixture
def settings(settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return settings


@pytest.fixture
def folder(tmp_path: Path, settings: Path) -> Path:
    Project.create(tmp_path / "night").close()
    return tmp_path / "night"


def test_the_test_message_says_how_far_it_got(settings: Path, server: MailServer) -> None:
    settings.write_text(
        f'[mail]\nserver = "localhost"\nport = {server.port}\ntls = "none"\n'
        'sender = "em@example.org"\nto = ["ann@example.org"]\n'
    )
    done = call("mail", "--test")
    assert done.stdout.splitlines() == [
        f"connected to localhost:{server.port}",
        "accepted for ann@example.org",
    ]
    assert "messages get through" in server.messages[0].get_content()
    assert call("mail", "--test", "--to", "bob@example.org").status == 0
    assert server.receivers == [["ann@example.org"], ["bob@example.org"]]
    server.refused.add("cy@example.org")
    failed = call("mail", "--test", "--to", "cy@example.org")
    assert failed.status == 1
    assert failed.stdout.startswith("connected to")
    assert failed.error.startswith(f"MAIL-02: localhost:{server.port}: refuses to send to cy@")
    partly = call("mail", "--test", "--to", "cy@example.org", "--to", "bob@example.org")
    assert partly.status == 1
    assert "accepted for bob@example.org" in partly.stdout
    assert "warning MAIL-02: cy@example.org:" in partly.stderr


def test_without_settings_a_test_says_what_is_lacking(settings: Path) -> None:
    assert call("mail", "--test").error.startswith("MAIL-03")


def test_mail_shows_what_is_set_and_keeps_the_password(settings: Path) -> None:
    bare = call("mail").stdout
    assert f"{settings} (not there)" in bare
    assert "none, so that no messages are sent" in bare
    settings.write_text(
        '[mail]\nserver = "far.example.org"\nuser = "em"\npassword = "s3cret"\n'
        'to = "ann@example.org"\n[hook]\ncommand = "tell all"\n'
    )
    settings.chmod(0o600)
    shown = call("mail").stdout
    for text in ("far.example.org, port 587, tls starttls", "em, with a password", "tell all"):
        assert text in shown
    assert "s3cret" not in shown
    settings.chmod(0o644)
    assert call("mail").error.startswith(f"MAIL-01: {settings}:4: others may read")


def test_a_project_gets_addresses_of_its_own(
    folder: Path, settings: Path, server: MailServer
) -> None:
    told = call("mail", "-p", folder, "--to", "ann@example.org", "--to", "bob@example.org")
    assert f"{folder}: to ann@example.org, bob@example.org" in told.stdout
    assert "ann@example.org, bob@example.org" in call("mail", "-p", folder).stdout
    settings.write_text(f'[mail]\nserver = "localhost"\nport = {server.port}\ntls = "none"\n')
    call("mail", "--test", "-p", folder)
    assert server.receivers == [["ann@example.org", "bob@example.org"]]
    assert f"{folder}: to the same" in call("mail", "-p", folder, "--to", "").stdout
    assert "'ann' is no e-mail address" in call("mail", "-p", folder, "--to", "ann").error
    assert call("mail", "--to", "ann@example.org").error.startswith("PROJ-01")
    assert call("mail", "-p", folder.parent).error.startswith("PROJ-01")


def test_what_the_user_gives_goes_before_what_the_project_has(
    folder: Path, settings: Path, server: MailServer
) -> None:
    settings.write_text(
        f'[mail]\nserver = "localhost"\nport = {server.port}\ntls = "none"\non = []\n'
        'to = ["em@example.org"]\n'
    )
    twice = ["--to", "ann@example.org", "--to", "", "--to", "ann@example.org"]
    assert f"{folder}: to ann@example.org\n" in call("mail", "-p", folder, *twice).stdout
    call("mail", "--test", "-p", folder, "--to", "bob@example.org")
    call("mail", "--test", "-p", folder, "--to", "")
    call("mail", "--test")
    found = ["bob@example.org"], ["ann@example.org"], ["em@example.org"]
    assert server.receivers == list(found)
    assert "They are sent for: nothing." in server.messages[0].get_content()
    call("mail", "-p", folder, "--to", "")
    with Project.open(folder) as project:
        told = [one.message for one in project.log.events(message="messages go to")]
    assert [one.removeprefix("messages go to ") for one in told] == [
        "ann@example.org",
        "the addresses of settings.toml",
    ]


def test_mail_shows_all_that_is_set(
    folder: Path, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = call("mail")
    assert dict(line.split(None, 1) for line in bare.stdout.splitlines()[:-1]) == {
        "settings": f"{settings} (not there)",
        "server": "none, so that no messages are sent",
        "to": "nobody",
        "when": "failed, done, watch",
        "hook": "none",
    }
    assert bare.stdout.endswith("'tomoline mail --example' prints an example of settings.toml.\n")
    settings.write_text(
        '[mail]\nserver = "far.example.org"\nsender = "em@example.org"\non = []\n'
        'to = ["ann@example.org", "bob@example.org"]\n[hook]\ncommand = "tell"\non = ["watch"]\n'
    )
    closed: list[Path] = []
    close = Project.close

    def noted(project: Project) -> None:
        closed.append(project.folder)
        close(project)

    monkeypatch.setattr(Project, "close", noted)
    shown = call("mail", "-p", folder).stdout
    assert closed == [folder]
    assert dict(line.split(None, 1) for line in shown.splitlines()) == {
        "settings": str(settings),
        "server": "far.example.org, port 587, tls starttls",
        "user": "none",
        "from": "em@example.org",
        "to": "ann@example.org, bob@example.org",
        "when": "never",
        "project": f"{folder}: to the same",
        "hook": "tell (when: watch)",
    }


def test_a_project_that_cannot_be_used_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "tomoline.sqlite").write_bytes(b"no store" * 1000)
    monkeypatch.chdir(folder)
    assert call("mail").error.startswith("PROJ-04")


@pytest.mark.parametrize("other", [["--test"], ["--to", ""], ["-p", "night"]])
def test_the_example_goes_alone(folder: Path, other: list[str]) -> None:
    assert call("mail", "--example", *other).error.startswith("PARAM-06: --example")


def test_the_example_can_be_used(settings: Path) -> None:
    text = call("mail", "--example").stdout.replace("~/.config/tomoline/", "")
    settings.write_text(text)
    settings.with_name("password").write_text("word\n")
    settings.with_name("password").chmod(0o600)
    assert read_settings().mail.password == "word"
    assert "smtp.example.org, port 587" in call("mail").stdout


def test_the_life_of_a_schedule(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Path] = []
    monkeypatch.setattr(launch, "ensure_runner", lambda store: started.append(store.folder) or 1)
    monkeypatch.setattr(launch, "runner_process", lambda store: 1)
    assert "There are no schedules" in call("schedule", "list", "-p", folder).stdout
    options = ["--steps", "import,setup,preprocess,values", "--times", "7", "--every", "1440"]
    made = call("schedule", "new", "n.1", "-p", folder, *options)
    assert made.stdout.splitlines() == [
        "Schedule n.1 is prepared: import, setup, preprocess, values; "
        "7 rounds, at least 1440 minutes apart.",
        "'tomoline schedule start n.1' begins.",
    ]
    assert call("schedule", "new", "n.1", "-p", folder, *options).error.startswith("SCHED-01")
    assert not started
    assert "n.1 runs: 7 rounds" in call("schedule", "start", "n.1", "-p", folder).stdout
    assert started == [folder]
    lines = call("schedule", "status", "-p", folder).stdout.splitlines()
    assert lines[0].split() == "name state round next round in queue steps".split()
    assert lines[1].split() == "n.1 running 0 of 7 now 0 import,setup,preprocess,values".split()
    assert call("schedule", "list", "-p", folder).stdout.splitlines() == lines
    [document] = json.loads(call("schedule", "status", "n.1", "-p", folder, "--json").stdout)
    assert document == {
        "name": "n.1",
        "recipe": "tilt",
        "steps": ["import", "setup", "preprocess", "values"],
        "needs": [],
        "times": 7,
        "every_s": 86400.0,
        "state": "running",
        "round": 0,
        "round_began": None,
        "round_ended": True,
        "next_round": 0.0,
        "in_queue": 0,
    }
    assert call("schedule", "remove", "n.1", "-p", folder).error.startswith("SCHED-06")
    stopped = call("schedule", "stop", "n.1", "-p", folder)
    assert stopped.stdout == "Schedule n.1 is stopped in round 0 of 7.\n"
    assert call("schedule", "remove", "n.1", "-p", folder).stdout == "Schedule n.1 is removed.\n"
    assert call("schedule", "status", "n.1", "-p", folder).error.startswith("SCHED-02")


def test_all_faults_of_a_schedule_are_told(folder: Path) -> None:
    told = call("schedule", "new", "n", "-p", folder, "--steps", "position,trim").error
    assert told.count("SCHED-03") == 3
    assert "reads views, which preprocess writes" in told
    assert "trim reads full_tomogram, which reconstruct writes" in told


def test_the_recipe_that_is_named_is_the_one_that_counts(folder: Path) -> None:
    for recipe, steps in (("scan", "setup,trim"), ("movie", "setup")):
        made = ["schedule", "new", "n", "-p", folder, "--steps", steps, "--recipe", recipe]
        assert call(*made).error
    call("schedule", "new", "n", "-p", folder, "--steps", "scan,flats", "--recipe", "scan")
    [document] = json.loads(call("schedule", "status", "-p", folder, "--json").stdout)
    assert (document["recipe"], document["steps"]) == ("scan", ["scan", "flats"])


def status(folder: Path) -> tuple[list[str], dict[str, Any]]:
    """Return what ``schedule status`` tells of the only schedule: its line, and its document."""
    line = call("schedule", "status", "-p", folder).stdout.splitlines()[1]
    [document] = json.loads(call("schedule", "status", "-p", folder, "--json").stdout)
    return re.split(r" {2,}", line), document


def test_where_a_schedule_stands_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TS_1", "TS_2", "TS_3"):
        (folder / f"{name}.mrc").touch()
    with Project.open(folder) as project:
        entries = project.data_sets.add([folder / f"TS_{number}.mrc" for number in (1, 2, 3)])
        numbers = project.queue.add(entries)
    monkeypatch.setattr(Control, "recover", lambda self: [])
    steps = ["--steps", "reconstruct,trim", "--times", "3", "--every", "30"]
    assert call("schedule", "new", "n", "-p", folder, *steps).error == ""
    line, document = status(folder)
    assert line[1:5] == ["prepared", "0 of 3", "-", "0"]
    assert (document["state"], document["next_round"]) == ("prepared", None)
    assert "align" in document["needs"]

    def put(**columns: object) -> None:
        with Project.open(folder) as project, project.store.write() as db:
            for column, value in columns.items():
                db.execute(f"UPDATE schedule SET {column} = ?", (value,))

    with Project.open(folder) as project, project.store.write() as db:
        for entry, number in zip(entries, numbers, strict=True):
            own = (entry.id, number, 1 if entry.name == "TS_3" else 2)
            db.execute("INSERT INTO schedule_item VALUES ('n', ?, '', ?, ?)", own)
    began = 1_900_000_000.0
    put(state="running", round=2, busy=2, began=began)
    monkeypatch.setattr(time, "time", lambda: began + 60.0)
    line, document = status(folder)
    assert line[1:5] == ["running", "2 of 3", "2030-03-17 18:16 UTC", "2"]
    asked = ("state", "round", "round_began", "round_ended", "next_round", "in_queue")
    assert [document[one] for one in asked] == ["running", 2, began, False, began + 1800, 2]
    monkeypatch.setattr(time, "time", lambda: began + 1800.0)
    assert status(folder)[0][3] == "when this one ends"
    put(busy=0)
    assert status(folder)[0][3] == "now"
    put(busy=2)
    left = "2 of its data sets are still in the queue."
    assert left in call("schedule", "stop", "n", "-p", folder).stdout
    put(state="running")
    with Project.open(folder) as project:
        project.queue.take_out(["TS_1"])
    left = "Schedule n is stopped in round 2 of 3. 1 of its data sets is still in the queue.\n"
    assert call("schedule", "stop", "n", "-p", folder).stdout == left


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--times 1", "setup; one round."),
        ("--times 2", "setup; 2 rounds."),
        ("--times 2 --every 1", "setup; 2 rounds, at least 1 minute apart."),
    ],
)
def test_the_rounds_are_told(folder: Path, options: str, told: str) -> None:
    made = call("schedule", "new", "n", "-p", folder, "--steps", "setup", *options.split())
    assert made.stdout.splitlines()[0] == f"Schedule n is prepared: {told}"
