"""Simulated scans against their truth; benchmarks/scan_accuracy.py measures more of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr
from command import shown, succeed, values

from tomoline.simulate.judge.scan_volume import compare_shifts, compare_volume
from tomoline.simulate.scan import simulate_scan
from tomoline.simulate.scan_settings import ScanSimulation
from tomoline.simulate.scan_truth import ScanTruth
from tomoline.steps._shifts import Shifts

CORRELATION_OF_TRUE_GEOMETRY = 0.98
FULL_TURN = 0.97
SLOPE = 0.03
AXIS_PX = 0.1
SHIFTS_PX = 0.1


def run(parameters: Path, folder: Path, *options: str) -> dict:
    succeed("run", parameters, "--deliver", folder, *options)
    return shown(folder / parameters.stem)


def volume_of(document: dict) -> np.ndarray:
    return np.asarray(zarr.open_group(document["artifacts"]["volume"], mode="r")["0"])


def with_true_geometry(folder: Path, truth: ScanTruth) -> np.ndarray:
    """Reconstruct once more with the shifts and the axis that the simulation had."""
    other = folder.with_name(f"{folder.name}-true")
    shutil.copytree(folder, other)
    true = np.array(truth.shifts_px)
    Shifts(true, (1.0,) * true.shape[1]).write(other / f"{folder.name}_shifts.json")
    succeed("run", other, "--from", "retrieve", "--set", f"axis.axis_px={truth.axis_px}")
    return volume_of(shown(other))


@pytest.mark.slow
def test_four_distances_against_the_truth(tmp_path: Path) -> None:
    parameters = simulate_scan(tmp_path, "four", ScanSimulation(seed=21))
    truth = ScanTruth.read(tmp_path / "four_truth.json")
    document = run(parameters, tmp_path / "found")
    assert document["state"] == "finished"
    axis = values(document, "axis")
    assert abs(axis["rotation_axis_px"] - truth.axis_px) <= AXIS_PX
    assert axis["confidence"] > 0.5
    shifts = Shifts.read(Path(document["artifacts"]["shifts"]))
    assert compare_shifts(shifts.shifts_px, truth) <= SHIFTS_PX
    found = compare_volume(volume_of(document), truth)
    best = compare_volume(with_true_geometry(Path(document["folder"]), truth), truth)
    assert found.correlation >= CORRELATION_OF_TRUE_GEOMETRY * best.correlation
    assert abs(found.slope - 1) <= SLOPE


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_full_turn_with_the_axis_at_the_side(tmp_path: Path, side: str) -> None:
    settings = ScanSimulation(
        seed=22,
        width_px=256,
        height_px=48,
        angles=480,
        range_deg=360,
        overlap_px=60,
        axis_side=side,
    )
    parameters = simulate_scan(tmp_path, "full", settings)
    truth = ScanTruth.read(tmp_path / "full_truth.json")
    document = run(parameters, tmp_path / "found")
    axis = values(document, "axis")
    assert axis["side"] == side
    assert abs(axis["rotation_axis_px"] - truth.axis_px) <= AXIS_PX
    found = compare_volume(volume_of(document), truth)
    best = compare_volume(with_true_geometry(Path(document["folder"]), truth), truth)
    assert found.correlation >= FULL_TURN * best.correlation
