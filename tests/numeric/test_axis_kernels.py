"""Kernels that find a rotation axis, on sinograms of discs whose axis is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from axis_scans import angles_of, discs

from tomoline.kernels import axis_fit, axis_pairs, axis_rows, axis_sharpness, axis_vo, stamp

PAIRS_PX = 0.04
WEDGE_PX = 0.1
SHARP_PX = 0.05
"""Errors allowed on exact projections without noise, 256 columns."""

AXES = (127.5, 130.27, 101.81)


def test_convention_of_the_axis_and_of_slices() -> None:
    # A single disc at (x, y) = (30, -12), seen at u = axis + x cos + y sin.
    axis, x, y = 140.3, 30.0, -12.0
    angles = np.radians(angles_of(180))
    middle = axis + x * np.cos(angles) + y * np.sin(angles)
    chord = 6.0**2 - (np.arange(256)[None] - middle[:, None]) ** 2
    sinogram = (2 * np.sqrt(np.maximum(chord, 0))).astype(np.float32)
    one = axis_sharpness.slices_for_axes(sinogram, angles, [axis], 129, 0.7)[0]
    place_y, place_x = np.unravel_index(np.argmax(one), one.shape)
    assert (place_x - 64, place_y - 64) == (pytest.approx(30, abs=3), pytest.approx(-12, abs=3))
    weights = np.where(one > 0.5, one, 0)
    rows, columns = np.indices(one.shape)
    assert (weights * columns).sum() / weights.sum() - 64 == pytest.approx(x, abs=0.1)
    assert (weights * rows).sum() / weights.sum() - 64 == pytest.approx(y, abs=0.1)
    assert one[place_y, place_x] == pytest.approx(1.0, abs=0.1)
    # A part of the slice around that disc shows it in its middle.
    part = axis_sharpness.slices_for_axes(sinogram, angles, [axis], 33, 0.7, (x, y))[0]
    weights = np.where(part > 0.5, part, 0)
    rows, columns = np.indices(part.shape)
    assert (weights * columns).sum() / weights.sum() == pytest.approx(16, abs=0.1)
    assert (weights * rows).sum() / weights.sum() == pytest.approx(16, abs=0.1)


@pytest.mark.parametrize("axis", AXES)
def test_pairs(axis: float) -> None:
    degrees = angles_of(181, end=True)
    angles = np.radians(degrees)
    sinogram = discs(axis, degrees, rows=1)[0]
    pairs = axis_pairs.find_pairs(angles, math.radians(1))
    hit = int(np.argmin(np.abs(pairs.miss_steps)))
    assert (pairs.first[hit], pairs.second[hit]) == (0, 180)
    sums = axis_pairs.mirror_sums(sinogram, pairs, (2.0,))
    values = axis_pairs.coefficients(
        sums.product[0, pairs.group[hit]].astype(float),
        sums.power[0, pairs.group[hit]].astype(float),
    )
    peak = axis_pairs.find_peak(values, 0.1, range_px=(10, 245), apart_px=8)
    assert peak is not None
    assert peak.axis_px == pytest.approx(axis, abs=PAIRS_PX)
    assert peak.height > 0.98
    assert peak.lead > 1.5


def test_pairs_of_more_than_half_a_turn_are_all_used() -> None:
    pairs = axis_pairs.find_pairs(np.radians(np.arange(0.0, 200.0)), math.radians(1))
    assert pairs.count == 20
    assert np.all(pairs.second - pairs.first == 180)
    assert pairs.miss_steps == pytest.approx(np.zeros(20), abs=1e-6)


@pytest.mark.parametrize("axis", AXES)
def test_wedge(axis: float) -> None:
    sinogram = discs(axis, angles_of(180), rows=1)[0]
    terms = axis_vo.wedge_terms(sinogram)
    axes, values = axis_vo.misfit([terms], 0.2)
    found = axis_vo.find_minimum(axes, values, (25, 230), 8)
    assert found is not None
    assert found.axis_px == pytest.approx(axis, abs=WEDGE_PX)
    assert found.misfit < 0.5
    assert found.lead > 1.5


def test_wedge_is_that_of_the_joined_sinogram() -> None:
    """The misfit of all axes by one transform is what joining and transforming each would give."""
    rng = np.random.default_rng(3)
    width, angles = 32, 24
    sinogram = rng.standard_normal((angles, width)).astype(np.float32)
    terms = axis_vo.wedge_terms(sinogram)
    axes, values = axis_vo.misfit([terms], 1e9)
    rows = axis_rows.slopes(sinogram, 1.0) * axis_rows.taper(width)
    padded = np.zeros((angles, 2 * width))
    padded[:, :width] = rows
    for axis in (13.0, 15.5, 20.5):
        # Column u of the mirror image is column 2 axis - u, and a slope changes its sign.
        mirror = -np.roll(padded[:, ::-1], round(2 * axis) + 1, axis=1)
        spectrum = np.fft.rfft2(np.vstack([padded, mirror]), axes=(1, 0)).T
        spectrum = np.fft.fft(np.fft.rfft(np.vstack([padded, mirror]), axis=1), axis=0)
        turns = np.abs(np.fft.fftfreq(2 * angles, 1 / (2 * angles)))[:, None]
        nu = (np.arange(width + 1) / (2 * width))[None]
        outside = (turns > 2 * np.pi * nu * width / 2 + 1) & (turns > 2) & (nu * width > 2)
        energy = (np.abs(spectrum) ** 2 * outside).sum(axis=0)
        usable = terms.energy > 0
        expected = (terms.count[usable] * energy[usable] / terms.energy[usable]).sum()
        expected /= terms.count[usable].sum()
        assert values[round(axis * 16)] == pytest.approx(expected, rel=1e-3)
    assert axes[16] == 1.0


@pytest.mark.parametrize("axis", AXES)
def test_sharpness(axis: float) -> None:
    degrees = angles_of(180)
    sinogram = discs(axis, degrees, rows=1)[0]
    axes = axis + 0.37 + (np.arange(31) - 15) * 0.3
    slices = axis_sharpness.slices_for_axes(sinogram, np.radians(degrees), axes.tolist(), 192, 1.5)
    found = axis_sharpness.sharpest(axes, axis_sharpness.spread_of_gradients(slices), 1.35)
    assert found is not None
    vertex, depth, error = found
    assert vertex == pytest.approx(axis, abs=SHARP_PX)
    assert depth > 0.05
    assert error < 0.1


def test_sharpest_is_none_at_the_edge_and_even_inside() -> None:
    axes = np.arange(31) * 0.5
    assert axis_sharpness.sharpest(axes, axes.copy(), 2.0) is None
    # A V is even about its tip, wherever the samples lie.
    found = axis_sharpness.sharpest(axes, 2 + np.abs(axes - 7.21), 2.0)
    assert found is not None
    assert found[0] == pytest.approx(7.21, abs=0.05)


def test_stripes_go_and_the_specimen_stays() -> None:
    clean = discs(130.0, angles_of(180), rows=1)[0]
    stripes = np.random.default_rng(1).standard_normal(256).astype(np.float32)
    removed = axis_rows.without_stripes(clean + stripes)
    changed = np.abs(axis_rows.without_stripes(clean) - clean).max()
    assert changed < 0.05 * np.ptp(clean)
    left = (removed - axis_rows.without_stripes(clean)).std()
    assert left < 0.5 * stripes.std()


def test_robust_line() -> None:
    rng = np.random.default_rng(0)
    rows = np.linspace(-50, 50, 12)
    axes = 100 + 0.02 * rows + 0.01 * rng.standard_normal(12)
    axes[3] += 30
    line = axis_fit.robust_line(rows, axes, np.ones(12))
    assert line.at_middle == pytest.approx(100, abs=0.02)
    assert line.slope == pytest.approx(0.02, abs=0.0005)
    assert line.weights[3] == 0
    assert line.slope_error < 0.0005
    single = axis_fit.robust_line(np.zeros(1), np.array([5.0]), np.ones(1))
    assert (single.at_middle, single.slope) == (5.0, 0.0)
    assert math.isinf(single.at_middle_error)


def test_stamp() -> None:
    picture = np.full((60, 200), 90, np.uint8)
    stamp.stamp(picture, "295.95 px", 5, 7)
    dots = stamp.text_dots("295.95 px")
    assert np.array_equal(picture[9:23:2, 11 : 11 + 2 * dots.shape[1] : 2] == 255, dots)
    assert picture[40, 190] == 90
    # Cut off at the edge, not an error.
    stamp.stamp(picture, "1234567890", 50, 180)
