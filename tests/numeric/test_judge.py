"""The judge recovers planted errors, and only those."""

import numpy as np
import pytest

from tomoline import geometry
from tomoline.files import transforms as xf
from tomoline.simulate.judge import (
    axis_error_deg,
    centre_errors,
    tilt_errors_deg,
    truth_in_frame_of,
)
from tomoline.simulate.microscope import raw_to_aligned, wander

EXACT_PX = 1e-9
JITTER_PX = 0.1
# Of 41 views' 82 numbers 5 are fitted, and a sample's rms scatters by 8 percent.
JITTER_TOLERANCE = 0.25

VIEWS = 41
TILT = np.linspace(-60.0, 60.0, VIEWS)


@pytest.fixture
def truth() -> np.ndarray:
    rng = np.random.default_rng(5)
    return raw_to_aligned(
        wander(rng, VIEWS, 60.0),
        85.0 + rng.normal(0, 0.04, VIEWS),
        1 + rng.normal(0, 6e-4, VIEWS),
    )


def change(matrix: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    transforms = np.empty((len(shifts), 2, 3))
    transforms[:, :, :2] = matrix
    transforms[:, :, 2] = shifts
    return transforms


def test_shift_turn_and_scale_of_the_specimen_are_no_errors(truth: np.ndarray) -> None:
    theta = np.radians(TILT)
    shifts = np.column_stack([20 * np.cos(theta) - 35 * np.sin(theta), np.full(VIEWS, 11.0)])
    turned = 1.02 * geometry.axis_to_vertical(0.7)
    result = geometry.compose(truth, change(turned, shifts @ turned.T))
    errors = centre_errors(result, truth, TILT, TILT)
    assert errors.rms_px < EXACT_PX
    assert errors.shift_only_rms_px < EXACT_PX
    np.testing.assert_allclose(errors.shift_px, (20, 11, -35), atol=1e-6)
    assert errors.turn_deg == pytest.approx(0.7)
    assert errors.scale == pytest.approx(1.02)
    assert errors.same_hand
    assert axis_error_deg(result, truth) == pytest.approx(0.7)


def test_a_turned_axis_through_beads_off_centre_is_a_turn(truth: np.ndarray) -> None:
    theta = np.radians(TILT)
    beads = 50 * np.cos(theta) + 30 * np.sin(theta)
    result = geometry.compose(
        truth, change(np.eye(2), np.column_stack([0 * theta, np.radians(0.2) * beads]))
    )
    errors = centre_errors(result, truth, TILT, TILT)
    assert errors.rms_px < EXACT_PX
    assert errors.shift_only_rms_px > 0.02


def test_jitter_of_single_views_is_measured(truth: np.ndarray) -> None:
    jitter = np.random.default_rng(2).normal(0, JITTER_PX / np.sqrt(2), (VIEWS, 2))
    result = geometry.compose(truth, geometry.shift_transforms(jitter))
    assert centre_errors(result, truth, TILT, TILT).rms_px == pytest.approx(
        JITTER_PX, rel=JITTER_TOLERANCE
    )


def test_one_lost_view_is_seen_and_can_be_left_out(truth: np.ndarray) -> None:
    result = truth.copy()
    result[0, 0, 2] += 19
    errors = centre_errors(result, truth, TILT, TILT)
    assert np.argmax(np.linalg.norm(errors.per_view_px, axis=1)) == 0
    assert errors.rms_px > 1
    kept = np.arange(VIEWS) > 0
    errors = centre_errors(result, truth, TILT, TILT, kept)
    assert errors.rms_px < EXACT_PX
    assert errors.per_view_px[0, 0] == pytest.approx(19, rel=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_an_axis_that_points_the_other_way_is_the_same_axis(truth: np.ndarray, sign: int) -> None:
    result = geometry.compose(truth, change(-np.eye(2), np.zeros((VIEWS, 2))))
    errors = centre_errors(result, truth, sign * TILT, TILT)
    assert errors.rms_px < EXACT_PX
    assert errors.turned_around
    assert errors.same_hand == (sign < 0)
    assert axis_error_deg(result, truth) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("turn_deg", [0.4, 180.4])
@pytest.mark.parametrize("sign", [1, -1])
def test_truth_comes_into_the_frame_of_a_result(
    truth: np.ndarray, turn_deg: float, sign: int
) -> None:
    theta = np.radians(TILT)
    shifts = np.column_stack([20 * np.cos(theta) - 35 * np.sin(theta), np.full(VIEWS, 11.0)])
    turned = 0.99 * geometry.axis_to_vertical(turn_deg)
    result = geometry.compose(truth, change(turned, shifts @ turned.T))
    same, tilt = truth_in_frame_of(result, sign * TILT + 2.0, truth, TILT)
    np.testing.assert_allclose(same, result, atol=1e-9)
    np.testing.assert_allclose(tilt, sign * TILT + 2.0, atol=1e-9)


def test_tilt_offset_is_told_apart() -> None:
    wrong = TILT + 3.0
    wrong[4] += 0.5
    offset, rest = tilt_errors_deg(wrong, TILT, np.arange(VIEWS) != 4)
    assert offset == pytest.approx(3.0)
    assert rest[4] == pytest.approx(0.5)


def test_reference_of_a_real_series_agrees_with_itself(tilt_data: object) -> None:
    reference = xf.read(tilt_data / "exosome-gold-series" / "reference.xf")
    tilt = np.loadtxt(tilt_data / "exosome-gold-series" / "exosome.rawtlt")
    moved = geometry.compose(reference, geometry.shift_transforms(np.full((len(tilt), 2), 3.0)))
    # A constant shift in u is no shift of the specimen; only its part along cosine is removed.
    errors = centre_errors(moved, reference, tilt, tilt)
    assert 0.1 < errors.rms_px < 2
    assert centre_errors(reference, reference, tilt, tilt).rms_px < EXACT_PX
