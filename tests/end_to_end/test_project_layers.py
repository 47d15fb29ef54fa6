"""A project from the command line: what its layers say is what is run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.helpers.command import content, copy_series, shown, succeed, tomoline

VOLTAGE = "setup.voltage_kv"


def test_each_data_set_is_run_with_what_its_layers_give(
    small_series: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    defaults = tmp_path / "config" / "tomoline" / "defaults.toml"
    defaults.parent.mkdir(parents=True)
    defaults.write_text("[setup]\ngold_diameter_nm = 10\n", encoding="utf-8")
    template = tmp_path / "scope.adoc"
    template.write_text("setupset.copyarg.voltage = 200\n", encoding="utf-8")
    first = copy_series(small_series, tmp_path / "raw")
    second = first.with_name("zweite ä.mrc")
    for path in first.parent.glob(f"{first.stem}*"):
        path.with_name(path.name.replace(first.stem, second.stem)).write_bytes(path.read_bytes())

    night = tmp_path / "night"
    succeed("project", "new", night, "--template", f"scope={template}")
    succeed("project", "add", first, second, "--project", night)
    succeed("project", "set", "zwei*", "--set", f"{VOLTAGE}=300", "--project", night)
    # Every command opens the project anew.
    table = json.loads(succeed("project", "list", "--json", "-p", night).stdout)
    assert [one["name"] for one in table] == [first.stem, second.stem]
    explained = succeed("project", "explain", second.stem, VOLTAGE, "-p", night).stdout
    assert "-> data set        300" in explained
    assert f"{template}:1" in explained

    succeed("run", night, "--until", "setup")
    for one, voltage in zip(table, (200, 300), strict=True):
        steps = {step["name"]: step for step in shown(Path(one["folder"]))["steps"]}
        assert steps["setup"]["parameters"]["voltage_kv"] == voltage
        assert steps["setup"]["parameters"]["gold_diameter_nm"] == 10.0
    succeed("project", "check", "-p", night)


def test_an_earlier_run_is_not_run_again(small_series: Path, tmp_path: Path) -> None:
    stack = copy_series(small_series, tmp_path / "raw")
    given = ("--set", "setup.gold_diameter_nm=10", "--deliver", tmp_path / "done")
    succeed("run", stack, *given, "--until", "setup")
    folder = tmp_path / "done" / stack.stem
    before = content(folder)
    succeed("project", "new", tmp_path / "night")
    succeed("project", "add", folder, "-p", tmp_path / "night")
    told = succeed("run", tmp_path / "night", "--until", "setup", "--dry-run").stdout
    assert "setup           keep" in told
    succeed("run", tmp_path / "night", "--until", "setup")
    assert content(folder) == before


def test_faults_leave_as_codes_not_as_tracebacks(tmp_path: Path) -> None:
    done = tomoline("project", "list", "-p", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("PROJ-01: ")
    succeed("project", "new", tmp_path / "night")
    done = tomoline("project", "new", tmp_path / "night")
    assert done.stderr.startswith("PROJ-02: ")
    done = tomoline("project", "add", "none.mrc", "nor.mrc", "-p", tmp_path / "night")
    assert done.stderr.count("FILE-01: ") == 2
    assert "Traceback" not in done.stderr
