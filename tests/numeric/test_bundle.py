"""The bundle adjustment against analytic tracks."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.kernels._bundle_variables import group_nodes, hat_functions
from tomoline.kernels.bundle import (
    BundleOptions,
    leave_out_error,
    restrict,
    solvable,
    solve_bundle,
)

Floats = NDArray[np.float64]

EXACT_PX = 1e-6
EXACT_DEG = 1e-5
"""Without noise, everything is found but for rounding."""
NOISY_ROTATION_DEG = 0.02
NOISY_MAGNIFICATION = 3e-4
"""Errors allowed with 0.2 pixels of noise, three times what 60 beads should give."""
OUTLIER_LOSS = 1.25
"""How much worse 5 % of outliers may make robust predictions."""
FREE = BundleOptions(
    rotation_prior_rad=math.inf, tilt_prior_rad=math.inf, magnification_prior=math.inf
)


@dataclass
class Series:
    tracks: Floats
    clean: Floats
    tilt: Floats
    axis: float
    rotation: Floats
    true_tilt: Floats
    magnification: Floats
    points: Floats


def make(
    points: int = 60,
    views: int = 41,
    *,
    noise: float = 0.0,
    rotation_sd_deg: float = 0.0,
    magnification_sd: float = 0.0,
    tilt_error_deg: Floats | float = 0.0,
    beam_tilt: float = 0.0,
    missing: float = 0.0,
    outliers: float = 0.0,
    axis_deg: float = -12.6,
    seed: int = 0,
) -> Series:
    """Tracks from the formulas of the geometry, not from the kernel's own projection."""
    rng = np.random.default_rng(seed)
    tilt = np.radians(np.linspace(-60, 60, views))
    true_tilt = tilt + np.radians(tilt_error_deg)
    spread = np.array([250.0, 250.0, 50.0])
    places = rng.uniform(-1, 1, (points, 3)) * spread
    rotation = np.radians(axis_deg + rotation_sd_deg * rng.standard_normal(views))
    magnification = 1 + magnification_sd * rng.standard_normal(views)
    shifts = rng.uniform(-30, 30, (views, 2))
    clean = np.empty((points, views, 2))
    for view in range(views):
        seen = _seen(places, true_tilt[view], beam_tilt)
        turn = geometry.axis_to_vertical(math.degrees(rotation[view])).T
        clean[:, view] = magnification[view] * seen @ turn.T + shifts[view]
    tracks = clean + noise * rng.standard_normal(clean.shape)
    bad = rng.random(clean.shape[:2]) < outliers
    tracks[bad] += rng.uniform(-20, 20, (int(bad.sum()), 2))
    tracks[rng.random(clean.shape[:2]) < missing] = np.nan
    return Series(
        tracks, clean, tilt, math.radians(axis_deg), rotation, true_tilt, magnification, places
    )


def _seen(places: Floats, tilt: float, beam: float) -> Floats:
    """Tilt with the beam not across the axis: turn about x, tilt, and turn back."""

    def about_x(angle: float) -> Floats:
        cos, sin = math.cos(angle), math.sin(angle)
        return np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])

    cos, sin = math.cos(tilt), math.sin(tilt)
    about_y = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    return (about_x(beam) @ about_y @ about_x(-beam) @ places.T).T[:, :2]


def _prediction_error(series: Series, predicted: Floats) -> float:
    return float(np.sqrt(np.nanmean((predicted - series.clean) ** 2)))


