"""Pyramids: means of what each voxel covers, where the scales and translations say it lies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoline.kernels.pyramid import halve, level_factors, level_shapes

SIZES = st.integers(1, 9)


def mean_of_what_is_there(volume: np.ndarray) -> np.ndarray:
    """Means over up to 2 x 2 x 2 voxels, one by one."""
    shape = tuple((size + 1) // 2 for size in volume.shape)
    out = np.empty(shape)
    for z, y, x in np.ndindex(shape):
        out[z, y, x] = volume[2 * z : 2 * z + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].mean()
    return out


@settings(max_examples=60, deadline=None)
@given(SIZES, SIZES, SIZES, st.integers(0, 1000))
def test_each_voxel_is_the_mean_of_what_it_covers(z: int, y: int, x: int, seed: int) -> None:
    volume = np.random.default_rng(seed).normal(size=(z, y, x)).astype(np.float32)
    np.testing.assert_allclose(halve(volume), mean_of_what_is_there(volume), atol=1e-6)


def test_a_level_does_not_depend_on_where_the_slices_were_cut() -> None:
    volume = np.random.default_rng(1).normal(size=(13, 18, 21)).astype(np.float32)
    whole = halve(volume)
    for group in (2, 4, 6):
        parts = [halve(volume[z : z + group]) for z in range(0, 13, group)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_parts_of_larger_arrays_give_the_same() -> None:
    volume = np.random.default_rng(2).normal(size=(4, 40, 50)).astype(np.float32)
    part = volume[:, 10:30, 8:41]
    np.testing.assert_array_equal(halve(part), halve(np.ascontiguousarray(part)))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_voxels_lie_where_factors_say(axis: int) -> None:
    """A ramp is its own mean at a voxel's centre, so that the levels tell their own positions."""
    shape = (48, 64, 96)
    places = np.arange(shape[axis], dtype=np.float32)
    volume = np.empty(shape, np.float32)
    np.moveaxis(volume, axis, -1)[:] = places
    factors = level_factors(shape, 4)
    for factor in (row[axis] for row in factors):
        line = np.moveaxis(volume, axis, -1)[0, 0]
        expected = (factor - 1) / 2 + factor * np.arange(len(line))
        np.testing.assert_allclose(line, expected)
        volume = halve(volume)


def test_levels_end_where_all_sides_are_small() -> None:
    shapes = level_shapes((2040, 2048, 2048))
    assert shapes[-1] == (255, 256, 256)
    assert len(shapes) == 4
    assert level_shapes((3, 200, 256)) == ((3, 200, 256),)


def test_an_axis_of_one_voxel_keeps_its_length() -> None:
    assert level_factors((1, 8, 8), 3) == ((1, 1, 1), (1, 2, 2), (1, 4, 4))
    flat = np.full((1, 8, 8), 3, np.float32)
    np.testing.assert_array_equal(halve(flat), np.full((1, 4, 4), 3))
