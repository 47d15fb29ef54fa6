"""``tomoline project``: making, filling, setting, explaining."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
from typer.testing import CliRunner

from tomoline.cli._run_lines import status_lines
from tomoline.cli.project_app import project_app
from tomoline.errors import TomolineError
from tomoline.queue.control import Control
from tomoline.queue.model import BatchState
from tomoline.queue.outcome import RETRIES, WAITS_S, retries_of
from tomoline.queue.project import Project
from tomoline.queue.rows import change_state

Command = Callable[..., str]
THICKNESS = "reconstruct.thickness_px"


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``tomoline project ARGUMENTS`` on the project `night` with files in `raw`."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TOMOLINE_PROJECT", str(tmp_path / "night"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    for name in ("TSa.mrc", "TSb.mrc", "ein Gitter ü.st", "scan.h5"):
        (tmp_path / "raw" / name).touch()

    def run(*arguments: str | Path) -> str:
        done = CliRunner().invoke(project_app, [str(one) for one in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    return run


@pytest.fixture
def filled(command: Command, tmp_path: Path) -> Command:
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add(sorted((tmp_path / "raw").iterdir()))
    return command


def table(command: Command) -> dict[str, dict[str, Any]]:
    """Return what ``project list --json`` prints, by name."""
    return {one["name"]: one for one in json.loads(command("list", "--json"))}


def test_a_new_project_takes_in_all_its_layers(command: Command, tmp_path: Path) -> None:
    (tmp_path / "config" / "tomoline").mkdir(parents=True)
    (tmp_path / "config" / "tomoline" / "defaults.toml").write_text(
        "[reconstruct]\nthickness_px = 100\n", encoding="utf-8"
    )
    (tmp_path / "scope.adoc").write_text("comparam.tilt.tilt.THICKNESS = 200\n", encoding="utf-8")
    (tmp_path / "batch.adoc").write_text("setupset.copyarg.gold = 10\n", encoding="utf-8")
    told = command(
        *("new", "night", "--deliver", "results", "--template", "scope=scope.adoc"),
        *("--directives", "batch.adoc", "--set", f"{THICKNESS}=300"),
    )
    for text in ("user defaults: 1 parameter", "scope template: 1 parameter", "project: 2 par"):
        assert text in told
    assert "TSa.mrc and TSb.mrc" in command("add", "raw/TSa.mrc", "raw/TSb.mrc")
    assert table(command)["TS"]["folder"] == str(tmp_path / "results" / "TS")
    command("set", "TS", "--set", "comparam.tilt.tilt.THICKNESS=400")
    said = command("explain", "TS", THICKNESS).splitlines()
    layers = ["default", "user defaults", "scope template", "project", "-> data set"]
    assert [line.strip()[: len(one)] for line, one in zip(said[2:], layers, strict=True)] == layers
    values = [line.split(str(tmp_path))[0].split("--set")[0].split()[-1] for line in said[2:]]
    assert values == ["none", "100", "200", "300", "400"]
    assert f"{tmp_path / 'scope.adoc'}:1" in said[4]
    assert "pixels" in said[1]
    document = json.loads(command("explain", "TS", "thickness_px", "--json", "--axis", "b"))
    assert [one["holds"] for one in document[0]["layers"]] == [False] * 4 + [True]
    assert "1 data set already apart in reconstruct.thickness_px" in command(
        "set", "--set", f"{THICKNESS}=500"
    )


def test_nothing_is_made_where_parameters_are_at_fault(command: Command, tmp_path: Path) -> None:
    with pytest.raises(TomolineError) as caught:
        command("new", "night", "--set", f"{THICKNESS}=-1", "--template", "scope=none")
    assert {fault.code for fault in caught.value.faults} == {"PARAM-02", "FILE-01"}  # type: ignore[attr-defined]
    assert not (tmp_path / "night").exists()


def test_the_table_shows_what_differs_from_line_to_line(filled: Command, tmp_path: Path) -> None:
    (tmp_path / "raw" / "TSa_rawbound.mod").touch()
    (tmp_path / "own.mod").touch()
    filled("set", "TS", "--exclude-views", "1,4-6", "--two-surfaces")
    filled("set", "TS", "--axis", "b", "--exclude-views", "2")
    filled("set", "ein*", "--boundary", "own.mod", "--no-run", "--montage")
    lines = filled("list").splitlines()
    assert "1,4-6 / b: 2" in lines[1]
    assert lines[1].startswith("TS            tilt    -      yes  dual")
    found = table(filled)
    assert found["TS"]["boundary_model"] == str(tmp_path / "raw" / "TSa_rawbound.mod")
    assert found["TS"]["two_surfaces"] is True
    other = found["ein Gitter ü"]
    assert (other["run"], other["montage"]) == (False, True)
    assert other["boundary_model"] == str(tmp_path / "own.mod")
    assert found["scan"]["own_parameters"] == 0
    assert list(table(filled)) == ["TS", "ein Gitter ü", "scan"]
    assert len(filled("list", "TS").splitlines()) == 2
    filled("set", "TS", "--exclude-views", "")
    assert table(filled)["TS"]["excluded_views"] == []
    filled("set", "TS", "--unset", "setup.exclude_views", "--unset", "comparam.tilt.tilt.THICKNESS")
    assert (
        "setup.exclude_views"
        not in filled("explain", "TS", "exclude_views", "--json").split('"layers"')[1]
    )


def test_the_table_tells_up_to_where_a_data_set_was_run(filled: Command, tmp_path: Path) -> None:
    with Project.open(tmp_path / "night") as project:
        project.queue.add(project.data_sets.entries(["TS"]), first="track", last="align")
        project.queue.add(project.data_sets.entries(["ein*"]), first="track")
    lines = {line.split("  ")[0]: line for line in filled("list").splitlines()}
    assert "waiting (until align)" in lines["TS"]
    assert "(" not in lines["ein Gitter ü"]
    assert table(filled)["TS"]["part"] == "until align"


def test_copying_down_and_removing(filled: Command) -> None:
    filled("set", "TS", "--montage", "--set", f"{THICKNESS}=300")
    assert "copied to 1 data set below TS" in filled("copy-down", "TS")
    assert THICKNESS not in filled("explain", "ein Gitter ü", "montage")
    assert "copied to 1 data set below TS" in filled("copy-down", "TS", "--all")
    assert "-> data set  300" in filled("explain", "ein Gitter ü", THICKNESS)
    assert table(filled)["ein Gitter ü"]["montage"] is True
    assert "its results stay in" in filled("remove", "ein*")
    assert list(table(filled)) == ["TS", "scan"]


def test_axes_can_be_parted_and_joined(filled: Command) -> None:
    assert "is left out" in filled("set", "TS", "--no-dual")
    assert table(filled)["TSa"]["dual_axis"] is False
    assert "now dual axis" in filled("set", "TSa", "--dual")
    assert "is left out" in filled("set", "TS", "--set", "setupset.copyarg.dual=0")


def test_a_stack_whose_other_axis_is_missing_is_told(filled: Command, tmp_path: Path) -> None:
    filled("remove", "ein*")
    (tmp_path / "raw" / "Xa.mrc").touch()
    assert "PROJ-11: Xa: it is marked dual axis" in filled("add", "raw/Xa.mrc")
    assert "fault PROJ-11: Xa" in filled("check")
    (tmp_path / "raw" / "Xb.mrc").touch()
    assert "X  tilt" in filled("add", "raw/Xb.mrc")
    assert "was there already" in filled("add", "raw/Xb.mrc")


def test_what_is_marked_dual_axis_for_all_takes_the_other_stack(
    filled: Command, tmp_path: Path
) -> None:
    filled("remove", "ein*", "TS")
    filled("set", "--dual")
    for name in ("Xa.mrc", "Xb.mrc", "Ya.mrc"):
        (tmp_path / "raw" / name).touch()
    assert "2 data sets added, 1 queued" in filled("add", "raw/Xa.mrc", "raw/Ya.mrc", "--queue")
    lines = table(filled)
    assert (lines["X"]["state"], lines["X"]["source_b"]) == (
        "waiting",
        str(tmp_path / "raw" / "Xb.mrc"),
    )
    assert lines["Ya"]["state"] == ""
    told = filled("check")
    assert "fault PROJ-11: Ya" in told
    assert "PROJ-11: X" not in told


def test_adding_with_parameters_and_queueing_is_one_step(filled: Command, tmp_path: Path) -> None:
    for name in ("1.mrc", "2.mrc"):
        (tmp_path / name).touch()
    with pytest.raises(TomolineError, match="there is no such file"):
        filled("add", "1.mrc", tmp_path / "3.h5", "--set", f"{THICKNESS}=300")
    (tmp_path / "3.h5").touch()
    with pytest.raises(TomolineError, match="does not have this step"):
        filled("add", "1.mrc", "3.h5", "--set", f"{THICKNESS}=300")
    assert "1" not in table(filled)
    told = filled("add", "1.mrc", "2.mrc", "--set", f"{THICKNESS}=300", "--queue")
    assert "2 data sets added, 2 queued" in told
    assert table(filled)["1"]["state"] == "waiting"
    assert "-> data set  300" in filled("explain", "2", THICKNESS)


def test_directives_for_axis_b_are_kept_for_it(filled: Command, tmp_path: Path) -> None:
    (tmp_path / "t.adoc").write_text("comparam.tiltb.tilt.THICKNESS = 150\n", encoding="utf-8")
    (tmp_path / "b.adoc").write_text(
        "comparam.tilt.tilt.THICKNESS = 200\nsetupset.copyarg.bskip = 3,4\n", encoding="utf-8"
    )
    told = filled("set", "ein*", "--directives", "b.adoc")
    assert "is for axis B and is passed over" in told
    assert "of axis b" not in told
    told = filled("set", "TS", "--directives", "b.adoc")
    assert "setup.exclude_views = 3,4 of axis b" in told
    assert table(filled)["TS"]["excluded_views_b"] == [3, 4]
    assert table(filled)["ein Gitter ü"]["excluded_views_b"] == []
    filled("set", "TS", "--unset", THICKNESS)
    filled("set", "--template", "system=t.adoc", "--directives", "b.adoc")
    assert "-> project  200" in filled("explain", "TS", THICKNESS, "--axis", "a")
    for_b = filled("explain", "TS", THICKNESS, "--axis", "b").splitlines()
    assert for_b[-1].split()[:6] == ["->", "system", "template,", "axis", "b", "150"]
    filled("set", "--axis", "b", "--set", f"{THICKNESS}=160")
    assert "160" in filled("explain", "TS", THICKNESS, "--axis", "b").splitlines()[-1]
    filled("set", "--axis", "b", "--unset", THICKNESS)
    filled("set", "--template", "system=")
    assert "-> project  200" in filled("explain", "TS", THICKNESS, "--axis", "b")


def test_what_runs_takes_new_values_at_its_next_start(
    filled: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Control, "recover", lambda self: [])  # no process stands behind it
    with Project.open(tmp_path / "night") as project:
        project.queue.add(project.data_sets.entries(["TS"]))
        (waiting,) = project.queue.batches()
        change_state(project.store, waiting, BatchState.RUNNING, "starts", processor=1, pid=1)
    assert "takes effect at its next start" in filled("set", "TS", "--montage")
    assert "takes effect at its next start" in filled("set", "--set", f"{THICKNESS}=300")
    assert "next start" not in filled("set", "ein*", "--montage")


def write_stacks(folder: Path, views: int = 5) -> None:
    for path in [*folder.glob("*.mrc"), *folder.glob("*.st")]:
        with mrcfile.new(path, overwrite=True) as file:
            file.set_data(np.zeros((views, 4, 6), np.int16))


def test_what_headers_tell_to_be_no_use_is_checked(filled: Command, tmp_path: Path) -> None:
    write_stacks(tmp_path / "raw")
    (tmp_path / "raw" / "TSb.mrc").write_bytes(b"")
    filled("set", "ein*", "--exclude-views", "2,40")
    told = filled("check")
    assert "fault FILE-03" in told  # cut short
    assert "TSb.mrc: It has 0 bytes" in told
    assert "fault PARAM-02: ein Gitter ü, setup.exclude_views: [40] are no views" in told
    assert "scan.h5" in told  # an empty file, which is no scan
    assert "3 data sets, 3 faults, 0 warnings" in told
    write_stacks(tmp_path / "raw", views=2)
    assert filled("check").count("fault SETUP-04") == 3
    (tmp_path / "night" / "scan").mkdir()
    (tmp_path / "night" / "scan" / "scan.tomoline.json").touch()
    assert "scan.h5" not in filled("check")  # taken over already; a run says more


def test_everything_wrong_is_checked_at_once(filled: Command, tmp_path: Path) -> None:
    write_stacks(tmp_path / "raw")
    filled("remove", "scan")
    template = tmp_path / "t.adoc"
    template.write_text("setupset.copyarg.gold = 10\n", encoding="utf-8")
    filled("set", "--template", f"user={template}")
    assert "2 data sets, 0 faults, 0 warnings" in filled("check")
    template.write_text("setupset.copyarg.gold = 15\n", encoding="utf-8")
    (tmp_path / "raw" / "TSb.mrc").unlink()
    with Project.open(tmp_path / "night") as project:
        project.data_sets.set(["TS"], {THICKNESS: (-1, "by hand")})
    told = filled("check")
    for text in ("warning PROJ-12", "fault FILE-01", "TSb.mrc: the acquisition", "fault PARAM-02"):
        assert text in told
    assert "2 faults, 1 warning" in told
    assert "taken away" in filled("set", "--template", "user=")
    assert "0 warnings" in filled("check")


REFUSED = (
    ("set",),
    ("set", "--run"),
    ("set", "--axis", "b", "--dual"),
    ("set", "TS", "--axis", "b", "--no-run"),
    ("set", "--axis", "b", "--template", "user="),
    ("set", "TS", "--axis", "c", "--montage"),
    ("set", "TS", "--template", "scope="),
    ("set", "TS", "--deliver", "x"),
    ("set", "TS", "--user-defaults"),
    ("set", "--template", "krios"),
    ("set", "scan", "--axis", "b", "--set", "axis.axis_px=10"),
    ("set", "TS", "--boundary", "missing.mod"),
    ("set", "TS", "--exclude-views", "one"),
    ("explain", "scan", "axis.axis_px", "--axis", "a"),
    ("explain", "scan", THICKNESS),
    ("add", "raw/TSa.mrc", "raw/scan.h5", "--name", "x"),
    ("copy-down", "TS", "--key", "nothing"),
    ("remove", "nothing"),
)


def test_a_montage_is_refused_before_the_night(filled: Command, tmp_path: Path) -> None:
    write_stacks(tmp_path / "raw")
    filled("remove", "scan")
    filled("set", "TS", "--montage")
    told = filled("check")
    assert told.count("fault SETUP-07") == 2  # of each axis
    assert "2 data sets, 2 faults" in told


def test_what_makes_no_sense_is_refused_with_a_code(filled: Command) -> None:
    before = filled("list", "--json")
    for arguments in REFUSED:
        with pytest.raises(TomolineError) as caught:
            filled(*arguments)
        assert caught.value.remedy
    assert filled("list", "--json") == before


def test_the_number_of_tries_is_the_users(command: Command, tmp_path: Path) -> None:
    command("new", "night")
    said = command("set", "--retries", "2", "--retry-waits", "5, 20.5")
    assert said == "tried again by itself: 2 times, after 5, 20.5 s\n"
    with Project.open(tmp_path / "night") as project:
        assert retries_of(project.store) == (2, (5.0, 20.5))
        status = project.control.status()
        assert (status.retries, status.retry_waits_s) == (2, (5.0, 20.5))
        assert said.strip() in status_lines(status)
    command("set", "--retry-waits", "")
    with Project.open(tmp_path / "night") as project:
        assert retries_of(project.store) == (2, WAITS_S)


@pytest.mark.parametrize(
    "options",
    [
        ("--retries", "-1"),
        ("--retries", "1001"),
        ("--retry-waits", "soon"),
        ("--retry-waits", "-1"),
        ("--retry-waits", "nan"),
        ("--retries", "2", "--axis", "b"),
        ("TSa", "--retries", "2"),
    ],
)
def test_tries_that_cannot_be(command: Command, tmp_path: Path, options: tuple[str, ...]) -> None:
    command("new", "night")
    command("add", "raw/TSa.mrc")
    with pytest.raises(TomolineError, match="PARAM-06"):
        command("set", *options)
    with Project.open(tmp_path / "night") as project:
        assert retries_of(project.store) == (RETRIES, WAITS_S)
