"""SIRT: a matched pair of projectors, and convergence to an analytic specimen."""

import math

import numpy as np
import pytest

from tomoline.geometry import centre
from tomoline.kernels import sirt
from tomoline.kernels.backproject import LANES, SliceGeometry, to_lanes

# <Ax, y> and <x, A'y> are sums of some thousand float32 products.
ADJOINT_TOLERANCE = 1e-5
# Linear interpolation against exact line integrals of a smooth blob.
PROJECTION_TOLERANCE = 0.015
# Relative error of the projections after 50 iterations; SIRT closes in slowly.
RESIDUAL_TOLERANCE = 0.05
RNG = np.random.default_rng(11)


def plan(**options):
    tilt = np.radians(np.linspace(-60, 60, 21))
    return SliceGeometry(tilt, options.pop("width", 48), options.pop("thickness", 24), **options)


@pytest.mark.parametrize(
    "options",
    [{}, {"width": 47, "thickness": 25}, {"z_shift_px": 2.5, "x_shift_px": -1.3}, {"x_count": 37}],
)
def test_projection_and_backprojection_are_adjoint(options):
    shape = plan(**options)
    volume = RNG.normal(size=(shape.thickness, shape.x_count, LANES)).astype(np.float32)
    data = RNG.normal(size=(21, shape.columns, LANES)).astype(np.float32)
    forward = np.vdot(sirt.project(volume, shape), data)
    backward = np.vdot(volume, sirt.backproject(data, shape))
    scale = np.linalg.norm(volume) * np.linalg.norm(data)
    assert abs(forward - backward) < ADJOINT_TOLERANCE * scale


def blob(shape, x, z, sigma=3.0):
    zs, xs = np.indices((shape.thickness, shape.x_count))
    squares = (xs - centre(shape.x_count) - x) ** 2 + (zs - centre(shape.thickness) - z) ** 2
    return np.exp(-squares / (2 * sigma**2)).astype(np.float32)


def blob_rows(shape, x, z, sigma=3.0):
    u = np.arange(shape.width) - centre(shape.width)
    place = x * np.cos(shape.tilt_rad) + z * np.sin(shape.tilt_rad)
    rows = np.exp(-((u - place[:, None]) ** 2) / (2 * sigma**2)) * sigma * math.sqrt(2 * np.pi)
    return rows[:, None, :].astype(np.float32)


def test_projection_is_the_line_integral():
    shape = plan(thickness=44)
    volume = np.repeat(blob(shape, 5, -3)[:, :, None], LANES, axis=2)
    data = sirt.project(volume, shape)[:, shape.margin : -shape.margin, 7]
    expected = blob_rows(shape, 5, -3)[:, 0]
    assert np.abs(data - expected).max() < PROJECTION_TOLERANCE * expected.max()


def test_converges_to_the_specimen():
    shape = plan(width=64, thickness=32)
    measured = to_lanes(blob_rows(shape, 4, -2), shape)
    kept = sirt.sirt(measured, shape, sirt.sirt_weights(shape), (1, 10, 50), slices=1)
    truth = blob(shape, 4, -2)
    errors = [np.linalg.norm(kept[n][0] - truth) for n in (1, 10, 50)]
    assert errors == sorted(errors, reverse=True)
    assert np.unravel_index(kept[50][0].argmax(), truth.shape) in [
        (13, 35),
        (14, 35),
        (13, 36),
        (14, 36),
    ]
    again = sirt.project(np.repeat(kept[50][0][:, :, None], LANES, axis=2), shape)[:, :, 0]
    inner = slice(shape.margin, shape.margin + shape.width)
    difference = again[:, inner] - measured[:, inner, 0]
    assert np.linalg.norm(difference) < RESIDUAL_TOLERANCE * np.linalg.norm(measured[:, inner, 0])


def test_starting_from_the_answer_stays_there():
    shape = plan()
    truth = np.repeat(blob(shape, 1, 1)[None], 3, axis=0)
    lanes = np.zeros((shape.thickness, shape.x_count, LANES), np.float32)
    lanes[:, :, :3] = truth.transpose(1, 2, 0)
    measured = sirt.project(lanes, shape)
    result = sirt.sirt(measured, shape, sirt.sirt_weights(shape), (2,), slices=3, start=truth)
    np.testing.assert_allclose(result[2], truth, atol=1e-5)


def test_slices_do_not_mix():
    shape = plan()
    rows = RNG.normal(size=(21, 4, 48)).astype(np.float32)
    weights = sirt.sirt_weights(shape)
    whole = sirt.sirt(to_lanes(rows, shape), shape, weights, (3,), slices=4)[3]
    alone = sirt.sirt(to_lanes(rows[:, 2:3], shape), shape, weights, (3,), slices=1)[3]
    np.testing.assert_array_equal(alone[0], whole[2])
