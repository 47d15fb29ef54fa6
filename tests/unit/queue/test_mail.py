"""Sending messages, to a real server."""

from __future__ import annotations

import smtplib
import time
from pathlib import Path
from typing import Any

import mail_server
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_server import PASSWORD, USER, MailServer, serve

from tomoline.errors import TomolineError
from tomoline.queue.mail import make_message, message_id_of, send_mail, sender_of
from tomoline.queue.user_settings import MailSettings


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mail_server.make_certificate(tmp_path_factory.mktemp("certificate"))


def test_a_plain_message_arrives(server: MailServer) -> None:
    told: list[str] = []
    refused = send_mail(
        server.settings(), "TS_01 failed", "why\nand\thow", message_id="<7@x>", tell=told.append
    )
    [message] = server.messages
    assert refused == []
    assert message["Subject"] == "tomoline: TS_01 failed"
    assert (message["From"], message["To"]) == ("em@example.org", "ann@example.org")
    assert (message["Message-ID"], message["Auto-Submitted"]) == ("<7@x>", "auto-generated")
    assert message["Date"]
    assert message.get_content() == "TS_01 failed\n\nwhy\nand how\n"
    assert told == [f"connected to localhost:{server.port}", "accepted for ann@example.org"]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_secured_message_arrives(certificate: Path, tls: str) -> None:
    told: list[str] = []
    with serve(tls=tls, certificate=certificate, login=True) as server:
        settings = server.settings(tls, user=USER, password=PASSWORD)
        send_mail(settings, "done", "", tell=told.append)
        assert server.subjects == ["tomoline: done"]
    assert told[1:] == [
        "secured: the certificate is good for localhost",
        f"logged in as {USER}",
        "accepted for ann@example.org",
    ]


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: Path, tls: str) -> None:
    with serve(tls=tls, certificate=certificate) as server:
        with pytest.raises(TomolineError) as caught:
            send_mail(server.settings(tls, ca_file=""), "done", "")
        assert server.messages == []
    assert caught.value.code == "MAIL-02"
    assert "certificate cannot be trusted" in caught.value.found
    assert "ca_file" in caught.value.remedy


def test_a_certificate_of_another_server_is_refused(tmp_path: Path) -> None:
    other = mail_server.make_certificate(tmp_path, "elsewhere.example.org")
    with serve(tls="tls", certificate=other) as server:
        with pytest.raises(TomolineError, match="certificate cannot be trusted"):
            send_mail(server.settings("tls"), "done", "")
        assert server.messages == []


def test_nothing_is_sent_in_the_clear_where_tls_is_asked_for(server: MailServer) -> None:
    with pytest.raises(TomolineError, match="STARTTLS") as caught:
        send_mail(server.settings("starttls", user="me", password="mine"), "done", "")
    assert (caught.value.code, server.messages) == ("MAIL-02", [])


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_wrong_password_is_told(certificate: Path, tls: str) -> None:
    with serve(tls=tls, certificate=certificate, login=True) as server:
        with pytest.raises(TomolineError) as caught:
            send_mail(server.settings(tls, user=USER, password="guess"), "done", "")
        assert server.messages == []
    assert caught.value.code == "MAIL-02"
    assert f"refuses the user {USER}: 535" in caught.value.found
    assert "guess" not in str(caught.value)


def test_a_server_that_wants_a_login_is_told(certificate: Path) -> None:
    with serve(tls="starttls", certificate=certificate, login=True) as server:
        with pytest.raises(TomolineError, match=r"refuses the sender em@example\.org: 530"):
            send_mail(server.settings("starttls"), "done", "")


def test_of_two_receivers_one_may_be_refused(server: MailServer) -> None:
    server.refused.add("bob@example.org")
    settings = server.settings(to=("ann@example.org", "bob@example.org"))
    [notice] = send_mail(settings, "done", "")
    assert server.receivers == [["ann@example.org"]]
    assert (notice.code, notice.where) == ("MAIL-02", "bob@example.org")
    assert "550 no such mailbox" in notice.found


def test_a_refused_receiver_is_told(server: MailServer) -> None:
    server.refused.add("ann@example.org")
    with pytest.raises(TomolineError, match=r"ann@example\.org: 550 no such") as caught:
        send_mail(server.settings(), "done", "")
    assert caught.value.code == "MAIL-02"


def test_a_dead_server_is_told() -> None:
    server = MailServer(mail_server.free_port())
    with pytest.raises(TomolineError, match="refused") as caught:
        send_mail(server.settings(), "done", "")
    assert caught.value.code == "MAIL-02"
    assert caught.value.where == f"localhost:{server.port}"


def test_a_server_without_a_name_is_told() -> None:
    settings = MailServer(25).settings(server="no-such-host.invalid")
    with pytest.raises(TomolineError) as caught:
        send_mail(settings, "done", "")
    assert caught.value.code == "MAIL-02"


@pytest.mark.parametrize("tls", ["none", "starttls", "tls"])
def test_a_silent_server_is_left(tls: str) -> None:
    with mail_server.silent_server() as port:
        settings = MailServer(port).settings(tls, timeout_s=0.3)
        began = time.monotonic()
        with pytest.raises(TomolineError, match=r"no answer in 0\.3 s") as caught:
            send_mail(settings, "done", "")
    assert caught.value.code == "MAIL-02"
    assert time.monotonic() - began < 30.0


