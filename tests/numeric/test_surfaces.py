"""Planes through points: signs against the geometry, one surface or two, bad points."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.kernels.surfaces import fit_surfaces, level

Floats = NDArray[np.float64]

ANGLE_DEG = 0.15
"""Error allowed with 40 points scattered by one pixel over 500."""


def _points(heights: Floats, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    count = len(heights)
    x, y = rng.uniform(-250, 250, (2, count))
    return np.stack([x, y, heights + rng.normal(0, 1, count)], axis=1)


def _inclined(points: Floats, offset_deg: float, x_tilt_deg: float) -> Floats:
    """Return points that are level once offset and X-axis tilt are given."""
    d, a = math.radians(offset_deg), math.radians(x_tilt_deg)
    about_y = [[math.cos(d), 0, math.sin(d)], [0, 1, 0], [-math.sin(d), 0, math.cos(d)]]
    about_x = [[1, 0, 0], [0, math.cos(a), -math.sin(a)], [0, math.sin(a), math.cos(a)]]
    return (np.array(about_y) @ np.array(about_x) @ points.T).T


@pytest.mark.parametrize(("offset", "x_tilt"), [(3, 0), (-4, 0), (0, 5), (2, -4)])
def test_signs_are_those_of_the_geometry(offset: float, x_tilt: float) -> None:
    level_points = _points(np.full(40, 20.0))
    seen = _inclined(level_points, offset, x_tilt)
    tilt = np.radians(np.linspace(-60, 60, 7))
    # What the views see of the inclined specimen is a level one, with these corrections.
    np.testing.assert_allclose(
        geometry.project(seen, tilt),
        geometry.project(level_points, tilt + math.radians(offset), math.radians(x_tilt)),
        atol=1e-9,
    )
    found = fit_surfaces(seen)
    assert found is not None
    assert found.tilt_offset_deg == pytest.approx(offset, abs=ANGLE_DEG)
    assert found.x_axis_tilt_deg == pytest.approx(x_tilt, abs=ANGLE_DEG)
    assert found.count == 1
    assert found.middle_px == pytest.approx(20, abs=1)
    np.testing.assert_allclose(level(seen, offset, x_tilt), level_points, atol=1e-9)


@pytest.mark.parametrize("low", [0.5, 0.2])
def test_two_surfaces(low: float) -> None:
    upper = np.arange(40) >= 40 * low
    seen = _inclined(_points(np.where(upper, 45.0, -35.0)), 3, -2)
    found = fit_surfaces(seen)
    assert found is not None
    assert found.count == 2
    assert found.thickness_px == pytest.approx(80, abs=1.5)
    assert found.middle_px == pytest.approx(5, abs=1.5)
    used = found.surface > 0
    assert used.mean() > 0.9
    np.testing.assert_array_equal(found.surface[used], np.where(upper, 2, 1)[used])
    assert found.tilt_offset_deg == pytest.approx(3, abs=ANGLE_DEG)


def test_points_through_the_ice_are_one_surface() -> None:
    heights = np.random.default_rng(2).uniform(-40, 40, 60)
    found = fit_surfaces(_points(heights))
    assert found is not None
    assert found.count == 1
    assert abs(found.tilt_offset_deg) < 3 * found.tilt_offset_sd_deg + 0.1


def test_far_points_do_not_matter() -> None:
    points = _points(np.zeros(40))
    points[:4, 2] += 150
    points[4] = np.nan
    found = fit_surfaces(points, 1)
    assert found is not None
    assert abs(found.tilt_offset_deg) < ANGLE_DEG
    assert (found.surface[:5] == 0).all()


def test_too_little_to_tell() -> None:
    assert fit_surfaces(_points(np.zeros(3))) is None
    line = np.stack([np.linspace(-100, 100, 10), np.zeros(10), np.zeros(10)], axis=1)
    assert fit_surfaces(line) is None
