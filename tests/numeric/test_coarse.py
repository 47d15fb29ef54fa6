"""Coarse alignment and axis search against analytic images: Gaussian blobs in a thin slab."""

import math

import numpy as np
import pytest

from tomoline import geometry
from tomoline.kernels._image import level, move
from tomoline.kernels.axis_search import search_axis
from tomoline.kernels.coarse import (
    CoarseOptions,
    align_neighbours,
    centre_field,
)
from tomoline.kernels.correlate import (
    BandPass,
    correlate,
    find_peak,
    padded_shape,
    spectrum_of,
)
from tomoline.kernels.correlator import projection
from tomoline.kernels.tilt_axis import axis_difference

PEAK_PX = 0.03  # one pair, no noise, the same content
CUT_PX = 0.2  # one pair, no noise, but each image shows a part that the other does not
SERIES_PX = 0.25  # thin specimen, little noise, relative to the field's best common shift
NOISY_PX = 1.0
AXIS_DEG = 0.5
SCALE = 0.003

SIZE = 160
AXIS_RAD = math.radians(70.0)


def blob_image(points_px, amplitudes, sigma_px, shape=(SIZE, SIZE)):
    """Sum of Gaussians at (x, y) relative to the centre."""
    y = np.arange(shape[0]) - (shape[0] - 1) / 2
    x = np.arange(shape[1]) - (shape[1] - 1) / 2
    across = np.exp(-((x - points_px[:, :1]) ** 2) / (2 * sigma_px**2))
    along = np.exp(-((y - points_px[:, 1:2]) ** 2) / (2 * sigma_px**2))
    return np.einsum("py,px->yx", amplitudes[:, None] * along, across).astype(np.float32)


def series(seed=1, views=21, noise=0.02, drift=0.5, thickness=6.0):
    """Views of random blobs, their tilts, and where the specimen's centre is seen in each."""
    rng = np.random.default_rng(seed)
    tilt = np.radians(np.linspace(-60, 60, views))
    points = rng.uniform(-300, 300, (900, 3)) * [1, 1, thickness / 600]
    amplitudes = rng.uniform(0.3, 1.0, 900)
    centres = np.cumsum(rng.normal(0, drift, (views, 2)), axis=0)
    turn_back = geometry.axis_to_vertical(math.degrees(AXIS_RAD)).T
    seen = geometry.project(points, tilt)
    images = []
    for view in range(views):
        image = blob_image(seen[view] @ turn_back.T + centres[view], amplitudes, 2.0)
        images.append(image + rng.normal(0, noise, image.shape).astype(np.float32))
    return images, tilt, centres


def misfit(found, truth, tilt):
    """Rms distance after removing what another point of the thin specimen would explain."""
    design = np.array([projection(float(angle), AXIS_RAD) for angle in tilt])
    z = np.sin(tilt)[:, None] * [math.cos(AXIS_RAD), math.sin(AXIS_RAD)]
    design = np.concatenate([design, z[:, :, None]], axis=2)
    difference = (found - truth).reshape(-1)
    fitted, *_ = np.linalg.lstsq(design.reshape(-1, 3), difference, rcond=None)
    rest = difference - design.reshape(-1, 3) @ fitted
    return math.sqrt(2 * (rest**2).mean())


@pytest.fixture(scope="module")
def thin():
    images, tilt, centres = series(drift=4.0)
    return [level(image, 16) for image in images], tilt, centres


@pytest.mark.parametrize("shift", [(0.0, 0.0), (3.3, -7.8), (-41.25, 20.5)])
@pytest.mark.parametrize(("extent", "tolerance"), [(35, PEAK_PX), (120, CUT_PX)])
def test_known_shift_is_found(shift, extent, tolerance):
    rng = np.random.default_rng(3)
    points, amplitudes = rng.uniform(-extent, extent, (150, 2)), rng.uniform(0.5, 1, 150)
    first = blob_image(points, amplitudes, 2.5)
    second = blob_image(points - np.array(shift), amplitudes, 2.5)
    shape = padded_shape(first.shape)
    spectra = [spectrum_of(image, None, shape) for image in (first, second)]
    weights = BandPass().weights(shape)
    peak = find_peak(correlate(*spectra, weights, shape), (60, 60))
    assert np.abs(peak.shift_px - shift).max() < tolerance
    assert peak.confidence > 0.5


def test_equal_images_correlate_to_one():
    image = np.random.default_rng(0).normal(size=(64, 60)).astype(np.float32)
    spectrum = spectrum_of(image, None, image.shape)
    found = correlate(spectrum, spectrum, BandPass().weights(image.shape), image.shape)
    assert found[0, 0] == pytest.approx(1.0, abs=1e-5)


