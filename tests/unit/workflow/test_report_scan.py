"""The report of a scan: all parts with everything there, and well-formed with anything missing."""

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from imagecodecs import png_encode

from tomoline.files.frames import FrameLocation
from tomoline.steps._shifts import Shifts
from tomoline.steps.scan_layout import ScanLayout
from tomoline.workflow.report import _scan_frames, write_report
from tomoline.workflow.report._picture import figure, grey
from tomoline.workflow.report._svg import Series

ANGLES, DISTANCES, FLATS = 12, 3, 5
HOSTILE = "<script>alert('x')</script>"


def step(name: str, number: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "number": number, "title": name, "state": "finished", "seconds": 0.5,
        "peak_memory_bytes": 1 << 28, "parameters": {}, "values": {}, "warnings": [],
        "started": "2026-01-02T03:04:05+00:00", "error": None, **more,
    }  # fmt: skip


VALUES: dict[str, dict[str, Any]] = {
    "scan": {},
    "flats": {
        "method": "best", "flats_used": [5, 5, 4], "noise_percent": [1.1] * 3,
        "bad_pixels": [0, 2, 0],
    },
    "register": {"largest_shift_px": [0.0, 2.5, 1.0], "residual_px": 0.05},
    "retrieve": {
        "method": "ctf", "quantity": "phase", "mean_flat_score": [0.98, 0.96, None],
    },
    "axis": {
        "rotation_axis_px": 19.75, "rotation_axis_tilt_deg": 0.12, "slope_px_per_row": 0.002,
        "confidence": 0.62, "source": "pairs and wedge", "guess_px": 20.0,
        "methods": {
            "pairs": {"axis_px": 19.7, "error_px": 0.1, "reliability": 0.8},
            "wedge": {"axis_px": 19.9, "error_px": None, "reliability": 0.4},
        },
    },
    "stitch": {
        "joined": True, "side": "left", "overlap_px": 12.5, "width_px": 70, "residual_px": 0.1,
    },
    "slices": {"preview_percentiles": [-1.0, 2.0]},
    "output": {
        "format": "zarr", "type": "uint16", "levels": 3, "shape": [30, 40, 50], "voxel_um": 0.65,
        "mean": 0.5, "sd": 0.1, "value_scale": 1e-4, "value_offset": -2.0,
        "clipped_fraction": 0.001,
    },
}  # fmt: skip


def record_of(**changes: dict[str, Any]) -> dict[str, Any]:
    steps = [
        step(name, number, values=changes.get(name, values))
        for number, (name, values) in enumerate(VALUES.items())
    ]
    return {
        "schema": 1, "tomoline": "0.1.0", "root": "s", "recipe": "scan", "source": "/data/s.par",
        "steps": steps, "artifacts": {"volume": "s_volume.ome.zarr"},
    }  # fmt: skip


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """A data set with all that the report of a scan reads."""
    rng = np.random.default_rng(1)
    frames = FrameLocation("tiff_files", "/data/a", 30, 40, "<u2", names=("a.tif",) * ANGLES)
    ScanLayout(
        "s", "HiTT", 30, 40, tuple(15.0 * n for n in range(ANGLES)), "counted",
        (frames,) * DISTANCES, (None,) * DISTANCES, (None,) * DISTANCES, energy_kev=18.0,
        pixel_size_um=0.65, distances_m=(0.073, 0.077, 0.083), excluded={3: "missing " + HOSTILE},
    ).write(tmp_path / "s_scan.json")  # fmt: skip
    shifts = rng.normal(size=(ANGLES, DISTANCES, 2))
    Shifts(shifts, (1.0, 1.001, 1.002), (4,)).write(tmp_path / "s_shifts.json")
    chosen = rng.integers(0, FLATS, (DISTANCES, ANGLES, 2))
    chosen[:, 3] = -1
    scores = rng.uniform(0.9, 1, (DISTANCES, ANGLES, FLATS)).astype(np.float32)
    scores[:, 3] = np.nan
    np.savez(tmp_path / "s_flats_chosen.npz", scores=scores, chosen=chosen)
    retrieval = {"quantity": "phase", "excluded": {"7": "truncated"}}
    (tmp_path / "s_retrieval.json").write_text(json.dumps(retrieval))
    picture = rng.integers(0, 255, (20, 30), dtype=np.uint8)
    (tmp_path / "s_axis_sweep.png").write_bytes(png_encode(picture))
    details = {"rows": [4, 14, 24], "quantity": "delta", "unit": "1", "voxel_um": 0.65}
    with tifffile.TiffWriter(tmp_path / "s_preview.tif") as file:
        for number in range(3):
            file.write(
                rng.normal(size=(40, 40)).astype(np.float32), photometric="minisblack",
                description=json.dumps(details) if not number else None, metadata=None,
            )  # fmt: skip
    (tmp_path / "s_volume.ome.zarr" / "0").mkdir(parents=True)
    (tmp_path / "s_volume.ome.zarr" / "0" / "zarr.json").write_text(" " * 3000)
    return tmp_path


def parsed(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_text(encoding="utf-8").partition("\n")[2])


def words(path: Path) -> str:
    return " ".join(" ".join(parsed(path).itertext()).split())


