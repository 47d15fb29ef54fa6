"""The step that writes the volume: same bytes whatever the threads and the memory, all inside."""

import hashlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
import zarr

from tomoline.engine.threads import ThreadsEngine
from tomoline.errors import TomolineError
from tomoline.files.frames import FrameLocation
from tomoline.kernels.pyramid import halve
from tomoline.steps._volume_writing import Units, VolumeBuilder
from tomoline.steps.output import OUTPUT, OutputParams
from tomoline.steps.scan_layout import ScanLayout
from tomoline.workflow.dataset import DataSet, RunContext
from tomoline.workflow.held import Held

SHAPE = (37, 300, 300)
LIMITS = (-2.0, 3.0)


class FakeMaker:
    """Slices from an array, in groups."""

    quantity, unit = "delta", "1"

    def __init__(self, volume: np.ndarray, group: int) -> None:
        self.volume, self.group, self.shape = volume, group, volume.shape
        self.bytes_per_group = 4 * group * volume[0].size
        self.made: list[tuple[int, int]] = []

    def make(self, first: int, last: int) -> np.ndarray:
        assert 0 < last - first <= self.group
        assert first % self.group == 0
        self.made.append((first, last))
        return self.volume[first:last]


def volume_of(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    volume = np.random.default_rng(3).normal(0.5, 0.5, shape).astype(np.float32)
    half = (shape[1] - 1) / 2
    y, x = np.ogrid[: shape[1], : shape[2]]
    volume[:, (y - half) ** 2 + (x - half) ** 2 > half**2] = 0
    return volume


def context_in(
    folder: Path, maker: FakeMaker, monkeypatch: pytest.MonkeyPatch, *,
    threads: int = 1, memory: int = 1 << 30, limits: Any = LIMITS,
) -> RunContext:  # fmt: skip
    """Return a context with the artifacts of the steps before."""
    folder.mkdir()
    module = ModuleType("tomoline.steps._slices_of_scan")
    module.SliceMaker = type("SliceMaker", (), {"open": staticmethod(lambda context: maker)})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tomoline.steps._slices_of_scan", module)
    frames = FrameLocation("tiff_files", "/secret/place/a", 10, 20, "<u2", names=("a.tif", "b.tif"))
    ScanLayout(
        "a", "HiTT", 10, 20, (0.0, 90.0), "counted", (frames,), (None,), (None,),
        energy_kev=18.0, pixel_size_um=0.65, distances_m=(0.073,),
    ).write(folder / "a_scan.json")  # fmt: skip
    steps = [
        {
            "name": name, "state": state, "seconds": threads * 1.5, "started": str(folder),
            "parameters": {"flats_file": "/secret/flats.tif", "search_px": 20.0},
            "values": {"residual_px": 0.04, "outliers": list(range(500))},
        }
        for name, state in (("register", "finished"), ("stitch", "off"), ("output", "finished"))
    ]  # fmt: skip
    (folder / "a.tomoline.json").write_text(json.dumps({"steps": steps}))
    texts = {
        "retrieval": {"pixel_size_um": 0.5, "quantity": "phase", "file": "/secret/place/b"},
        "axis": {"axis_px": 149.25, "confidence": 0.9, "per_row": [0.0] * 1000},
        "reconstruction": {"limits": limits, "method": "nufft", "filter": "shepp"},
    }
    for name, content in texts.items():
        (folder / f"a_{name}.json").write_text(json.dumps(content))
    engine = ThreadsEngine(threads, memory)
    return RunContext(DataSet("a", folder, Path("/secret/place/scan.par")), engine, Held())


def digest(folder: Path) -> str:
    state = hashlib.sha256()
    for one in sorted(folder.rglob("*volume*")):
        for file in sorted(one.rglob("*")) if one.is_dir() else [one]:
            if file.is_file():
                state.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return state.hexdigest()


@pytest.mark.parametrize("kind", ["float32", "uint16"])
class TestVolume:
    def test_zarr(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
        maker = FakeMaker(volume_of(), 4)
        context = context_in(tmp_path / "a", maker, monkeypatch, threads=2)
        values = OUTPUT.run(OutputParams(type=kind), context)
        path = tmp_path / "a" / "a_volume.ome.zarr"
        assert values["file"] == path.name
        assert context.written["volume"] == path
        assert values["bytes"] == sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
        assert (values["levels"], values["shape"], values["voxel_um"]) == (2, list(SHAPE), 0.5)
        assert values["mean"] == pytest.approx(maker.volume.mean(), rel=1e-6)
        assert values["sd"] == pytest.approx(maker.volume.std(), rel=1e-6)
        group = zarr.open_group(path, mode="r")
        error = 0.52 * values["value_scale"] if kind == "uint16" else 0
        for level, expected in (("0", maker.volume), ("1", halve(maker.volume))):
            read = group[level][:] * values["value_scale"] + values["value_offset"]
            inside = expected.clip(*LIMITS) if kind == "uint16" else expected
            assert np.abs(read - inside).max() <= error
        clipped = np.mean((maker.volume < LIMITS[0]) | (maker.volume > LIMITS[1]))
        if kind == "uint16":
            assert values["clipped_fraction"] == pytest.approx(clipped, abs=3e-6)
        assert values["limits"] == list(LIMITS)

    def test_other_formats_hold_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        maker = FakeMaker(volume_of((9, 70, 70)), 2)
        read = {}
        for format in ("zarr", "tiff", "hdf5", "mrc"):
            context = context_in(tmp_path / format, maker, monkeypatch, threads=2)
            values = OUTPUT.run(OutputParams(type=kind, format=format), context)
            path = tmp_path / format / values["file"]
            assert context.written["volume"] == path
            if format == "zarr":
                read[format] = zarr.open_group(path, mode="r")["0"][:]
            elif format == "tiff":
                read[format] = tifffile.imread(path)
            elif format == "hdf5":
                with h5py.File(path) as file:
                    read[format] = file["/entry/volume/data"][:]
            else:
                with mrcfile.open(path) as file:
                    read[format] = file.data.copy()
        for data in read.values():
            assert data.dtype == kind
            np.testing.assert_array_equal(data, read["zarr"])
        if kind == "float32":
            np.testing.assert_array_equal(read["zarr"], maker.volume)


@pytest.mark.parametrize("format", ["zarr", "tiff", "hdf5", "mrc"])
def test_the_same_bytes_whatever_the_threads_memory_and_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    volume = volume_of((37, 300, 300))
    slice_bytes = volume[0].nbytes
    found, units = set(), []
    real = VolumeBuilder.build

    def spy(self: VolumeBuilder, make: Any, chosen: Units, *more: Any) -> Any:
        units.append(chosen)
        return real(self, make, chosen, *more)

    monkeypatch.setattr(VolumeBuilder, "build", spy)
    cases = [(1, 4, 1000), (2, 4, 1000), (2, 1, 12), (1, 3, 1000), (2, 8, 40), (1, 1, 5)]
    for index, (threads, group, slices) in enumerate(cases):
        context = context_in(
            tmp_path / str(index), FakeMaker(volume, group), monkeypatch,
            threads=threads, memory=slices * slice_bytes,
        )  # fmt: skip
        OUTPUT.run(OutputParams(format=format), context)
        found.add(digest(tmp_path / str(index)))
    assert len(found) == 1
    if format == "zarr":  # all ways of dividing were met
        assert {(one.slices, one.levels) for one in units} >= {(4, 1), (1, 0), (6, 1), (8, 1)}


def test_deep_pyramids_end_as_they_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels beyond a unit's own, with slices left over on several of them."""
    volume = np.random.default_rng(1).normal(size=(2100, 3, 5)).astype(np.float32)
    context = context_in(tmp_path / "a", FakeMaker(volume, 2), monkeypatch, threads=2, memory=20000)
    values = OUTPUT.run(OutputParams(), context)
    group = zarr.open_group(tmp_path / "a" / values["file"], mode="r")
    assert values["levels"] == 5
    for level in range(5):
        np.testing.assert_array_equal(group[str(level)][:], volume)
        volume = halve(volume)


def test_what_is_known_is_inside_and_no_folder_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = FakeMaker(volume_of((4, 40, 40)), 2)
    context = context_in(tmp_path / "a", maker, monkeypatch)
    values = OUTPUT.run(OutputParams(), context)
    path = tmp_path / "a" / values["file"]
    text = (path / "zarr.json").read_text()
    assert "secret" not in text
    assert str(tmp_path) not in text
    told = json.loads(text)["attributes"]["tomoline"]
    assert told["source"] == "scan.par"
    assert told["energy_kev"] == 18.0
    assert told["distances_m"] == [0.073]
    assert told["rotation_axis"] == {"axis_px": 149.25, "confidence": 0.9}
    assert told["reconstruction"]["filter"] == "shepp"
    assert told["retrieval"]["file"] == "b"
    assert told["steps"] == {
        "register": {
            "parameters": {"flats_file": "flats.tif", "search_px": 20.0},
            "values": {"residual_px": 0.04},
        }
    }
    assert told["mean"] == values["mean"]


class TestFaults:
    def test_limits_that_are_no_range(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        maker = FakeMaker(volume_of((4, 40, 40)), 2)
        context = context_in(tmp_path / "a", maker, monkeypatch)
        with pytest.raises(TomolineError) as caught:
            OUTPUT.run(OutputParams(limits=(1.0, 1.0)), context)
        assert caught.value.code == "VOLUME-30"

    def test_integers_need_limits(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        maker = FakeMaker(volume_of((4, 40, 40)), 2)
        context = context_in(tmp_path / "a", maker, monkeypatch, limits=None)
        with pytest.raises(TomolineError) as caught:
            OUTPUT.run(OutputParams(type="uint16"), context)
        assert caught.value.code == "VOLUME-31"
        assert OUTPUT.run(OutputParams(), context)["limits"] == [0.0, 1.0]
        given = OUTPUT.run(OutputParams(type="uint16", limits=(-1, 1)), context)
        assert given["value_offset"] == -1.0

    def test_much_clipped_and_no_numbers_are_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        maker = FakeMaker(volume_of((4, 40, 40)), 2)
        maker.volume[2, 20, 20] = np.nan
        context = context_in(tmp_path / "a", maker, monkeypatch)
        values = OUTPUT.run(OutputParams(type="uint16", limits=(0.4, 0.6)), context)
        assert [notice.code for notice in context.notices] == ["VOLUME-33", "VOLUME-32"]
        assert "slice 3 of a" in context.notices[0].found
        assert values["mean"] is None
        json.dumps(values, allow_nan=False)

    @pytest.mark.parametrize("format", ["zarr", "tiff", "hdf5", "mrc"])
    def test_a_failure_leaves_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
    ) -> None:
        maker = FakeMaker(volume_of((40, 40, 40)), 2)
        real = maker.make

        def fails(first: int, last: int) -> np.ndarray:
            if first >= 20:
                raise MadeToFailError
            return real(first, last)

        maker.make = fails  # type: ignore[method-assign]
        context = context_in(tmp_path / "a", maker, monkeypatch, threads=2)
        before = sorted(one.name for one in (tmp_path / "a").iterdir())
        with pytest.raises(MadeToFailError):
            OUTPUT.run(OutputParams(format=format), context)
        assert sorted(one.name for one in (tmp_path / "a").iterdir()) == before

    def test_memory_that_holds_not_even_one_group(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        maker = FakeMaker(volume_of((4, 40, 40)), 2)
        context = context_in(tmp_path / "a", maker, monkeypatch, memory=1000)
        with pytest.raises(TomolineError) as caught:
            OUTPUT.run(OutputParams(), context)
        assert caught.value.code == "RUN-01"


class MadeToFailError(Exception):
    """Stands for any failure while slices are made."""