def test_central_peak_of_fixed_pattern_is_passed_over():
    rng = np.random.default_rng(5)
    pattern = rng.normal(0, 1.0, (128, 128))
    points, amplitudes = rng.uniform(-60, 60, (60, 2)), np.ones(60)
    first = (blob_image(points, amplitudes, 2.0, (128, 128)) * 2 + pattern).astype(np.float32)
    second = blob_image(points + np.array([9, 4]), amplitudes, 2.0, (128, 128)) * 2 + pattern
    shape = padded_shape(first.shape)
    spectra = [spectrum_of(image.astype(np.float32), None, shape) for image in (first, second)]
    found = correlate(*spectra, BandPass(radius2=0.5).weights(shape), shape)
    assert np.abs(find_peak(found, (40, 40)).shift_px).max() < 0.5
    passed = find_peak(found, (40, 40), exclude_central=True)
    assert passed.shift_px == pytest.approx([-9, -4], abs=0.5)


def test_thin_series_is_aligned(thin):
    images, tilt, centres = thin
    aligned = align_neighbours(images, tilt, AXIS_RAD)
    assert misfit(aligned.centre_px, centres, tilt) < SERIES_PX
    assert np.all(aligned.confidence > 0.5)
    assert aligned.reference == 10


def test_order_of_views_and_threads_make_no_difference(thin):
    images, tilt, _ = thin
    aligned = align_neighbours(images, tilt, AXIS_RAD)
    order = np.random.default_rng(0).permutation(len(tilt))
    shuffled = align_neighbours([images[view] for view in order], tilt[order], AXIS_RAD)
    assert np.array_equal(shuffled.centre_px, aligned.centre_px[order])


def test_excluded_views_are_bridged(thin):
    images, tilt, centres = thin
    included = np.ones(len(tilt), bool)
    included[[3, 12]] = False
    blank = [image if use else image * 0 for image, use in zip(images, included, strict=True)]
    aligned = align_neighbours(blank, tilt, AXIS_RAD, included=included)
    assert misfit(aligned.centre_px[included], centres[included], tilt[included]) < SERIES_PX
    assert np.isnan(aligned.confidence[[3, 12]]).all()
    assert np.isfinite(aligned.centre_px).all()


def test_cumulative_correlation_and_noise():
    images, tilt, centres = series(seed=4, noise=0.5, drift=4.0)
    images = [level(image, 16) for image in images]
    for options in (CoarseOptions(), CoarseOptions(cumulative=True)):
        aligned = align_neighbours(images, tilt, AXIS_RAD, options)
        assert misfit(aligned.centre_px, centres, tilt) < NOISY_PX


def test_large_drift_is_followed():
    images, tilt, centres = series(seed=6, drift=14.0)
    assert np.abs(np.diff(centres, axis=0)).max() > 0.12 * SIZE
    aligned = align_neighbours([level(image, 16) for image in images], tilt, AXIS_RAD)
    assert misfit(aligned.centre_px, centres, tilt) < NOISY_PX


def test_axis_is_found_in_all_directions(thin):
    images, tilt, _ = thin
    found = search_axis(images, tilt)
    assert math.degrees(axis_difference(found.axis_rad, AXIS_RAD)) < AXIS_DEG
    assert found.confidence > 0.5


def test_wrong_axis_is_told_from_right(thin):
    images, tilt, _ = thin
    right = search_axis(images, tilt, given_rad=AXIS_RAD + math.pi)
    wrong = search_axis(images, tilt, given_rad=AXIS_RAD + math.pi / 2)
    for found in (right, wrong):
        assert math.degrees(axis_difference(found.axis_rad, AXIS_RAD)) < AXIS_DEG


def test_change_of_size_is_found_where_it_is_looked_for():
    images, tilt, centres = series(drift=3.0)
    changed = []
    for view, image in enumerate(images):
        # As if the second half had been recorded at 1.02 times the magnification.
        matrix = np.eye(2) * (1.02 if tilt[view] < -0.01 else 1.0)
        changed.append(level(move(image, matrix, np.zeros(2), image.shape), 16))
    true = np.where(tilt[:, None] < -0.01, 1.02, 1.0) * centres
    options = CoarseOptions(scale_views=(9, 11))
    aligned = align_neighbours(changed, tilt, AXIS_RAD, options)
    assert aligned.scale[:10] == pytest.approx(1.02, abs=SCALE)
    assert aligned.scale[10:] == pytest.approx(1.0, abs=SCALE)
    assert misfit(aligned.centre_px, true, tilt) < NOISY_PX


def test_centre_field_moves_views_least():
    tilt = np.radians(np.linspace(-50, 50, 11))
    point = np.array([20.0, -8.0])
    seen = np.array([projection(float(angle), AXIS_RAD) @ point for angle in tilt])
    assert np.abs(centre_field(seen, tilt, AXIS_RAD)).max() < 1e-9
