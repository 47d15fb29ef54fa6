"""Calling the user's command."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest

from tomoline.queue.hook import run_hook
from tomoline.queue.process import birth_of
from tomoline.queue.user_settings import HookSettings

FACTS = {"data_set": "TS_01", "state": "failed", "code": "FILE-03", "seconds": 1.5}


def python(folder: Path, body: str) -> str:
    path = folder / "a hook.py"
    path.write_text(f"import json, os, sys, time, subprocess\n{body}\n", encoding="utf-8")
    return f"'{sys.executable}' '{path}'"


def test_the_command_gets_all_that_is_known(tmp_path: Path) -> None:
    body = """json.dump({"given": json.load(sys.stdin), "args": sys.argv[1:], "here": os.getcwd(),
    "env": {k: v for k, v in os.environ.items() if k.startswith("TOMOLINE")}}, open("seen", "w"))"""
    command = python(tmp_path, body) + " '$HOME; rm x' two"
    facts = FACTS | {"project": str(tmp_path)}
    assert run_hook(HookSettings(command), "failed", facts) is None
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["given"] == {"event": "failed", **facts}
    assert seen["args"] == ["$HOME; rm x", "two"]
    assert seen["here"] == str(tmp_path)
    expected = {
        "TOMOLINE_EVENT": "failed",
        "TOMOLINE_PROJECT": str(tmp_path),
        "TOMOLINE_DATA_SET": "TS_01",
        "TOMOLINE_STATE": "failed",
        "TOMOLINE_CODE": "FILE-03",
    }
    assert expected.items() <= seen["env"].items()


@pytest.mark.parametrize("name", ["Zähler 試料", "a\nb", "TS_\udcff", "nul\0byte"])
def test_any_name_can_be_told(tmp_path: Path, name: str) -> None:
    command = python(
        tmp_path, "assert json.load(sys.stdin)['event']; os.environb[b'TOMOLINE_DATA_SET'].decode()"
    )
    assert run_hook(HookSettings(command), "done", FACTS | {"data_set": name}) is None


def test_a_command_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    command = python(tmp_path, "print('x' * 9999); sys.exit('no printer')")
    notice = run_hook(HookSettings(command), "done", FACTS)
    assert notice is not None
    assert notice.code == "MAIL-04"
    assert notice.found.startswith("it ended with status 1: xxx")
    assert notice.found.endswith("no printer.")
    assert len(notice.found) < 400


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    notice = run_hook(HookSettings(str(tmp_path / "none")), "done", FACTS)
    assert notice is not None
    assert notice.found == "it cannot be started: No such file or directory."
    assert notice.where == str(tmp_path / "none")


def test_a_command_in_the_home_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    script = tmp_path / "tell"
    script.write_text("#!/bin/sh\nexit 3\n")
    notice = run_hook(HookSettings("~/tell"), "done", FACTS)
    assert notice is not None
    assert notice.found == "it cannot be started: Permission denied."
    script.chmod(0o700)
    notice = run_hook(HookSettings("~/tell"), "done", FACTS)
    assert notice is not None
    assert notice.found == "it ended with status 3."


def test_a_command_that_is_killed_is_told_whatever_it_said(tmp_path: Path) -> None:
    body = "os.write(1, b'one\\ntwo \\xff'); os.kill(os.getpid(), 9)"
    notice = run_hook(HookSettings(python(tmp_path, body)), "done", FACTS)
    assert notice is not None
    assert notice.found == "it ended with signal 9: one two \ufffd."


def test_a_command_that_ends_when_it_is_killed_anyhow_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill = os.killpg

    def late(group: int, number: int) -> None:
        kill(group, number)
        os.waitpid(group, 0)
        kill(group, number)  # nobody is there any more

    monkeypatch.setattr(os, "killpg", late)
    notice = run_hook(HookSettings("sleep 60", timeout_s=0.1), "done", FACTS)
    assert notice is not None
    assert notice.found == "it was killed after 0.1 s."


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    body = f"""one = subprocess.Popen(["sleep", "60"])
open({str(child)!r} + ".part", "w").write(str(one.pid)); os.rename({str(child)!r} + ".part",
{str(child)!r})
time.sleep(60)"""
    begin = time.monotonic()
    notice = run_hook(HookSettings(python(tmp_path, body), timeout_s=1.5), "done", FACTS)
    assert time.monotonic() - begin < 10
    assert notice is not None
    assert notice.found == "it was killed after 1.5 s."
    pid = int(child.read_text())
    deadline = time.monotonic() + 5
    while birth_of(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not birth_of(pid)


def test_what_a_command_leaves_running_does_not_hold_it_up(tmp_path: Path) -> None:
    child = tmp_path / "child"
    body = f"open({str(child)!r}, 'w').write(str(subprocess.Popen(['sleep', '60']).pid))"
    begin = time.monotonic()
    assert run_hook(HookSettings(python(tmp_path, body), timeout_s=30), "done", FACTS) is None
    assert time.monotonic() - begin < 20
    os.kill(int(child.read_text()), 9)
