"""Antialiased reduction: what must stay, and what must go."""

import numpy as np
import pytest

from tomoline.geometry import centre
from tomoline.kernels.reduce import FILTERS, kernel_weights, reduce_image, reduced_shape

RNG = np.random.default_rng(3)
# Largest change of a wave of 1/20 cycles per output pixel, by kernel; 1 is its amplitude.
LOW_FREQUENCY_TOLERANCE = {
    "box": 0.006,
    "blackman": 0.02,
    "triangle": 0.012,
    "mitchell": 0.02,
    "lanczos2": 0.02,
    "lanczos3": 0.01,
}
# What remains of a wave that the small image cannot hold (0.9 cycles per output pixel).
ALIAS_TOLERANCE = {
    "box": 0.2,
    "blackman": 0.07,
    "triangle": 0.1,
    "mitchell": 0.05,
    "lanczos2": 0.07,
    "lanczos3": 0.03,
}


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 2.5])
@pytest.mark.parametrize("shape", [(61, 80), (64, 57)])
def test_constant_stays(kernel, factor, shape):
    image = np.full(shape, 7.0, dtype=np.float32)
    result = reduce_image(image, factor, kernel=kernel)
    assert result.shape == reduced_shape(shape, factor)
    np.testing.assert_allclose(result, 7.0, rtol=1e-5)


def wave(size, cycles_per_px, origin=0.0, phase=0.4):
    return np.cos(2 * np.pi * cycles_per_px * (np.arange(size) - centre(size) - origin) + phase)


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize(("dx", "dy"), [(0.0, 0.0), (1.3, -2.6)])
def test_slow_waves_stay_in_place_and_move_by_the_shift(kernel, factor, dx, dy):
    size, out_size, f = 241, 80, 0.05
    rows, columns = wave(size, f / factor), wave(size, 0.6 * f / factor)
    image = (rows[:, None] + columns[None, :]).astype(np.float32)
    result = reduce_image(image, factor, (out_size, out_size), kernel=kernel, shift_px=(dx, dy))
    expected = (
        wave(out_size, f, dy / factor)[:, None] + wave(out_size, 0.6 * f, dx / factor)[None, :]
    )
    inner = slice(out_size // 2 - 20, out_size // 2 + 20)
    difference = np.abs(result - expected)[inner, inner].max()
    assert difference < 2 * LOW_FREQUENCY_TOLERANCE[kernel]


@pytest.mark.parametrize("kernel", FILTERS)
@pytest.mark.parametrize("factor", [2, 4])
def test_fast_waves_go(kernel, factor):
    image = np.tile(wave(240, 0.9 / factor), (240, 1)).astype(np.float32)
    result = reduce_image(image, factor, kernel=kernel)
    assert np.abs(result[:, 10:-10]).max() < ALIAS_TOLERANCE[kernel]


def test_box_is_plain_binning():
    image = RNG.normal(size=(12, 18)).astype(np.float32)
    expected = image.reshape(4, 3, 6, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(reduce_image(image, 3, kernel="box"), expected, atol=1e-6)


def test_factor_one_only_moves():
    image = RNG.normal(size=(20, 20)).astype(np.float32)
    result = reduce_image(image, 1, shift_px=(2, -3), fill=5.0)
    np.testing.assert_allclose(result[:-3, 2:], image[3:, :-2], atol=1e-6)
    assert (result[:, :2] == 5.0).all()


def test_what_lies_outside_gets_the_mean():
    image = np.full((16, 16), 2.0, dtype=np.float32)
    np.testing.assert_allclose(reduce_image(image, 2, (20, 20)), 2.0, rtol=1e-6)


@pytest.mark.parametrize("kernel", FILTERS)
def test_weights_sum_to_one(kernel):
    _, weights, inside = kernel_weights(31, 10, 3, 0.7, kernel)
    np.testing.assert_allclose(weights.sum(axis=1)[inside], 1.0, atol=1e-6)


def test_refuses_enlargement():
    with pytest.raises(ValueError, match="below 1"):
        reduce_image(np.ones((4, 4), dtype=np.float32), 0.5)