@pytest.mark.parametrize("robust", [True, False])
@pytest.mark.parametrize(
    ("options", "truth"),
    [
        (replace(FREE, rotation="fixed", magnification="fixed"), {}),
        (replace(FREE, rotation="one", magnification="fixed"), {}),
        (replace(FREE, rotation="each", magnification="fixed"), {"rotation_sd_deg": 0.3}),
        (replace(FREE, rotation="one", magnification="each"), {"magnification_sd": 5e-3}),
        (FREE, {"rotation_sd_deg": 0.3, "magnification_sd": 5e-3}),
        (
            replace(FREE, tilt="each", magnification="fixed", rotation="one"),
            {"tilt_error_deg": 0.3 * np.sin(np.arange(41.0))},
        ),
        (replace(FREE, rotation="one", beam_tilt="solve"), {"beam_tilt": math.radians(0.4)}),
        (BundleOptions(), {"rotation_sd_deg": 0.04, "magnification_sd": 6e-4}),
    ],
)
def test_exact_tracks_are_recovered(
    options: BundleOptions, truth: dict[str, float], robust: bool
) -> None:
    series = make(missing=0.2, **truth)  # type: ignore[arg-type]
    start = series.axis + (0.0 if options.rotation == "fixed" else math.radians(1.0))
    found = solve_bundle(series.tracks, series.tilt, start, replace(options, robust=robust))
    assert found.converged
    assert np.nanmax(found.residual_lengths_px) < EXACT_PX
    assert np.degrees(np.abs(found.rotation_rad - series.rotation)).max() < EXACT_DEG
    ratio = found.magnification / series.magnification
    np.testing.assert_allclose(ratio, ratio.mean(), rtol=1e-7)
    offsets = np.degrees(found.tilt_rad - series.true_tilt)
    np.testing.assert_allclose(offsets, offsets.mean(), atol=EXACT_DEG)
    assert found.beam_tilt_rad == pytest.approx(truth.get("beam_tilt", 0.0), abs=1e-7)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (replace(FREE, rotation="grouped", magnification="fixed"), "rotation"),
        (replace(FREE, magnification="grouped", rotation="one"), "magnification"),
        (replace(FREE, tilt="grouped", rotation="one", magnification="fixed"), "tilt"),
    ],
)
def test_groups_recover_what_is_linear_between_nodes(options: BundleOptions, kind: str) -> None:
    views = 41
    tilt = np.radians(np.linspace(-60, 60, views))
    size = {"rotation": options.rotation_group, "tilt": options.tilt_group}.get(kind, 4)
    hats = hat_functions(group_nodes(tilt, size, kind == "tilt"), views)
    curve = hats @ np.random.default_rng(3).standard_normal(hats.shape[1])
    series = make(views=views)
    if kind == "tilt":
        series = make(views=views, tilt_error_deg=0.3 * curve)
    scale = 1 + 1e-3 * curve if kind == "magnification" else np.ones(views)
    angle = np.radians(0.2 * curve) if kind == "rotation" else np.zeros(views)
    for view in range(views):
        turn = geometry.axis_to_vertical(-math.degrees(angle[view]))
        series.tracks[:, view] = scale[view] * series.tracks[:, view] @ turn.T
    found = solve_bundle(series.tracks, series.tilt, series.axis, options)
    assert np.nanmax(found.residual_lengths_px) < EXACT_PX


def test_noise_is_averaged() -> None:
    series = make(noise=0.2, rotation_sd_deg=0.04, magnification_sd=6e-4, missing=0.1)
    found = solve_bundle(series.tracks, series.tilt, series.axis + 0.02)
    assert np.degrees(np.std(found.rotation_rad - series.rotation)) < NOISY_ROTATION_DEG
    assert np.std(found.magnification - series.magnification) < NOISY_MAGNIFICATION
    assert found.noise_px == pytest.approx(0.2, rel=0.05)
    assert _prediction_error(series, found.predicted_px) < 0.08


def test_outliers_do_not_matter() -> None:
    clean = make(noise=0.2, missing=0.1)
    dirty = make(noise=0.2, missing=0.1, outliers=0.05)
    good = solve_bundle(clean.tracks, clean.tilt, clean.axis)
    robust = solve_bundle(dirty.tracks, dirty.tilt, dirty.axis)
    plain = solve_bundle(dirty.tracks, dirty.tilt, dirty.axis, BundleOptions(robust=False))
    error = _prediction_error(dirty, robust.predicted_px)
    assert error < OUTLIER_LOSS * _prediction_error(clean, good.predicted_px)
    assert error < 0.3 * _prediction_error(dirty, plain.predicted_px)
    off = np.hypot(*np.moveaxis(dirty.tracks - dirty.clean, -1, 0)) > 5
    assert robust.weights[off].max() < 0.01


