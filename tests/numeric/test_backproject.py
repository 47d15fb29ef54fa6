"""Back-projection against analytic specimens: places, signs, densities."""

import math

import numpy as np
import pytest

from tomoline import geometry
from tomoline.kernels import backproject as bp
from tomoline.kernels import filters

# Places of reconstructed blobs, in pixels.
PLACE_TOLERANCE = 0.05
# With a full turn of views the density of a smooth blob comes back to this part of its peak.
BLOB_TOLERANCE = 0.01
# Root mean square error of a disc of density 1, away from its rim.
DISC_TOLERANCE = 0.012
SIGMA = 2.5
OPEN = filters.RadialFilter(cutoff_per_px=0.5, falloff_per_px=0.0)
RNG = np.random.default_rng(5)


def tilts(first=-60.0, last=60.0, count=41):
    return np.radians(np.linspace(first, last, count))


def blob_views(points, tilt_rad, shape, x_tilt_rad=0.0, sigma=SIGMA):
    """Exact projections of 3D Gaussians of height 1 at points (x, y, z)."""
    rows, columns = np.indices(shape, dtype=np.float64)
    views = np.zeros((len(tilt_rad), *shape))
    for place in geometry.project(np.asarray(points, float), tilt_rad, x_tilt_rad).swapaxes(0, 1):
        for view, (u, v) in enumerate(place):
            dx = columns - geometry.centre(shape[1]) - u
            dy = rows - geometry.centre(shape[0]) - v
            views[view] += np.exp(-(dx**2 + dy**2) / (2 * sigma**2))
    return (views * sigma * math.sqrt(2 * np.pi)).astype(np.float32)


