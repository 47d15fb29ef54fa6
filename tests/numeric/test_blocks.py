"""Blocks, integers and sums of slices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoline.kernels.blocks import Quantisation, empty_sums, to_pieces


def cut(
    slices: np.ndarray,
    high: int,
    wide: int,
    quantisation: Quantisation | None = None,
    fill: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut whole slices and put the blocks together again: stored slices, sums, used blocks."""
    depth, height, width = slices.shape
    dtype = np.float32 if quantisation is None else np.uint16
    blocks = -(-width // wide)
    sums = empty_sums(depth)
    rows, used = [], []
    for top in range(0, height, high):
        pieces = np.full((blocks, depth, high, wide), 7, dtype)
        bounds = (top, min(top + high, height))
        used.append(to_pieces(slices, bounds, pieces, sums, quantisation, fill))
        rows.append(pieces.transpose(1, 2, 0, 3).reshape(depth, high, blocks * wide))
    return np.concatenate(rows, axis=1), sums, np.array(used)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 4), st.integers(1, 20), st.integers(1, 20), st.integers(1, 8),
    st.integers(1, 8), st.integers(0, 100),
)  # fmt: skip
def test_blocks_hold_the_slices_and_their_sums(
    z: int, y: int, x: int, high: int, wide: int, seed: int
) -> None:
    slices = np.random.default_rng(seed).normal(3, 2, size=(z, y, x)).astype(np.float32)
    stored, sums, used = cut(slices, high, wide)
    np.testing.assert_array_equal(stored[:, :y, :x], slices)
    assert not stored[:, y:].any()
    assert not stored[:, :, x:].any()
    wide_values = slices.astype(np.float64)
    np.testing.assert_allclose(sums[:, 0], wide_values.sum((1, 2)))
    np.testing.assert_allclose(sums[:, 1], (wide_values**2).sum((1, 2)))
    np.testing.assert_array_equal(sums[:, 2], slices.min((1, 2)))
    np.testing.assert_array_equal(sums[:, 3], slices.max((1, 2)))
    assert used.all()


def test_integers_give_values_back_within_half_a_step() -> None:
    slices = np.random.default_rng(0).uniform(-2.9e-6, 4.9e-6, (3, 50, 70)).astype(np.float32)
    quantisation = Quantisation.between(-3e-6, 5e-6)
    stored, sums, _ = cut(slices, 16, 16, quantisation)
    back = quantisation.low + quantisation.step * stored[:, :50, :70].astype(np.float64)
    # Beyond half a step only what float32 rounds of the scaled value.
    assert np.abs(back - slices).max() < 0.52 * quantisation.step
    assert sums[:, 4].sum() == 0


def test_values_outside_are_clipped_and_counted() -> None:
    values = [-1.0, 0.0, 0.25, 1.0, 1.5, np.inf, -np.inf, np.nan]
    slices = np.array(values, np.float32).reshape(1, 2, 4)
    stored, sums, _ = cut(slices, 2, 4, Quantisation.between(0.0, 1.0))
    assert stored.ravel().tolist() == [0, 0, 16384, 65535, 65535, 65535, 0, 0]
    assert sums[0, 4] == 5
    assert not np.isfinite(sums[0, 0])


def test_blocks_of_nothing_are_told() -> None:
    slices = np.zeros((2, 8, 12), np.float32)
    slices[1, 3, 9] = 1e-30
    _, _, used = cut(slices, 4, 4)
    np.testing.assert_array_equal(used, [[False, False, True], [False, False, False]])
    quantisation = Quantisation.between(-1.0, 1.0)
    fill = quantisation.stored(0.0)
    stored, _, used = cut(slices * 0, 4, 5, quantisation, fill)
    assert not used.any()
    assert (stored == fill).all()


def test_limits_must_be_a_range() -> None:
    with pytest.raises(ValueError, match="not above"):
        Quantisation.between(1.0, 1.0)
