"""The user's settings: read whole, every fault told."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tomoline.errors import Faults, TomolineError
from tomoline.queue.user_settings import (
    EXAMPLE,
    HookSettings,
    MailSettings,
    is_address,
    read_settings,
    settings_path,
)

PAGE = Path(__file__).parents[3] / "docs/how-to/notify.md"


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(TomolineError) as caught:
        read_settings(path)
    faults = caught.value.faults if isinstance(caught.value, Faults) else [caught.value]
    assert {one.code for one in faults} == {"MAIL-01"}
    return [f"{one.where.removeprefix(str(path))} {one.found}" for one in faults]


def test_without_a_file_nothing_is_sent(tmp_path: Path) -> None:
    settings = read_settings(tmp_path / "settings.toml")
    assert (settings.mail, settings.hook) == (MailSettings(), HookSettings())
    assert not settings.mail.server
    assert not settings.hook.command


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path() == tmp_path / "tomoline" / "settings.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/ann")
    assert settings_path() == Path("/home/ann/.config/tomoline/settings.toml")


def test_all_that_can_be_set(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("s3cret \n")
    (tmp_path / "word").chmod(0o600)
    (tmp_path / "own.pem").touch()
    text = """
[mail]
server = "mail.example.org"
port = 2525
tls = "tls"
user = "em"
password_file = "word"
sender = "em@example.org"
to = ["ann@example.org", "bob@example.org"]
on = ["done"]
ca_file = "own.pem"
timeout_s = 5

[hook]
command = "tell 'the group' --now"
on = ["finished", "watch"]
timeout_s = 1.5
"""
    settings = read_settings(write(tmp_path, text))
    assert settings.mail == MailSettings(
        server="mail.example.org",
        port=2525,
        tls="tls",
        user="em",
        password="s3cret",
        sender="em@example.org",
        to=("ann@example.org", "bob@example.org"),
        on=("done",),
        ca_file=str(tmp_path / "own.pem"),
        timeout_s=5.0,
    )
    assert settings.hook == HookSettings("tell 'the group' --now", ("finished", "watch"), 1.5)
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(("tls", "port"), [("none", 25), ("starttls", 587), ("tls", 465)])
def test_each_kind_of_connection_has_its_port(tmp_path: Path, tls: str, port: int) -> None:
    settings = read_settings(write(tmp_path, f'[mail]\nserver = "x"\ntls = "{tls}"'))
    assert settings.mail.usual_port == port


def test_one_address_needs_no_list(tmp_path: Path) -> None:
    assert read_settings(write(tmp_path, '[mail]\nto = "a@b.org"')).mail.to == ("a@b.org",)


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = """[mail]
server = 7
prot = 25
port = 70000
tls = "ssl"
to = ["ann"]
on = ["fail"]

