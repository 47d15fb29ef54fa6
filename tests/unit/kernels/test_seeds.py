"""Choosing seeds, votes and assignments: the small logic of tracking."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tomoline.kernels._bead_match import assign, fit_drift, vote_shift
from tomoline.kernels.find_beads import score_threshold
from tomoline.kernels.seeds import choose_seeds, choose_spread, inside_contours, on_upper_surface

SHIFT = np.array([37.3, -20.8])


@given(st.integers(1, 40), st.integers(1, 60), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_as_many_as_asked_for_and_never_too_near(target: int, count: int, seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-100, 100, (count, 2))
    chosen = choose_spread(points, np.arange(count) / count, target, 5.0, 4e4)
    assert len(set(chosen)) == len(chosen) <= min(target, count)
    away = np.hypot(*(points[chosen][:, None] - points[chosen][None]).transpose(2, 0, 1))
    np.fill_diagonal(away, np.inf)
    assert away.min(initial=np.inf) >= 5.0


def test_beads_are_spread_over_the_field() -> None:
    rng = np.random.default_rng(0)
    crowd = rng.normal([-80, -80], 8, (60, 2))
    rest = rng.uniform(-100, 100, (20, 2))
    points = np.concatenate([crowd, rest])
    chosen = choose_spread(points, np.ones(80), 12, 2.0, 4e4)
    assert (chosen >= 60).sum() >= 8


def test_both_surfaces_have_their_share() -> None:
    rng = np.random.default_rng(1)
    flat = rng.uniform(-200, 200, (40, 2))
    height = np.where(np.arange(40) < 30, 50.0, -50.0) + 0.1 * flat[:, 0] + rng.normal(0, 1, 40)
    points = np.column_stack([flat, height])
    assert (on_upper_surface(points) == (np.arange(40) < 30)).all()
    chosen = choose_seeds(
        points, np.ones(40), 16, diameter_px=8.0, area_px=1.6e5, two_surfaces=True
    )
    assert len(chosen) == 16
    assert (chosen < 30).sum() == 8


def test_surface_short_of_beads_gives_its_share_away() -> None:
    rng = np.random.default_rng(2)
    flat = rng.uniform(-200, 200, (20, 2))
    points = np.column_stack([flat, np.where(np.arange(20) < 18, 40.0, -40.0)])
    chosen = choose_seeds(
        points, np.ones(20), 10, diameter_px=4.0, area_px=1.6e5, two_surfaces=True
    )
    assert len(chosen) == 10


def test_two_contours_are_two_areas() -> None:
    square = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])
    points = np.array([[1.0, 1], [11, 1], [6, 1]])
    assert inside_contours(points, [square, square + np.array([10, 0])]).tolist() == [
        True,
        True,
        False,
    ]
    assert not inside_contours(points, [square[:2]]).any()


def test_vote_finds_the_shift_among_false_points() -> None:
    rng = np.random.default_rng(3)
    predicted = rng.uniform(-200, 200, (25, 2))
    detected = np.concatenate([predicted + SHIFT, rng.uniform(-200, 200, (60, 2))])
    vote = vote_shift(predicted, detected, 60.0, (3.0, 2.5))
    assert np.abs(vote.shift_px - SHIFT).max() < 0.5
    assert vote.votes >= 25
    assert vote.runner_up < 12


def test_vote_without_pairs_is_no_vote() -> None:
    vote = vote_shift(np.zeros((1, 2)), np.full((1, 2), 500.0), 20.0, (2.0, 2.0))
    assert vote.votes == 0


def test_pairs_are_mutual_and_within_tolerance() -> None:
    predicted = np.array([[0.0, 0.0], [10.0, 0.0], [np.nan, np.nan], [50.0, 50.0]])
    detected = np.array([[0.4, 0.0], [9.0, 0.0], [0.9, 0.0], [80.0, 0.0]])
    beads, places = assign(predicted, detected, np.full((4, 2), 3.0))
    assert beads.tolist() == [0, 1]
    assert places.tolist() == [0, 1]
    nothing = assign(predicted, np.empty((0, 2)), np.full((4, 2), 3.0))
    assert not len(nothing[0])


def test_drift_ignores_wrong_pairs() -> None:
    rng = np.random.default_rng(4)
    predicted = rng.uniform(-200, 200, (30, 2))
    matrix = np.array([[1.01, 0.02], [-0.015, 0.99]])
    seen = predicted @ matrix.T + [5.0, -3.0]
    seen[:3] += 20
    drift = fit_drift(predicted, seen)
    moved = predicted @ drift[:, :2].T + drift[:, 2]
    assert np.abs(moved[3:] - seen[3:]).max() < 0.2
    assert np.allclose(fit_drift(np.empty((0, 2)), np.empty((0, 2)))[:, :2], np.eye(2))


def test_threshold_lies_in_the_dip() -> None:
    rng = np.random.default_rng(5)
    scores = np.concatenate([rng.normal(0.4, 0.05, 300), rng.normal(0.9, 0.03, 40)])
    assert 0.5 < score_threshold(scores) < 0.85
    assert score_threshold(np.array([0.5])) == 0.55
