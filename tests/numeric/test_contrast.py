"""Contrast: limits from a histogram, and bytes as IMOD stores them."""

import numpy as np
import pytest

from tomoline.kernels.contrast import ByteBand, Histogram

RNG = np.random.default_rng(4)
# Limits are found to within two bins of the histogram.
BIN_TOLERANCE = 2


def histogram(values):
    found = Histogram(float(np.nanmin(values)), float(np.nanmax(values)))
    found.add(values)
    return found


def test_saturates_as_many_values_as_allowed():
    values = RNG.normal(size=200_000).astype(np.float32)
    found = histogram(values)
    low, high = found.limits(50)
    ordered = np.sort(values)
    assert low == pytest.approx(ordered[50], abs=BIN_TOLERANCE * found.width)
    assert high == pytest.approx(ordered[-51], abs=BIN_TOLERANCE * found.width)


def test_never_saturates_more_than_a_hundredth():
    values = np.arange(1000, dtype=np.float32)
    low, high = histogram(values).limits(400)
    assert (low, high) == pytest.approx((10, 989), abs=1)


def test_gold_does_not_take_the_contrast():
    values = RNG.normal(size=100_000).astype(np.float32)
    values[:500] -= 60
    low, high = histogram(values).limits(10, outlier_sd=20)
    assert low == pytest.approx(-20, rel=0.02)
    assert 3.5 < high < 5


def test_mean_and_sd():
    values = RNG.normal(5, 2, size=50_000).astype(np.float32)
    mean, sd = histogram(values).mean_and_sd()
    assert mean == pytest.approx(values.mean(), abs=1e-3)
    assert sd == pytest.approx(values.std(), abs=1e-3)


def test_what_is_no_number_does_not_count():
    values = np.array([0, 1, np.nan, 2], dtype=np.float32)
    assert histogram(values).counts.sum() == 3


def test_nothing_and_constants():
    assert Histogram(1.0, 2.0).limits(3) == (1.0, 2.0)
    flat = Histogram(3.0, 3.0)
    flat.add(np.full(10, 3.0, np.float32))
    assert flat.mean_and_sd() == (3.0, 0.0)


@pytest.mark.parametrize("backwards", [False, True])
def test_bytes(backwards):
    values = RNG.normal(0, 60, size=(3, 70)).astype(np.float32)
    values[0, 10] = np.nan
    band = ByteBand(np.zeros((3, 2, 60), np.int8), -100.0, 155.0)
    band.store(values, 5, 1, backwards=backwards)
    band.store(values, 0, 0, backwards=backwards)
    source = values[::-1] if backwards else values
    source = np.where(np.isnan(source), 28, source)
    for row, first in ((1, 5), (0, 0)):
        expected = np.clip(np.floor(source[:, first : first + 60] + 100 + 0.5), 0, 255)
        np.testing.assert_allclose(band.out[:, row] + 128.0, expected, atol=1)
        assert np.mean(band.out[:, row] + 128.0 == expected) > 0.99
    for n in range(3):
        count, least, most, mean, spread = band.statistics(n)
        stored = band.out[n].astype(float) + 128
        assert (count, least, most) == (120, stored.min(), stored.max())
        assert mean == pytest.approx(stored.mean())
        assert spread == pytest.approx(((stored - stored.mean()) ** 2).sum())


def test_equal_limits_give_the_middle():
    band = ByteBand(np.zeros((1, 1, 9), np.int8), 2.0, 2.0)
    band.store(np.full((1, 9), 2.0, np.float32), 0, 0)
    assert (band.out == 0).all()
