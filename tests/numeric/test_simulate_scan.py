"""The simulated scan against what is known exactly: geometry, optics, statistics."""

import math

import numpy as np
import pytest
import scipy.fft

from tomoline.simulate import beam, fresnel
from tomoline.simulate.ellipsoids import draw_ellipsoids, project, voxels
from tomoline.simulate.scan import Scan, tiny_scan, true_delta

NO_CYLINDER = np.array([0.0, 0.0, 1.0, 0.0])
CHORD_TOLERANCE_PX = 0.03
"""Mean chord of a pixel at the rim of a ball, from 6 lines, of chords up to 19 pixels."""
VOXEL_TOLERANCE = 0.004
"""Sums of voxels made of 3 x 3 x 3 points against projections, relative."""
CLEAN = {"noise": False, "zingers": 0}


def ball(centre: tuple[float, float, float], radius: float, density: float = 1.0) -> np.ndarray:
    one = 1 / radius**2
    return np.array([[*centre, one, 0, 0, one, 0, one, density]])


def ball_projection(shape: tuple[int, int], v: float, u: float, radius: float) -> np.ndarray:
    """Chords of a ball, averaged over pixels with 60 x 60 points."""
    fine = (np.arange(60) - 29.5) / 60
    rows = np.arange(shape[0])[:, None, None, None] + fine[:, None] - v
    columns = np.arange(shape[1])[None, :, None, None] + fine - u
    squares = np.maximum(radius**2 - rows**2 - columns**2, 0)
    return 2 * np.sqrt(squares).mean(axis=(2, 3))


@pytest.mark.parametrize("angle_deg", [0.0, 37.0, 90.0, 201.0])
def test_a_ball_casts_its_chords_where_geometry_says(angle_deg: float) -> None:
    x, y, z, radius = 7.3, -4.6, 3.2, 9.4
    angle = math.radians(angle_deg)
    found = project(ball((x, y, z), radius), NO_CYLINDER, angle, (40, 60), (-20.0, -28.3), 1.0)
    u = 28.3 + x * math.cos(angle) + y * math.sin(angle)
    expected = ball_projection((40, 60), 20 + z, u, radius)
    assert np.abs(found - expected).max() < CHORD_TOLERANCE_PX


def test_an_ellipsoid_keeps_its_volume_from_every_side() -> None:
    table = draw_ellipsoids(np.random.default_rng(3), 20.0, 20.0, 1)
    table[:, :2] = 0
    table[:, 2] = 0
    matrix = table[0, [3, 4, 5, 4, 6, 7, 5, 7, 8]].reshape(3, 3)
    volume = 4 / 3 * math.pi / math.sqrt(np.linalg.det(matrix)) * table[0, 9]
    for angle in np.linspace(0, 3, 7):
        image = project(table, NO_CYLINDER, angle, (81, 81), (-40.0, -40.0), 1.0, 0.1)
        assert image.sum() == pytest.approx(volume, rel=2e-3)


def test_projections_of_voxels_and_of_ellipsoids_agree() -> None:
    rng = np.random.default_rng(5)
    table = draw_ellipsoids(rng, 18.0, 30.0, 12)
    cylinder = np.array([1.5, -2.0, 19.0, 0.4])
    volume = voxels(table, cylinder, np.arange(31) - 15.0, 51)
    for angle, axis, flip in ((0.0, 1, 1), (math.pi / 2, 2, 1), (math.pi, 1, -1)):
        image = project(table, cylinder, angle, (31, 51), (-15.0, -25.0), 1.0)
        assert np.abs(volume.sum(axis=axis)[:, ::flip] - image).max() < 0.2
        sums = volume.sum(axis=axis)[:, ::flip].sum(), image.sum()
        assert sums[0] == pytest.approx(sums[1], rel=VOXEL_TOLERANCE)
        close = np.corrcoef(volume.sum(axis=axis)[:, ::flip].ravel(), image.ravel())[0, 1]
        assert close > 0.9998


