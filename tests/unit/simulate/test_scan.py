"""What a simulated scan consists of on disk."""

import json
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pydantic import ValidationError

from tomoline.cli.simulate import simulate_from
from tomoline.errors import TomolineError
from tomoline.simulate import hitt_layout
from tomoline.simulate.scan import Scan, ScanSimulation, ScanTruth, simulate_scan, tiny_scan

SMALL = tiny_scan(width_px=48, height_px=16, angles=6, flats=3)


def parameters_of(path: Path) -> dict[str, str]:
    pairs = (line.split("=", 1) for line in path.read_text().splitlines())
    return {key.strip(): value.strip() for key, value in pairs}


def test_files_of_a_scan(tmp_path: Path) -> None:
    path = simulate_scan(tmp_path / "new", "s", SMALL, darks=2)
    assert path == tmp_path / "new" / "s.par"
    names = sorted(one.name for one in path.parent.iterdir())
    expected = {"s.par", "s_truth.json"}
    for prefix in ("s_d1_1_", "s_d2_1_"):
        expected |= {f"{prefix}{number:05d}.tiff" for number in range(1, 7)}
        expected |= {f"ff_{prefix}{number:05d}.tiff" for number in range(1, 4)}
        expected |= {f"dark_{prefix}{number:05d}.tiff" for number in range(1, 3)}
    assert set(names) == expected
    frame = tifffile.imread(path.parent / "s_d2_1_00003.tiff")
    assert (frame.dtype, frame.shape) == (np.uint16, (16, 48))
    scan = Scan(ScanSimulation(**{**SMALL.model_dump(), "darks": 2}))
    np.testing.assert_array_equal(frame, scan.frame(1, 2))
    flat = tifffile.imread(path.parent / "ff_s_d1_1_00002.tiff")
    np.testing.assert_array_equal(flat, scan.flat(0, 1))
    dark = tifffile.imread(path.parent / "dark_s_d2_1_00002.tiff")
    np.testing.assert_array_equal(dark, scan.dark(1, distance=1))
    assert dark.mean() == pytest.approx(100, abs=2)


def test_parameter_file_has_the_keys_of_a_real_one(tmp_path: Path) -> None:
    told = parameters_of(simulate_scan(tmp_path, "s", SMALL))
    assert float(told["ENERGY"]) == 18.0
    assert float(told["PIXELSIZE"]) == 0.65
    assert told["DISTANCES"] == "0.073000, 0.092000,"
    assert told["PREFIX"] == "s_d1_1_,s_d2_1_"
    assert told["PREFIX-FF"] == "ff_s_d1_1_,ff_s_d2_1_"
    assert told["ROI"] == "0, 0, 48, 16"
    assert (float(told["ANGLE-START"]), float(told["ANGLE-STEP"])) == (0.0, 30.0)
    assert "PREFIX-DARK" not in told
    silent = parameters_of(simulate_scan(tmp_path, "t", SMALL, tell_angles=False))
    assert not [key for key in silent if key.startswith("ANGLE")]


def test_flats_as_pages_of_one_file(tmp_path: Path) -> None:
    simulate_scan(tmp_path, "s", SMALL, flats_in_one_file=True)
    pages = tifffile.imread(tmp_path / "ff_s_d1_1_00001.tiff")
    assert pages.shape == (3, 16, 48)
    assert not (tmp_path / "ff_s_d1_1_00002.tiff").exists()
    np.testing.assert_array_equal(pages[2], Scan(SMALL).flat(0, 2))


def test_same_seed_same_frames_in_any_order() -> None:
    one, two, other = Scan(SMALL), Scan(SMALL), Scan(tiny_scan(**{**SMALL.model_dump(), "seed": 2}))
    wanted = [(0, 0), (1, 3), (0, 3), (1, 0)]
    frames = {place: one.frame(*place) for place in wanted}
    for place in reversed(wanted):
        np.testing.assert_array_equal(two.frame(*place), frames[place])
    assert np.any(other.frame(0, 0) != frames[0, 0])
    assert np.any(one.flat(0, 0) != one.flat(0, 1))