@pytest.mark.parametrize(
    ("settings", "lacking"),
    [
        (MailSettings(), "server and to"),
        (MailSettings(server="localhost"), "to"),
        (MailSettings(to=("ann@example.org",)), "server"),
    ],
)
def test_settings_that_lack_something(settings: MailSettings, lacking: str) -> None:
    with pytest.raises(TomolineError) as caught:
        send_mail(settings, "done", "")
    assert caught.value.code == "MAIL-03"
    assert caught.value.found == f"[mail] lacks {lacking}."


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zähler µ-Röhre 7", "Zähler µ-Röhre 7"),
        ("試料_01", "試料_01"),
        ("TS\r\nBcc: all@example.org", "TS Bcc: all@example.org"),
        ("TS\n\nbody", "TS body"),
        ("TS\x00\x1b[31m", "TS\\x00\\x1b[31m"),
        ("TS\u2028Bcc: all@example.org", "TS Bcc: all@example.org"),
        ("TS_\udcff", "TS_\\udcff"),
    ],
)
def test_any_name_arrives_and_adds_no_header(server: MailServer, name: str, shown: str) -> None:
    send_mail(server.settings(), f"{name} failed", f"{name}: what is wrong\n{name}")
    [message] = server.messages
    assert message["Subject"] == f"tomoline: {shown} failed"
    assert message["Bcc"] is None
    assert server.receivers == [["ann@example.org"]]
    assert message.get_content().startswith(f"{shown} failed\n\n")


def test_a_receiver_with_umlauts_gets_the_message(server: MailServer) -> None:
    send_mail(server.settings(to=("jürgen@example.org",)), "done", "")
    assert server.receivers == [["jürgen@example.org"]]


@given(st.text(), st.text())
def test_any_text_makes_a_message_of_one_head(title: str, text: str) -> None:
    message = make_message(MailSettings(to=("ann@example.org",), sender="a@b.c"), title, text)
    raw = message.as_bytes()
    head = raw.partition(b"\n\n")[0]
    names = [line.partition(b":")[0] for line in head.splitlines() if line[:1] not in b" \t"]
    assert names == [
        *(b"Subject", b"From", b"To", b"Date", b"Auto-Submitted"),
        *(b"Content-Type", b"Content-Transfer-Encoding", b"MIME-Version"),
    ]
    assert len(str(message["Subject"])) < 170


def test_a_long_title_is_cut() -> None:
    settings = MailSettings(to=("ann@example.org",), sender="a@b.c")
    for length in (150, 151, 400):
        subject = str(make_message(settings, "x" * length, "")["Subject"]).removeprefix(
            "tomoline: "
        )
        assert len(subject) == 150
        assert subject.endswith("...") is (length > 150)


def test_messages_come_from_whoever_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "em")
    monkeypatch.setattr("socket.gethostname", lambda: "scope")
    assert sender_of(MailSettings()) == "em@scope"

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert sender_of(MailSettings()) == "tomoline@scope"


class Odd(smtplib.SMTP):
    """A connection on which something goes wrong; it is left politely all the same."""

    at = "send_message"
    error: Exception
    quits = 0

    def send_message(self, *given: Any, **named: Any) -> Any:
        if self.at == "send_message":
            raise self.error
        return super().send_message(*given, **named)

    def quit(self) -> Any:
        type(self).quits += 1
        if self.at == "quit":
            raise self.error
        return super().quit()


@pytest.fixture
def odd(monkeypatch: pytest.MonkeyPatch) -> type[Odd]:
    class Own(Odd):
        pass

    monkeypatch.setattr(smtplib, "SMTP", Own)
    return Own


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (smtplib.SMTPDataError(552, b"too\nbig."), "answers 552 too big."),
        (OSError("odd"), "odd."),
        (OSError(113, "No route to host"), "No route to host."),
    ],
)
def test_what_else_a_server_says_is_told(
    server: MailServer, odd: type[Odd], error: Exception, found: str
) -> None:
    odd.error = error
    with pytest.raises(TomolineError) as caught:
        send_mail(server.settings(), "done", "")
    assert (caught.value.code, caught.value.found) == ("MAIL-02", found)


@pytest.mark.parametrize(
    "error", [smtplib.SMTPServerDisconnected("closed"), ConnectionResetError(104, "reset")]
)
def test_what_breaks_after_the_message_was_taken_is_no_failure(
    server: MailServer, odd: type[Odd], error: Exception
) -> None:
    odd.at, odd.error = "quit", error
    assert send_mail(server.settings(), "done", "") == []
    assert (odd.quits, server.subjects) == (1, ["tomoline: done"])


def test_a_name_that_no_server_can_have_is_told() -> None:
    with pytest.raises(TomolineError) as caught:
        send_mail(MailServer(25).settings(server="a..b"), "done", "")
    assert caught.value.code == "MAIL-02"


def test_the_same_event_has_the_same_message_id() -> None:
    settings = MailSettings(sender="em@example.org")
    ids = [
        message_id_of(settings, Path(folder), kind, event)
        for folder, kind, event in [
            ("/data/a", "failed", 1),
            ("/data/a", "failed", 1),
            ("/data/b", "failed", 1),
            ("/data/a", "done", 1),
            ("/data/a", "failed", 2),
        ]
    ]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4
    assert all(one.startswith("<tomoline.") and one.endswith("@example.org>") for one in ids)
