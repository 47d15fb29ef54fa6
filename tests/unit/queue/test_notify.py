"""What is told of a project, when, and how often."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from mail_server import MailServer, free_port, serve

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue import notify
from tomoline.queue.model import BatchState, Event, EventKind
from tomoline.queue.notify import NotifyService
from tomoline.queue.project import Project
from tomoline.queue.rows import batch, change_state, to_event
from tomoline.queue.user_settings import OCCASIONS, HookSettings, MailSettings, UserSettings

S = BatchState
NOW = 1_000_000.0


@pytest.fixture(scope="module")
def one_server() -> Iterator[MailServer]:
    with serve() as one:
        yield one


@pytest.fixture
def server(one_server: MailServer) -> MailServer:
    for kept in (one_server.messages, one_server.receivers, one_server.refused):
        kept.clear()
    return one_server


class Night:
    """A project whose batches end as they are told, and its notifying."""

    def __init__(self, project: Project, mail: MailSettings | None = None) -> None:
        self.project = project
        self.settings = UserSettings(Path("settings.toml"), mail or MailSettings())
        self.services: list[NotifyService] = []
        self.service = self.new_service()

    def new_service(self) -> NotifyService:
        service = NotifyService(self.project.folder, settings=lambda: self.settings)
        self.services.append(service)
        return service

    def close(self) -> None:
        for service in self.services:
            service.close()

    def add(self, *names: str) -> None:
        source = self.project.folder / "raw"
        source.mkdir(exist_ok=True)
        for name in names:
            (source / f"{name}.mrc").touch()
        entries = self.project.data_sets.add([source / f"{name}.mrc" for name in names])
        self.project.queue.add(entries)

    def end(self, name: str, state: BatchState, when: float, code: str = "FILE-03") -> None:
        """Run the batch that waits for a data set to this end."""
        store = self.project.store
        [one] = self.project.queue.batches(states=(S.WAITING,), patterns=(name,))
        change_state(store, one, S.RUNNING, "started", when=when - 5, started=when - 5)
        running = batch(store, one.id)
        assert running is not None
        if state is not S.FAILED:
            change_state(store, running, state, str(state), when=when)
            return
        change_state(
            store,
            running,
            S.FAILED,
            "failed",
            level="error",
            when=when,
            code=code,
            **{"step": "setup", "at": "raw.mrc", "found": "It is cut off.", "remedy": "Copy it."},
        )
        with store.write() as db:
            db.execute("UPDATE batch SET code = ? WHERE id = ?", (code, one.id))

    def events(self, kind: EventKind = EventKind.NOTICE) -> list[Event]:
        with self.project.store.read() as db:
            rows = db.execute("SELECT * FROM event WHERE kind = ? ORDER BY id", (kind,))
            return [to_event(row) for row in rows]


@pytest.fixture
def night(tmp_path: Path, server: MailServer) -> Iterator[Night]:
    with Project.create(tmp_path / "night") as project:
        made = Night(project, server.settings())
        yield made
        made.close()


def test_a_failure_is_told_after_a_minute_with_others(night: Night, server: MailServer) -> None:
    night.add("TS_1", "TS_2", "TS_3", "TS_4")
    night.end("TS_1", S.FAILED, NOW)
    night.end("TS_2", S.FINISHED, NOW + 10)
    night.end("TS_3", S.FAILED, NOW + 50, "TILT-07")
    night.service.turn(NOW + 59)
    assert server.messages == []
    assert night.service.busy()
    night.service.turn(NOW + 60)
    [message] = server.messages
    assert message["Subject"] == "tomoline: night: 2 data sets failed"
    text = message.get_content()
    for line in (
        f"Project {night.project.folder}",
        f"Log: {night.project.folder}/tomoline.log",
        "TS_1 failed in step setup",
        "    FILE-03: raw.mrc: It is cut off.",
        "    remedy: Copy it.",
        f"    log: {night.project.folder}/TS_1/TS_1.log",
        "    TILT-07: raw.mrc: It is cut off.",
    ):
        assert line in text.splitlines()
    assert "TS_2" not in text
    night.service.turn(NOW + 200)
    assert len(server.messages) == 1
    assert not night.service.busy()


def test_one_failure_is_named_in_the_subject(night: Night, server: MailServer) -> None:
    night.add("Zähler 7", "TS_2")
    night.end("Zähler 7", S.FAILED, NOW)
    night.service.turn(NOW + 61)
    assert server.subjects == ["tomoline: night: Zähler 7 failed"]


def test_when_all_is_done_one_message_tells_it(night: Night, server: MailServer) -> None:
    night.add("TS_1", "TS_2", "TS_3")
    night.end("TS_1", S.FINISHED, NOW)
    night.end("TS_2", S.FAILED, NOW + 60)
    night.end("TS_3", S.FINISHED, NOW + 115)
    assert night.service.busy()
    night.service.turn(NOW + 116)
    [message] = server.messages
    assert message["Subject"] == "tomoline: night done: 2 finished, 1 failed"
    text = message.get_content()
    assert "It took 2 min 0 s." in text
    assert "FILE-03: raw.mrc: It is cut off." in text
    for later in (117, 1000, 100000):
        night.service.turn(NOW + later)
    assert len(server.messages) == 1
    assert not night.service.busy()


def test_a_second_run_is_told_by_itself(night: Night, server: MailServer) -> None:
    night.add("TS_1")
    night.end("TS_1", S.FAILED, NOW)
    night.service.turn(NOW + 1)
    night.project.queue.retry()
    night.end("TS_1", S.FINISHED, NOW + 100)
    night.service.turn(NOW + 101)
    assert server.subjects == [
        "tomoline: night done: 1 failed",
        "tomoline: night done: 1 finished",
    ]


def test_what_was_killed_alone_is_not_told(night: Night, server: MailServer) -> None:
    night.add("TS_1")
    night.end("TS_1", S.KILLED, NOW)
    night.service.turn(NOW + 100)
    assert server.messages == []
    assert not night.service.busy()


@pytest.mark.parametrize(
    "more",
    [
        "INSERT INTO watch (folder, recipe, began) VALUES ('/data', 'tilt', 0)",
        "INSERT INTO schedule (name, recipe, steps, needs, times, every_s, state)"
        " VALUES ('n', 'tilt', 'setup', '', 3, 60, 'running')",
    ],
)
def test_nothing_is_done_while_more_may_come(night: Night, server: MailServer, more: str) -> None:
    with night.project.store.write() as db:
        db.execute(more)
    night.add("TS_1", "TS_2")
    night.end("TS_1", S.FINISHED, NOW)
    night.end("TS_2", S.FAILED, NOW)
    night.service.turn(NOW + 61)
    assert server.subjects == ["tomoline: night: TS_2 failed"]
    with night.project.store.write() as db:
        db.execute("UPDATE watch SET active = 0")
        db.execute("UPDATE schedule SET state = 'finished'")
    night.service.turn(NOW + 62)
    assert server.subjects[1:] == ["tomoline: night done: 1 finished, 1 failed"]


def test_trouble_of_watching_is_told(night: Night, server: MailServer) -> None:
    night.add("TS_1")
    for code in ("WATCH-02", "WATCH-05", "WATCH-10"):
        night.project.store.add_event(
            EventKind.WATCH, f"{code} is about /data", level="warning", code=code, when=NOW
        )
    night.service.turn(NOW + 61)
    [message] = server.messages
    assert message["Subject"] == "tomoline: night: watching needs a look"
    assert "WATCH-02 is about /data" in message.get_content()
    assert "WATCH-10 is about /data" in message.get_content()
    assert "WATCH-05" not in message.get_content()


def test_only_what_is_wanted_is_told(night: Night, server: MailServer) -> None:
    night.settings = replace(night.settings, mail=server.settings(on=("done",)))
    night.add("TS_1", "TS_2")
    night.end("TS_1", S.FAILED, NOW)
    night.service.turn(NOW + 100)
    assert server.messages == []
    assert not night.service.busy()
    night.end("TS_2", S.FINISHED, NOW + 200)
    night.service.turn(NOW + 201)
    assert server.subjects == ["tomoline: night done: 1 finished, 1 failed"]


def test_a_project_may_have_its_own_addresses(night: Night, server: MailServer) -> None:
    night.project.store.set_setting("mail.to", '["bob@example.org", "cy@example.org"]')
    night.add("TS_1")
    night.end("TS_1", S.FINISHED, NOW)
    night.service.turn(NOW + 1)
    assert server.receivers == [["bob@example.org", "cy@example.org"]]


def test_what_happened_before_mail_was_set_up_is_not_told(night: Night, server: MailServer) -> None:
    mail = night.settings.mail
    night.settings = replace(night.settings, mail=MailSettings())
    night.add("TS_1")
    night.end("TS_1", S.FAILED, NOW)
    night.service.turn(NOW + 1)
    assert not night.service.busy()
    night.settings = replace(night.settings, mail=mail)
    night.service.turn(NOW + 100)
    assert server.messages == []
    night.add("TS_2")
    night.end("TS_2", S.FINISHED, NOW + 200)
    night.service.turn(NOW + 201)
    assert server.subjects == ["tomoline: night done: 1 finished"]


def test_a_dead_server_is_tried_again_and_told_once(night: Night, server: MailServer) -> None:
    night.settings = replace(night.settings, mail=server.settings(port=free_port()))
    night.add("TS_1")
    night.end("TS_1", S.FINISHED, NOW)
    tries = []
    for second in range(0, 4000, 10):
        before = night.project.store.setting("mail.refused")
        night.service.turn(NOW + second)
        if night.project.store.setting("mail.refused") != before:
            tries.append(second)
    assert tries == [0, 60, 360, 1260]
    [event] = night.events()
    assert (event.code, event.level) == ("MAIL-02", "warning")
    assert "refused" in event.message
    assert night.service.busy()
    night.settings = replace(night.settings, mail=server.settings())
    night.new_service().turn(NOW + 1260 + 3600)
    assert server.subjects == ["tomoline: night done: 1 finished"]
    assert night.project.store.setting("mail.refused") == ""
    assert [one.code for one in night.events()] == ["MAIL-02", ""]
    assert not night.service.busy()


def dead_for(night: Night, hours: float, since: float = NOW) -> None:
    """Let a runner look every five minutes while no mail server answers."""
    night.settings = replace(
        night.settings,
        mail=MailSettings(
            server="localhost", port=free_port(), tls="none", to=("ann@example.org",)
        ),
    )
    for minutes in range(0, round(60 * hours), 5):
        night.service.turn(since + 60.0 * minutes)


def test_what_cannot_be_sent_for_a_day_is_given_up(night: Night) -> None:
    night.add("TS_1")
    night.end("TS_1", S.FINISHED, NOW)
    dead_for(night, 24)
    assert [one.code for one in night.events()] == ["MAIL-02"]
    assert night.service.busy()
    dead_for(night, 1, NOW + 24 * 3600)
    assert [one.code for one in night.events()] == ["MAIL-02", "MAIL-02"]
    assert "given up after 28 tries" in night.events()[1].message
    assert not night.service.busy()


@pytest.mark.parametrize("done", [False, True])
def test_what_has_happened_later_has_a_day_of_its_own(
    night: Night, server: MailServer, done: bool
) -> None:
    mail = night.settings.mail
    night.add("TS_1", *([] if done else ["TS_3"]))
    night.end("TS_1", S.FAILED, NOW)
    dead_for(night, 20, NOW + 60)
    night.add("TS_2")
    night.end("TS_2", S.FAILED, NOW + 20 * 3600)
    dead_for(night, 10, NOW + 20 * 3600)
    assert [one.code for one in night.events()] == ["MAIL-02", "MAIL-02", "MAIL-02"]
    night.settings = replace(night.settings, mail=mail)
    night.service.turn(NOW + 31 * 3600)
    title = "done: 2 failed" if done else "TS_2 failed"
    assert [one.partition("night")[2].lstrip(": ") for one in server.subjects] == [title]


@pytest.mark.parametrize("dead", [False, True])
def test_a_clock_that_is_set_forward_loses_nothing(
    night: Night, server: MailServer, dead: bool
) -> None:
    mail = night.settings.mail
    night.add("TS_1", "TS_2")
    night.end("TS_1", S.FAILED, NOW)
    if dead:
        dead_for(night, 1, NOW + 60)
        for days in (2, 4, 6):
            night.service.turn(NOW + days * 86400.0)
    night.settings = replace(night.settings, mail=mail)
    night.service.turn(NOW + 10 * 86400.0)
    assert server.subjects == ["tomoline: night: TS_1 failed"]


def test_failures_go_on_being_gathered_while_the_server_is_dead(
    night: Night, server: MailServer
) -> None:
    night.settings = replace(night.settings, mail=server.settings(port=free_port()))
    night.add("TS_1", "TS_2", "TS_3")
    night.end("TS_1", S.FAILED, NOW)
    night.service.turn(NOW + 60)
    night.end("TS_2", S.FAILED, NOW + 61)
    night.settings = replace(night.settings, mail=server.settings())
    night.service.turn(NOW + 100)
    assert server.messages == []
    night.service.turn(NOW + 121)
    assert server.subjects == ["tomoline: night: 2 data sets failed"]


@pytest.mark.parametrize("jump", [-10.0, -5000.0, -1e6])
def test_a_clock_that_is_set_back_hangs_nothing(
    night: Night, server: MailServer, jump: float
) -> None:
    night.settings = replace(night.settings, mail=server.settings(port=free_port()))
    night.add("TS_1", "TS_2")
    night.end("TS_1", S.FAILED, NOW)
    night.service.turn(NOW + 60)
    night.settings = replace(night.settings, mail=server.settings())
    for second in range(0, 4000, 50):
        night.service.turn(NOW + 60 + jump + second)
    assert server.subjects == ["tomoline: night: TS_1 failed"]


def test_a_refused_receiver_does_not_stop_the_others(night: Night, server: MailServer) -> None:
    server.refused.add("bob@example.org")
    mail = server.settings(to=("ann@example.org", "bob@example.org"))
    night.settings = replace(night.settings, mail=mail)
    night.add("TS_1")
    night.end("TS_1", S.FINISHED, NOW)
    night.service.turn(NOW + 1)
    night.service.turn(NOW + 2)
    assert server.receivers == [["ann@example.org"]]
    assert [one.code for one in night.events()] == ["MAIL-02", ""]
    assert "bob@example.org" in night.events()[0].message


def test_a_runner_that_dies_between_sending_and_writing_sends_the_same_again(
    night: Night, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    night.add("TS_1")
    night.end("TS_1", S.FINISHED, NOW)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(notify._Mail, "mark", die)
        with pytest.raises(KeyboardInterrupt):
            night.service.turn(NOW + 1)
    for second in (2, 3, 4):
        night.new_service().turn(NOW + second)
    assert len(server.messages) == 2
    assert server.messages[0]["Message-ID"] == server.messages[1]["Message-ID"]


def test_another_runner_does_not_tell_it_again(night: Night, server: MailServer) -> None:
    night.add("TS_1")
    night.end("TS_1", S.FINISHED, NOW)
    night.service.turn(NOW + 1)
    night.new_service().turn(NOW + 2)
    assert len(server.messages) == 1


def test_settings_that_cannot_be_used_are_told_once(night: Night) -> None:
    def broken() -> UserSettings:
        raise errors.notify.BAD_SETTINGS.error("settings.toml:3", "there is no 'prot'.")

    service = NotifyService(night.project.folder, settings=broken)
    night.add("TS_1")
    night.end("TS_1", S.FAILED, NOW)
    for second in range(5):
        assert service.turn(NOW + second) > 0
    assert not service.busy()
    service.close()
    [event] = night.events()
    assert event.code == "MAIL-01"
    assert "there is no 'prot'" in event.message


def test_very_many_failures_are_cut_short(night: Night, server: MailServer) -> None:
    names = [f"TS_{number:03}" for number in range(60)]
    night.add(*names)
    for name in names[:-1]:
        night.end(name, S.FAILED, NOW)
    night.service.turn(NOW + 60)
    text = server.messages[0].get_content()
    assert server.subjects == ["tomoline: night: 59 data sets failed"]
    assert "TS_039" in text
    assert "TS_040" not in text
    assert "and 19 more: 'tomoline log --level error' lists them." in text


def test_a_data_set_that_was_removed_is_told_all_the_same(night: Night, server: MailServer) -> None:
    night.add("TS_1", "TS_2")
    night.end("TS_1", S.FAILED, NOW)
    night.project.data_sets.remove(["TS_1"])
    night.service.turn(NOW + 61)
    assert server.subjects == ["tomoline: night: TS_1 failed"]
    assert "FILE-03: failed" in server.messages[0].get_content()


def hook(folder: Path, body: str, *on: str) -> HookSettings:
    path = folder / "hook.py"
    path.write_text(f"import json, os, sys\n{body}\n")
    return HookSettings(f"'{sys.executable}' '{path}'", on, 30.0)


def test_the_hook_is_called_for_each_event_once(night: Night, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    body = f"open({str(seen)!r}, 'a').write(sys.stdin.read())"
    command = hook(tmp_path, body, "finished", "failed", "done")
    night.settings = UserSettings(Path("settings.toml"), hook=command)
    night.add("TS_1", "TS_2", "TS_3")
    night.end("TS_1", S.FINISHED, NOW)
    night.end("TS_2", S.KILLED, NOW)
    night.end("TS_3", S.FAILED, NOW)
    while night.service.busy():
        night.new_service().turn(NOW + 1)
    facts = [json.loads(line) for line in seen.read_text().splitlines()]
    assert [(one["event"], one.get("data_set")) for one in facts] == [
        ("finished", "TS_1"),
        ("failed", "TS_3"),
        ("done", None),
    ]
    assert facts[0]["folder"] == str(night.project.folder / "TS_1")
    assert facts[0]["seconds"] == 5.0
    assert facts[1] | {"code": "FILE-03", "found": "It is cut off."} == facts[1]
    assert facts[2]["counts"] == {"finished": 1, "killed": 1, "failed": 1}
    night.service.turn(NOW + 100)
    assert len(seen.read_text().splitlines()) == 3


def test_a_hook_that_fails_is_told_and_not_called_again(night: Night, tmp_path: Path) -> None:
    night.settings = UserSettings(
        Path("settings.toml"), hook=hook(tmp_path, "sys.exit('out of paper')", "done")
    )
    night.add("TS_1")
    night.end("TS_1", S.FINISHED, NOW)
    for second in (1, 2, 3):
        night.service.turn(NOW + second)
    [event] = night.events()
    assert event.code == "MAIL-04"
    assert "out of paper" in event.message


def test_no_mail_and_no_hook_is_nothing_to_wait_for(tmp_path: Path) -> None:
    with Project.create(tmp_path / "night") as project:
        night = Night(project)
        night.add("TS_1")
        night.end("TS_1", S.FAILED, NOW)
        assert not night.service.busy()
        assert night.service.turn(NOW) > 0
        night.close()


@pytest.mark.parametrize(
    ("on", "ended", "busy"),
    [
        (("failed",), S.FINISHED, False),  # nor that all is done
        (("failed",), S.FAILED, True),
        (("done",), S.FINISHED, True),
        (("finished",), S.FINISHED, True),
    ],
)
def test_only_for_what_is_wanted_the_runner_stays(
    night: Night, server: MailServer, on: tuple[str, ...], ended: BatchState, busy: bool
) -> None:
    night.settings = replace(night.settings, mail=server.settings(on=on))
    night.add("TS_1")
    night.end("TS_1", ended, NOW)
    assert night.service.busy() is busy
    for second in range(0, 200, 10):
        night.service.turn(NOW + second)
    assert not night.service.busy()
    told = len(server.messages)
    # Whoever wants more from now on hears of nothing that was over by then.
    night.settings = replace(night.settings, mail=server.settings())
    assert not night.service.busy()
    night.settings = replace(night.settings, mail=server.settings(on=OCCASIONS))
    assert not night.service.busy()
    assert len(server.messages) == told


def test_a_project_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(TomolineError, match="PROJ-01"):
        NotifyService(tmp_path / "nowhere").turn(NOW)
