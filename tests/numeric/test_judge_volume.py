"""The judge of volumes, on densities that are known exactly."""

import math

import numpy as np
import pytest

from tomoline.simulate.judge import (
    Pose,
    density_correlation,
    find_beads,
    find_pose,
    fit_density,
    fit_pose,
    match_beads,
    sample_density,
)
from tomoline.simulate.phantom import random_specimen
from tomoline.simulate.projection import rotation
from tomoline.simulate.specimen import Specimen

SHAPE = (110, 200, 190)
BEAD_TOLERANCE_PX = 0.3
"""A centre found in an exact density, from parabolas through smoothed voxels."""
POSE_TOLERANCE_PX = 0.05
SAMPLING_TOLERANCE = 2e-3
"""Relative to the largest density: footprints end at 4 sigma, profiles are interpolated."""


def specimen(beads: int = 20, surfaces: int = 2) -> Specimen:
    return random_specimen(
        np.random.default_rng(7),
        field_px=(170.0, 180.0),
        extent_px=(230.0, 230.0),
        thickness_px=70.0,
        beads=beads,
        surfaces=surfaces,
        blobs=60,
        filaments=4,
        vesicles=2,
    )


def tilted(slope_deg: float, pitch_deg: float, flip: float, around: float) -> Pose:
    turn = rotation(math.radians(slope_deg), math.radians(pitch_deg))
    return Pose(np.diag([around, around, flip]) @ turn, np.array([4.3, -6.1, 3.2]))


def test_sampling_is_the_density() -> None:
    truth = specimen()
    pose = tilted(3.0, -4.0, -1.0, 1.0)
    shape = (9, 60, 50)
    z, y, x = np.indices(shape)
    voxels = np.stack([x - 24.5, y - 29.5, z - 4.0], axis=-1)
    expected = truth.density(pose.invert(voxels), blur_px=1.0)
    found = sample_density(truth, pose, shape, blur_px=1.0)
    assert expected.max() > 0.005
    assert np.abs(found - expected).max() < SAMPLING_TOLERANCE * expected.max()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_planted_pose_is_fitted_exactly(mirrored: bool) -> None:
    points = specimen().beads[:, :3]
    planted = tilted(3.0, -4.0, -1.0 if mirrored else 1.0, -1.0)
    planted = Pose(1.03 * planted.matrix, planted.shift_px)
    fitted = fit_pose(planted.apply(points), points, mirrored)
    np.testing.assert_allclose(fitted.matrix, planted.matrix, atol=1e-12)
    np.testing.assert_allclose(fitted.shift_px, planted.shift_px, atol=1e-9)
    assert fitted.mirrored == mirrored


@pytest.mark.parametrize(("flip", "around"), [(1.0, 1.0), (-1.0, 1.0), (1.0, -1.0), (-1.0, -1.0)])
def test_beads_are_found_and_matched_whichever_way_round(flip: float, around: float) -> None:
    truth = specimen()
    pose = tilted(2.5, -4.0, flip, around)
    volume = -sample_density(truth, pose, SHAPE)
    rng = np.random.default_rng(1)
    volume += rng.normal(0, 0.004, SHAPE).astype(np.float32)
    found = find_beads(volume, 10.0, 30)
    match = match_beads(found, truth.beads[:, :3], SHAPE)
    assert match.count >= 15
    assert match.fraction == 1.0
    assert match.rms_px < BEAD_TOLERANCE_PX
    assert match.pose.mirrored == (flip < 0)
    np.testing.assert_allclose(match.pose.matrix, pose.matrix, atol=0.01)
    assert density_correlation(volume, truth, match.pose) < -0.5


def test_a_lost_bead_and_false_ones_count() -> None:
    points = specimen().beads[:, :3]
    rng = np.random.default_rng(2)
    noisy = points + rng.normal(0, 0.1, points.shape)
    inside = np.flatnonzero(np.all(np.abs(points) < np.array([80, 80, 45]), axis=1))
    noisy[inside[0]] += 5.0
    false = (rng.random((6, 3)) - 0.5) * [180, 180, 80]
    match = match_beads(np.concatenate([noisy, false]), points, SHAPE)
    assert match.fraction == pytest.approx(1 - 1 / match.count)


def test_gold_above_a_thin_volume_is_lost() -> None:
    points = specimen().beads[:, :3]
    found = points[points[:, 2] < 0]
    match = match_beads(found, points, (40, *SHAPE[1:]))
    assert 0.3 < match.fraction < 0.7
    np.testing.assert_allclose(match.pose.shift_px, 0, atol=1e-6)


def test_nothing_found_is_nothing_matched() -> None:
    points = specimen().beads[:, :3]
    assert match_beads(np.zeros((0, 3)), points, SHAPE).fraction == 0.0


def test_the_density_alone_gives_the_pose() -> None:
    truth = specimen(beads=0)
    pose = tilted(1.0, -1.2, -1.0, 1.0)
    volume = sample_density(truth, pose, SHAPE, blur_px=1.5)
    volume += np.random.default_rng(3).normal(0, 0.002, SHAPE).astype(np.float32)
    start = Pose(np.diag([1.0, 1.0, -1.0]), np.array([2.0, -4.0, 2.0]))
    fitted = fit_density(volume, truth, start)
    corners = np.array([[x, y, z] for x in (-70, 70) for y in (-70, 70) for z in (-25, 25)])
    assert np.abs(fitted.apply(corners) - pose.apply(corners)).max() < 4 * POSE_TOLERANCE_PX
    assert np.abs(fitted.shift_px - pose.shift_px).max() < POSE_TOLERANCE_PX
    better = density_correlation(volume, truth, fitted)
    assert better > density_correlation(volume, truth, start) + 0.05


@pytest.mark.parametrize(("flip", "around"), [(-1.0, 1.0), (1.0, -1.0)])
def test_a_volume_without_gold_is_recognised(flip: float, around: float) -> None:
    truth = specimen(beads=0)
    pose = tilted(3.0, -4.0, flip, around)
    pose = Pose(pose.matrix, np.array([21.0, -13.0, 6.0]))
    volume = -sample_density(truth, pose, SHAPE)
    volume += np.random.default_rng(3).normal(0, 0.002, SHAPE).astype(np.float32)
    found = find_pose(volume, truth, ((0.0, 0.0), (3.3, -3.8)))
    assert found.mirrored == pose.mirrored
    assert np.abs(found.shift_px - pose.shift_px).max() < 2 * POSE_TOLERANCE_PX
    np.testing.assert_allclose(found.matrix, pose.matrix, atol=0.004)


def test_correlation_without_gold_leaves_its_places_out() -> None:
    truth = specimen()
    volume = sample_density(truth, Pose.identity(), SHAPE, gold=False)
    volume += 50 * sample_density(Specimen(beads=truth.beads), Pose.identity(), SHAPE)
    assert density_correlation(volume, truth, Pose.identity(), gold=False) > 0.99