def test_truth_survives_json(tmp_path: Path) -> None:
    simulate_scan(tmp_path, "s", SMALL, missing_frames=1, blank_frames=1)
    again = ScanTruth.read(tmp_path / "s_truth.json")
    planned = Scan(ScanSimulation(**{**SMALL.model_dump(), "missing_frames": 1, "blank_frames": 1}))
    np.testing.assert_array_equal(again.ellipsoids, planned.truth.ellipsoids)
    np.testing.assert_array_equal(again.shifts_px, planned.truth.shifts_px)
    assert again.axis_px == planned.truth.axis_px
    assert again.bad_frames == planned.truth.bad_frames
    assert again.delta_per_unit == planned.truth.delta_per_unit
    content = json.loads((tmp_path / "s_truth.json").read_text())
    np.testing.assert_array_equal(content["shifts_px"], again.shifts_px)


def test_bad_frames_are_bad_in_the_way_they_should(tmp_path: Path) -> None:
    settings = tiny_scan(angles=12, blank_frames=2, truncated_frames=1, missing_frames=1)
    path = simulate_scan(tmp_path, "s", settings)
    truth = ScanTruth.read(path.with_name("s_truth.json"))
    assert sorted(one.damage for one in truth.bad_frames) == [
        "blank",
        "blank",
        "missing",
        "truncated",
    ]
    assert len({one.angle for one in truth.bad_frames}) == 4
    whole = path.with_name("s_d1_1_00001.tiff").stat().st_size
    for one in truth.bad_frames:
        assert 0 < one.angle < 11
        file = path.with_name(hitt_layout.frame_name("s", one.distance, one.angle))
        if one.damage == "missing":
            assert not file.exists()
        elif one.damage == "truncated":
            assert file.stat().st_size < 0.7 * whole
        else:
            assert tifffile.imread(file).mean() == pytest.approx(100, abs=2)


def test_shifts_are_smooth_and_within_bounds() -> None:
    shifts = Scan(
        tiny_scan(angles=200, distances_m=(0.07, 0.08, 0.09), shift_px=2.5)
    ).truth.shifts_px
    assert shifts.shape == (200, 3, 2)
    assert np.all(shifts[:, 0] == 0)
    assert np.abs(shifts).max() <= 2.5
    assert np.all(np.abs(shifts[:, 1:]).max(axis=0) > 0.5)
    assert 0 < np.abs(np.diff(shifts, axis=0)).max() < 0.05


def test_axis_and_angles_are_as_asked() -> None:
    def truth(**changes: object) -> ScanTruth:
        return Scan(tiny_scan(**changes)).truth

    assert truth(axis_px=40.25).axis_px == 40.25
    assert truth(axis_offset_px=-3.0).axis_px == 44.5
    assert 46.3 < truth().axis_px < 48.7
    assert truth(range_deg=360, overlap_px=20.0).axis_px == 85.5
    assert truth(range_deg=360, overlap_px=20.0, axis_side="left").axis_px == 9.5
    np.testing.assert_allclose(truth(angles=4).angles_deg, [0, 45, 90, 135])
    np.testing.assert_allclose(truth(angles=5, end_included=True).angles_deg[[0, 4]], [0, 180])
    assert truth(axis_tilt_deg=1.0).slope_px_per_row == pytest.approx(0.017455, abs=1e-6)


def test_frames_appear_whole_and_at_their_rate(tmp_path: Path) -> None:
    settings = tiny_scan(
        width_px=48, height_px=16, angles=5, flats=1, frames_per_second=100, noise=False
    )
    seen: list[str] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            for path in sorted(tmp_path.glob("s_d*.tiff")):
                if path.name not in seen:
                    assert tifffile.imread(path).shape == (16, 48)
                    seen.append(path.name)
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    simulate_scan(tmp_path, "s", settings)
    assert time.monotonic() - start >= 12 / 100
    stop.set()
    watcher.join()
    # One distance after the other, as a beamline records them.
    assert seen == sorted(seen)
    assert len(seen) >= 9


def test_progress_is_told(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    simulate_scan(tmp_path, "s", SMALL, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(frame, 12) for frame in range(1, 13)]


def test_command_line_takes_lists_and_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "made" / "x.par"
    options = "--width-px 32 --height-px 8 --angles 3 --flats 1 --distances-m 0.05,0.06".split()
    assert simulate_from("scan", [str(path), *options]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    assert parameters_of(path)["DISTANCES"] == "0.050000, 0.060000,"
    with pytest.raises(TomolineError, match="--distances-m"):
        simulate_from("scan", [str(path), "--distances-m", "near"])
    with pytest.raises(TomolineError, match="--angles"):
        simulate_from("scan", [str(path), "--angles", "0"])


def test_settings_are_checked() -> None:
    with pytest.raises(ValidationError):
        ScanSimulation(distances_m=())
    with pytest.raises(ValidationError):
        ScanSimulation(colour="red")
