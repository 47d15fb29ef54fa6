"""Directive files that people use say the same after they were read and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tomoline.files import adoc
from tomoline.recipes import TILT
from tomoline.surfaces._directive_text import written
from tomoline.surfaces.parameters import Resolution, gather
from tomoline.surfaces.template_files import given_values
from tomoline.surfaces.templates import TemplatePlaces

THESIS = Path(__file__).resolve().parents[1] / "data" / "thesis"


def read(path: Path, **options: Any) -> Resolution:
    return gather(TILT.steps, places=TemplatePlaces(), **({"directives": [path]} | options))


def read_again(found: Resolution, folder: Path) -> Resolution:
    result = written(given_values(found), TILT.steps)
    assert result.notices == []
    adoc.write(folder / "again.adoc", result.entries, comments=["again"])
    return read(folder / "again.adoc")


def plain(found: Resolution) -> dict[str, Any]:
    return {step: params.model_dump() for step, params in found.parameters.items()}


@pytest.mark.parametrize("kind", ["scope", "system"])
def test_published_templates(kind: str, tmp_path: Path) -> None:
    path = THESIS / f"{kind}.adoc"
    found = read(path, directives=[], templates={kind: path})
    assert found.faults == []
    again = read_again(found, tmp_path)
    assert again.faults == []
    assert plain(again) == plain(found)


def test_real_files(tilt_data: Path, tmp_path: Path) -> None:
    folder = tilt_data / "imod-projects"
    paths = [*folder.glob("directives/**/*.adoc"), *folder.glob("yet-another*/*.adoc")]
    compared = 0
    for path in paths:
        found = read(path)
        if found.faults:  # places that the user is to fill in
            continue
        assert plain(read_again(found, tmp_path)) == plain(found)
        compared += 1
    assert compared >= 4


def test_what_is_read_without_a_true_sigma_is_written_with_one(tmp_path: Path) -> None:
    path = tmp_path / "batch.adoc"
    path.write_text("comparam.tilt.tilt.RADIAL = 0.35 0.05\n")
    found = read(path)
    again = read_again(found, tmp_path)
    assert plain(again) == plain(found)
    assert plain(again)["reconstruct"]["radial_per_px"] == (0.35, 0.03536)
