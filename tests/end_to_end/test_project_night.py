"""A whole night through a project: what is good ends as if run alone, what is bad is named."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from command import content, shown, succeed, tomoline
from night import GOLD, Night, make_night


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    """12 tilt series and 3 scans of different sizes, three of the series not usable."""
    return make_night(tmp_path_factory.mktemp("night"))


@pytest.fixture(scope="module")
def alone(night: Night, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The digests of the good ones' results, each run by itself."""
    folder = tmp_path_factory.mktemp("alone")

    def run(name: str) -> None:
        source = night.good[name]
        gold = ("--set", GOLD) if source.suffix == ".mrc" else ()
        succeed("run", source, *gold, "--deliver", folder, "--threads", "1")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, night.good))
    return {name: content(folder / name) for name in night.good}


def test_a_night_with_two_processors(
    night: Night, alone: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    project = tmp_path / "project"
    succeed("project", "new", project)
    succeed("project", "set", "-p", project, "--set", GOLD)
    succeed("project", "add", "-p", project, *night.all)
    succeed("project", "set", "-p", project, "goldless", "--set", "find_fiducials.method=beads")

    done = tomoline("run", project, "--processors", "2", "--threads", "1")

    assert done.returncode == 1
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    for name, code in (("corrupt", "FILE-03"), ("short", "SETUP-04"), ("goldless", "FID-01")):
        assert name in said
        assert code in said
        listed = succeed("log", "-p", project, "--data-set", name, "--level", "error").stdout
        assert code in listed
    ended = ("--state", "finished", "--state", "failed")
    queue = json.loads(succeed("queue", "list", "-p", project, *ended, "--json").stdout)
    states = {one["name"]: one for one in queue}
    assert {name for name, one in states.items() if one["state"] == "failed"} == {
        "corrupt",
        "short",
        "goldless",
    }
    assert all(states[name]["remedy"] for name in ("corrupt", "short", "goldless"))
    for name, expected in alone.items():
        assert states[name]["state"] == "finished"
        assert content(project / name) == expected, name
        assert shown(project / name)["state"] == "finished"
    # Two at a time: some batch began while another ran.
    said_states = succeed("log", "-p", project, "--kind", "state", "--json").stdout
    running = 0
    most = 0
    for event in map(json.loads, said_states.splitlines()):
        running += (event["becomes"] == "running") - (event["was"] == "running")
        most = max(most, running)
    assert most == 2
    assert running == 0


def test_a_second_run_finds_all_done(small_series: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    succeed("project", "new", project)
    succeed("project", "add", "-p", project, small_series, "--set", GOLD)
    succeed("run", project)
    before = content(project / "small")
    started = [one["started"] for one in shown(project / "small")["steps"]]
    succeed("run", project)
    assert content(project / "small") == before
    assert [one["started"] for one in shown(project / "small")["steps"]] == started
