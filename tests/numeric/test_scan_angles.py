"""The step between projections, found from projections whose step is known."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tomoline.kernels.scan_angles import FoundStep, candidate_steps, find_step, frames_to_compare
from tomoline.simulate.scan import Scan, tiny_scan

HALF_TURN_DEG = 0.5
"""Error of half a turn from frames on one side of it: three times its standard deviation."""
FULL_TURN_DEG = 0.25
"""The same where frames lie on both sides."""


def found(places: np.ndarray | None = None, **changes: object) -> tuple[FoundStep, float]:
    """Look for the step of a simulated scan; return it with the true one."""
    settings = {"ellipsoids": 80, "phase_rad": 2.0, **changes}
    scan = Scan(tiny_scan(width_px=160, height_px=64, distances_m=(0.0,), **settings))
    count = scan.settings.angles
    chosen = np.array(frames_to_compare(count)) if places is None else places
    rng = np.random.default_rng(scan.settings.seed)
    # Noise of 8000 photons, and what flats leave of the detector.
    still = rng.normal(0, 0.002, (64, 160))
    images = np.array([0.2 * scan.projection(int(place)) for place in chosen])
    images += rng.normal(0, 0.012, images.shape) + still
    images = images.reshape(len(chosen), 32, 2, 80, 2).mean(axis=(2, 4), dtype=np.float32)
    return find_step(images, chosen, count), scan.settings.step_deg


def off_deg(result: FoundStep, step: float) -> float:
    return abs(result.frames_in_half_turn - 180 / step) * step


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("angles", "end_included"), [(180, False), (181, True), (181, False), (90, True)]
)
def test_half_a_turn_with_and_without_its_end(angles: int, end_included: bool, seed: int) -> None:
    result, step = found(angles=angles, end_included=end_included, seed=seed)
    assert result.step_deg == pytest.approx(step, rel=1e-9)
    assert off_deg(result, step) < HALF_TURN_DEG
    assert result.confidence > 0.5


@pytest.mark.parametrize("seed", [3, 4])
def test_what_cannot_be_told_is_not_sure(seed: int) -> None:
    # A few large bodies: where the end lies is told badly, the kind of turn well.
    result, step = found(angles=181, end_included=True, seed=seed)
    assert result.step_deg == pytest.approx(step, rel=6e-3)
    assert result.confidence < 0.9


@pytest.mark.parametrize("end_included", [False, True])
@pytest.mark.parametrize("overlap_px", [None, 50.0])
def test_a_whole_turn_also_with_the_axis_at_the_side(
    end_included: bool, overlap_px: float | None
) -> None:
    result, step = found(
        angles=360 + end_included,
        range_deg=360,
        end_included=end_included,
        overlap_px=overlap_px,
        seed=2,
    )
    assert step == 1.0
    assert result.step_deg == pytest.approx(1.0, rel=1e-9)
    assert off_deg(result, step) < FULL_TURN_DEG
    assert result.confidence > 0.3


def test_a_whole_turn_is_known_by_its_ends_where_hardly_anything_overlaps() -> None:
    result, _ = found(angles=361, range_deg=360, end_included=True, overlap_px=12.0, seed=2)
    assert result.step_deg == pytest.approx(1.0, rel=6e-3)
    assert result.certain > 0.5


def test_a_usual_step_with_a_bit_more_than_half_a_turn() -> None:
    result, step = found(angles=1810, range_deg=181.0, seed=2)
    assert step == pytest.approx(0.1)
    assert result.step_deg == pytest.approx(0.1)
    assert result.confidence > 0.5


def test_an_axis_far_from_the_middle() -> None:
    result, _ = found(angles=180, axis_offset_px=-24.0, seed=2)
    assert result.step_deg == pytest.approx(1.0)


def test_nothing_to_see_is_not_sure() -> None:
    result, _ = found(angles=90, ellipsoids=0, matrix_share=0.0, seed=1)
    assert result.confidence < 0.2
    noise = np.random.default_rng(3).normal(size=(90, 12, 64)).astype(np.float32)
    assert find_step(noise).confidence < 0.1
    assert find_step(np.zeros((90, 12, 64), np.float32)).confidence == 0
    assert find_step(noise[:2]).confidence == 0


def test_a_part_of_a_turn_is_not_sure() -> None:
    # 100 degrees have no mirrored frames; whatever is found must not be trusted.
    result, _ = found(angles=200, range_deg=100.0, seed=3)
    assert result.confidence < 0.4


def test_candidates_and_frames_are_few() -> None:
    assert 0.1 in candidate_steps(1810)
    assert 0.1 not in candidate_steps(900)
    steps = candidate_steps(400)
    assert {180 / 400, 180 / 399, 360 / 400, 360 / 399} <= set(steps)
    for count in (1810, 3600, 7200):
        places = frames_to_compare(count)
        assert list(places) == sorted(set(places))
        assert 0 <= places[0]
        assert places[-1] < count
        assert len(places) < 320
    assert frames_to_compare(150) == tuple(range(150))


def test_a_real_tooth_turns_by_half_a_turn(scan_data: Path) -> None:
    with h5py.File(scan_data / "tooth-aps2bm" / "tooth.h5") as file:
        part = file["exchange"]
        dark = part["data_dark"][...].mean(axis=0)
        white = part["data_white"][...].mean(axis=0)
        data = part["data"][...]
    images = -np.log(np.clip((data - dark) / (white - dark), 1e-3, None))
    small = images.reshape(181, 2, 160, 4).mean(axis=3, dtype=np.float32)
    result = find_step(small)
    # The file says 180 / 181 degrees; its two rows do not tell that from 180 / 180.
    assert result.step_deg == pytest.approx(180 / 181, rel=6e-3)
    assert abs(result.frames_in_half_turn - 181) < 3
    assert 0.1 < result.confidence < 0.95
