"""Filters: their formulas, and what they do to waves."""

import numpy as np
import pytest

from tomoline.kernels import filters
from tomoline.kernels.filters import RadialFilter

F = np.arange(0, 0.5001, 0.01)


def test_ramp_then_gaussian():
    response = RadialFilter(0.35, 0.035).response(F)
    np.testing.assert_allclose(response[F <= 0.35], F[F <= 0.35])
    np.testing.assert_allclose(response[-1], 0.35 * np.exp(-0.5 * (0.15 / 0.035) ** 2), rtol=1e-6)


def test_sharp_cutoff():
    response = RadialFilter(0.3, 0.0).response(F)
    np.testing.assert_allclose(response[F > 0.301], 0.0)


def test_hamming_like():
    response = RadialFilter(hamming_start_per_px=0.2).response(F)
    np.testing.assert_allclose(response[F <= 0.2], F[F <= 0.2])
    np.testing.assert_allclose(response[-1], 0.5 * 0.08)


@pytest.mark.parametrize(("count", "effective"), [(5, 5), (15, 15), (20, 19), (30, 27), (50, 39)])
def test_sirt_like(count, effective):
    f = np.array([0.001, 0.05, 0.3])
    expected = f * np.array([1, *(1 - (1 - 0.00195 / f[1:]) ** (effective + 0.3))])
    np.testing.assert_allclose(RadialFilter(sirt_iterations=count).response(f), expected)


def test_sirt_like_flattens_the_ramp():
    ratios = [RadialFilter(sirt_iterations=n).response(F)[5] for n in (1, 5, 20, 100)]
    assert ratios == sorted(ratios)


def test_angular_widths_of_uneven_series():
    tilt = np.array([10.0, 0.0, 2.0, 4.0, 6.0])
    np.testing.assert_allclose(filters.angular_widths(tilt), [3, 2, 2, 2.5, 8 / 3], rtol=1e-9)
    np.testing.assert_allclose(filters.angular_widths(np.array([0.3])), [1.0])


def test_rows_are_filtered_as_the_formula_says():
    padded, weights = 96, np.linspace(0, 1, 49).astype(np.float32)
    row = np.zeros((1, 64), dtype=np.float32)
    row[0, 30] = 1.0
    result = filters.filter_rows(row, weights, padded)
    expected = np.fft.irfft(np.fft.rfft(row[0], padded) * weights, padded)
    np.testing.assert_allclose(result[0], expected, atol=1e-6)


def test_rows_move_while_they_are_filtered():
    x = np.arange(80)
    rows = np.exp(-((x - 30.0) ** 2) / 18)[None].astype(np.float32)
    moved = filters.filter_rows(rows, np.ones(61, np.float32), 120, shift_px=np.array([3.4]))
    np.testing.assert_allclose(moved[0, :80], np.exp(-((x - 33.4) ** 2) / 18), atol=1e-5)


def test_low_pass_keeps_slow_waves_and_removes_fast_ones():
    x = np.arange(200)
    slow, fast = np.cos(0.1 * np.pi * x), np.cos(0.9 * np.pi * x)
    image = np.tile(50 + slow + fast, (60, 1)).astype(np.float32)
    result = filters.low_pass(image, 0.25, 0.05)
    inner = result[20:40, 60:140]
    np.testing.assert_allclose(inner, np.tile(50 + slow, (20, 1))[:, 60:140], atol=0.01)


def test_low_pass_keeps_a_constant():
    np.testing.assert_allclose(
        filters.low_pass(np.full((31, 45), 9.0, np.float32), 0.2, 0.05), 9.0, rtol=1e-6
    )
