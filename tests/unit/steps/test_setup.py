"""The set-up: which source of angles, axis, pixel size and dose is believed; delivery."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
import pytest
import tifffile

from tomoline.engine import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.steps.acquisition import Acquisition
from tomoline.steps.setup import SetupParams, run
from tomoline.workflow.dataset import DataSet, RunContext

VIEWS = 5
NOMINAL = [-20.0, -10.0, 0.0, 10.0, 20.0]


def write_stack(folder: Path, name: str = "ts.mrc", pixel_a: float = 2.0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(folder / name) as file:
        file.set_data(np.arange(VIEWS * 6 * 8, dtype=np.int16).reshape(VIEWS, 6, 8))
        file.voxel_size = pixel_a
    return folder / name


def write_mdoc(stack: Path, angles: list[float], order: list[int] | None = None) -> None:
    lines = ["PixelSpacing = 2.0", f"ImageFile = {stack.name}", ""]
    lines += ["[T = SerialEM: Tilt axis angle = 84.5, binning = 1  spot = 5]", ""]
    for view, angle in enumerate(angles):
        minute = (order or range(len(angles)))[view]
        lines += [
            f"[ZValue = {view}]",
            f"TiltAngle = {angle}",
            "ExposureDose = 3.0",
            f"DateTime = 20-Nov-26  10:{minute:02d}:00",
            "",
        ]
    Path(f"{stack}.mdoc").write_text("\n".join(lines))


def write_rawtlt(stack: Path, angles: list[float]) -> None:
    stack.with_suffix(".rawtlt").write_text("".join(f"{angle}\n" for angle in angles))


def set_up(stack: Path, tmp_path: Path, **params: Any) -> tuple[Acquisition, RunContext]:
    folder = tmp_path / "out" / "ts"
    folder.mkdir(parents=True, exist_ok=True)
    context = RunContext(DataSet("ts", folder, stack), ThreadsEngine(1, 1 << 30))
    context.values = run(SetupParams(**params), context)  # type: ignore[attr-defined]
    return Acquisition.read(context.input("acquisition")), context


def test_rawtlt_comes_before_mdoc(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_mdoc(stack, [angle + 5 for angle in NOMINAL])
    write_rawtlt(stack, NOMINAL)
    acquisition, context = set_up(stack, tmp_path)
    assert acquisition.tilt_deg.tolist() == NOMINAL
    assert [notice.code for notice in context.notices] == ["SETUP-11"]
    acquisition, _ = set_up(stack, tmp_path, use_rawtlt=False)
    assert acquisition.angles_source == "mdoc"
    assert acquisition.tilt_deg[0] == -15


def test_first_and_increment_come_before_everything(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_rawtlt(stack, NOMINAL)
    acquisition, _ = set_up(stack, tmp_path, first_and_increment_deg=(-6, 3))
    assert acquisition.tilt_deg.tolist() == [-6, -3, 0, 3, 6]


def test_axis_and_doses_from_the_mdoc(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_mdoc(stack, NOMINAL, order=[3, 1, 0, 2, 4])
    acquisition, _ = set_up(stack, tmp_path)
    assert acquisition.tilt_axis_deg == 84.5
    assert acquisition.tilt_axis_source == "mdoc"
    assert [view.order for view in acquisition.views] == [4, 2, 1, 3, 5]
    assert [view.prior_dose_e_per_a2 for view in acquisition.views] == [9, 3, 0, 6, 12]


def test_doses_of_a_dose_symmetric_series_without_mdoc(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_rawtlt(stack, NOMINAL)
    acquisition, _ = set_up(stack, tmp_path, dose_symmetric=True, dose_per_view_e_per_a2=2.0)
    assert acquisition.views[2].prior_dose_e_per_a2 == 0
    assert {acquisition.views[0].prior_dose_e_per_a2, acquisition.views[4].prior_dose_e_per_a2} == {
        6.0,
        8.0,
    }


def test_doses_of_a_bidirectional_series(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_rawtlt(stack, NOMINAL)
    acquisition, _ = set_up(
        stack, tmp_path, bidirectional_start_deg=0.0, dose_per_view_e_per_a2=1.0
    )
    assert [view.order for view in acquisition.views] == [5, 4, 1, 2, 3]


def test_parameters_win_over_the_header(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_rawtlt(stack, NOMINAL)
    acquisition, _ = set_up(stack, tmp_path)
    assert acquisition.pixel_size_nm == pytest.approx(0.2)
    acquisition, _ = set_up(stack, tmp_path, pixel_size_nm=0.5, gold_diameter_nm=10)
    assert acquisition.gold_diameter_px == 20


def test_excluded_views_are_masked_with_a_reason(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_rawtlt(stack, NOMINAL)
    acquisition, _ = set_up(stack, tmp_path, exclude_views=(2, 5))
    assert acquisition.included.tolist() == [True, False, True, True, False]
    assert acquisition.count == VIEWS
    with pytest.raises(TomolineError, match="PARAM-02"):
        set_up(stack, tmp_path, exclude_views=(6,))
    with pytest.raises(TomolineError, match="SETUP-04"):
        set_up(stack, tmp_path, exclude_views=(1, 2, 3))


@pytest.mark.parametrize("angles", [[0.0] * 5, [0, 1, 2, 3, 400.0], [0, 1, 2, 3, float("nan")]])
def test_angles_that_cannot_be(tmp_path: Path, angles: list[float]) -> None:
    stack = write_stack(tmp_path / "in")
    write_rawtlt(stack, angles)
    with pytest.raises(TomolineError, match=r"SETUP-10|FILE-06"):
        set_up(stack, tmp_path)


def test_a_montage_is_refused(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in")
    write_rawtlt(stack, NOMINAL)
    with pytest.raises(TomolineError, match="SETUP-07"):
        set_up(stack, tmp_path, montage=True)


@pytest.mark.parametrize("delivery", ["copy", "move", "link"])
def test_delivery(tmp_path: Path, delivery: str) -> None:
    stack = write_stack(tmp_path / "in")
    write_mdoc(stack, NOMINAL)
    original = stack.read_bytes()
    _, context = set_up(stack, tmp_path, delivery=delivery)
    assert context.input("raw_stack").read_bytes() == original
    assert (context.folder / "ts.mrc.mdoc").exists()
    assert stack.exists() == (delivery != "move")
    assert context.input("raw_stack").is_symlink() == (delivery == "link")


def test_gold_needs_a_pixel_size(tmp_path: Path) -> None:
    stack = write_stack(tmp_path / "in", pixel_a=0.0)
    write_rawtlt(stack, NOMINAL)
    with pytest.raises(TomolineError, match="SETUP-03"):
        set_up(stack, tmp_path, gold_diameter_nm=10)


def test_tiff_becomes_mrc(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    stack = tmp_path / "in" / "ts.tif"
    images = np.random.default_rng(1).integers(0, 60000, (VIEWS, 6, 8)).astype(np.uint16)
    tifffile.imwrite(stack, images, photometric="minisblack")
    write_rawtlt(stack, NOMINAL)
    _, context = set_up(stack, tmp_path)
    with mrcfile.open(context.input("raw_stack")) as file:
        assert file.data.dtype == np.uint16
        np.testing.assert_array_equal(file.data, images)
