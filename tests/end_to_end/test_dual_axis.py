"""A dual-axis set through a project: both axes, one after the other, in one folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.helpers.command import content, succeed, tomoline, values

from tomoline.files import imod_model
from tomoline.files.imod_model import Contour, Model, ModelObject
from tomoline.simulate.truth import Truth

GOLD = "setup.gold_diameter_nm=10"
WIDTH, HEIGHT, VIEWS = 192, 160, 21
CORNERS = np.array([[-60.0, -55], [60, -55], [60, 55], [-60, 55]])


def seen(stack: Path, points: np.ndarray) -> np.ndarray:
    """Return where points of the specimen's middle plane lie in the view at zero tilt."""
    truth = Truth.read(stack.with_name(f"{stack.stem}_truth.json"))
    flat = np.column_stack([points, np.zeros(len(points))])
    return truth.bead_positions(flat)[VIEWS // 2] + [(WIDTH - 1) / 2, (HEIGHT - 1) / 2]


def draw(path: Path, stack: Path) -> None:
    """Draw a boundary on the view at zero tilt."""
    points = np.column_stack([seen(stack, CORNERS), np.full(len(CORNERS), VIEWS // 2)])
    part = ModelObject((Contour(points),), name="cell", flags=0)
    imod_model.write(path, Model((part,), (WIDTH, HEIGHT, VIEWS), 1.0))


def both(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what ``tomoline show --json`` prints of the axes."""
    first, second = json.loads(succeed("show", folder, "--json").stdout)
    return first, second


@pytest.fixture(scope="module")
def sources(dual_series: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the stacks, with a boundary beside that of axis a."""
    folder = tmp_path_factory.mktemp("raw")
    for path in dual_series[0].parent.iterdir():
        shutil.copy(path, folder)
    draw(folder / "duala_rawbound.mod", folder / "duala.mrc")
    return folder


@pytest.fixture(scope="module")
def project(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that has run the set."""
    folder = tmp_path_factory.mktemp("dual") / "night"
    succeed("project", "new", folder)
    succeed(
        "project", "add", "-p", folder, sources / "duala.mrc", sources / "dualb.mrc", "--set", GOLD
    )
    succeed("run", folder, "--threads", "1")
    return folder


def test_each_axis_becomes_a_tomogram_in_one_folder(project: Path) -> None:
    folder = project / "dual"
    for name in ("{}_rec.mrc", "{}.xf", "{}_report.html", "{}.tomoline.json", "{}.log"):
        assert all((folder / name.format(f"dual{axis}")).is_file() for axis in "ab")
    assert {path.name for path in folder.glob("*.com")} == {
        "newsta.com",
        "newstb.com",
        "tilta.com",
        "tiltb.com",
    }
    assert "duala_full_rec.mrc" in (folder / "tilta.com").read_text()
    assert "dualb_full_rec.mrc" in (folder / "tiltb.com").read_text()
    first, second = both(folder)
    assert (first["root"], first["state"]) == ("duala", "finished")
    assert (second["root"], second["state"]) == ("dualb", "finished")
    last = [succeed("log", "-p", project).stdout.find(f"axis {axis}: finished") for axis in "ab"]
    assert -1 < last[0] < last[1]


def test_both_reports_say_that_they_are_not_combined(project: Path) -> None:
    for axis, other in ("ab", "ba"):
        report = (project / "dual" / f"dual{axis}_report.html").read_text()
        assert "SETUP-08" in report
        assert f"not combined with that of dual{other}" in report
        assert "dualvolmatch" in report


def test_axis_b_is_bounded_where_axis_a_is(project: Path, sources: Path) -> None:
    truth = Truth.read(sources / "dualb_truth.json")
    angle = np.radians(truth.turned_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    expected = seen(sources / "dualb.mrc", CORNERS @ turn.T + truth.moved_px)
    found = imod_model.read(project / "dual" / "dualb_rawbound.mod").contours[0].points[:, :2]
    assert np.linalg.norm(found - expected, axis=1).max() < 0.02 * WIDTH
    told = values(both(project / "dual")[1], "setup")
    assert told["boundary_turn_deg"] == pytest.approx(truth.turned_deg, abs=1)


def test_axis_a_is_what_it_is_alone(project: Path, sources: Path, tmp_path: Path) -> None:
    succeed(
        "run", sources / "duala.mrc", "--deliver", tmp_path, "--set", GOLD, "--set",
        "setup.dual_axis=true", "--threads", "1",
    )  # fmt: skip
    alone = content(tmp_path / "duala")
    together = content(project / "dual")
    command_files = {"newst.com": "newsta.com", "tilt.com": "tilta.com"}
    assert {name for name in alone if name.endswith(".mrc")} > {"duala_rec.mrc"}
    for name, digest in alone.items():
        assert together[command_files.get(name, name)] == digest, name


def test_only_what_a_change_touches_is_run_again(project: Path) -> None:
    folder = project / "dual"
    before = content(folder)
    succeed("project", "set", "dual", "-p", project, "--axis", "b", "--exclude-views", "1,21")
    rehearsal = succeed("run", project, "--dry-run").stdout
    succeed("run", project)
    after = content(folder)
    changed = {name for name in before if before[name] != after.get(name)}
    assert changed
    assert all(name.startswith("dualb") or name.endswith("b.com") for name in changed)
    first, second = both(folder)
    assert values(first, "setup")["excluded_views"] == []
    assert values(second, "setup")["excluded_views"] == [1, 21]
    assert "dualb" in rehearsal or "axis b" in rehearsal


def test_run_asks_for_one_axis_and_runs_it(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dual"  # in a project it would be run there, both axes
    shutil.copytree(project / "dual", folder)
    refused = tomoline("run", folder)
    assert refused.returncode == 1
    assert "duala.tomoline.json" in refused.stderr
    plan = tomoline("run", folder / "dualb.tomoline.json", "--dry-run")
    assert plan.returncode == 0
    lines = [line.split() for line in (plan.stdout + plan.stderr).splitlines()[1:]]
    assert {words[2] for words in lines} <= {"keep", "off"}


def test_a_boundary_that_is_named_is_carried_over_too(sources: Path, tmp_path: Path) -> None:
    """Named as a parameter of the set, not by its place beside the stack."""
    raw = tmp_path / "raw"
    shutil.copytree(sources, raw)
    model = tmp_path / "drawn.mod"
    (raw / "duala_rawbound.mod").rename(model)
    project = tmp_path / "night"
    succeed("project", "new", project)
    succeed("project", "add", "-p", project, raw / "duala.mrc", raw / "dualb.mrc", "--set", GOLD)
    succeed("project", "set", "dual", "-p", project, "--boundary", model)
    succeed("run", project, "--until", "find_fiducials", "--threads", "1")
    told = values(both(project / "dual")[1], "setup")
    assert told["boundary"] == "carried over from drawn.mod"
    assert (project / "dual" / "dualb_rawbound.mod").is_file()