[hook]
command = "tell 'the group"
timeout_s = "long"
[maill]
"""
    assert sorted(faults_of(write(tmp_path, text))) == sorted(
        [
            ":2 server is a text in quotes, on one line.",
            ":3 [mail] has no 'prot'; did you mean 'port'?.",
            ":4 port = 70000 is no whole number from 0 to 65535.",
            ":5 tls = 'ssl' is none of none, starttls, tls.",
            ":6 'ann' is no e-mail address.",
            ":7 on has 'fail', which does not happen; did you mean 'failed'?.",
            ":10 the command cannot be split into words: No closing quotation.",
            ":11 timeout_s = 'long' is no number from 1 to 3600.",
            ":12 there is no table 'maill'; did you mean 'mail'?.",
        ]
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[mail\n", "it is not TOML: .*line 1"),
        ("mail = 3", r":1 mail is a table, \[mail\]"),
        ("[mail]\nport = true", ":2 port = True is no whole number"),
        ("[mail]\nport = 2.5", ":2 port = 2.5 is no whole number"),
        ("[mail]\ntimeout_s = nan", ":2 timeout_s = nan is no number"),
        ('[mail]\nto = ["a@b.org, c@d.org"]', ":2 'a@b.org, c@d.org' is no e-mail address"),
        ('[mail]\nsender = "a@b.org\\r\\nBcc: c@d.org"', ":2 sender is a text in quotes, on one"),
        ("[mail]\nto = [1]", ":2 to is a list of texts"),
        ("[mail]\nca_file = 'none.pem'", ":2 .*none.pem is not there"),
        ("mail.port = -1", ":1 port = -1 is no whole number"),
        ('[mail]\nuser = "em"', ":2 a user needs a password"),
        ('[mail]\npassword = "x"', ":2 a password needs a user"),
        ('[mail]\nuser = "em"\npassword_file = "gone"', ":3 .*gone cannot be read"),
        ("mail = {port = -1}", ":1 port = -1 is no whole number"),
        ('[mail]\nsender = "ann"', ":2 'ann' is no e-mail address"),
        ("[mail]\ntimeout_s = 0.5", ":2 timeout_s = 0.5 is no number from 1 to 3600"),
        ("a = " + "[" * 5000 + "]" * 5000, "it is not TOML: .*recursion"),
        (
            '[mail]\nserver = "far.org"\ntls = "none"\nuser = "em"\npassword = "x"',
            ":4 .*the password would go over the network",
        ),
    ],
)
def test_single_faults(tmp_path: Path, text: str, found: str) -> None:
    [fault] = faults_of(write(tmp_path, text))
    assert re.search(found, fault), fault


def test_a_password_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, '[mail]\nuser = "em"\npassword = "x"\n')
    assert read_settings(path).mail.password == "x"
    path.chmod(0o640)
    [fault] = faults_of(path)
    assert fault == f":3 others may read {path}; 'chmod 600' ends that."


def test_a_password_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    word = tmp_path / "word"
    word.write_text("x\n")
    word.chmod(0o604)
    path = write(tmp_path, '[mail]\nuser = "em"\npassword_file = "word"\n')
    assert faults_of(path) == [f":3 others may read {word}; 'chmod 600' ends that."]
    word.chmod(0o600)
    assert read_settings(path).mail.password == "x"
    word.write_text("\n")
    assert faults_of(path) == [f":3 {word} is empty."]


@pytest.mark.parametrize(
    ("word", "found"), [(b"", "word is empty"), (b"\xff\n", "word cannot be read: .*utf-8")]
)
def test_a_password_file_without_a_password_is_told(
    tmp_path: Path, word: bytes, found: str
) -> None:
    (tmp_path / "word").write_bytes(word)
    (tmp_path / "word").chmod(0o600)
    [fault] = faults_of(write(tmp_path, '[mail]\nuser = "em"\npassword_file = "word"\n'))
    assert re.search(f":3 .*{found}", fault), fault


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        ('user = "em"\npassword = "x"\n', ":4 password and password_file are both given."),
        ("", ":2 a password needs a user."),
    ],
)
def test_a_password_file_goes_with_a_user_alone(tmp_path: Path, lines: str, found: str) -> None:
    (tmp_path / "word").write_text("x")
    (tmp_path / "word").chmod(0o600)
    assert faults_of(write(tmp_path, f'[mail]\n{lines}password_file = "word"')) == [found]


def test_a_password_file_may_lie_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "word").write_text("x")
    (tmp_path / "word").chmod(0o600)
    (tmp_path / "config").mkdir()
    path = write(tmp_path / "config", '[mail]\nuser = "em"\npassword_file = "~/word"\n')
    assert read_settings(path).mail.password == "x"


def test_what_is_not_set_is_as_usual(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, "[mail]\n[hook]\n"))
    assert (settings.mail, settings.hook) == (MailSettings(), HookSettings())


def test_a_password_may_stay_on_this_machine_in_the_clear(tmp_path: Path) -> None:
    text = '[mail]\nserver = " localhost "\ntls = "none"\nuser = "em"\npassword = "x"'
    settings = read_settings(write(tmp_path, text))
    assert (settings.mail.server, settings.mail.user) == ("localhost", "em")


def test_the_file_may_begin_with_a_mark_of_its_encoding(tmp_path: Path) -> None:
    path = write(tmp_path, "\ufeff[mail]\nserver = 'x'\n")
    assert read_settings(path).mail.server == "x"
    path.write_bytes(b"[mail]\nserver = 'M\xfcller'\n")
    [fault] = faults_of(path)
    assert "it is not TOML" in fault


def test_the_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    [fault] = faults_of(tmp_path)
    assert "Is a directory" in fault


@pytest.mark.parametrize(
    "text", [EXAMPLE, *re.findall(r"```ini\n(.*?)```", PAGE.read_text(), re.DOTALL)]
)
def test_examples_can_be_used(tmp_path: Path, text: str) -> None:
    word = tmp_path / "password"
    word.write_text("x")
    word.chmod(0o600)
    settings = read_settings(
        write(tmp_path, text.replace("~/.config/tomoline/password", "password"))
    )
    assert settings.mail.server or settings.hook.command


def test_the_page_has_examples() -> None:
    assert len(re.findall(r"```ini\n", PAGE.read_text())) >= 2


@pytest.mark.parametrize(
    "text", ["", "ann", "@x", "a@", "a b@x.org", "a@x@y", "a@x.org\n", "a\x07@x.org"]
)
def test_what_is_no_address(text: str) -> None:
    assert not is_address(text)
