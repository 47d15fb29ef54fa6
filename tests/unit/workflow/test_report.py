"""The report: well-formed whatever is missing, and no name or text can break it."""

import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imagecodecs import png_decode

from tomoline.files.mrc import MrcWriter
from tomoline.steps.acquisition import Acquisition, View
from tomoline.workflow.report import write_report
from tomoline.workflow.report._picture import contrast, figure, grey, scale_bar_nm, shrink
from tomoline.workflow.report._slices import central_slices
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import Bar, Series, bars, chart, ticks

VIEWS = 5
HOSTILE = "<script>alert('x')</script> & \"quoted\""


def step(name: str, number: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "number": number, "title": name, "state": "finished", "seconds": 0.5,
        "peak_memory_bytes": 1 << 28, "parameters": {}, "values": {}, "warnings": [],
        "started": "2026-01-02T03:04:05+00:00", "error": None, **more,
    }  # fmt: skip


def record_of(root: str, *steps: dict[str, Any]) -> dict[str, Any]:
    return {
        "schema": 1, "tomoline": "0.1.0", "root": root, "recipe": "tilt", "source": "/data/s.mrc",
        "steps": list(steps),
    }  # fmt: skip


def write_map(path: Path, data: np.ndarray, mode: int = 2, pixel_nm: float = 1.2) -> None:
    with MrcWriter(path, data.shape, mode, pixel_size_nm=(pixel_nm,) * 3) as writer:
        writer.write(0, data)


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """A data set with all images, and a few text files, of 5 small views."""
    rng = np.random.default_rng(4)
    views = [
        View(number=n + 1, tilt_deg=20.0 * (n - 2), excluded="dark" if n == 4 else None)
        for n in range(VIEWS)
    ]
    Acquisition(
        root="s", views=tuple(views), height_px=40, width_px=48, pixel_size_nm=1.2,
        gold_diameter_nm=10.0,
    ).write(tmp_path / "s_views.json")  # fmt: skip
    stack = rng.normal(100, 10, (VIEWS, 40, 48)).astype(np.float32)
    for name in ("s_fixed.mrc", "s_preali.mrc", "s_ali.mrc"):
        write_map(tmp_path / name, stack, pixel_nm=1.0)
    write_map(tmp_path / "s_rec.mrc", rng.normal(0, 20, (16, 40, 48)).clip(-127, 127), 0)
    line = "   1.0000000   0.0000000   0.0000000   1.0000000       2.500      -1.000\n"
    for name in ("s.prexg", "s.tltxf", "s.xf"):
        (tmp_path / name).write_text(line * VIEWS)
    (tmp_path / "s.tlt").write_text("\n".join(str(20.1 * (n - 2)) for n in range(VIEWS)))
    return tmp_path


def parsed(path: Path) -> ElementTree.Element:
    """Parse the page as XML, which it is written to be."""
    return ElementTree.fromstring(path.read_text(encoding="utf-8").partition("\n")[2])


def words(path: Path) -> str:
    return " ".join(parsed(path).itertext())


