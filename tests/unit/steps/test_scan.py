"""The step scan: what it makes of the files and the parameters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from tomoline.engine import ThreadsEngine
from tomoline.errors import Notice, TomolineError
from tomoline.files.open_frames import open_frames
from tomoline.simulate.scan import simulate_scan
from tomoline.simulate.scan_settings import ScanSimulation
from tomoline.steps.scan import SCAN, ScanParams
from tomoline.steps.scan_layout import ScanLayout

FRAMES, HEIGHT, WIDTH = 20, 12, 16
TEXT = """\
ENERGY = 18.0
PIXELSIZE = 0.65
DISTANCES = 0.073, 0.092
FLATAVG = 3
BETADELTA = 0.1
ZEROCOMP = 0.05
PADDING = 20
ROTATION-AXIS-GUESS = 7.5
PREFIX = t_d1_1_, t_d2_1_
PREFIX-FF = ff_d1_, ff_d2_
"""


def make(folder: Path, text: str = TEXT, *, height: int = HEIGHT) -> Path:
    random = np.random.default_rng(0)
    for distance in (1, 2):
        for number in range(1, FRAMES + 1):
            image = random.integers(0, 60000, (height, WIDTH), dtype=np.uint16)
            tifffile.imwrite(folder / f"t_d{distance}_1_{number:04d}.tif", image)
        flats = random.integers(0, 60000, (4, height, WIDTH), dtype=np.uint16)
        tifffile.imwrite(folder / f"ff_d{distance}.tif", flats, photometric="minisblack")
    path = folder / "scan.par"
    path.write_text(text)
    return path


class Context:
    """As much of a step's context as this step uses."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source, self.root, self.folder = source, source.stem, folder
        self.engine = ThreadsEngine(1, 1 << 30)
        self.warnings: list[Notice] = []

    @contextmanager
    def writing(self, artifact: str) -> Iterator[Path]:
        yield self.folder / artifact

    def warn(self, notice: Notice) -> None:
        self.warnings.append(notice)

    def log(self, message: str) -> None:
        pass


def run(source: Path, tmp_path: Path, **params: Any) -> tuple[ScanLayout, dict[str, Any], Context]:
    folder = tmp_path / "out"
    folder.mkdir(exist_ok=True)
    context = Context(source, folder)
    values = SCAN.run(ScanParams(**params), context)  # type: ignore[arg-type]
    return ScanLayout.read(folder / "scan_layout"), values, context


def codes(context: Context) -> list[str]:
    return [notice.code for notice in context.warnings]


def refused(source: Path, tmp_path: Path, **params: Any) -> TomolineError:
    with pytest.raises(TomolineError) as caught:
        run(source, tmp_path, **params)
    assert caught.value.found
    assert caught.value.remedy
    return caught.value


def test_a_scan_of_two_distances(tmp_path: Path) -> None:
    source = make(tmp_path, TEXT + "ANGLE-STEP = 9\nROI = 2, 1, 12, 10\n")
    layout, values, context = run(source, tmp_path)
    assert not codes(context)
    assert (layout.root, layout.source_format) == ("scan", "HiTT")
    assert (layout.height_px, layout.width_px) == (10, 12)
    assert layout.angles_deg == tuple(9.0 * k for k in range(FRAMES))
    assert layout.angles_source == "ANGLE-STEP"
    assert layout.distances_m == (0.073, 0.092)
    assert (layout.energy_kev, layout.pixel_size_um) == (18.0, 0.65)
    assert layout.source_distance_m is None
    assert layout.hints.flat_average == 3
    assert layout.hints.beta_over_delta == 0.1
    assert layout.hints.zero_compensation == 0.05
    assert layout.hints.padding_px == 20
    assert layout.hints.rotation_axis_px == 7.5
    whole = tifffile.imread(tmp_path / "t_d2_1_0007.tif")
    np.testing.assert_array_equal(open_frames(layout.projections[1]).read(6), whole[1:11, 2:14])
    flat = layout.flats[1]
    assert flat is not None
    whole = tifffile.imread(tmp_path / "ff_d2.tif")
    np.testing.assert_array_equal(open_frames(flat).read(3), whole[3, 1:11, 2:14])
    assert values["angles"] == FRAMES
    assert values["distances"] == 2
    assert values["flats"] == [4, 4]
    assert values["darks"] == [0, 0]
    assert values["excluded_frames"] == []
    assert (values["first_angle_deg"], values["last_angle_deg"]) == (0.0, 171.0)


def test_parameters_go_before_the_files(tmp_path: Path) -> None:
    source = make(tmp_path, TEXT + "ANGLE-STEP = 9\nROI = 2, 1, 12, 10\n")
    layout, _, _ = run(
        source,
        tmp_path,
        name="other",
        energy_kev=20,
        pixel_size_um=1.0,
        distances_m=(0.1, 0.2),
        source_distance_m=0.05,
        region=(0, 0, 8, 6),
        first_angle_deg=-90,
        step_deg=0.5,
        exclude_frames=(3,),
    )
    assert (layout.root, layout.energy_kev, layout.pixel_size_um) == ("other", 20, 1.0)
    assert (layout.distances_m, layout.source_distance_m) == ((0.1, 0.2), 0.05)
    assert (layout.height_px, layout.width_px) == (6, 8)
    assert layout.angles_deg[:2] == (-90, -89.5)
    assert list(layout.excluded) == [2]
    assert not layout.taking_part[2]