def test_bad_tracks_lose_their_weight_as_a_whole() -> None:
    series = make(noise=0.2)
    series.tracks[:4] += 3 * np.random.default_rng(5).standard_normal((4, 41, 2))
    options = BundleOptions(weight_whole_tracks=True)
    found = solve_bundle(series.tracks, series.tilt, series.axis, options)
    assert found.weights[:4].max() <= 0.05
    assert np.median(found.weights[4:]) > 0.8
    assert (np.ptp(found.weights, axis=1) < 1e-12).all()


def test_priors_hold_what_the_tracks_do_not_tell() -> None:
    series = make(points=4, noise=0.4, rotation_sd_deg=0.04, magnification_sd=6e-4)
    held = solve_bundle(series.tracks, series.tilt, series.axis)
    free = solve_bundle(series.tracks, series.tilt, series.axis, FREE)
    assert np.std(held.rotation_rad - series.rotation) < np.std(free.rotation_rad - series.rotation)
    assert np.std(held.magnification - 1) < 3e-3


def test_gauge() -> None:
    series = make(noise=0.1)
    found = solve_bundle(series.tracks, series.tilt, series.axis, BundleOptions(tilt="each"))
    assert found.magnification.mean() == pytest.approx(1.0, abs=1e-3)
    assert (found.tilt_rad - series.tilt).mean() == pytest.approx(0.0, abs=1e-4)
    moved = solve_bundle(series.tracks + np.array([40.0, 7.0]), series.tilt, series.axis)
    still = solve_bundle(series.tracks, series.tilt, series.axis)
    assert moved.mean_residual_px == pytest.approx(still.mean_residual_px, abs=1e-6)


def test_origin_stays_where_the_images_are_centred() -> None:
    """The coarse alignment followed the specimen's middle; the beads are on one side of it."""
    series = make()
    away = np.array([80.0, -60.0, 90.0])
    turn = geometry.axis_to_vertical(math.degrees(series.axis)).T
    tracks = geometry.project(series.points + away, series.tilt).swapaxes(0, 1) @ turn.T
    found = solve_bundle(tracks, series.tilt, series.axis)
    np.testing.assert_allclose(found.points_px, series.points + away, atol=0.05)
    np.testing.assert_allclose(found.transforms()[:, :, 2], 0, atol=0.05)


def test_transforms_show_the_points_in_the_aligned_frame() -> None:
    series = make(rotation_sd_deg=0.2, magnification_sd=2e-3)
    found = solve_bundle(series.tracks, series.tilt, series.axis, FREE)
    aligned = geometry.apply(found.transforms()[:, None], series.tracks.swapaxes(0, 1))
    expected = geometry.project(found.points_px, found.tilt_rad)
    np.testing.assert_allclose(aligned, expected, atol=1e-6)


def test_beam_tilt_becomes_rotations_and_x_tilts() -> None:
    series = make(beam_tilt=math.radians(1.5))
    options = replace(FREE, rotation="one", beam_tilt="solve")
    found = solve_bundle(series.tracks, series.tilt, series.axis, options)
    _, tilt, x_tilt = found.equivalent()
    assert np.degrees(np.abs(x_tilt)).max() > 0.5
    aligned = geometry.apply(found.transforms()[:, None], series.tracks.swapaxes(0, 1))
    for view in range(len(tilt)):
        expected = geometry.project(found.points_px, tilt[view : view + 1], x_tilt[view])[0]
        np.testing.assert_allclose(aligned[view], expected, atol=1e-5)


def test_views_without_tracks_are_filled_in() -> None:
    series = make(rotation_sd_deg=0.0)
    series.tracks[:, [0, 20]] = np.nan
    series.tracks[5, 3:] = np.nan
    series.tracks[5, :1] = np.nan
    found = solve_bundle(series.tracks, series.tilt, series.axis)
    assert found.view_solved.sum() == 39
    assert np.isfinite(found.transforms()).all()
    np.testing.assert_allclose(found.tilt_rad, series.tilt)
    assert np.isnan(found.points_px[5]).all()
    assert np.isfinite(np.delete(found.points_px, 5, axis=0)).all()