class TestPage:
    def test_whole_data_set(self, data_set: Path) -> None:
        record = record_of(
            "s", step("preprocess", 1, values={"xrays": [3, 0, 1, None, 2]}),
            step("align", 6, values={"residual_mean_px": 0.31}), step("trim", 20),
        )  # fmt: skip
        path = write_report(data_set, "s", record)
        text = words(path)
        for expected in (
            "finished", "0.31 px", "4 of 5", "No warnings", "s_slice_xy.png", "X-rays and hot",
            "Shift of the views", "Solved minus recorded", "10 nm",
        ):  # fmt: skip
            assert expected in text, expected
        assert "could not be drawn" not in text

    def test_stands_alone(self, data_set: Path) -> None:
        page = write_report(data_set, "s", record_of("s", step("trim", 20))).read_text()
        root = parsed(data_set / "s_report.html")
        for element in root.iter():
            for key in ("src", "href"):
                address = element.get(key, "")
                assert not address.startswith(("http:", "https:", "//", "file:")), address
        assert "@import" not in page
        assert "url(" not in page

    def test_slices_are_the_tomogram(self, data_set: Path) -> None:
        write_report(data_set, "s", record_of("s"))
        for plane, shape in (("xy", (40, 48)), ("xz", (16, 48)), ("yz", (40, 16))):
            picture = png_decode((data_set / f"s_slice_{plane}.png").read_bytes())
            assert picture.shape == shape

    def test_failure_is_told_first(self, tmp_path: Path) -> None:
        error = {
            "code": "SETUP-02",
            "where": "a.mrc",
            "found": "No angles.",
            "remedy": "Give some.",
        }
        path = write_report(
            tmp_path, "a", record_of("a", step("setup", 0, state="failed", error=error))
        )
        text = words(path)
        assert "stopped with an error" in text
        assert text.index("No angles.") < text.index("Time and memory")

    def test_hostile_texts_are_escaped(self, tmp_path: Path) -> None:
        warning = dict.fromkeys(("code", "where", "found", "remedy"), HOSTILE)
        record = record_of(
            HOSTILE,
            step(HOSTILE, 1, title=HOSTILE, parameters={HOSTILE: [HOSTILE]}, warnings=[warning]),
        )
        path = write_report(tmp_path, "a", {**record, "recipe": HOSTILE, "source": HOSTILE})
        assert "<script" not in path.read_text()
        assert HOSTILE in words(path)

    def test_strange_root_name(self, data_set: Path) -> None:
        root = "a b#1 'ü&"
        (data_set / "s_rec.mrc").rename(data_set / f"{root}_rec.mrc")
        path = write_report(data_set, root, record_of(root, step("trim", 20)))
        links = [a.get("href") for a in parsed(path).iter("a")]
        assert "a%20b%231%20%27%C3%BC%26_rec.mrc" in links