def peak(volume):
    """(x, y, z) of the highest place of a volume (y, z, x) from its centre.

    By a quadratic through the logarithms around it: missing angles make it long and oblique.
    """
    place = np.array(np.unravel_index(volume.argmax(), volume.shape))
    steps = np.stack(np.meshgrid(*[[-1, 0, 1]] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    values = np.log([volume[tuple(place + step)] for step in steps])
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    squares = np.stack([steps[:, i] * steps[:, j] for i, j in pairs], axis=1)
    terms = np.concatenate([np.ones((27, 1)), steps, squares], axis=1)
    fit = np.linalg.lstsq(terms, values, rcond=None)[0]
    hessian = np.zeros((3, 3))
    for (i, j), value in zip(pairs, fit[4:], strict=True):
        hessian[i, j] += value
        hessian[j, i] += value
    fine = place - np.linalg.solve(hessian, fit[1:4])
    y, z, x = (f - geometry.centre(n) for f, n in zip(fine, volume.shape, strict=True))
    return np.array([x, y, z])


@pytest.mark.parametrize("shape", [(40, 64), (41, 63)])
@pytest.mark.parametrize("thickness", [40, 41])
@pytest.mark.parametrize("x_tilt_deg", [0.0, 6.0, -4.0])
@pytest.mark.parametrize("point", [(10.0, 0.0, 8.0), (-15.3, 5.2, -6.6), (3.7, -9.4, 0.0)])
def test_a_blob_stands_where_it_was(shape, thickness, x_tilt_deg, point):
    tilt = tilts()
    views = blob_views([point], tilt, shape, math.radians(x_tilt_deg))
    volume = bp.backproject_volume(views, tilt, thickness, x_tilt_rad=math.radians(x_tilt_deg))
    assert volume.shape == (shape[0], thickness, shape[1])
    np.testing.assert_allclose(peak(volume), point, atol=PLACE_TOLERANCE)


def test_shifts_move_the_specimen():
    point = np.array([4.0, 1.0, -3.0])
    views = blob_views([point], tilts(), (32, 64))
    volume = bp.backproject_volume(views, tilts(), 40, z_shift_px=5.5, x_shift_px=-2.25)
    np.testing.assert_allclose(peak(volume), (1.75, 1.0, 2.5), atol=PLACE_TOLERANCE)


def test_order_of_views_does_not_matter():
    tilt = tilts(count=21)
    views = blob_views([(3, 2, 1)], tilt, (8, 32))
    order = RNG.permutation(21)
    straight = bp.backproject_volume(views, tilt, 16)
    mixed = bp.backproject_volume(views[order], tilt[order], 16)
    np.testing.assert_allclose(mixed, straight, atol=1e-5)


def test_density_of_a_blob_with_a_full_turn():
    tilt = np.radians(np.arange(-90, 90, 1.0))
    sigma = 4.0
    views = blob_views([(5, 0, -4)], tilt, (33, 80), sigma=sigma)
    volume = bp.backproject_volume(views, tilt, 60, radial=OPEN)
    y, z, x = np.indices(volume.shape)
    squares = (x - 39.5 - 5) ** 2 + (y - 16) ** 2 + (z - 29.5 + 4) ** 2
    truth = np.exp(-squares / (2 * sigma**2))
    inner = (slice(4, -4), slice(6, -6), slice(10, -10))
    assert np.abs(volume - truth)[inner].max() < BLOB_TOLERANCE


def test_density_of_a_disc_with_a_full_turn():
    radius, size = 25.0, 100
    tilt = np.radians(np.arange(-90, 90, 0.75))
    u = np.arange(size) - geometry.centre(size)
    # Exact chords, averaged over each pixel.
    fine = u[:, None] + (np.arange(16) - 7.5) / 16
    chord = 2 * np.sqrt(np.maximum(radius**2 - fine**2, 0)).mean(axis=1)
    views = np.tile(chord.astype(np.float32), (len(tilt), 1, 1))
    volume = bp.backproject_volume(views, tilt, size, radial=OPEN)[0]
    distance = np.hypot(*np.meshgrid(u, u))
    inside = volume[distance < radius - 3] - 1
    outside = volume[(distance > radius + 3) & (distance < size / 2 - 2)]
    assert math.sqrt(np.mean(np.concatenate([inside, outside]) ** 2)) < DISC_TOLERANCE


def test_dark_stays_dark():
    views = 100 - blob_views([(0, 0, 0)], tilts(), (16, 48))
    volume = bp.backproject_volume(views, tilts(), 24)
    assert volume[8, 12, 24] < np.median(volume)


@pytest.mark.parametrize("slices", [1, 5, 31, 32])
def test_number_of_slices_changes_nothing(slices):
    tilt = tilts(count=11)
    rows = RNG.normal(size=(11, 32, 50)).astype(np.float32)
    shape = bp.SliceGeometry(tilt, 50, 20)
    padded = filters.padded_size(50, shape.margin)
    weights = filters.radial_weights(tilt, padded, filters.RadialFilter())
    whole = bp.backproject(bp.filter_to_lanes(rows, weights, padded, shape), shape)
    part = bp.filter_to_lanes(rows[:, :slices], weights, padded, shape)
    np.testing.assert_array_equal(bp.backproject(part, shape, slices), whole[:slices])


def test_against_a_plain_loop():
    tilt = np.radians([-85.0, -50.3, 0.0, 20.0, 95.0])
    shape = bp.SliceGeometry(tilt, 40, 19, x_count=33, z_shift_px=1.5, x_shift_px=-3.0)
    data = RNG.normal(size=(5, shape.columns, bp.LANES)).astype(np.float32)
    result = bp.backproject(data, shape)
    z, x = np.indices((19, 33), dtype=np.float64)
    for lane in (0, 17, 31):
        expected = np.zeros((19, 33))
        for view, angle in enumerate(tilt):
            u = shape.axis_column + (x - 16 + 3) * np.cos(angle) + (z - 9 - 1.5) * np.sin(angle)
            expected += np.interp(u.ravel(), np.arange(shape.columns), data[view, :, lane]).reshape(
                u.shape
            )
        np.testing.assert_allclose(result[lane], expected, atol=2e-5)


def test_constant_views_give_nothing():
    views = np.full((21, 8, 40), 123.0, dtype=np.float32)
    volume = bp.backproject_volume(views, tilts(count=21), 20)
    # The ramp keeps almost nothing of the mean level.
    assert np.abs(volume).max() < 0.01 * 123


def test_refuses_what_does_not_fit():
    shape = bp.SliceGeometry(tilts(count=3), 40, 20)
    with pytest.raises(ValueError, match="fit"):
        bp.backproject(np.zeros((3, 5, 32), np.float32), shape)
    with pytest.raises(ValueError, match="columns"):
        bp.filter_to_lanes(
            np.zeros((3, 1, 40), np.float32), np.zeros((3, 21), np.float32), 40, shape
        )