def test_a_finer_grid_and_a_tilted_axis_see_the_same_ball() -> None:
    table = ball((6.0, 2.0, 5.0), 4.0)
    fine = project(table, NO_CYLINDER, 0.4, (120, 120), (-20 - 0.25, -20 - 0.25), 0.5)
    coarse = project(table, NO_CYLINDER, 0.4, (60, 60), (-20.0, -20.0), 1.0)
    assert np.abs(fresnel.binned(fine, 2) - coarse).max() < CHORD_TOLERANCE_PX
    tilt = math.radians(5.0)
    tilted = project(table, NO_CYLINDER, 0.4, (60, 60), (-20.0, -20.0), 1.0, tilt)
    u, v = 6 * math.cos(0.4) + 2 * math.sin(0.4), 5.0
    moved = (u * math.cos(tilt) + v * math.sin(tilt), v * math.cos(tilt) - u * math.sin(tilt))
    total = tilted.sum()
    columns, rows = np.arange(60) - 20, np.arange(60) - 20
    assert (tilted.sum(axis=0) @ columns / total, tilted.sum(axis=1) @ rows / total) == (
        pytest.approx(moved, abs=2e-3)
    )


@pytest.mark.parametrize("cycles", [3, 10, 22])
def test_a_weak_grating_has_the_contrast_of_theory(cycles: int) -> None:
    strength, ratio, weak = 9.0, 0.2, 1e-3
    places = np.arange(96)
    phase = weak * np.cos(2 * np.pi * cycles * places / 96)
    image = np.broadcast_to(phase, (32, 96)).astype(np.float32)
    seen = fresnel.intensity(fresnel.exit_spectrum(image, ratio), strength)
    chi = math.pi * strength * (cycles / 96) ** 2
    # The phase is counted positive in matter, where the wave's is negative.
    contrast = -2 * (math.sin(chi) + ratio * math.cos(chi)) * weak
    found = 2 * np.mean((seen[5] - 1) * np.cos(2 * np.pi * cycles * places / 96))
    assert found == pytest.approx(contrast, abs=4e-6)


def test_a_strong_phase_moves_light_and_loses_none() -> None:
    rng = np.random.default_rng(1)
    phase = scipy.fft.irfft2(scipy.fft.rfft2(rng.normal(size=(64, 80))) * 0.02, (64, 80))
    phase = (np.cumsum(phase, axis=1) * 40).astype(np.float32)
    seen = fresnel.intensity(fresnel.exit_spectrum(phase, 0.0), 14.0)
    assert seen.std() > 0.2
    assert seen.mean(dtype=float) == pytest.approx(1.0, abs=1e-5)


def test_without_a_distance_it_is_the_law_of_absorption() -> None:
    scan = Scan(tiny_scan(distances_m=(0.0,), phase_rad=3.0))
    expected = np.exp(-2 * 0.1 * scan.projection(7))
    assert np.abs(scan.intensity(0, 7) - expected).max() < 1e-5


def test_an_image_moved_by_its_shift_lies_on_that_of_the_first_distance() -> None:
    # Both distances are the same, so that nothing but the shift differs.
    scan = Scan(tiny_scan(distances_m=(0.08, 0.08), shift_px=3.0, height_px=48))
    dy, dx = scan.truth.shifts_px[11, 1]
    assert max(abs(dy), abs(dx)) > 0.5
    first, second = scan.intensity(0, 11), scan.intensity(1, 11)
    rows, columns = scipy.fft.fftfreq(48)[:, None], scipy.fft.rfftfreq(96)
    ramp = np.exp(-2j * np.pi * (rows * dy + columns * dx))
    moved = scipy.fft.irfft2(scipy.fft.rfft2(second) * ramp, (48, 96))
    inner = (slice(8, -8), slice(8, -8))
    before = np.std(first[inner] - second[inner])
    # Only the frame's edges, where the moved image wraps round, keep it from being exact.
    assert np.std(first[inner] - moved[inner]) < 0.06 * before


