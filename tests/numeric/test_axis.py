"""The step axis: against known axes, with every doubt said, and on real recordings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
import pytest
import scipy.io
import tifffile
from axis_scans import AxisContext, angles_of, discs

from tomoline.errors import TomolineError
from tomoline.kernels.axis_sharpness import spread_of_gradients
from tomoline.kernels.stamp import text_dots
from tomoline.steps._axis import RotationAxis
from tomoline.steps._axis_methods import Estimate
from tomoline.steps._axis_sweep import Sweep, label_of, part_corner, picture_of
from tomoline.steps._axis_verdict import decide, slope_of
from tomoline.steps.axis import AXIS

AXIS_PX = 0.1
"""Error allowed with moderate noise, 8 rows of 256 columns."""
ROUGH_PX = 0.3
"""Error allowed with few angles, a single row, or strong rings."""
NEUTRON_PX = 0.3
DENDRITE_PX = 1.0
"""Errors that are allowed on real recordings."""


def found_in(context: AxisContext, **parameters: Any) -> dict[str, Any]:
    return AXIS.run(AXIS.validate(parameters), context)


@pytest.mark.parametrize(
    ("name", "scan", "made", "allowed"),
    [
        ("plain", {}, {}, AXIS_PX),
        (
            "end included, other way",
            {"count": 201, "end": True, "way": -1, "start": 40},
            {},
            AXIS_PX,
        ),
        ("195 degrees", {"count": 195, "range_deg": 195}, {}, AXIS_PX),
        ("a quarter off", {}, {"axis_px": 186.4, "radius_px": 48}, AXIS_PX),
        ("wider than the field", {}, {"axis_px": 140.4, "radius_px": 150, "count": 80}, AXIS_PX),
        ("rings", {}, {"rings": 0.05}, ROUGH_PX),
        ("few angles", {"count": 60}, {}, ROUGH_PX),
        ("a single row", {}, {"rows": 1}, ROUGH_PX),
        ("full turn", {"count": 360, "range_deg": 360}, {}, AXIS_PX),
    ],
)
def test_known_axes(
    tmp_path: Path, name: str, scan: dict[str, Any], made: dict[str, Any], allowed: float
) -> None:
    angles = angles_of(**{"count": 200, **scan})
    settings = {"axis_px": 131.27, "noise": 0.01, **made}
    context = AxisContext(tmp_path, discs(angles_deg=angles, **settings), angles)
    values = found_in(context)
    assert values["rotation_axis_px"] == pytest.approx(settings["axis_px"], abs=allowed)
    assert values["confidence"] > 0.8
    assert values["side"] is None
    assert values["rotation_axis_tilt_deg"] == 0
    assert context.codes == []
    assert values["full_turn"] == (name == "full turn")
    axis = RotationAxis.read(context.input("rotation_axis"))
    assert axis.axis_px == values["rotation_axis_px"]


def test_wide_rows_are_binned_and_the_axis_is_not(tmp_path: Path) -> None:
    angles = angles_of(240)
    made = discs(771.3, angles, rows=2, width=1500, radius_px=500, noise=0.005, count=80)
    context = AxisContext(tmp_path, made, angles)
    values = found_in(context)
    assert values["rotation_axis_px"] == pytest.approx(771.3, abs=ROUGH_PX / 2)
    assert set(values["methods"]) == {"pairs", "wedge", "sharpness"}
    for method in values["methods"].values():
        assert method["axis_px"] == pytest.approx(771.3, abs=ROUGH_PX)


@pytest.mark.parametrize(("axis_px", "side"), [(41.3, "left"), (214.7, "right")])
def test_axis_at_the_side_of_a_full_turn(tmp_path: Path, axis_px: float, side: str) -> None:
    angles = angles_of(400, 360)
    made = discs(axis_px, angles, radius_px=130, noise=0.01, count=80)
    context = AxisContext(tmp_path, made, angles)
    values = found_in(context)
    assert values["rotation_axis_px"] == pytest.approx(axis_px, abs=AXIS_PX)
    assert values["side"] == side
    shared = 2 * axis_px + 1 if side == "left" else 2 * (255 - axis_px) + 1
    assert values["overlap_px"] == pytest.approx(shared, abs=2 * AXIS_PX)
    assert found_in(context, side="none")["overlap_px"] is None


def test_a_full_turn_whose_specimen_fits_needs_no_joining(tmp_path: Path) -> None:
    angles = angles_of(360, 360)
    made = discs(160.2, angles, radius_px=60, noise=0.003)
    values = found_in(AxisContext(tmp_path, made, angles))
    assert values["rotation_axis_px"] == pytest.approx(160.2, abs=AXIS_PX)
    assert values["side"] is None


def test_tilt(tmp_path: Path) -> None:
    angles = angles_of(200)
    made = discs(128.6, angles, rows=48, slope=0.02, noise=0.01)
    context = AxisContext(tmp_path, made, angles)
    values = found_in(context)
    assert values["slope_px_per_row"] == pytest.approx(0.02, abs=0.004)
    assert values["rotation_axis_tilt_deg"] == pytest.approx(1.146, abs=0.25)
    assert values["rotation_axis_px"] == pytest.approx(128.6, abs=AXIS_PX)
    assert context.codes == ["AXIS-05"]
    axis = RotationAxis.read(context.input("rotation_axis"))
    assert axis.at(0) == pytest.approx(128.6 - 0.02 * 23.5, abs=2 * AXIS_PX)
    assert found_in(context, tilt=False)["slope_px_per_row"] == 0


@pytest.mark.parametrize("rings", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_to_see(tmp_path: Path, rings: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = 0.02 * rng.standard_normal((6, 180, 200)) + rings * rng.standard_normal((6, 1, 200))
    context = AxisContext(tmp_path, made.astype(np.float32), angles_of(180), guess_px=90.0)
    values = found_in(context)
    assert "AXIS-01" in context.codes
    assert values["confidence"] == 0
    assert values["source"] == "guess"
    assert values["rotation_axis_px"] == 90.0


def test_constant_projections(tmp_path: Path) -> None:
    context = AxisContext(tmp_path, np.zeros((2, 60, 64), np.float32), angles_of(60))
    values = found_in(context)
    assert context.codes == ["AXIS-01"]
    assert (values["rotation_axis_px"], values["confidence"]) == (31.5, 0.0)


def test_guesses(tmp_path: Path) -> None:
    angles = angles_of(180)
    made = discs(131.27, angles, noise=0.01)
    good = AxisContext(tmp_path, made, angles, guess_px=129.0)
    assert found_in(good)["rotation_axis_px"] == pytest.approx(131.27, abs=AXIS_PX)
    assert good.codes == []
    # Far off: the projections count, and both numbers are told.
    bad = AxisContext(tmp_path, made, angles, guess_px=90.0)
    assert found_in(bad)["rotation_axis_px"] == pytest.approx(131.27, abs=AXIS_PX)
    assert set(bad.codes) == {"AXIS-03", "AXIS-04"}
    assert "90.00" in str(bad.warnings[-1])
    assert "131." in str(bad.warnings[-1])
    # A parameter goes before the parameter file.
    own = AxisContext(tmp_path, made, angles, guess_px=90.0)
    assert found_in(own, guess_px=130.0)["guess_px"] == 130.0
    assert own.codes == []


def test_a_given_axis_is_used_and_checked(tmp_path: Path) -> None:
    angles = angles_of(180)
    made = discs(131.27, angles, noise=0.01)
    right = AxisContext(tmp_path, made, angles)
    assert found_in(right, axis_px=131.0)["rotation_axis_px"] == 131.0
    assert right.codes == []
    wrong = AxisContext(tmp_path, made, angles)
    values = found_in(wrong, axis_px=120.0)
    assert values["rotation_axis_px"] == 120.0
    assert values["confidence"] < 0.5
    assert wrong.codes == ["AXIS-06"]
    assert "131." in str(wrong.warnings[0])


@pytest.mark.parametrize(
    ("parameters", "code"), [({"axis_px": 300.0}, "AXIS-07"), ({"rows": (2, 99)}, "AXIS-10")]
)
def test_impossible_parameters(tmp_path: Path, parameters: dict[str, Any], code: str) -> None:
    context = AxisContext(tmp_path, np.zeros((4, 30, 64), np.float32), angles_of(30))
    with pytest.raises(TomolineError) as caught:
        found_in(context, **parameters)
    assert caught.value.code == code


def test_too_few_projections(tmp_path: Path) -> None:
    excluded = dict.fromkeys(range(24), "gone")
    context = AxisContext(
        tmp_path, np.zeros((4, 30, 64), np.float32), angles_of(30), excluded=excluded
    )
    with pytest.raises(TomolineError) as caught:
        found_in(context)
    assert caught.value.code == "AXIS-09"


def test_excluded_projections_are_not_looked_at(tmp_path: Path) -> None:
    angles = angles_of(200)
    made = discs(131.27, angles, noise=0.01)
    gone = [0, 1, 57, 58, 59, 120, 199]
    made[:, gone] = 0
    context = AxisContext(tmp_path, made, angles, excluded=dict.fromkeys(gone, "bad"))
    values = found_in(context)
    assert values["rotation_axis_px"] == pytest.approx(131.27, abs=ROUGH_PX)
    assert "AXIS-01" not in context.codes


def test_less_than_half_a_turn_is_told(tmp_path: Path) -> None:
    angles = angles_of(150, 150)
    context = AxisContext(tmp_path, discs(131.27, angles, noise=0.01), angles)
    values = found_in(context)
    assert "AXIS-08" in context.codes
    assert "AXIS-01" in context.codes
    assert values["confidence"] == 0


def test_a_guess_is_made_sharp_where_half_a_turn_is_not_there(tmp_path: Path) -> None:
    angles = angles_of(170, 170)
    context = AxisContext(tmp_path, discs(131.27, angles, noise=0.01), angles)
    values = found_in(context, guess_px=133.0)
    assert values["rotation_axis_px"] == pytest.approx(131.27, abs=ROUGH_PX)
    assert values["source"] == "guess and sharpness"
    assert values["confidence"] < 0.5
    assert set(context.codes) >= {"AXIS-08", "AXIS-11"}
    lost = AxisContext(tmp_path, discs(131.27, angles, noise=0.01), angles)
    assert found_in(lost, guess_px=60.0)["source"] == "guess"
    assert "AXIS-01" in lost.codes


def test_specimen_in_a_part_of_the_height(tmp_path: Path) -> None:
    angles = angles_of(180)
    made = 0.01 * np.random.default_rng(2).standard_normal((48, 180, 256)).astype(np.float32)
    made[5:12] = discs(131.27, angles, rows=7, noise=0.01)
    context = AxisContext(tmp_path, made, angles)
    values = found_in(context)
    assert values["rotation_axis_px"] == pytest.approx(131.27, abs=ROUGH_PX)
    assert values["slope_px_per_row"] == 0
    assert 4 <= values["sweep_row"] <= 12
    assert context.codes == []
    chosen = found_in(AxisContext(tmp_path, made, angles), rows=(5, 12))
    assert chosen["rotation_axis_px"] == pytest.approx(131.27, abs=AXIS_PX)


def test_a_guess_outside_the_field(tmp_path: Path) -> None:
    angles = angles_of(180)
    context = AxisContext(tmp_path, discs(131.27, angles, noise=0.01), angles, guess_px=900.0)
    assert found_in(context)["rotation_axis_px"] == pytest.approx(131.27, abs=AXIS_PX)
    assert context.codes == ["AXIS-04"]


def test_same_numbers_with_one_thread(tmp_path: Path) -> None:
    angles = angles_of(180)
    made = discs(131.27, angles, noise=0.02)
    one = found_in(AxisContext(tmp_path, made, angles, threads=1))
    two = found_in(AxisContext(tmp_path, made, angles, threads=2))
    assert one == two


def test_the_sweep_shows_the_axes_that_were_used(tmp_path: Path) -> None:
    angles = angles_of(180)
    context = AxisContext(tmp_path, discs(131.27, angles, noise=0.01, slope=0.0), angles)
    values = found_in(context, sweep_axes=7, sweep_step_px=0.75)
    picture = imagecodecs.png_decode(context.input("axis_sweep").read_bytes())
    axes = values["sweep_axes_px"]
    assert len(axes) == 7
    # There is no tilt, so the axis is the same at the row that is shown.
    assert axes[3] == values["rotation_axis_px"]
    assert np.diff(axes) == pytest.approx(np.full(6, 0.75))
    for number, axis in enumerate(axes):
        top, left = part_corner(number, 7)
        dots = text_dots(label_of(axis))
        high, wide = dots.shape
        area = picture[top + 10 :, left + 10 :][: 2 * high : 2, : 2 * wide : 2]
        assert np.array_equal(area > 127, dots)
        framed = picture[top + 100, left] == 255
        assert framed == (number == 3)


def test_the_sweep_shows_row_0_at_the_top_as_viewers_show_the_volume() -> None:
    slices = np.zeros((3, 64, 64), np.float32)
    slices[:, :40] = 1.0
    picture = picture_of(Sweep(np.arange(3.0), 0.0, (0.0, 0.0), slices))
    top, left = part_corner(1, 3, 64)
    part = picture[top : top + 64, left : left + 64]
    assert part[30:38, 8:-8].min() == 255
    assert part[44:-8, 8:-8].max() == 0


def test_the_sweep_is_sharp_where_its_label_says(tmp_path: Path) -> None:
    """Slices are stamped with their own axis: off the middle, the true one is where it is named."""
    angles = angles_of(180)
    context = AxisContext(tmp_path, discs(131.27, angles, noise=0.003), angles)
    axes = found_in(context, axis_px=132.77, sweep_axes=7, sweep_step_px=0.75)["sweep_axes_px"]
    assert axes[1] == pytest.approx(131.27)
    picture = imagecodecs.png_decode(context.input("axis_sweep").read_bytes())
    parts = []
    for number in range(7):
        top, left = part_corner(number, 7)
        # Without frame and stamp.
        parts.append(picture[top + 28 : top + 228, left + 28 : left + 228].astype(np.float32))
    assert int(np.argmin(spread_of_gradients(np.array(parts)))) == 1


def estimate(method: str, axis: float, error: float, reliability: float, **more: Any) -> Estimate:
    return Estimate(method, axis, error, reliability, **more)


def test_disagreement_is_not_averaged() -> None:
    verdict = decide(
        [
            estimate("pairs", 500.0, 0.1, 0.8),
            estimate("wedge", 500.3, 0.2, 0.7),
            estimate("sharpness", 540.0, 0.05, 0.6),
        ],
        1000,
    )
    assert verdict is not None
    assert verdict.axis_px == pytest.approx(500.1, abs=0.15)
    assert [one.method for one in verdict.differing] == ["sharpness"]
    agreed = decide([estimate("pairs", 500.0, 0.1, 0.8), estimate("wedge", 500.3, 0.2, 0.7)], 1000)
    assert agreed is not None
    assert verdict.confidence < agreed.confidence - 0.2
    assert decide([estimate("wedge", 300.0, 0.5, 0.5)], 1000) is None
    assert decide([estimate("pairs", 300.0, np.inf, 0.9), None], 1000) is None


def test_slopes_that_contradict_each_other_are_none() -> None:
    up = estimate("pairs", 500.0, 0.1, 0.8, slope=0.02, slope_error=0.001)
    down = estimate("sharpness", 500.0, 0.1, 0.8, slope=-0.015, slope_error=0.001)
    same = estimate("sharpness", 500.0, 0.1, 0.8, slope=0.021, slope_error=0.001)
    assert slope_of([up, down], 100).px_per_row == 0
    assert slope_of([up, same], 100).px_per_row == pytest.approx(0.0208, abs=0.0005)
    assert slope_of([up, same], 6).px_per_row == 0


def test_disagreement_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tomoline.steps import _axis_search

    monkeypatch.setattr(_axis_search, "by_wedge", lambda *_: estimate("wedge", 100.0, 0.2, 0.5))
    angles = angles_of(180)
    context = AxisContext(tmp_path, discs(131.27, angles, noise=0.01), angles)
    values = found_in(context)
    assert values["rotation_axis_px"] == pytest.approx(131.27, abs=AXIS_PX)
    assert context.codes == ["AXIS-02"]
    assert "wedge 100.00" in str(context.warnings[0])


def test_tooth(scan_data: Path, tmp_path: Path) -> None:
    with h5py.File(scan_data / "tooth-aps2bm" / "tooth.h5") as file:
        raw, angles = file["exchange/data"][:], file["exchange/theta"][:]
        dark = file["exchange/data_dark"][:].mean(axis=0)
        flat = file["exchange/data_white"][:].mean(axis=0)
    projections = -np.log(np.clip((raw - dark) / (flat - dark), 1e-3, None))
    context = AxisContext(tmp_path, projections.transpose(1, 0, 2).astype(np.float32), angles)
    values = found_in(context)
    assert 295.9 <= values["rotation_axis_px"] <= 296.0
    assert values["confidence"] > 0.9
    assert context.codes == []


def test_dendrite(scan_data: Path, tmp_path: Path) -> None:
    content = scipy.io.loadmat(scan_data / "dendrite-sino" / "RealDataDend.mat")
    angles = np.degrees(content["anglesRad"][:, 0])
    sinogram = np.ascontiguousarray(content["sinoRD"].T, np.float32)[None]
    values = found_in(AxisContext(tmp_path, sinogram, angles))
    assert values["rotation_axis_px"] == pytest.approx(629.5, abs=DENDRITE_PX)


@pytest.mark.parametrize(
    ("name", "axis_px", "side"),
    [
        ("sinogram_360_neutron_image.tif", 245.3, None),
        ("half_acq_cols215_end.tif", 30.3, "left"),
    ],
)
def test_neutrons(
    scan_data: Path, tmp_path: Path, name: str, axis_px: float, side: str | None
) -> None:
    counts = tifffile.imread(scan_data / "neutron-360-sarepy" / name).astype(np.float32)
    sinogram = -np.log(np.maximum(counts, 100) / np.percentile(counts, 99))
    context = AxisContext(tmp_path, sinogram[None], np.linspace(0, 360, len(counts)))
    values = found_in(context)
    assert values["rotation_axis_px"] == pytest.approx(axis_px, abs=NEUTRON_PX)
    assert values["side"] == side
    assert values["full_turn"]
