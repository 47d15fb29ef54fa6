"""Scaling to 16-bit integers against plain numpy."""

from __future__ import annotations

import numpy as np

from tomoline.kernels.integers import LIMIT, to_int16


def test_values_and_sums_are_those_of_numpy() -> None:
    rng = np.random.default_rng(3)
    slices = rng.normal(0, 3, (4, 37, 53)).astype(np.float32)
    made = to_int16(slices, 0.5, 900.0)
    exact = (slices.astype(np.float64) + 0.5) * 900.0
    assert np.max(np.abs(made.values - np.clip(exact, -LIMIT, LIMIT))) <= 0.51
    stored = made.values.astype(np.float64).reshape(4, -1)
    np.testing.assert_allclose(made.mean, stored.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(made.variance_sum, stored.var(axis=1) * stored.shape[1], rtol=1e-9)
    np.testing.assert_array_equal(made.minimum, stored.min(axis=1))
    np.testing.assert_array_equal(made.maximum, stored.max(axis=1))
    assert made.clipped == np.sum(np.abs(exact) > LIMIT)


def test_what_does_not_fit_is_clipped_and_counted() -> None:
    slices = np.array([[[1e9, -1e9, np.nan, np.inf, 1.0]]], np.float32)
    made = to_int16(slices, 0.0, 1.0)
    assert made.values.tolist() == [[[LIMIT, -LIMIT, 0, LIMIT, 1]]]
    assert made.clipped == 4
