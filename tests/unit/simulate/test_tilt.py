"""What a simulated tilt series consists of on disk."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from tomoline import geometry
from tomoline.cli.simulate import simulate_from
from tomoline.files import angles, mdoc, mrc, transforms
from tomoline.simulate.tilt import (
    TiltSimulation,
    plan,
    plan_second,
    simulate_dual,
    simulate_tilt,
    write_true_geometry,
)
from tomoline.simulate.truth import Truth

SMALL = TiltSimulation(width=96, height=80, views=5, beads=4, thickness_nm=30)


def read(path: Path) -> np.ndarray:
    return np.array(mrc.open_map(path))


def truth_of(path: Path) -> Truth:
    return Truth.read(path.with_name(path.stem + "_truth.json"))


def test_files_of_a_series(tmp_path: Path) -> None:
    path = simulate_tilt(tmp_path / "new", "ts", SMALL)
    header = mrc.probe(path)
    assert path == tmp_path / "new" / "ts.mrc"
    assert header.shape == (5, 80, 96)
    assert header.mode == 1
    assert header.pixel_size_nm == pytest.approx((1.0, 1.0, 1.0))
    assert header.tilt_axis_deg == pytest.approx(85.3)
    np.testing.assert_allclose(angles.read(tmp_path / "new" / "ts.rawtlt"), [-60, -30, 0, 30, 60])


def test_mdoc_tells_doses_and_axis(tmp_path: Path) -> None:
    path = simulate_tilt(tmp_path, "ts", SMALL, tilt_axis_deg=-12.6)
    document = mdoc.read(tmp_path / f"{path.name}.mdoc")
    views = mdoc.views(document)
    assert len(views) == 5
    assert views[3].tilt_deg == pytest.approx(30.0)
    assert views[2].exposure_dose_e_per_a2 == pytest.approx(22.0)
    assert views[2].prior_dose_e_per_a2 == pytest.approx(44.0)
    assert mdoc.tilt_axis_deg(document) == pytest.approx(-12.6)
    assert f"RotationAngle = {77.4:.2f}" in (tmp_path / f"{path.name}.mdoc").read_text()


def test_same_seed_same_bytes_other_seed_others(tmp_path: Path) -> None:
    stacks = [
        simulate_tilt(tmp_path / name, "ts", SMALL, seed=seed)
        for name, seed in (("a", 4), ("b", 4), ("c", 5))
    ]
    np.testing.assert_array_equal(read(stacks[0]), read(stacks[1]))
    assert np.any(read(stacks[0]) != read(stacks[2]))
    texts = [truth_of(stack).settings["seed"] for stack in stacks]
    assert texts == [4, 4, 5]


def test_truth_survives_json(tmp_path: Path) -> None:
    path = simulate_tilt(tmp_path, "ts", SMALL, dark_views=1)
    again = truth_of(path)
    planned = plan(TiltSimulation(**{**SMALL.model_dump(), "dark_views": 1}))
    np.testing.assert_array_equal(again.transforms, planned.transforms)
    np.testing.assert_array_equal(again.specimen.blobs, planned.specimen.blobs)
    np.testing.assert_array_equal(again.tilt_deg, planned.tilt_deg)
    assert again.dark_views == planned.dark_views
    assert len(again.spikes) == 5


def test_beads_lie_where_the_truth_says(tmp_path: Path) -> None:
    path = simulate_tilt(
        tmp_path, "ts", SMALL, noise=False, spikes=0, hot_pixels=0, vesicles=0, drift_percent=5
    )
    truth, stack = truth_of(path), read(path).astype(float)
    assert len(truth.beads_px) == 4
    middle = np.array([geometry.centre(96), geometry.centre(80)])
    seen = 0
    for view, places in enumerate(truth.bead_positions(truth.beads_px)):
        for x, y in places + middle:
            if 8 < x < 87 and 8 < y < 71:
                box = stack[view, round(y) - 7 : round(y) + 8, round(x) - 7 : round(x) + 8]
                dark = np.argwhere(box < 0.75 * np.median(stack[view]))
                # Other beads may touch the box; the pixel of the centre is dark in any case.
                assert np.any(np.all(np.abs(dark - 7) <= 1, axis=1))
                seen += 1
    assert seen >= 10


def test_beads_that_drift_away_are_told_apart() -> None:
    still = plan(TiltSimulation(drift_percent=0, tilt_axis_deg=90, max_tilt_deg=1, pitch_deg=0))
    assert len(still.seen_beads()) == len(still.beads_px) == 24
    moving = plan(TiltSimulation(drift_percent=30))
    assert 0 < len(moving.seen_beads(share=0.9)) < len(moving.beads_px)


def test_drift_axis_and_magnification_are_as_asked() -> None:
    truth = plan(TiltSimulation(views=200, drift_percent=10, tilt_axis_deg=30))
    offsets = geometry.invert(truth.transforms)[:, :, 2]
    assert 0.05 * 512 <= np.abs(offsets).max() <= 0.1 * 512
    axes = geometry.axis_of_transform(truth.transforms)
    assert axes.mean() == pytest.approx(30, abs=0.02)
    assert axes.std() == pytest.approx(0.04, rel=0.2)
    scale = np.sqrt(np.linalg.det(truth.transforms[:, :, :2]))
    assert scale.std() == pytest.approx(6e-4, rel=0.2)


@pytest.mark.parametrize("seed", range(6))
def test_slopes_stay_within_bounds_and_can_be_set(seed: int) -> None:
    drawn = plan(TiltSimulation(seed=seed, views=4))
    assert abs(drawn.tilt_offset_deg) <= 4
    assert abs(drawn.pitch_deg) <= 5
    fixed = plan(TiltSimulation(seed=seed, views=4, tilt_offset_deg=1.5, pitch_deg=-2.5))
    assert (fixed.tilt_offset_deg, fixed.pitch_deg) == (1.5, -2.5)
    np.testing.assert_allclose(fixed.tilt_deg, fixed.nominal_tilt_deg + 1.5)


def test_dark_view_is_dark(tmp_path: Path) -> None:
    path = simulate_tilt(tmp_path, "ts", SMALL, dark_views=1, spikes=0, hot_pixels=0)
    truth, stack = truth_of(path), read(path)
    medians = np.median(stack, axis=(1, 2))
    dark = truth.dark_views[0]
    assert medians[dark] < 0.03 * np.median(medians)
    assert truth.good_views.sum() == 4
    assert not truth.good_views[dark]


def test_spikes_and_hot_pixels_stand_out(tmp_path: Path) -> None:
    path = simulate_tilt(tmp_path, "ts", SMALL, spikes=6, hot_pixels=2)
    truth, stack = truth_of(path), read(path)
    for view in range(5):
        for x, y in (*truth.spikes[view], *truth.hot_pixels):
            assert stack[view, y, x] > 1.3 * np.median(stack[view])


def test_plain_background_counts_the_dose(tmp_path: Path) -> None:
    path = simulate_tilt(
        tmp_path,
        "ts",
        SMALL,
        gold=False,
        blobs=0,
        filaments=0,
        vesicles=0,
        spikes=0,
        hot_pixels=0,
        tilt_offset_deg=0,
        pitch_deg=0,
    )
    means = read(path).mean(axis=(1, 2))
    # Thicker ice on tilting lets less through, as exp(-t / cos).
    ratio = np.log(means[0] / means[2])
    assert ratio == pytest.approx(-30 / 310 * (1 / np.cos(np.radians(60)) - 1), abs=0.01)
    variance = read(path)[2].var()
    assert variance == pytest.approx(means[2] * 8.0 + 9, rel=0.1)


def test_transfer_function_shows_fringes_round_gold(tmp_path: Path) -> None:
    plain, seen = (
        read(simulate_tilt(tmp_path, f"ts{df}", SMALL, noise=False, defocus_um=df, spikes=0))
        for df in (0, 4)
    )
    assert np.percentile(seen[2], 99) > 1.05 * np.percentile(plain[2], 99)


@pytest.mark.parametrize(
    "changes", [{"gold": False}, {"views": 1}, {"views": 4, "width": 97, "height": 63}]
)
def test_unusual_series(tmp_path: Path, changes: dict[str, int]) -> None:
    path = simulate_tilt(tmp_path, "ts", SMALL, axis_title=False, mdoc=False, **changes)
    assert mrc.probe(path).tilt_axis_deg is None
    assert not (tmp_path / "ts.mrc.mdoc").exists()
    assert read(path).min() > 0
    if "gold" in changes:
        assert truth_of(path).beads_px.shape == (0, 3)


def test_true_geometry_in_files(tmp_path: Path) -> None:
    truth = plan(SMALL)
    xf, tlt = write_true_geometry(tmp_path, "ts", truth)
    np.testing.assert_allclose(transforms.read(xf), truth.transforms, atol=6e-4)
    np.testing.assert_allclose(angles.read(tlt), truth.tilt_deg, atol=1e-3)


def test_progress_is_told(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    simulate_tilt(tmp_path, "ts", SMALL, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(view, 5) for view in range(1, 6)]


def test_settings_are_checked() -> None:
    with pytest.raises(ValidationError):
        TiltSimulation(surfaces=3)
    with pytest.raises(ValidationError):
        TiltSimulation(colour="red")


def test_both_axes_show_one_specimen(tmp_path: Path) -> None:
    """Gold of axis b is that of axis a, turned and moved; the rest is recorded anew."""
    first, second = simulate_dual(tmp_path, "ts", SMALL, seed=4, turn_deg=88.0)
    assert [first.name, second.name] == ["tsa.mrc", "tsb.mrc"]
    a, b = truth_of(first), truth_of(second)
    assert (a.turned_deg, b.turned_deg) == (0.0, 88.0)
    assert np.hypot(*b.moved_px) == pytest.approx(0.06 * 96, abs=0.01)
    again = a.specimen.turned(88.0, b.moved_px)
    np.testing.assert_allclose(again.beads, b.specimen.beads, atol=1e-9)
    angle = np.radians(88.0)
    x, y, z = a.specimen.beads[0, :3]
    expected = [x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle), z]
    np.testing.assert_allclose(b.specimen.beads[0, :3], np.add(expected, [*b.moved_px, 0]))
    assert not np.allclose(a.transforms, b.transforms)
    assert (a.tilt_offset_deg, a.pitch_deg) != (b.tilt_offset_deg, b.pitch_deg)
    assert not np.array_equal(read(first), read(second))


def test_a_turned_specimen_has_its_density_turned() -> None:
    specimen = plan(SMALL.model_copy(update={"seed": 5})).specimen
    points = np.random.default_rng(1).uniform(-30, 30, (200, 3)) * [1, 1, 0.4]
    angle = np.radians(33.0)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = np.column_stack([points[:, :2] @ matrix.T + [3.0, -2.0], points[:, 2]])
    before = specimen.density(points, 0.5)
    np.testing.assert_allclose(
        specimen.turned(33.0, (3.0, -2.0)).density(moved, 0.5), before, atol=1e-9
    )
    assert np.ptp(before) > 0


def test_the_second_axis_sees_specimen_everywhere(tmp_path: Path) -> None:
    """The slab is made wide enough for both axes: no view shows where it ends."""
    settings = SMALL.model_copy(update={"dual": True, "drift_percent": 5.0})
    first = plan(settings)
    for truth in (first, plan_second(settings, first)):
        reach = np.abs(truth.specimen.blobs[:, :2]).max(axis=0)
        steepest = np.cos(np.radians(np.abs(truth.tilt_deg).max()))
        assert reach[0] > 0.9 * max(truth.field_px) / 2 / steepest


@pytest.mark.parametrize(
    "words", [["--dual", "ts.mrc"], ["ts.mrc", "--dual"], ["ts.mrc", "--dual", "yes"]]
)
def test_the_command_makes_both_axes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert simulate_from("tilt", [*words, "--views", "3", "--width", "64", "--height", "64"]) == 0
    assert capsys.readouterr().out.split() == ["tsa.mrc", "tsb.mrc"]
    assert {path.name for path in tmp_path.glob("*.mrc")} == {"tsa.mrc", "tsb.mrc"}
