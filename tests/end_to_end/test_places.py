"""Where results lie, and that a data set is recognised again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import copy_series, shown, succeed, tomoline, values

from tomoline.files import imod_model
from tomoline.files.imod_model import Contour, Model, ModelObject

UNTIL = ("--until", "prealign")


def test_beside_the_stack_in_a_folder_of_its_name(small_series: Path, tmp_path: Path) -> None:
    stack = copy_series(small_series, tmp_path / "my données")
    succeed("run", stack, *UNTIL)
    assert shown(tmp_path / "my données" / "small")["source"] == str(stack)


def test_in_place_where_the_folder_has_the_name_already(small_series: Path, tmp_path: Path) -> None:
    stack = copy_series(small_series, tmp_path / "small")
    original, angles = stack.read_bytes(), stack.with_suffix(".rawtlt").read_bytes()
    succeed("run", stack, *UNTIL)
    assert stack.with_suffix(".rawtlt").read_bytes() == angles
    assert shown(tmp_path / "small")["artifacts"]["raw_stack"] == str(stack)
    assert stack.read_bytes() == original
    assert not (tmp_path / "small" / "small").exists()


def test_a_boundary_that_was_drawn_in_the_folder_of_the_stack_is_used_and_kept(
    small_series: Path, tmp_path: Path
) -> None:
    stack = copy_series(small_series, tmp_path / "small")
    drawn = tmp_path / "small" / "small_rawbound.mod"
    corners = np.array([[20.0, 20.0, 10.0], [90.0, 20.0, 10.0], [90.0, 100.0, 10.0]])
    part = ModelObject((Contour(corners),), name="cell", flags=0)
    imod_model.write(drawn, Model((part,), (192, 160, 21), 1.0))
    before = drawn.read_bytes()
    gold = ("--set", "setup.gold_diameter_nm=10")
    succeed("run", stack, "--until", "find_fiducials", *gold)
    assert drawn.read_bytes() == before
    inside = values(shown(tmp_path / "small"), "find_fiducials")["candidate_beads"]
    succeed("run", small_series, "--until", "find_fiducials", *gold, "--deliver", tmp_path / "all")
    assert inside < values(shown(tmp_path / "all" / "small"), "find_fiducials")["candidate_beads"]


@pytest.mark.parametrize("name", ["small.xf", "tilt.com", "small_rec.mrc"])
def test_the_results_of_another_program_are_not_overwritten(
    small_series: Path, tmp_path: Path, name: str
) -> None:
    stack = copy_series(small_series, tmp_path / "small")
    (tmp_path / "small" / name).write_text("by hand")
    done = tomoline("run", stack, *UNTIL)
    assert done.returncode == 1
    assert "RUN-03" in done.stderr
    assert (tmp_path / "small" / name).read_text() == "by hand"


def test_the_folder_of_an_earlier_run_in_place_of_the_stack(
    small_series: Path, tmp_path: Path
) -> None:
    gold = ("--set", "setup.gold_diameter_nm=10")
    succeed("run", small_series, *UNTIL, *gold, "--deliver", tmp_path)
    again = succeed("run", tmp_path / "small", *UNTIL)
    assert again.stderr.count("up to date") == 4  # and the gold size is not forgotten
    succeed("run", tmp_path / "small", *UNTIL, "--set", "prealign.binning=2")
    document = shown(tmp_path / "small")
    assert values(document, "setup")["gold_diameter_nm"] == 10
    assert values(document, "prealign")["binning"] == 2


def test_the_delivered_stack_is_the_same_data_set(small_series: Path, tmp_path: Path) -> None:
    succeed("run", small_series, *UNTIL, "--deliver", tmp_path)
    again = succeed("run", tmp_path / "small" / "small.mrc", *UNTIL)
    assert again.stderr.count("up to date") >= 3
    assert not (tmp_path / "small" / "small").exists()