def test_everything_is_told(data_set: Path) -> None:
    text = words(write_report(data_set, "s", record_of()))
    for expected in (
        "finished", "10 of 12", "18 keV", "3 distances, 73 to 83 mm", "ctf", "0.970",
        "2.5 px", "19.75 px", "fairly sure", "0.120°", "50 × 40 × 30", "No warnings",
        "slice 4", "slice 24", "black is -1, white 2", "OME-Zarr, uint16", "0.1 % of the voxels",
        "wedge 19.90 - 0.40", "guess that was given 20.00", "overlap of 12.5 pixels",
        "Shift along x", "77 mm", "not used", "magnification 1.00000, 1.00100, 1.00200",
        "Likeness to the flats", "Best flat", "flats used: 5, 5, 4", "bad pixels replaced: 2",
        "4 45.00 missing", "8 105.00 truncated", "s_volume.ome.zarr", "2.9 KiB",
    ):  # fmt: skip
        assert expected in text, expected
    assert "could not be drawn" not in text
    # Nothing of a tilt series.
    for other in ("Alignment", "tilt axis, from", "Tomogram"):
        assert other not in text


def test_it_stands_alone_and_no_text_breaks_it(data_set: Path) -> None:
    path = write_report(data_set, "s", record_of(axis={**VALUES["axis"], "source": HOSTILE}))
    assert "<script" not in path.read_text()
    for element in parsed(path).iter():
        for key in ("src", "href"):
            address = element.get(key, "")
            assert not address.startswith(("http:", "https:", "//", "file:", "/")), address


def test_an_unfinished_scan_is_called_so(data_set: Path) -> None:
    record = record_of()
    record["artifacts"] = {}
    assert "part of the recipe was run" in words(write_report(data_set, "s", record))


@pytest.mark.parametrize("change", ["absent", "empty", "damaged", "half"])
def test_each_file_may_be_absent_or_damaged(data_set: Path, change: str) -> None:
    for path in sorted(one for one in data_set.iterdir() if one.is_file()):
        kept = path.read_bytes()
        damage = {"empty": b"", "damaged": b"\xff\x00" * 700, "half": kept[: len(kept) // 2]}
        path.unlink() if change == "absent" else path.write_bytes(damage[change])
        text = words(write_report(data_set, "s", record_of()))
        if change == "absent":
            assert "could not be drawn" not in text, path
        path.write_bytes(kept)


@pytest.mark.parametrize("name", VALUES)
def test_values_may_be_missing_or_of_another_kind(data_set: Path, name: str) -> None:
    for change in ({}, dict.fromkeys(VALUES[name]), dict.fromkeys(VALUES[name], "x")):
        text = words(write_report(data_set, "s", record_of(**{name: change})))
        assert "could not be drawn" not in text


def test_no_artifacts_at_all(tmp_path: Path) -> None:
    text = words(write_report(tmp_path, "s", {**record_of(), "steps": [], "artifacts": {}}))
    assert "could not be drawn" not in text


def test_one_distance_without_flats(data_set: Path) -> None:
    Shifts.none(ANGLES, 1).write(data_set / "s_shifts.json")
    np.savez(
        data_set / "s_flats_chosen.npz", scores=np.zeros((1, ANGLES, 0), np.float32),
        chosen=np.zeros((1, ANGLES, 0), np.int32),
    )  # fmt: skip
    text = words(write_report(data_set, "s", record_of(flats={"method": "none"})))
    assert "could not be drawn" not in text
    assert "Shift along" not in text
    assert "frames are not divided by flats" in text.lower()


def test_curves_show_what_the_files_hold(data_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict[str, list[Series]] = {}

    def remember(series: list[Series], *, title: str, **more: Any) -> str:
        drawn[title] = series
        return ""

    monkeypatch.setattr(_scan_frames, "chart", remember)
    write_report(data_set, "s", record_of())
    shifts = Shifts.read(data_set / "s_shifts.json")
    for title, axis in (("Shift along x", 1), ("Shift along y", 0)):
        first, second, marks = drawn[title]
        assert list(first.x) == [15.0 * n for n in range(ANGLES)]
        assert list(first.y) == shifts.shifts_px[:, 1, axis].tolist()
        assert list(second.y) == shifts.shifts_px[:, 2, axis].tolist()
        assert (second.label, list(marks.x)) == ("83 mm", [60.0])
    with np.load(data_set / "s_flats_chosen.npz") as content:
        scores, chosen = content["scores"], content["chosen"]
    curve = drawn["Likeness to the flats"][1]
    assert curve.y[5] == pytest.approx(scores[1, 5, chosen[1, 5]].mean())
    assert np.isnan(curve.y[3])
    assert drawn["Best flat"][2].y[0] == chosen[2, 0, 0] + 1


def test_slices_of_scans_have_row_0_at_the_top() -> None:
    image = np.arange(12, dtype=np.float32).reshape(3, 4)
    shown = grey(image, (0.0, 11.0), y_up=False)
    assert np.array_equal(shown[::-1], grey(image, (0.0, 11.0)))
    assert shown[0].max() < shown[-1].min()
    mark = '<circle cx="1.0" cy="0.0" r="1"/>'
    assert "scale(1 -1)" in figure(image, caption="", width=90, marks=mark)
    assert "scale(1 -1)" not in figure(image, caption="", width=90, marks=mark, y_up=False)
