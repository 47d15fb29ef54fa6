"""Directives of the second axis of a dual-axis set."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoline.errors import Faults
from tomoline.recipes import RECIPES
from tomoline.surfaces.directives import resolve_files
from tomoline.surfaces.second_axis import axis_b_values
from tomoline.surfaces.templates import TemplatePlaces

STEPS = RECIPES["tilt"].steps
NOWHERE = TemplatePlaces()

BATCH = """
setupset.copyarg.dual = 1
setupset.copyarg.gold = 10
setupset.copyarg.skip = 1,2
setupset.copyarg.bskip = 40-41
setupset.copyarg.rotation = 85.3
setupset.copyarg.brotation = 86.1
comparam.tilt.tilt.THICKNESS = 200
comparam.tiltb.tilt.THICKNESS = 260
comparam.tilta.tilt.RADIAL = 0.3 0.05
comparam.align.tiltalign.SurfacesToAnalyze = 2
runtime.Positioning.any.binByFactor = 2
runtime.Positioning.b.binByFactor = 3
"""


@pytest.fixture
def batch(tmp_path: Path) -> Path:
    path = tmp_path / "TS.adoc"
    path.write_text(BATCH)
    return path


def values(batch: Path, axis: str) -> dict[str, object]:
    resolved = resolve_files([batch], STEPS, places=NOWHERE, axis=axis)
    assert resolved.faults == []
    return {
        f"{step}.{name}": value
        for step, fields in resolved.values.items()
        for name, value in fields.items()
    }


def test_each_axis_has_its_own_and_what_is_for_both(batch: Path) -> None:
    a, b = values(batch, "a"), values(batch, "b")
    assert a["setup.exclude_views"] == (1, 2)
    assert b["setup.exclude_views"] == (40, 41)
    assert (a["setup.tilt_axis_deg"], b["setup.tilt_axis_deg"]) == (85.3, 86.1)
    assert (a["reconstruct.thickness_px"], b["reconstruct.thickness_px"]) == (200, 260)
    assert a["setup.gold_diameter_nm"] == b["setup.gold_diameter_nm"] == 10
    assert (a["position.binning"], b["position.binning"]) == (2, 3)
    assert "reconstruct.radial_per_px" in a.keys() - b.keys()


@pytest.mark.parametrize(("axis", "told"), [("", True), ("a", False), ("b", False)])
def test_only_a_single_axis_is_told_of_what_is_passed_over(
    batch: Path, axis: str, told: bool
) -> None:
    notices = resolve_files([batch], STEPS, places=NOWHERE, axis=axis).notices
    passed_over = [one for one in notices if "axis B" in one.found]
    assert bool(passed_over) is told
    assert values(batch, "") == values(batch, "a")


def test_views_left_out_of_axis_a_say_nothing_of_axis_b(tmp_path: Path) -> None:
    path = tmp_path / "TS.adoc"
    path.write_text("setupset.copyarg.skip = 3\nsetupset.copyarg.rotation = 12\n")
    assert "setup.exclude_views" not in values(path, "b")
    assert values(path, "b")["setup.tilt_axis_deg"] == 12
    assert {key: one.value for key, one in axis_b_values(STEPS, [path]).items()} == {
        "setup.exclude_views": []
    }


def test_what_differs_is_told_with_its_place(batch: Path) -> None:
    found = axis_b_values(STEPS, [batch], places=NOWHERE)
    assert found["reconstruct.thickness_px"].value == 260
    assert found["reconstruct.thickness_px"].where == f"{batch}:9"
    assert found["setup.exclude_views"].value == [40, 41]
    assert "setup.gold_diameter_nm" not in found
    # Given for axis a alone, so that the default holds for axis b.
    default = RECIPES["tilt"].step("reconstruct").validate({}).model_dump()["radial_per_px"]
    assert found["reconstruct.radial_per_px"].value == list(default)


def test_the_command_line_goes_before_a_letter_in_a_file(batch: Path) -> None:
    said = ["comparam.tilt.tilt.THICKNESS=300"]
    assert "reconstruct.thickness_px" not in axis_b_values(
        STEPS, [batch], settings=said, places=NOWHERE
    )


def test_a_boundary_beside_the_file_gets_its_whole_path(tmp_path: Path) -> None:
    path = tmp_path / "TS.adoc"
    path.write_text("runtime.SeedFinding.b.rawBoundaryModel = cell.mod\n")
    (tmp_path / "cell.mod").touch()
    found = axis_b_values(STEPS, [path])["find_fiducials.boundary_model"]
    assert found.value == str(tmp_path / "cell.mod")


def test_a_misspelt_directive_of_axis_b_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "TS.adoc"
    path.write_text("comparam.tiltb.tilt.THICKNES = 3\n")
    with pytest.raises(Faults):
        axis_b_values(STEPS, [path])
    # For axis a it is told as well, since it would be for nothing.
    assert resolve_files([path], STEPS, axis="a").faults
