"""Frames in half a turn, read from the seam, against blobs that turn about a known axis."""

import numpy as np
import pytest

from tomoline.kernels.scan_angles import FoundStep, candidate_steps
from tomoline.kernels.seam_lag import groups, seam_lag, settle_step

WIDTH, ROWS, COUNT = 256, 16, 400
ERROR_FRAMES = 0.3


def images(places: np.ndarray, half_turn: float, axis_px: float, seed: int) -> np.ndarray:
    """Return blobs of 3 pixels that are off the axis, all to one side, with noise and a pattern."""
    rng = np.random.default_rng(seed)
    radius, turned, height = (
        rng.uniform(10, 100, 60),
        rng.uniform(0, 3.5, 60),
        rng.uniform(0, 1, 60),
    )
    row = rng.integers(0, ROWS, 60)
    pattern = rng.normal(0, 0.02, (ROWS, WIDTH))
    result = np.zeros((len(places), ROWS, WIDTH))
    for image, place in zip(result, places, strict=True):
        at = axis_px + radius * np.cos(np.pi * place / half_turn + turned)
        blobs = height[:, None] * np.exp(-((np.arange(WIDTH) - at[:, None]) ** 2) / 18)
        np.add.at(image, row, blobs)
    noise = np.random.default_rng([seed, int(places[0])]).normal(0, 0.03, result.shape)
    return (result + pattern + noise).astype(np.float32)


@pytest.mark.parametrize("half_turn", [398.0, 399.0, 400.0, 380.5])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_half_a_turn_to_a_fraction_of_a_frame(half_turn: float, seed: int) -> None:
    axis_px = 127.5 + 9.3 * (seed - 2)
    first, second = groups(WIDTH, half_turn, COUNT)
    found = seam_lag(
        images(first, half_turn, axis_px, seed),
        first,
        images(second, half_turn, axis_px, seed),
        second,
        half_turn + 0.7,
        2 * axis_px - (WIDTH - 1) + 3.0,
        6.0,
    )
    assert found == pytest.approx(half_turn, abs=ERROR_FRAMES)


@pytest.mark.parametrize("half_turn", [199.5, 200.0])
def test_a_whole_turn_closes_also_where_the_axis_is_outside_half_of_the_frame(
    half_turn: float,
) -> None:
    whole = 2 * half_turn
    first, second = groups(WIDTH, whole, COUNT)
    ends = [images(places, half_turn, 12.0, 4) for places in (first, second)]
    found = seam_lag(ends[0], first, ends[1], second, whole + 0.7, 0.0, 6.0, mirrored=False)
    assert found == pytest.approx(whole, abs=ERROR_FRAMES)


def test_nothing_is_told_where_nothing_turns() -> None:
    first, second = groups(WIDTH, 400.0, COUNT)
    still = np.random.default_rng(1).normal(0, 0.1, (len(first), ROWS, WIDTH)).astype(np.float32)
    assert seam_lag(still, first, 0 * still, second, 400.0, 0.0, 6.0) is None
    assert seam_lag(still, first, still, second, 400.0, 250.0, 6.0) is None


@pytest.mark.parametrize(("seam", "step"), [(399.8, 180 / 400), (398.9, 180 / 399)])
def test_seams_decide_where_the_end_lies(seam: float, step: float) -> None:
    unsure = FoundStep(180 / 399, 0.6, 399.4, certain=1.0)
    found = settle_step(unsure, [seam, seam + 0.1, seam - 0.1, seam + 3], 400)
    assert found.step_deg == pytest.approx(step)
    assert found.confidence > 0.8
    assert settle_step(unsure, [], 400) == unsure


def test_what_no_candidate_explains_is_taken_as_measured_but_not_sure() -> None:
    found = settle_step(FoundStep(0.45, 0.9, 400.0, certain=1.0), [394.0, 394.1, 393.9], 400)
    assert found.step_deg == pytest.approx(180 / 394)
    assert found.confidence < 0.7


def test_round_steps_a_little_beyond_the_turn_are_candidates() -> None:
    assert 0.45 in candidate_steps(403)
    assert 0.15 in candidate_steps(1206)
    assert 0.45 in candidate_steps(801)