def test_the_range_says_the_step(tmp_path: Path) -> None:
    source = make(tmp_path, TEXT + "ANGLE-START = 10\nANGLE-RANGE = 360\n")
    layout, _, _ = run(source, tmp_path)
    assert layout.angles_deg[:2] == (10.0, 28.0)
    layout, _, _ = run(source, tmp_path, range_deg=180)
    assert layout.angles_deg[:2] == (0.0, 9.0)


def test_angles_that_nothing_tells_are_assumed_with_a_warning(tmp_path: Path) -> None:
    layout, values, context = run(make(tmp_path), tmp_path)
    assert codes(context) == ["SCAN-14"]
    assert values["angles_from"] in ("assumed", "images, unsure")
    assert len(layout.angles_deg) == FRAMES


@pytest.mark.parametrize("turn_deg", [180, 360])
def test_angles_that_only_the_images_tell(tmp_path: Path, turn_deg: int) -> None:
    source = simulate_scan(
        tmp_path,
        "sim",
        ScanSimulation(width_px=192, height_px=24, angles=192, distances_m=(0.02,), flats=5),
        range_deg=turn_deg,
        tell_angles=False,
    )
    _, values, context = run(source, tmp_path)
    assert values["last_angle_deg"] == pytest.approx(turn_deg * 191 / 192, rel=0.01)
    if turn_deg == 360:
        assert values["angles_from"] == "images"
        assert not codes(context)


def test_missing_and_truncated_frames_are_left_out_and_named(tmp_path: Path) -> None:
    source = make(tmp_path)
    (tmp_path / "t_d1_1_0003.tif").unlink()
    os.truncate(tmp_path / "t_d2_1_0008.tif", 300)
    layout, values, context = run(source, tmp_path, step_deg=9)
    assert values["excluded_frames"] == [3, 8]
    assert codes(context) == ["SCAN-09", "SCAN-10"]
    assert "t_d1_1_0003.tif" in context.warnings[0].found
    assert "t_d2_1_0008.tif" in context.warnings[1].found
    assert layout.excluded[2] == "distance 1: missing"
    assert len(layout.angles_deg) == FRAMES


def test_too_many_missing_frames_are_refused(tmp_path: Path) -> None:
    source = make(tmp_path)
    for number in range(4, 9):
        (tmp_path / f"t_d1_1_{number:04d}.tif").unlink()
    error = refused(source, tmp_path)
    assert error.code == "SCAN-11"
    assert "missing" in error.found
    # Those that the user leaves out are another matter, as long as three are left.
    source = make(tmp_path)
    layout, _, _ = run(source, tmp_path, exclude_frames=tuple(range(4, 16)))
    assert layout.taking_part.sum() == 8
    assert refused(source, tmp_path, exclude_frames=tuple(range(1, 19))).code == "SCAN-11"


def test_frames_to_exclude_that_are_none(tmp_path: Path) -> None:
    assert refused(make(tmp_path), tmp_path, exclude_frames=(0, 21)).code == "SCAN-23"


def test_distances_or_flats_of_another_size(tmp_path: Path) -> None:
    source = make(tmp_path)
    tifffile.imwrite(
        tmp_path / "ff_d2.tif", np.zeros((3, 5, WIDTH), np.uint16), photometric="minisblack"
    )
    error = refused(source, tmp_path)
    assert error.code == "SCAN-12"
    assert "flats of distance 2" in error.found


@pytest.mark.parametrize(
    "region", [(0, 0, WIDTH + 1, 4), (-1, 0, 4, 4), (0, 9, 4, 4), (0, 0, 0, 4)]
)
def test_regions_outside_the_frames(tmp_path: Path, region: tuple[int, ...]) -> None:
    assert refused(make(tmp_path), tmp_path, region=region).code == "SCAN-16"


def test_distances_that_do_not_fit(tmp_path: Path) -> None:
    assert refused(make(tmp_path), tmp_path, distances_m=(0.1,)).code == "PARAM-02"


def test_files_that_stand_for_the_input(tmp_path: Path) -> None:
    source = make(tmp_path)
    assert SCAN.external(source, ScanParams()) == (source,)
    listed = SCAN.listed(source, ScanParams())
    assert len(listed) == 2 * FRAMES + 2
    assert all(path.is_file() for path in listed)
    assert set(SCAN.listed(tmp_path, ScanParams())) == set(listed)
    source.write_text("nonsense\n")
    assert SCAN.listed(source, ScanParams()) == ()
    assert SCAN.external(source, ScanParams()) == (source,)


def test_angles_of_an_hdf5_file_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["exchange/data"] = np.zeros((6, 4, 5), np.uint16)
        file["exchange/theta"] = np.arange(7.0)
    _, values, context = run(path, tmp_path)
    assert codes(context) == ["SCAN-19", "SCAN-14"]
    assert "7 angles for 6 projections" in context.warnings[0].found
    assert values["angles_from"] == "assumed"
    assert refused(path, tmp_path, angles_path="/exchange/theta").code == "SCAN-15"


def test_a_single_projection_is_no_scan(scan_data: Path, tmp_path: Path) -> None:
    source = scan_data / "formats-misc" / "aps_txm_dxfile.h5"
    assert refused(source, tmp_path).code == "SCAN-11"


def test_the_tooth(scan_data: Path, tmp_path: Path) -> None:
    layout, values, context = run(scan_data / "tooth-aps2bm" / "tooth.h5", tmp_path)
    assert not codes(context)
    assert (values["angles"], values["flats"], values["darks"]) == (181, [10], [10])
    assert (layout.height_px, layout.width_px) == (2, 640)
    assert layout.distances_m == ()
