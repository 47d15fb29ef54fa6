"""Simulated series against their truth, two of the seeds that benchmarks/accuracy.py measures."""

from __future__ import annotations

from pathlib import Path

import mrcfile
import numpy as np
import pytest
from command import shown, succeed, values

from tomoline.files import angles, transforms
from tomoline.simulate.judge import axis_error_deg, centre_errors, find_beads, match_beads
from tomoline.simulate.tilt import simulate_tilt
from tomoline.simulate.truth import Truth

AXIS_DEG = 0.1
CENTRES_PX = 0.08
BEADS_FOUND = 0.95


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "hard"), [(21, False), (22, True)])
def test_gold_series_against_the_truth(tmp_path: Path, seed: int, hard: bool) -> None:
    harder = {"dose_e_per_a2": 60.0, "defocus_um": 3.0, "beads": 15} if hard else {}
    stack = simulate_tilt(tmp_path, "sim", seed=seed, dark_views=1, axis_title=not hard, **harder)
    truth = Truth.read(tmp_path / "sim_truth.json")
    succeed("run", stack, "--set", "setup.gold_diameter_nm=10")
    document = shown(tmp_path / "sim")
    artifacts = document["artifacts"]
    found = transforms.read(Path(artifacts["transforms"]))
    solved = angles.read(Path(artifacts["tilt_angles"]))
    used = truth.good_views
    assert abs(axis_error_deg(found, truth.transforms, used)) <= AXIS_DEG
    errors = centre_errors(found, truth.transforms, solved, truth.tilt_deg, used)
    assert errors.rms_px <= CENTRES_PX
    assert values(document, "preprocess")["excluded_views"] == [
        view + 1 for view in truth.dark_views
    ]
    with mrcfile.open(artifacts["tomogram"], permissive=True) as file:
        volume = np.asarray(file.data, np.float32)
    beads = truth.specimen.beads
    places = find_beads(volume, 2 * float(np.median(beads[:, 3])), 2 * len(beads))
    assert match_beads(places, truth.seen_beads(), volume.shape).fraction >= BEADS_FOUND
