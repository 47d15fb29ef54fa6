"""Patch tracking on analytic series: patches must follow points of the specimen."""

import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

from tomoline import geometry
from tomoline.kernels._image import level
from tomoline.kernels.patches import PatchOptions, chop_tracks, patch_grid, track_patches

THIN_PX = 0.25  # rms of a patch's path from that of a point, thin specimen
THICK_PX = 0.6  # the same, and depth as thick as a third of the patch

SIZE, VIEWS = 160, 21
AXIS_DEG = 70.0
TILT = np.radians(np.linspace(-60, 60, VIEWS))
OPTIONS = PatchOptions(size_px=(48, 48), overlap=(0.0, 0.0))


def series(thickness, noise=0.02, seed=1, drift=0.0):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-300, 300, (1500, 3)) * [1, 1, thickness / 600]
    amplitudes = rng.uniform(0.3, 1.0, len(points))
    centres = np.cumsum(rng.normal(0, drift, (VIEWS, 2)), axis=0)
    seen = geometry.project(points, TILT) @ geometry.axis_to_vertical(AXIS_DEG)
    x = np.arange(SIZE) - (SIZE - 1) / 2
    images = []
    for view in range(VIEWS):
        places = seen[view] + centres[view]
        across = np.exp(-((x - places[:, :1]) ** 2) / 8)
        along = np.exp(-((x - places[:, 1:]) ** 2) / 8)
        image = np.einsum("py,px->yx", amplitudes[:, None] * along, across)
        image += rng.normal(0, noise, image.shape)
        images.append(level(image.astype(np.float32), 16))
    return images, centres


def distance_from_points(tracks):
    """Rms distance of each track from the path of the point that fits it best."""
    across = np.array([math.cos(math.radians(AXIS_DEG)), math.sin(math.radians(AXIS_DEG))])
    along = np.array([-across[1], across[0]])
    result = []
    for track in tracks:
        seen = np.isfinite(track[:, 0])
        u, v = track[seen] @ across, track[seen] @ along
        design = np.column_stack([np.cos(TILT[seen]), np.sin(TILT[seen])])
        fitted, *_ = np.linalg.lstsq(design, u, rcond=None)
        rest = np.hypot(u - design @ fitted, v - v.mean())
        result.append(math.sqrt(float((rest**2).mean())))
    return np.array(result)


@pytest.fixture(scope="module")
def thin():
    return series(0.0)


def test_patches_of_a_thin_specimen_follow_points(thin):
    images, _ = thin
    found = track_patches(images, TILT, math.radians(AXIS_DEG), OPTIONS)
    assert len(found.tracks_px) == 9
    assert np.isfinite(found.tracks_px[..., 0]).mean() > 0.9
    assert np.median(distance_from_points(found.tracks_px)) < THIN_PX
    start = VIEWS // 2
    assert found.tracks_px[:, start] == pytest.approx(found.centres_px)


def test_patches_of_a_thick_specimen_follow_points():
    images, _ = series(16.0)
    found = track_patches(images, TILT, math.radians(AXIS_DEG), OPTIONS)
    assert np.isfinite(found.tracks_px[..., 0]).mean() > 0.8
    pieces, _ = chop_tracks(found.tracks_px, TILT, 9)
    assert np.median(distance_from_points(pieces)) < THICK_PX


def test_drifting_views_are_followed_by_their_centres():
    images, centres = series(0.0, drift=3.0, seed=2)
    found = track_patches(images, TILT, math.radians(AXIS_DEG), OPTIONS, centre_px=centres)
    assert np.median(distance_from_points(found.tracks_px)) < THIN_PX


def test_threads_and_refinement_change_nothing_or_little(thin):
    images, _ = thin
    alone = track_patches(images, TILT, math.radians(AXIS_DEG), OPTIONS)
    with ThreadPoolExecutor(2) as pool:
        together = track_patches(images, TILT, math.radians(AXIS_DEG), OPTIONS, run=pool.map)
    assert np.array_equal(alone.tracks_px, together.tracks_px, equal_nan=True)
    refined = track_patches(
        images,
        TILT,
        math.radians(AXIS_DEG),
        PatchOptions(size_px=(48, 48), overlap=(0.0, 0.0), refinements=1),
    )
    assert np.median(distance_from_points(refined.tracks_px)) < THIN_PX


def test_excluded_views_and_blank_places_are_left_out(thin):
    images, _ = thin
    images = [image.copy() for image in images]
    included = np.ones(VIEWS, bool)
    included[4] = False
    for image in images:
        image[:, :60] = 0
    found = track_patches(images, TILT, math.radians(AXIS_DEG), OPTIONS, included=included)
    assert np.isnan(found.tracks_px[:, 4]).all()
    assert found.centres_px[:, 0].min() > -10


def test_boundary_limits_patches(thin):
    grid = patch_grid((SIZE, SIZE), OPTIONS, lambda points: points[:, 0] > 0)
    assert grid[:, 0].min() > 10
    images, _ = thin
    nothing = track_patches(
        images, TILT, 0.0, OPTIONS, inside=lambda points: np.zeros(len(points), bool)
    )
    assert nothing.tracks_px.shape == (0, VIEWS, 2)


def test_noise_is_not_followed():
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(SIZE, SIZE)).astype(np.float32) for _ in range(VIEWS)]
    found = track_patches(images, TILT, 0.0, OPTIONS)
    assert np.isfinite(found.tracks_px[..., 0]).sum() < 0.1 * 9 * VIEWS


def test_patch_grid_covers_the_image():
    grid = patch_grid((300, 500), PatchOptions(size_px=(100, 80), borders_px=(10, 20)))
    assert grid[:, 0].max() + 50 == pytest.approx(240)
    assert grid[:, 1].max() + 40 == pytest.approx(130)
    step = np.diff(np.unique(grid[:, 0])).max()
    assert step <= 100 * 0.67 + 1e-9
    whole = patch_grid((60, 60), PatchOptions(size_px=(100, 100)))
    assert whole.tolist() == [[0.0, 0.0]]


def test_pieces_cover_tracks_and_overlap():
    track = np.zeros((1, 30, 2))
    track[0, [3, 17]] = np.nan
    order = np.random.default_rng(0).permutation(30)
    tilt = np.empty(30)
    tilt[order] = np.arange(30.0)
    pieces, of = chop_tracks(track, tilt, 10, 4)
    seen = np.isfinite(pieces[:, :, 0])
    assert of.tolist() == [0] * len(pieces)
    assert np.array_equal(seen.any(axis=0), np.isfinite(track[0, :, 0]))
    assert set(seen.sum(axis=1)) == {10}
    for first, second in pairwise(seen):
        assert (first & second).sum() >= 4
