"""Following beads through views, against exact projections of known points."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tomoline import geometry
from tomoline.kernels._bead_solve import refine_axis, solve_linear, turn
from tomoline.kernels._bead_sweep import cameras, sweep
from tomoline.kernels.find_beads import Detections
from tomoline.kernels.track_beads import TrackOptions, place_again, track_outward

AXIS_DEG = -12.6
LEAST_RIGHT = 0.97
"""Share of positions in tracks that must be those of the right bead."""
LEAST_SEEN = 0.9
"""Share of the positions that were detected which tracks must hold."""

Floats = NDArray[np.float64]


class Series:
    """Points seen in shifted views, with false detections, gaps and noise."""

    def __init__(self, seed: int, *, beads: int = 30, views: int = 41, shift_px: float = 3.0):
        rng = np.random.default_rng(seed)
        self.tilt = np.radians(np.linspace(-60, 60, views))
        self.points = rng.uniform([-240, -240, -60], [240, 240, 60], (beads, 3))
        aligned = geometry.project(self.points, self.tilt)
        raw_axes = np.linalg.inv(geometry.axis_to_vertical(AXIS_DEG))
        self.shifts = rng.normal(0, shift_px, (views, 2))
        self.truth: Floats = (aligned @ raw_axes.T + self.shifts[:, None]).transpose(1, 0, 2)
        self.detections: list[Detections | None] = []
        self.names: list[NDArray[np.intp]] = []
        for view in range(views):
            seen = np.flatnonzero(rng.random(beads) < 0.93)
            false = rng.uniform(-250, 250, (15, 2))
            places = np.concatenate(
                [self.truth[seen, view] + rng.normal(0, 0.2, (len(seen), 2)), false]
            )
            score = np.concatenate([rng.uniform(0.7, 1, len(seen)), rng.uniform(0.2, 0.75, 15)])
            order = np.argsort(-score)
            self.names.append(np.concatenate([seen, np.full(15, -1)])[order])
            self.detections.append(
                Detections(places[order], score[order], score[order], score[order])
            )

    def seeds(self) -> Floats:
        """All beads, where they were detected in the view of lowest tilt."""
        middle = len(self.tilt) // 2
        found = self.detections[middle]
        assert found is not None
        right = self.names[middle] >= 0
        seeds = np.full((int(right.sum()), len(self.tilt), 2), np.nan)
        seeds[:, middle] = found.centres_px[right]
        return seeds

    def check(self, tracks: Floats, skip: tuple[int, ...] = ()) -> None:
        """Check that tracks hold the right beads, and nearly all that were seen."""
        middle = len(self.tilt) // 2
        start = tracks[:, middle]
        bead = np.hypot(*(start[:, None] - self.truth[None, :, middle]).transpose(2, 0, 1)).argmin(
            axis=1
        )
        error = np.hypot(*(tracks - self.truth[bead]).transpose(2, 0, 1))
        views = [v for v in range(len(self.tilt)) if v not in skip]
        found = np.isfinite(error[:, views])
        assert found.mean() > LEAST_SEEN * 0.93
        assert (error[:, views][found] < 1.5).mean() > LEAST_RIGHT


@pytest.mark.parametrize("axis_error_deg", [0.0, 2.0, -2.0])
def test_beads_keep_their_names(axis_error_deg: float) -> None:
    series = Series(1)
    axis = np.radians(AXIS_DEG + axis_error_deg)
    tracking = track_outward(series.detections, series.seeds(), series.tilt, axis, TrackOptions())
    series.check(tracking.tracks_px)
    assert np.degrees(tracking.axis_rad) == pytest.approx(AXIS_DEG, abs=0.1)
    assert not tracking.lost


def test_wrong_coarse_alignment_is_found_by_vote() -> None:
    series = Series(2, shift_px=15.0)
    options = TrackOptions(far_px=110.0)
    tracking = track_outward(
        series.detections, series.seeds(), series.tilt, np.radians(AXIS_DEG), options
    )
    series.check(tracking.tracks_px)
    assert tracking.moved_px


def test_view_without_part_and_view_of_nonsense() -> None:
    series = Series(3)
    detections = list(series.detections)
    detections[5] = None
    noise = detections[30]
    assert noise is not None
    rng = np.random.default_rng(0)
    detections[30] = replace(noise, centres_px=rng.uniform(-250, 250, noise.centres_px.shape))
    tracking = track_outward(
        detections, series.seeds(), series.tilt, np.radians(AXIS_DEG), TrackOptions()
    )
    assert tracking.lost == (30,)
    assert np.isnan(tracking.tracks_px[:, [5, 30]]).all()
    series.check(tracking.tracks_px, skip=(5, 30))
    tracks, moved = place_again(
        series.detections, tracking.tracks_px, series.tilt, tracking.axis_rad, TrackOptions(), [30]
    )
    assert list(moved) == [30]
    series.check(tracks, skip=(5,))


def test_order_of_views_does_not_matter() -> None:
    series = Series(4, beads=12, views=21)
    order = np.random.default_rng(1).permutation(21)
    axis = np.radians(AXIS_DEG)
    straight = track_outward(series.detections, series.seeds(), series.tilt, axis, TrackOptions())
    shuffled = track_outward(
        [series.detections[v] for v in order],
        series.seeds()[:, order],
        series.tilt[order],
        axis,
        TrackOptions(),
    )
    assert np.array_equal(straight.tracks_px[:, order], shuffled.tracks_px, equal_nan=True)


def test_linear_solution_is_exact() -> None:
    series = Series(5)
    solution = solve_linear(turn(series.truth, np.radians(AXIS_DEG)), series.tilt, 1e4)
    assert np.abs(solution.residuals_px).max() < 1e-2
    found = solution.points_px - solution.points_px.mean(axis=0)
    truth = series.points - series.points.mean(axis=0)
    assert np.abs(found - truth).max() < 0.1


def test_axis_is_refined() -> None:
    series = Series(6)
    start = np.radians(AXIS_DEG + 3.0)
    axis = refine_axis(series.truth, series.tilt, start, 100.0)
    assert np.degrees(axis) == pytest.approx(AXIS_DEG, abs=0.03)


def test_sweep_finds_beads_that_were_no_seeds() -> None:
    series = Series(7, beads=20)
    views = len(series.tilt)
    matrices = cameras(
        np.full(views, np.radians(AXIS_DEG)), series.tilt, np.ones(views), series.shifts
    )
    detected = [d.centres_px for d in series.detections if d is not None]
    scores = [d.score for d in series.detections if d is not None]
    field = np.tile([-250.0, 250.0, -250.0, 250.0], (views, 1))
    tracks = sweep(
        detected,
        scores,
        matrices,
        [10, 20, 30],
        fields_px=field,
        depth_px=(-90.0, 90.0),
        tolerance_px=2.0,
        least_share=0.6,
    )
    assert 17 <= len(tracks) <= 20
    offsets = np.hypot(*(tracks[:, None] - series.truth[None]).transpose(3, 0, 1, 2))
    nearest = np.nanmedian(offsets, axis=2)
    assert (nearest.min(axis=1) < 0.6).all()
    assert len(set(nearest.argmin(axis=1))) == len(tracks)


def test_sweep_finds_nothing_in_nothing() -> None:
    matrices = cameras(np.zeros(3), np.zeros(3), np.ones(3), np.zeros((3, 2)))
    empty = [np.empty((0, 2))] * 3
    tracks = sweep(
        empty,
        [np.empty(0)] * 3,
        matrices,
        [0],
        fields_px=np.tile([-9.0, 9.0, -9.0, 9.0], (3, 1)),
        depth_px=(-1.0, 1.0),
        tolerance_px=1.0,
        least_share=0.5,
    )
    assert tracks.shape == (0, 3, 2)