def test_a_cone_magnifies_about_the_middle() -> None:
    scan = Scan(tiny_scan(distances_m=(0.1, 0.15), source_distance_m=1.0, width_px=128))
    assert scan.truth.magnification == pytest.approx([1.0, 1.15 / 1.1])
    assert scan.truth.pixel_size_um == pytest.approx(0.65 / 1.1)
    near, far = scan.projection(0), scan.projection(0, 1.15 / 1.1)
    places = np.arange(128) - 63.5
    sampled = np.interp(places / (1.15 / 1.1), places, near.mean(axis=0))
    assert np.corrcoef(sampled, far.mean(axis=0))[0, 1] > 0.999
    assert np.corrcoef(near.mean(axis=0), far.mean(axis=0))[0, 1] < 0.999


def test_full_turn_mirrors_about_the_axis() -> None:
    scan = Scan(tiny_scan(range_deg=360, overlap_px=40.0, axis_side="left", height_px=8))
    assert scan.truth.axis_px == pytest.approx(19.5)
    first, opposite = scan.projection(5), scan.projection(35)
    # Columns 0 to 39 are seen from both sides: u and 2 axis - u.
    np.testing.assert_allclose(first[:, :40], opposite[:, 39::-1], atol=1e-4)
    assert scan.truth.field_radius_px == pytest.approx(96 - 0.5 - 19.5)


def test_slices_of_the_truth_follow_the_convention() -> None:
    scan = Scan(tiny_scan(axis_px=50.2))
    delta = true_delta(scan.truth, size=97)
    assert delta.shape == (24, 97, 97)
    phase = delta / scan.truth.delta_per_unit
    # Along +y at angle 0, with the slice's centre on the axis.
    sums = np.interp(np.arange(96), np.arange(97) - 48 + 50.2, phase[12].sum(axis=0).astype(float))
    assert np.abs(sums - scan.projection(0)[12]).max() < 0.03 * sums.max()
    turned = np.interp(np.arange(96), np.arange(97) - 48 + 50.2, phase[12].sum(axis=1))
    assert np.abs(turned - scan.projection(30)[12]).max() < 0.03 * sums.max()


def test_photons_are_counted_by_poissons_law() -> None:
    one, nothing = np.ones((200, 300), np.float32), np.zeros((200, 300), np.float32)
    for photons in (6.0, 900.0, 8000.0):
        frame = beam.detect(photons * one, one, 100 + nothing, np.random.default_rng(4))
        assert frame.mean() == pytest.approx(100 + photons, rel=1e-3)
        noise = photons + beam.READOUT_COUNTS**2 + 1 / 12
        assert frame.var() == pytest.approx(noise, rel=0.02)
    few = beam.detect(3 * one, one, 100 + nothing, np.random.default_rng(4)).astype(float)
    assert np.mean((few - few.mean()) ** 3) > 1.5  # as skew as Poisson's law is for a few


def test_matching_a_flat_matters_and_works() -> None:
    scan = Scan(tiny_scan(height_px=64, flats=60, ellipsoids=0, matrix_share=0.0, noise=False))
    flats = np.array([scan.flat(0, index) for index in range(60)], float) - 100
    frame = scan.frame(0, 9) - 100.0
    residuals = np.array([np.std(frame / flat / np.mean(frame / flat)) for flat in flats])
    mean = frame / flats.mean(axis=0)
    assert residuals.min() < 0.5 * np.std(mean / mean.mean())
    assert np.median(residuals) > 3 * residuals.min()


def test_stripes_move_by_what_is_asked() -> None:
    drawn = beam.Beam.draw(np.random.default_rng(2), (400, 16), 0.12)
    still, moved = drawn.image((0.0, 0.0), 500.0), drawn.image((3.0, 3.0), 500.0)
    assert still.mean() == pytest.approx(500, rel=0.05)
    pattern = [
        np.log(one[:, 8])
        - np.poly1d(np.polyfit(np.arange(400), np.log(one[:, 8]), 6))(np.arange(400))
        for one in (still, moved)
    ]
    assert np.corrcoef(pattern[0][20:-20], pattern[1][23:-17])[0, 1] > 0.995
    assert np.corrcoef(pattern[0][20:-20], pattern[1][20:-20])[0, 1] < 0.8
    assert np.std(pattern[0]) == pytest.approx(0.12, rel=0.35)
