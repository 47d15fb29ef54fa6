"""Flat-field correction: kernels against known beams, and the corrector on small scans."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from flat_scans import (
    COLUMNS,
    DARK,
    FLATS_COUNT,
    LEVEL,
    ROWS,
    Context,
    Scan,
    beam,
    corrected,
    stripe_error,
)

from tomoline.engine import ThreadsEngine
from tomoline.kernels import flat_match
from tomoline.kernels.flat_fields import FrameStatistics, find_bad_pixels, flattened
from tomoline.steps._correction import FlatChoice, FrameCorrector, tiff_tags
from tomoline.steps._flats_params import FlatsParams
from tomoline.steps.flats import FLATS


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return Scan(tmp_path)


def test_known_gain_is_divided_out_exactly(tmp_path: Path) -> None:
    scan = Scan(tmp_path, noise=False)
    scan.flats = [scan.count(beam(0.0))] * 4
    scan.darks = [np.full((ROWS, COLUMNS), DARK, np.uint16)] * 3
    scan.frames = [scan.count(beam(0.0) * scan.specimen)]
    layout = scan.write()
    _, values, corrector = scan.run(layout)
    assert values["method"] == "best"
    # Half a count of rounding, in frame and flat.
    assert np.abs(corrected(corrector, scan.frames[0]) - scan.specimen).max() < 2.5 / LEVEL / 0.6


def test_the_nearest_flats_are_chosen(scan: Scan) -> None:
    layout = scan.write()
    for match in ("correlation", "ssim"):
        _, _, corrector = scan.run(layout, match=match)
        choices = corrector.choose_many(scan.frames)
        for shift, choice in zip(scan.frame_shifts, choices, strict=True):
            nearest = np.argsort(np.abs(scan.flat_shifts - shift))
            assert len(choice.indices) == 3
            assert nearest[0] in choice.indices
            assert set(choice.indices) <= set(nearest[:4].tolist())
            assert choice.scores.shape == (FLATS_COUNT,)
            assert int(choice.scores.argmax()) in nearest[:2]


def test_scores_are_those_of_the_plain_formula(tmp_path: Path) -> None:
    """Components and limits must not change what the scores mean."""
    scan = Scan(tmp_path)
    scan.frames = [scan.count(beam(shift)) for shift in scan.frame_shifts]
    layout = scan.write()
    _, _, corrector = scan.run(layout)
    form = flat_match.DescriptorForm.of(
        (ROWS, COLUMNS), 4, 10.0, "whole", np.mean(scan.darks, axis=0, dtype=np.float32)
    )
    flats = [flat_match.contrast(flat_match.bin_frame(flat, 4), form) for flat in scan.flats]
    frame = flat_match.contrast(flat_match.bin_frame(scan.frames[0], 4), form)
    plain = [np.vdot(frame, flat) / np.linalg.norm(frame) / np.linalg.norm(flat) for flat in flats]
    np.testing.assert_allclose(corrector.choose(scan.frames[0]).scores, plain, atol=4e-3)


def test_many_frames_at_a_time_are_chosen_as_single_ones(scan: Scan) -> None:
    _, _, corrector = scan.run(scan.write())
    for one, raw in zip(corrector.choose_many(scan.frames), scan.frames, strict=True):
        alone = corrector.choose(raw)
        assert one.indices == alone.indices
        np.testing.assert_array_equal(one.scores, alone.scores)


def test_choice_ignores_the_beam_current(scan: Scan) -> None:
    _, _, corrector = scan.run(scan.write())
    raw = scan.frames[0]
    dim = np.rint((raw.astype(float) - DARK) * 0.4 + DARK).astype(np.uint16)
    full, weak = corrector.choose(raw), corrector.choose(dim)
    assert weak.indices == full.indices
    np.testing.assert_allclose(weak.scores, full.scores, atol=1e-3)


def test_methods_by_what_is_left_of_moving_stripes(scan: Scan) -> None:
    layout = scan.write()
    left = {
        method: stripe_error(scan, scan.run(layout, method=method)[2])
        for method in ("best", "fitted", "mean", "median", "pca")
    }
    # Photons alone leave sqrt(1 + 1/3) / sqrt(8000) = 0.013 with the mean of three flats.
    assert left["mean"] > 0.07
    assert left["best"] < 0.3 * left["mean"]
    assert left["fitted"] < 0.92 * left["best"]
    assert left["pca"] < 0.016
    assert left["median"] > 0.07


def test_pca_recovers_a_combination_of_flats(tmp_path: Path) -> None:
    scan = Scan(tmp_path, noise=False)
    scan.gain[:] = 1
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:ROWS, :COLUMNS]
    parts = np.stack([np.cos(y / 3.0 + n) * np.cos(x / 50.0 + n) for n in range(3)])
    mixes = rng.normal(size=(13, 3)) * 0.05
    beams = [1 + np.tensordot(mix, parts, 1) for mix in mixes]
    scan.flats = [scan.count(one) for one in beams[:-1]]
    scan.frames = [scan.count(beams[-1])]
    _, values, corrector = scan.run(scan.write(), method="pca")
    assert values["components"][0] >= 3
    result = corrected(corrector, scan.frames[0])
    assert np.abs(result / result.mean() - 1).max() < 0.01
    assert np.abs(result - np.mean(beams[-1]) / np.mean(beams[:-1])).max() < 0.02


def test_interpolates_in_time(tmp_path: Path) -> None:
    scan = Scan(tmp_path, noise=False)
    scan.gain[:] = 1
    first, last = beam(0.0), beam(1.5)
    scan.flats = [scan.count(first)] * 4 + [scan.count(last)] * 4
    scan.darks = [np.full((ROWS, COLUMNS), DARK, np.uint16)]
    scan.frames = [scan.count(first + part * (last - first)) for part in (0.25, 0.5, 0.75)]
    times = (0.0, 1.0, 2.0, 3.0, 16.0, 17.0, 18.0, 19.0)  # middles 1.5 and 17.5
    layout = scan.write(
        flats=(scan.location("flat", scan.flats, times=times),),
        projections=(scan.location("frame", scan.frames, times=(5.5, 9.5, 13.5)),),
    )
    _, _, corrector = scan.run(layout, method="interpolated")
    for raw, time in zip(scan.frames, (5.5, 9.5, 13.5), strict=True):
        assert np.abs(corrected(corrector, raw, time) - 1).max() < 1e-3
    # The time matters.
    assert np.abs(corrected(corrector, scan.frames[0], 13.5) - 1).max() > 0.01


def test_interpolation_without_times_is_told(scan: Scan) -> None:
    context, _, _ = scan.run(scan.write(), method="interpolated")
    assert context.codes == ["FLATS-05"]


def test_zingers_go_and_nothing_else_changes(tmp_path: Path) -> None:
    scan = Scan(tmp_path)
    clean = scan.frames[0].copy()
    hit = clean.copy()
    places = {(0, 0), (20, 30), (20, 33), (50, 80), (51, 80), (50, 81), (ROWS - 1, 70), (33, 159)}
    for place in places:
        hit[place] += 6000
    hit[70:73, 100:103] += 9000
    places |= {(row, column) for row in range(70, 73) for column in range(100, 103)}
    layout = scan.write()
    _, _, corrector = scan.run(layout)
    choice = corrector.choose(clean)
    before, after = np.empty((2, ROWS, COLUMNS), np.float32)
    assert corrector.correct(clean, choice, None, before) == 0
    assert corrector.correct(hit, choice, None, after) == len(places)
    changed = {(int(y), int(x)) for y, x in np.argwhere(before != after)}
    assert changed == places
    assert np.abs(before - after).max() < 0.12
    _, _, leaving = scan.run(layout, zinger_excess=0.0)
    leaving.correct(hit, choice, None, after)
    assert after[20, 30] > 1.5


def test_bright_lines_are_no_zingers(scan: Scan) -> None:
    layout = scan.write()
    _, _, corrector = scan.run(layout)
    raw = scan.count(beam(float(scan.flat_shifts[0])))
    y, x = np.mgrid[:ROWS, :COLUMNS]
    for line in (
        y == 40,
        x == 77,
        y == x,
        y + 2 * x == 150,
        abs(np.hypot(y - 48, x - 80) - 20) < 1,
    ):
        bright = raw.copy()
        bright[line] += 4000
        out = np.empty((ROWS, COLUMNS), np.float32)
        assert corrector.correct(bright, corrector.choose(raw), None, out) == 0


def test_bad_pixels_are_replaced_by_their_neighbours(scan: Scan) -> None:
    # Dim, since what is not known is taken as 1.
    scan.frames = [scan.count(beam(shift) * scan.specimen * 0.5) for shift in scan.frame_shifts]
    dead, hot = [(10, 10), (10, 11), (0, 5), (95, 159)], [(40, 60)]
    for images in (scan.flats, scan.frames, scan.darks):
        for image in images:
            for place in dead:
                image[place] = 100
            for place in hot:
                image[place] = 60000
    _, values, corrector = scan.run(scan.write(), zinger_excess=0.0)
    assert values["bad_pixels"] == [5]
    result = corrected(corrector, scan.frames[0])
    for place in dead + hot:
        assert abs(result[place] - 0.5 * scan.specimen[place]) < 0.08, place


def test_single_wrong_pixels_of_flats_are_repaired(scan: Scan) -> None:
    choice = scan.run(scan.write())[2].choose(scan.frames[0])
    first = choice.indices[0]
    scan.flats[first][30, 40] = 0
    scan.flats[first][60, 90] = 40000
    _, values, corrector = scan.run(scan.write())
    assert values["flat_zingers"] == 2
    after = np.empty((ROWS, COLUMNS), np.float32)
    corrector.correct(scan.frames[0], choice, None, after)
    for place in ((30, 40), (60, 90)):
        assert abs(after[place] - scan.specimen[place]) < 0.06


def test_result_is_finite_and_positive(scan: Scan) -> None:
    _, _, corrector = scan.run(scan.write())
    raw = scan.frames[0].astype(np.float32)
    choice = corrector.choose(raw)
    raw[5, 5], raw[6, 6], raw[7, 7] = np.nan, np.inf, -5
    out = np.empty((ROWS, COLUMNS), np.float32)
    corrector.correct(raw, choice, None, out)
    assert np.isfinite(out).all()
    assert out.min() > 0


def test_air_columns_bring_frames_to_one_level(scan: Scan) -> None:
    layout = scan.write()
    _, _, corrector = scan.run(layout, level="air")
    raw = scan.frames[0]
    dim = np.rint((raw.astype(float) - DARK) * 0.8 + DARK).astype(np.uint16)
    for image in (raw, dim):
        result = corrected(corrector, image)
        assert np.median(result[:, :8]) == pytest.approx(1.0, abs=0.01)
    _, _, leaving = scan.run(layout)
    assert np.median(corrected(leaving, dim)[:, :8]) == pytest.approx(0.8, abs=0.03)


def test_writes_into_a_padded_buffer_and_reads_a_region(scan: Scan) -> None:
    _, _, corrector = scan.run(scan.write())
    raw = scan.frames[0]
    plain = corrected(corrector, raw)
    wide = np.zeros((ROWS + 10, COLUMNS + 20), np.uint16)
    wide[3 : 3 + ROWS, 7 : 7 + COLUMNS] = raw
    padded = np.full((ROWS + 16, COLUMNS + 32), -1, np.float32)
    view = padded[8 : 8 + ROWS, 16 : 16 + COLUMNS]
    corrector.correct(wide[3 : 3 + ROWS, 7 : 7 + COLUMNS], corrector.choose(raw), None, view)
    np.testing.assert_array_equal(view, plain)
    view[:] = -1
    assert (padded == -1).all()


def test_bytes_do_not_depend_on_threads(scan: Scan) -> None:
    layout = scan.write()
    for params in ({}, {"method": "pca"}, {"method": "median"}):
        scan.run(layout, threads=1, **params)
        first = (scan.folder / "flat_fields").read_bytes()
        scan.run(layout, threads=3, **params)
        assert (scan.folder / "flat_fields").read_bytes() == first


def test_the_median_does_not_depend_on_memory(scan: Scan) -> None:
    scan.write()
    contents = []
    for memory in (1 << 30, 3 << 19):
        context = Context(scan.folder)
        context.engine = ThreadsEngine(1, memory)
        FLATS.run(FlatsParams(method="median"), context)
        contents.append((scan.folder / "flat_fields").read_bytes())
    assert contents[0] == contents[1]


def test_a_small_cache_changes_nothing(scan: Scan) -> None:
    layout = scan.write()
    _, _, corrector = scan.run(layout)
    small = FrameCorrector.open(layout, scan.folder / "flat_fields", 0, keep_bytes=0)
    assert small.memory_bytes < corrector.memory_bytes
    for raw in scan.frames:
        np.testing.assert_array_equal(corrected(small, raw), corrected(corrector, raw))


def test_tags_are_written_as_hitt_writes_them(tmp_path: Path) -> None:
    choice = FlatChoice((19, 70, 90), np.linspace(0.9, 0.99, 100).astype(np.float32))
    tifffile.imwrite(
        tmp_path / "a.tif", np.zeros((4, 4), np.float32), extratags=tiff_tags(choice), metadata=None
    )
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        tags = file.pages[0].tags  # type: ignore[union-attr]
        assert tags[1201].value == "19,70,90"
        assert tags[1200].value.split(",")[:2] == ["0.900000", "0.900909"]


def test_mean_is_free_of_single_wrong_values() -> None:
    statistics = FrameStatistics.empty((8, 8))
    for number in range(6):
        frame = np.full((8, 8), 10 + number % 2, np.uint16)
        frame[number, number] = 60000
        statistics.add(frame[None], [number])
    np.testing.assert_allclose(statistics.mean(), 10.5, atol=0.3)
    assert statistics.high_at[4, 4] == 4


def test_flattened_shares_memory() -> None:
    image = np.arange(48, dtype=np.float32).reshape(6, 8)[1:5, 2:7]
    flat, stride = flattened(image, writable=True)
    assert stride == 8
    flat[2 * stride + 3] = -1
    assert image[2, 3] == -1
    with pytest.raises(ValueError, match="contiguous"):
        flattened(np.zeros((4, 4), np.float32)[:, ::2], writable=True)


def test_a_hot_cluster_has_no_sources_inside() -> None:
    bright = np.full((32, 32), 1000, np.float32)
    bright[10:13, 10:13] = 5
    bad = find_bad_pixels(bright, None, 1000.0)
    assert len(bad.places) == 9
    rows, columns = np.divmod(bad.sources, 32)
    assert (bright[rows, columns] == 1000).all()
    assert bad.reach == 3
