"""``tomoline mail`` and ``tomoline schedule``, within this process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mail_server import MailServer, serve
from typer.testing import CliRunner

from tomoline.cli.main import app
from tomoline.errors import TomolineError
from tomoline.queue import launch
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
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's settings file, not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "config" / "tomoline" / "settings.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def folder(tmp_path: Path, settings: Path) -> Path:
    Project.create(tmp_path / "night").close()
    return tmp_path / "night"


@pytest.fixture
def server() -> Iterator[MailServer]:
    with serve() as one:
        yield one


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
