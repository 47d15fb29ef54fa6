"""Directive files that people use resolve; what has no effect is named."""

import shutil
from pathlib import Path

import pytest

from tomoline.cli.check import check_file
from tomoline.recipes import STEPS
from tomoline.surfaces.directive_table import directive_table
from tomoline.surfaces.directives import peek
from tomoline.surfaces.parameters import gather
from tomoline.surfaces.templates import TemplatePlaces

THESIS = Path(__file__).resolve().parents[1] / "data" / "thesis"
TABLE = directive_table(list(STEPS.values()))


@pytest.fixture
def thesis(tmp_path):
    """The three files of a published experiment, the templates where the site has them."""
    for kind in ("scope", "system"):
        folder = tmp_path / f"{kind.title()}Template"
        folder.mkdir()
        shutil.copy(THESIS / f"{kind}.adoc", folder)
    shutil.copy(THESIS / "batch.adoc", tmp_path)
    places = TemplatePlaces(
        scope=(tmp_path / "ScopeTemplate",), system=(tmp_path / "SystemTemplate",)
    )
    return tmp_path / "batch.adoc", places


def test_thesis_files_resolve_without_faults(thesis):
    batch, places = thesis
    found = check_file(batch, places=places)
    assert found.faults == []
    assert found.root == "140502_Qbeta_tomo2_0"
    setup = found.parameters["setup"].model_dump()
    assert (setup["pixel_size_nm"], setup["gold_diameter_nm"]) == (0.72, 10.0)
    assert found.parameters["reconstruct"].model_dump()["thickness_px"] == 400
    assert found.parameters["trim"].model_dump()["reorient"] == "flip"


def test_everything_in_the_thesis_files_is_acted_on_or_named(thesis):
    batch, places = thesis
    found = check_file(batch, places=places)
    told = " ".join(notice.found for notice in found.notices)
    for path in THESIS.glob("*.adoc"):
        for name, text in peek(path).items():
            directive = TABLE[name]
            assert directive.acted_on or directive.asks_nothing(text) or name in told, name


def test_real_directive_files_resolve_or_are_told(tilt_data):
    folder = tilt_data / "imod-projects"
    paths = [*folder.glob("directives/**/*.adoc"), *folder.glob("yet-another*/*.adoc")]
    assert len(paths) >= 5
    for path in paths:
        found = gather(list(STEPS.values()), directives=[path])
        for fault in found.faults:  # only the places that the user is to fill in
            assert "<REPLACE>" in fault.found, fault
            assert fault.where.startswith(f"{path}:")


@pytest.mark.parametrize(
    ("flag", "expected"), [("", 0.05 / 2**0.5), ("=0", 0.05 / 2**0.5), ("=1", 0.05)]
)
def test_falloff_of_radial_is_converted_once(tmp_path, flag, expected):
    path = tmp_path / "batch.adoc"
    line = f"comparam.tilt.tilt.FalloffIsTrueSigma{flag}\n" if flag else ""
    path.write_text(f"comparam.tilt.tilt.RADIAL = 0.35 0.05\n{line}")
    found = gather(list(STEPS.values()), directives=[path])
    assert found.faults == []
    sigma = found.parameters["reconstruct"].model_dump()["radial_per_px"][1]
    assert sigma == pytest.approx(expected, rel=1e-3)
