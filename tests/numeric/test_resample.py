"""Resampling against analytic images and exact cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tomoline import geometry
from tomoline.kernels.resample import taper_length, transform_image

RNG = np.random.default_rng(7)

# A blob of this many pixels' sigma is sampled so finely that interpolation barely matters.
SMOOTH_SIGMA = 6.0
# The bound of bilinear interpolation: an eighth of the second derivative, along x and y.
LINEAR_TOLERANCE = 2 / 8 / SMOOTH_SIGMA**2 + 1e-4
CUBIC_TOLERANCE = 6e-4


def blob(shape, x, y, sigma=SMOOTH_SIGMA):
    """A Gaussian at (x, y) from the centre."""
    rows, columns = np.indices(shape)
    dx = columns - geometry.centre(shape[1]) - x
    dy = rows - geometry.centre(shape[0]) - y
    return np.exp(-(dx**2 + dy**2) / (2 * sigma**2)).astype(np.float32)


def transform(angle_deg=0.0, shift=(0.0, 0.0), scale=1.0):
    result = np.zeros((2, 3))
    result[:, :2] = scale * geometry.axis_to_vertical(angle_deg)
    result[:, 2] = shift
    return result


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("shape", [(16, 16), (17, 12), (9, 20)])
def test_identity_is_exact(order, shape):
    image = RNG.normal(size=shape).astype(np.float32)
    np.testing.assert_array_equal(transform_image(image, transform(), order=order), image)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("shape", [(16, 16), (17, 12), (9, 20)])
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_are_exact(order, shape, quarters):
    image = RNG.normal(size=shape).astype(np.float32)
    # axis_to_vertical(phi) turns by -phi in axes (x right, y up the rows), as np.rot90 does by +.
    turned = np.rot90(image, quarters)
    result = transform_image(image, transform(90.0 * quarters), turned.shape, order=order)
    np.testing.assert_allclose(result, turned, atol=1e-5)


@pytest.mark.parametrize("order", [1, 3])
def test_whole_shift_is_exact(order):
    image = RNG.normal(size=(12, 14)).astype(np.float32)
    result = transform_image(image, transform(shift=(3, -2)), order=order, fill=9.0)
    np.testing.assert_array_equal(result[:-2, 3:], image[2:, :-3])
    assert (result[-2:] == 9.0).all()
    assert (result[:, :3] == 9.0).all()


@pytest.mark.parametrize(("order", "tolerance"), [(1, LINEAR_TOLERANCE), (3, CUBIC_TOLERANCE)])
@given(
    angle=st.floats(-180, 180),
    dx=st.floats(-5, 5),
    dy=st.floats(-5, 5),
    x=st.floats(-9, 9),
    y=st.floats(-9, 9),
)
def test_a_blob_moves_where_geometry_says(order, tolerance, angle, dx, dy, x, y):
    move = transform(angle, (dx, dy))
    target = geometry.apply(move, np.array([x, y]))
    result = transform_image(blob((90, 84), x, y), move, (88, 101), order=order)
    np.testing.assert_allclose(result, blob((88, 101), *target), atol=tolerance)


@pytest.mark.parametrize("order", [1, 3])
def test_constant_stays_constant_inside(order):
    image = np.full((40, 50), 3.5, dtype=np.float32)
    result = transform_image(image, transform(33.0, (1.3, 0.2), 1.1), order=order, fill=3.5)
    np.testing.assert_allclose(result, 3.5, rtol=1e-6)


def test_edges_fade_into_the_fill_outside():
    image = np.ones((32, 32), dtype=np.float32)
    result = transform_image(image, transform(), (64, 64), order=1, taper_px=8)
    np.testing.assert_array_equal(result[16:48, 16:48], 1.0)
    beyond = result[32, 48:]
    assert (np.diff(beyond[:8]) < 0).all()
    np.testing.assert_array_equal(beyond[8:], 0.0)


def test_edges_fade_inside_the_image():
    image = np.ones((32, 32), dtype=np.float32)
    result = transform_image(image, transform(), (40, 40), order=3, taper_px=6, taper_inside=True)
    np.testing.assert_array_equal(result[12:28, 12:28], 1.0)
    assert 0 < result[4, 20] < result[7, 20] < 1
    np.testing.assert_array_equal(result[:4], 0.0)


def test_refuses_what_it_cannot_do():
    image = np.ones((4, 4), dtype=np.float32)
    with pytest.raises(ValueError, match="order"):
        transform_image(image, transform(), order=2)
    with pytest.raises(ValueError, match="inverted"):
        transform_image(image, np.zeros((2, 3)))


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 7)])
def test_tiny_images(shape):
    image = RNG.normal(size=shape).astype(np.float32)
    for order in (1, 3):
        result = transform_image(image, transform(10, (0.3, 0.1)), (5, 5), order=order)
        assert np.isfinite(result).all()


def test_default_taper_length():
    assert [taper_length(shape) for shape in [(512, 512), (4096, 4096), (20000, 20000)]] == [
        16,
        41,
        127,
    ]


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize(
    "shift", [(0.3, -1.7), (-4.5, 3.0), (0.0, 0.25), (30.0, 2.0), (5.2, -90.0)]
)
@pytest.mark.parametrize("shape", [(20, 31), (24, 24), (12, 40)])
def test_shifts_alone_go_the_same_way(order, shift, shape):
    image = RNG.normal(size=(20, 31)).astype(np.float32)
    move = transform(shift=shift)
    # Too small to matter, but not the identity: takes the general way.
    almost = move + np.array([[0, 1e-9, 0], [0, 0, 0]])
    for taper in (0, 5):
        fast = transform_image(image, move, shape, order=order, fill=2.0, taper_px=taper)
        slow = transform_image(image, almost, shape, order=order, fill=2.0, taper_px=taper)
        np.testing.assert_allclose(fast, slow, atol=2e-6)
