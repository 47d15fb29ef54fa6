"""``tomoline watch`` as users run it: the runner takes what appears, and runs it."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import succeed, tomoline
from waiting import wait_for

from tomoline.queue.project import Project

PATIENCE_S = 150


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TOMOLINE_PROJECT", raising=False)
    yield tmp_path
    for project in tmp_path.glob("*-tomoline"):
        with Project.open(project) as opened:
            for one in opened.watches.all(active=True):
                opened.watches.stop(one.folder)
            opened.control.kill()


def watched(project: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(
        succeed("watch", "--list", "--json", "--project", project).stdout
    )
    return found


def test_a_series_that_appears_is_run(place: Path, small_series: Path) -> None:
    session = place / "session"
    session.mkdir()
    begun = succeed(
        "watch", session, "--recipe", "tilt", "--settle", "1", "--every", "0.3", "--until",
        "coarse_align", "--set", "setup.gold_diameter_nm=10", "--detach",
    )  # fmt: skip
    project = place / "session-tomoline"
    assert f"{project} was made" in begun.stderr
    part = session / "TS 01 é.mrc.part"
    shutil.copy(small_series, part)
    (session / "cut.mrc").write_bytes(small_series.read_bytes()[:5000])
    os.rename(part, session / "TS 01 é.mrc")
    shutil.copy(small_series.with_suffix(".rawtlt"), session / "TS 01 é.rawtlt")
    record = project / "TS 01 é" / "TS 01 é.tomoline.json"
    wait_for(
        lambda: record.exists() and "finished" in succeed("queue", "list", "-p", project).stdout
    )
    steps = json.loads(record.read_text())["steps"]
    assert "coarse_align" in json.dumps(steps)
    # The project is found from where it was made, too.
    listed = succeed("watch", "--list").stdout
    assert "waits for" in listed
    assert "cut.mrc" in listed
    (one,) = watched(project)
    states = {Path(seen["path"]).name: seen["state"] for seen in one["seen"]}
    assert states == {"TS 01 é.mrc": "taken", "cut.mrc": "incomplete"}
    assert one["settings"]["last"] == "coarse_align"
    again = tomoline("watch", session, "--recipe", "tilt", "--detach")
    assert again.returncode == 1
    assert "WATCH-08" in again.stderr
    succeed("watch", session, "--stop")
    wait_for(lambda: "no runner" in succeed("status", "--project", project).stdout)


def test_a_scan_whose_frames_still_come_is_run_when_all_are_there(
    place: Path, small_scan: Path
) -> None:
    beam = place / "beam"
    beam.mkdir()
    succeed(
        "watch", beam, "--recipe", "scan", "--settle", "0.5", "--every", "0.2", "--until", "flats",
        "--set", "scan.expected_frames=60", "--detach",
    )  # fmt: skip
    project = place / "beam-tomoline"
    frames = sorted(path for path in small_scan.parent.iterdir() if path.suffix == ".tiff")
    for path in [small_scan, *frames[:-3]]:
        shutil.copy(path, beam)
    wait_for(lambda: any(one["seen"] for one in watched(project)))
    time.sleep(2.5)
    ((seen,),) = [one["seen"] for one in watched(project)]
    assert seen["state"] in ("growing", "incomplete")
    for path in frames[-3:]:
        shutil.copy(path, beam)
    wait_for(lambda: "finished" in succeed("queue", "list", "--project", project).stdout)
    ((seen,),) = [one["seen"] for one in watched(project)]
    assert (seen["state"], seen["data_set"]) == ("taken", "small")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        ([], "PARAM-06"),
        (["missing", "--recipe", "tilt"], "WATCH-01"),
        (["."], "PARAM-06"),
        ([".", "--recipe", "movie"], "PARAM-06"),
        ([".", "--recipe", "tilt", "--json"], "PARAM-06"),
        ([".", "--recipe", "tilt", "--until", "nonsense"], "PARAM-05"),
        ([".", "--recipe", "tilt", "--set", "setup.nonsense=3"], "PARAM-0"),
        ([".", "--recipe", "tilt", "--set", "setup.gold_diameter_nm=-3"], "PARAM-0"),
        ([".", "--stop"], "PROJ-01"),
        (["--list"], "PROJ-01"),
    ],
)
def test_what_is_refused(place: Path, arguments: list[str], found: str) -> None:
    done = tomoline("watch", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith(found)
    assert list(place.iterdir()) == []
