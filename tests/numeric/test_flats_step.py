"""The step flats: what it leaves out, warns of and refuses, and what it makes of real scans."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flat_scans import FLATS_COUNT, Context, Scan, beam, corrected, stripe_error

from tomoline.errors import TomolineError
from tomoline.files.open_frames import open_frames
from tomoline.steps._correction import FrameCorrector
from tomoline.steps._flats_params import FlatsParams
from tomoline.steps.flats import FLATS
from tomoline.steps.scan import SCAN, ScanParams
from tomoline.steps.scan_layout import ScanHints, ScanLayout


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return Scan(tmp_path)


def test_misfits_are_left_out_by_name(scan: Scan) -> None:
    scan.flats[3][:] = 100
    scan.flats[7] = scan.count(beam(1.0) * np.roll(scan.specimen, 20, axis=1) ** 8)
    scan.flats[9] = scan.count(beam(1.0) * 0.2)
    scan.flats[11][:] = 65535
    context, values, corrector = scan.run(scan.write())
    assert values["flats_used"] == [FLATS_COUNT - 4]
    assert values["flats_excluded"] == 4
    assert context.codes == ["FLATS-03"] * 4
    for number in (3, 7, 9, 11):
        assert any(f"flat_{number:05d}.tif" in message for message in context.messages)
    scores = corrector.choose(scan.frames[0]).scores
    assert [int(index) for index in np.flatnonzero(scores == -1)] == [3, 7, 9, 11]
    assert stripe_error(scan, corrector) < 0.03


def test_flats_far_from_all_others_are_kept(scan: Scan) -> None:
    """The beam may go as far again in a frame, and then nothing else matches."""
    shifts = [*np.linspace(-0.5, 0.5, FLATS_COUNT - 2), 6.0, -6.0]
    scan.flats = [scan.count(beam(shift)) for shift in shifts]
    context, _, corrector = scan.run(scan.write())
    assert not context.codes
    raw = scan.count(beam(5.8) * scan.specimen)
    assert int(corrector.choose(raw).scores.argmax()) == FLATS_COUNT - 2


def test_zingers_of_flats_do_not_get_into_components(scan: Scan) -> None:
    _, _, clean = scan.run(scan.write(), method="pca")
    # One zinger a pixel at most: of two at the same place only the brighter is found.
    cells = scan.rng.permutation(18 * 31)[: 8 * FLATS_COUNT].reshape(FLATS_COUNT, 8)
    for flat, places in zip(scan.flats, cells, strict=True):
        flat[3 + 5 * (places // 31), 3 + 5 * (places % 31)] += 12000
    _, values, corrector = scan.run(scan.write(), method="pca")
    assert values["flat_zingers"] == 8 * FLATS_COUNT
    for raw in scan.frames[:2]:
        assert np.abs(corrected(corrector, raw) - corrected(clean, raw)).max() < 0.06


def test_missing_and_truncated_flats_are_left_out(scan: Scan) -> None:
    layout = scan.write()
    location = layout.flats[0]
    assert location is not None
    path = scan.folder / str(location.names[2])
    path.write_bytes(path.read_bytes()[:4000])
    names = (None, *location.names[1:])
    layout = replace(layout, flats=(replace(location, names=names),))
    layout.write(scan.folder / "scan_layout")
    context, values, _ = scan.run(layout)
    assert values["flats_used"] == [FLATS_COUNT - 2]
    assert context.codes == ["FLATS-03"] * 2


def test_few_flats(scan: Scan) -> None:
    scan.flats = scan.flats[:4]
    context, values, _ = scan.run(scan.write(hints=ScanHints(flat_average=7)))
    assert context.codes == ["FLATS-04"]
    assert values["average_flats"] == 4
    scan.flats = scan.flats[:1]
    context, values, corrector = scan.run(scan.write())
    assert values["method"] == "mean"
    assert np.isfinite(corrected(corrector, scan.frames[0])).all()


def test_the_hint_says_how_many_are_averaged(scan: Scan) -> None:
    layout = scan.write(hints=ScanHints(flat_average=5))
    assert len(scan.run(layout)[2].choose(scan.frames[0]).indices) == 5
    assert len(scan.run(layout, average=2)[2].choose(scan.frames[0]).indices) == 2


def test_no_flats_no_darks(scan: Scan) -> None:
    context, values, corrector = scan.run(scan.write(flats=(None,), darks=(None,)))
    assert context.codes == ["FLATS-02"]
    assert values["method"] == "none"
    result = corrected(corrector, scan.frames[0])
    assert 0.4 < result.mean() < 1.0
    assert corrector.choose(scan.frames[0]).indices == ()


def test_flats_of_another_size(scan: Scan) -> None:
    layout = scan.write()
    small = scan.location("small", [flat[:-1] for flat in scan.flats])
    replace(layout, flats=(small,)).write(scan.folder / "scan_layout")
    with pytest.raises(TomolineError) as caught:
        scan.run(layout)
    assert caught.value.code == "FLATS-01"


def test_swapped_flats_and_darks(scan: Scan) -> None:
    scan.flats, scan.darks = scan.darks, scan.flats
    with pytest.raises(TomolineError) as caught:
        scan.run(scan.write(), method="mean")
    assert caught.value.code == "FLATS-07"


def test_faults_of_frames(scan: Scan) -> None:
    _, _, corrector = scan.run(scan.write())
    good = scan.frames[0]
    assert corrector.fault(good) is None
    assert "blank" in str(corrector.fault(np.zeros_like(good)))
    assert "no beam" in str(corrector.fault(scan.darks[0]))
    cut = good.copy()
    cut[60:] = 0
    assert "rows" in str(corrector.fault(cut))
    assert "saturated" in str(corrector.fault(np.where(good > 8000, 65535, good).astype(np.uint16)))
    floating = good.astype(np.float32)
    floating[:40] = np.nan
    assert "not numbers" in str(corrector.fault(floating))
    assert corrector.level(good) == pytest.approx(1.1, abs=0.2)


def test_real_scans(scan_data: Path, tmp_path: Path) -> None:
    """Flats as float32 of two rows, and flats among the projections, a few pixels wide."""
    for source, flats, spread in (
        ("tooth-aps2bm/tooth.h5", 10, 0.01),
        ("diad-k11-18014/k11-18014.nxs", 100, 0.02),
    ):
        context = Context(tmp_path)
        context.source = scan_data / source
        SCAN.run(ScanParams(), context)
        layout = ScanLayout.read(tmp_path / "scan_layout")
        for method in ("best", "pca", "mean"):
            values = FLATS.run(FlatsParams(method=method), context)
            assert values["flats_used"] == [flats]
            corrector = FrameCorrector.open(layout, tmp_path / "flat_fields", 0)
            location = layout.flats[0]
            assert location is not None
            raw = open_frames(location).read(3)
            assert corrector.fault(raw) is None
            out = np.empty((layout.height_px, layout.width_px), np.float32)
            corrector.correct(raw, corrector.choose(raw), None, out)
            assert abs(float(np.median(out)) - 1) < 0.02
            assert out.std() < spread
            raw = open_frames(layout.projections[0]).read(5)
            assert corrector.fault(raw) is None
            corrector.correct(raw, corrector.choose(raw), None, out)
            assert np.isfinite(out).all()
            assert 0.05 < out.mean() < 1.1
