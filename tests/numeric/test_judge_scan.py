"""The judge of scans, on volumes and shifts that are known exactly."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import shift

from tomoline.simulate.judge.scan_volume import compare_shifts, compare_volume
from tomoline.simulate.scan import Scan, tiny_scan, true_delta

SCAN = Scan(tiny_scan(angles=8))
TRUE = true_delta(SCAN.truth)


def test_the_truth_is_perfect() -> None:
    score = compare_volume(TRUE, SCAN.truth)
    assert score.correlation == pytest.approx(1, abs=1e-6)
    assert score.slope == pytest.approx(1, abs=1e-5)
    assert abs(score.offset) < 1e-4 * TRUE.max()
    assert score.rmse < 1e-4 * TRUE.max()


def test_scale_offset_and_noise_are_told_apart() -> None:
    noise = np.random.default_rng(1).normal(0, TRUE.std(), TRUE.shape)
    level = float(TRUE.max())
    score = compare_volume((0.8 * TRUE + 0.1 * level + noise).astype(np.float32), SCAN.truth)
    assert score.slope == pytest.approx(0.8, abs=0.03)
    assert score.offset == pytest.approx(0.1 * level, rel=0.05)
    assert 0.4 < score.correlation < 0.8
    assert score.rmse == pytest.approx(np.sqrt(TRUE.std() ** 2 + (0.1 * level) ** 2), rel=0.2)


def test_a_pixel_beside_the_axis_is_seen() -> None:
    moved = shift(TRUE, (0, 0, 0.5), order=1)
    assert compare_volume(moved, SCAN.truth).correlation < 0.985


def test_some_rows_and_another_size_are_found() -> None:
    part = true_delta(SCAN.truth, range(6, 12), size=101)
    assert compare_volume(part, SCAN.truth, range(6, 12)).correlation > 0.999999
    wrong = compare_volume(part, SCAN.truth, range(9, 15)).correlation
    assert wrong < 0.9


def test_what_lies_outside_the_circle_does_not_count() -> None:
    spoilt = TRUE.copy()
    spoilt[:, :6, :6] = 1
    spoilt[0] = 1
    assert compare_volume(spoilt, SCAN.truth).correlation == pytest.approx(1, abs=1e-6)


def test_a_truth_from_its_file_serves_as_well(tmp_path: Path) -> None:
    SCAN.truth.write(tmp_path / "truth.json")
    content = json.loads((tmp_path / "truth.json").read_text())
    assert compare_volume(TRUE, content) == compare_volume(TRUE, SCAN.truth)


def test_errors_of_shifts() -> None:
    found = SCAN.truth.shifts_px.copy()
    assert compare_shifts(found, SCAN.truth) == 0
    found[:, 1, 0] += 0.3
    assert compare_shifts(found, SCAN.truth) == pytest.approx(0.3 / np.sqrt(2))
    assert compare_shifts(found, SCAN.truth.shifts_px) == compare_shifts(found, SCAN.truth)
    found[:, 0] += 5  # the first distance is what the others are compared with
    assert compare_shifts(found, SCAN.truth) == pytest.approx(0.3 / np.sqrt(2))
