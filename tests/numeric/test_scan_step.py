"""The step between projections, from the frames of a scan whose files do not tell it."""

from pathlib import Path

import pytest

from tomoline.engine.threads import ThreadsEngine
from tomoline.files import hitt_scan
from tomoline.files.scan_files import ScanOptions
from tomoline.simulate.scan import simulate_scan, tiny_scan
from tomoline.steps._scan_step import step_from_images


@pytest.mark.parametrize(
    ("changes", "step_deg"),
    [
        ({"angles": 150}, 1.2),
        ({"angles": 151, "end_included": True}, 1.2),
        ({"angles": 149, "end_included": True}, 180 / 148),
        ({"angles": 300, "range_deg": 360.0, "overlap_px": 24.0}, 1.2),
    ],
)
def test_frames_tell_the_step_and_whether_the_end_is_among_them(
    tmp_path: Path, changes: dict[str, object], step_deg: float
) -> None:
    settings = {"width_px": 160, "height_px": 64, "ellipsoids": 80, "flats": 20, "phase_rad": 2.0}
    simulate_scan(tmp_path, "s", tiny_scan(**settings, **changes, tell_angles=False, seed=2))
    found = hitt_scan.read(tmp_path / "s.par", ScanOptions())
    seen = step_from_images(found, found.region, (), ThreadsEngine(2, 1 << 30))
    assert seen is not None
    assert seen.step_deg == pytest.approx(step_deg, rel=1e-6)
    assert seen.confidence > 0.2