def test_same_bits_again() -> None:
    series = make(noise=0.2, outliers=0.05, missing=0.1)
    first = solve_bundle(series.tracks, series.tilt, series.axis)
    second = solve_bundle(series.tracks, series.tilt, series.axis)
    np.testing.assert_array_equal(first.parameters, second.parameters)


@pytest.mark.parametrize("points", [0, 1, 2])
def test_degenerate_series(points: int) -> None:
    series = make(points=max(points, 1))
    if points == 0:
        series.tracks[:, 2:] = np.nan
        assert not solvable(series.tracks)
        with pytest.raises(ValueError, match="three views"):
            solve_bundle(series.tracks, series.tilt, series.axis)
        return
    found = solve_bundle(series.tracks, series.tilt, series.axis)
    assert np.isfinite(found.parameters).all()


@pytest.mark.parametrize("outliers", [0.0, 0.05])
def test_leave_out_error_is_the_true_error(outliers: float) -> None:
    noise = 0.2
    series = make(points=20, noise=noise, rotation_sd_deg=0.04, outliers=outliers)
    found = solve_bundle(series.tracks, series.tilt, series.axis)
    judged = leave_out_error(series.tracks, series.tilt, series.axis, solution=found)
    # A measurement left out is missed by its own noise and by the error of the prediction.
    expected = math.hypot(math.sqrt(2) * noise, math.sqrt(2) * 0.11)
    assert judged.rms_px == pytest.approx(expected, rel=0.1)
    assert judged.measured == np.isfinite(judged.errors_px).sum()
    again = leave_out_error(series.tracks, series.tilt, series.axis)
    assert again.rms_px == pytest.approx(judged.rms_px, rel=0.02)


def test_leave_out_error_tells_too_many_variables() -> None:
    series = make(points=5, noise=0.3, seed=2)
    few = replace(FREE, rotation="one", magnification="fixed")
    errors = [
        leave_out_error(series.tracks, series.tilt, series.axis, options).mean_px
        for options in (few, replace(FREE, tilt="each"))
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("points", "order", "restrictions"),
    [
        (30, (1, 4, 3, 2, 5), 0),
        (7, (1, 4, 3, 2, 5), 1),
        (5, (1, 4, 3, 2, 5), 2),
        (4, (1, 4, 3, 2, 5), 4),
        (5, (2,), 1),
    ],
)
def test_restrictions(points: int, order: tuple[int, ...], restrictions: int) -> None:
    series = make(points=points, noise=0.2)
    found = restrict(series.tracks, series.tilt, series.axis, BundleOptions(), order=order)
    assert len(found.applied) == restrictions
    if restrictions:
        assert found.ratio > found.ratio_before


def test_restriction_by_leaving_out() -> None:
    series = make(points=5, noise=0.3)
    free = replace(FREE, tilt="each")
    found = restrict(series.tracks, series.tilt, series.axis, free, cross_validate=True)
    assert found.applied
    assert found.leave_out_px > 0


def test_priors_need_no_restriction() -> None:
    series = make(points=5, noise=0.1, rotation_sd_deg=0.04, magnification_sd=6e-4)
    by_ratio = restrict(series.tracks, series.tilt, series.axis, BundleOptions())
    found = restrict(series.tracks, series.tilt, series.axis, BundleOptions(), cross_validate=True)
    assert by_ratio.applied
    assert not found.applied
    errors = [
        _prediction_error(
            series, solve_bundle(series.tracks, series.tilt, series.axis, each.options).predicted_px
        )
        for each in (found, by_ratio)
    ]
    assert errors[0] < 0.6 * errors[1]


def test_short_tracks_are_enough_together() -> None:
    """Patches are chopped into pieces that overlap."""
    series = make(points=200, noise=0.2)
    start = np.random.default_rng(0).integers(0, 30, 200)
    views = np.arange(41)
    piece = (views >= start[:, None]) & (views < start[:, None] + 12)
    series.tracks[~piece] = np.nan
    found = solve_bundle(series.tracks, series.tilt, series.axis + 0.01)
    assert found.converged
    assert found.noise_px == pytest.approx(0.2, rel=0.1)
    assert abs(math.degrees(found.common_rotation_rad - series.axis)) < 0.1