class TestMissingPieces:
    @pytest.mark.parametrize(
        "record",
        [{}, {"steps": None}, {"steps": [None, 3, {}]}, {"steps": [{"values": None}]},
         {"artifacts": 3}, {"warnings": [1], "errors": "x"}],
    )  # fmt: skip
    def test_any_record(self, tmp_path: Path, record: dict[str, Any]) -> None:
        assert "could not be drawn" not in words(write_report(tmp_path, "a", record))

    def test_each_file_may_be_absent(self, data_set: Path) -> None:
        record = record_of("s", step("align", 6), step("trim", 20))
        for path in sorted(data_set.iterdir()):
            kept = path.read_bytes()
            path.unlink()
            assert "could not be drawn" not in words(write_report(data_set, "s", record)), path
            path.write_bytes(kept)

    def test_each_file_may_be_damaged(self, data_set: Path) -> None:
        record = record_of("s", step("align", 6), step("trim", 20))
        for path in sorted(data_set.iterdir()):
            kept = path.read_bytes()
            for damage in (b"", b"\xff\x00" * 700, kept[: len(kept) // 2]):
                path.write_bytes(damage)
                words(write_report(data_set, "s", record))
            path.write_bytes(kept)

    def test_values_of_another_kind(self, data_set: Path) -> None:
        values = {"residual_mean_px": "much", "tilt_axis_deg": [None], "leave_out_error_px": None}
        record = record_of("s", step("align", 6, values=values))
        assert "could not be drawn" not in words(write_report(data_set, "s", record))

    def test_constant_and_nan_tomogram(self, data_set: Path) -> None:
        for fill in (0.0, np.nan):
            write_map(data_set / "s_rec.mrc", np.full((1, 3, 2), fill, np.float32))
            assert "could not be drawn" not in words(write_report(data_set, "s", record_of("s")))


class TestDrawing:
    def test_gaps_and_no_points(self) -> None:
        nan = float("nan")
        assert chart([Series([1, 2], [nan, nan])], title="", x_label="", y_label="") == ""
        drawn = chart([Series([1, 2, 3], [1, nan, 2])], title="<", x_label="x", y_label="y")
        assert drawn.count("<circle") == 2
        assert "nan" not in drawn
        ElementTree.fromstring(drawn)

    def test_constant_values(self) -> None:
        drawn = chart([Series([1, 2], [5, 5])], title="t", x_label="x", y_label="y", from_zero=True)
        ElementTree.fromstring(drawn)
        assert "nan" not in drawn

    @pytest.mark.parametrize(("low", "high"), [(0, 1), (-3e-5, 2e-5), (1e6, 1e6 + 3), (-60, 61)])
    def test_ticks_are_few_and_inside(self, low: float, high: float) -> None:
        found = ticks(low, high)
        assert 2 <= len(found) <= 9
        assert low - 1e-9 <= found[0] < found[-1] <= high + 1e-9

    def test_bars(self) -> None:
        ElementTree.fromstring(bars([Bar("a<b", 0.0, "&"), Bar("c", 2.0, "2 s")], title="T"))


class TestPictures:
    def test_row_zero_is_at_the_bottom(self) -> None:
        image = np.zeros((4, 4), np.float32)
        image[0] = 1
        assert grey(image, (0, 1))[3].tolist() == [255] * 4

    def test_marks_lie_on_their_pixels(self) -> None:
        drawn = ElementTree.fromstring(
            figure(np.zeros((10, 20)), caption="c", width=40, marks='<circle cx="3" cy="2" r="1"/>')
        )
        group = next(e for e in drawn.iter("g") if e.get("transform"))
        assert group.get("transform") == "translate(0.5 9.5) scale(1 -1)"  # y = 2: row 7.5 from top

    def test_shrink_keeps_the_mean(self) -> None:
        image = np.random.default_rng(1).normal(5, 1, (64, 96)).astype(np.float32)
        small, factor = shrink(image, 32)
        assert (small.shape, factor) == ((21, 32), 3)
        assert abs(small.mean() - image[:63].mean()) < 1e-5

    def test_contrast_ignores_a_few_strong_pixels(self) -> None:
        image = np.random.default_rng(1).normal(0, 1, (100, 100))
        image[:3, :3] = -1000
        black, white = contrast(image)
        assert -4.5 < black < -3
        assert 3 < white < 4.5

    def test_scale_bar_is_round_and_short(self) -> None:
        for width in (0.7, 10, 99, 512, 4096, 123456.0):
            assert 0.07 * width < scale_bar_nm(width) <= 0.2 * width * 1.01

    def test_central_slices_of_a_ramp(self) -> None:
        z, y, x = np.mgrid[:16, :24, :32]
        slices = central_slices((10000 * z + 100 * y + x).astype(np.float32))
        assert slices.xy.shape == (24, 32)
        assert slices.zy.shape == (24, 16)
        assert slices.xz[3, 5] == pytest.approx(10000 * 3 + 100 * 11.5 + 5, abs=51)
        assert slices.averaged == (2, 3, 4)


def test_speed(tmp_path: Path) -> None:
    """512 x 512 x 41 in well under 1.5 s, whatever else the machine does."""
    rng = np.random.default_rng(0)
    stack = rng.normal(100, 10, (41, 512, 512)).astype(np.float32)
    for name in ("s_fixed.mrc", "s_ali.mrc"):
        write_map(tmp_path / name, stack, pixel_nm=1.0)
    write_map(tmp_path / "s_rec.mrc", rng.integers(-128, 128, (180, 512, 512), np.int8), 0)
    views = tuple(View(number=n + 1, tilt_deg=3.0 * n - 60) for n in range(41))
    Acquisition(root="s", views=views, height_px=512, width_px=512, pixel_size_nm=1.0).write(
        tmp_path / "s_views.json"
    )
    begin = time.perf_counter()
    path = write_report(tmp_path, "s", record_of("s", step("trim", 20)))
    assert time.perf_counter() - begin < 3.0
    assert path.stat().st_size < 3e6
    assert Source(tmp_path, "s", {}).binning("aligned_stack") == 1.0
