"""Volumes in all formats: other programs' readers get back what was written, in any order."""

import errno
import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from functools import partial
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import mrcfile
import numpy as np
import ome_zarr.io
import ome_zarr.reader
import pytest
import tifffile
import zarr
from ome_zarr_models.v05 import Image

from tomoline.errors import TomolineError
from tomoline.files import volume_hdf5, volume_mrc, volume_tiff
from tomoline.files._crc32c import crc32c
from tomoline.files.ome_zarr import OmeZarrWriter
from tomoline.files.volume_blocks import VolumeFacts
from tomoline.kernels.blocks import Quantisation, empty_sums, to_pieces
from tomoline.kernels.pyramid import halve, level_factors, level_shapes

SHAPE = (21, 50, 37)
LOW, HIGH = -4.0, 6.0


def volume(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    values = np.random.default_rng(5).normal(1, 1, shape).astype(np.float32)
    values[:, :, :9] = 0  # outside a mask
    return values


def facts(dtype: str = "float32", voxel_um: float | None = 0.65) -> VolumeFacts:
    quantised = Quantisation.between(LOW, HIGH)
    scale, offset = (1.0, 0.0) if dtype == "float32" else (quantised.step, quantised.low)
    details = {"source": "a.h5", "energy_kev": 18.0, "method": "CTF"}
    return VolumeFacts("a", dtype, voxel_um, "delta", "1", scale, offset, (LOW, HIGH), details)


def store(file: Any, levels: list[np.ndarray], told: VolumeFacts, threads: int = 1) -> None:
    """Write all levels, slices and rows of blocks in a shuffled order."""
    quantisation = None if told.dtype == "float32" else Quantisation(told.offset, told.scale)
    deep, high, wide = file.block
    work = [
        (level, z, row)
        for level, data in enumerate(levels)
        for z, row in product(range(0, len(data), 3 if deep % 3 == 0 else 1),
                              range(-(-data.shape[1] // high)))
    ]  # fmt: skip
    np.random.default_rng(threads).shuffle(work)

    def one(item: tuple[int, int, int]) -> None:
        level, z, row = item
        part = levels[level][z : z + (3 if deep % 3 == 0 else 1)]
        _, height, width = part.shape
        pieces = np.empty((-(-width // wide), len(part), high, wide), told.dtype)
        sums = empty_sums(len(part))
        rows = (row * high, min(row * high + high, height))
        used = to_pieces(part, rows, pieces, sums, quantisation, told.fill)
        file.write(level, z, row, pieces, used, sums)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, map(tuple, work)))


def write_zarr(folder: Path, data: np.ndarray, told: VolumeFacts, threads: int = 1) -> None:
    folder.mkdir()
    shapes = level_shapes(data.shape, 20)  # type: ignore[arg-type]
    levels = [data]
    for _ in shapes[1:]:
        levels.append(halve(levels[-1]))
    factors = level_factors(shapes[0], len(shapes))
    with OmeZarrWriter(folder, shapes, factors, told, chunk=6, shard=12) as file:
        store(file, levels, told, threads)
        file.finish({"mean": 1.0})


WRITERS: dict[str, Any] = {
    "tiff": volume_tiff.TiffVolumeWriter,
    "hdf5": volume_hdf5.Hdf5VolumeWriter,
    "mrc": volume_mrc.MrcVolumeWriter,
}


def write_one(kind: str, path: Path, data: np.ndarray, told: VolumeFacts, **more: Any) -> None:
    threads = more.pop("threads", 1)
    writer: AbstractContextManager[Any] = WRITERS[kind](path, data.shape, told, **more)
    with writer as file:
        store(file, [data], told, threads)
        file.finish({"mean": 1.0})


def expected(data: np.ndarray, dtype: str) -> tuple[np.ndarray, float]:
    """Values to be read, and by how much they may be off."""
    return data, 0.0 if dtype == "float32" else 0.52 * (HIGH - LOW) / 65535


def digest(path: Path) -> str:
    state = hashlib.sha256()
    for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if one.is_file():
            state.update(str(one.relative_to(path)).encode() + one.read_bytes())
    return state.hexdigest()


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
class TestZarr:
    def test_zarr_python_reads_all_levels(self, tmp_path: Path, dtype: str) -> None:
        told = facts(dtype)
        write_zarr(tmp_path / "v", volume(), told)
        group = zarr.open_group(tmp_path / "v", mode="r")
        level = volume()
        for name in ("0", "1", "2"):
            array = group[name]
            assert array.dtype == dtype
            assert array.shape == level.shape
            data, error = expected(level, dtype)
            read = array[:] * told.scale + told.offset
            assert np.abs(read - data).max() <= error
            level = halve(level)
        assert "3" not in group

    def test_metadata_are_valid_and_say_where_levels_lie(self, tmp_path: Path, dtype: str) -> None:
        write_zarr(tmp_path / "v", volume(), facts(dtype))
        image = Image.from_zarr(zarr.open_group(tmp_path / "v", mode="r"))
        multiscale = image.ome_attributes.multiscales[0]
        assert [axis.name for axis in multiscale.axes] == ["z", "y", "x"]
        assert {axis.unit for axis in multiscale.axes} == {"micrometer"}
        scale, translation = multiscale.datasets[1].coordinateTransformations
        assert scale.scale == [1.3, 1.3, 1.3]
        assert translation.translation == [0.325, 0.325, 0.325]

    def test_ome_zarr_reads_it(self, tmp_path: Path, dtype: str) -> None:
        write_zarr(tmp_path / "v", volume(), facts(dtype))
        nodes = list(ome_zarr.reader.Reader(ome_zarr.io.parse_url(tmp_path / "v"))())
        assert [level.shape for level in nodes[0].data] == [SHAPE, (11, 25, 19), (6, 13, 10)]
        low, high = nodes[0].metadata["contrast_limits"][0]
        window = (LOW, HIGH) if dtype == "float32" else (0, 65535)
        assert (low, high) == pytest.approx(window)
        whole = np.asarray(nodes[0].data[0])
        assert np.array_equal(whole, zarr.open_array(tmp_path / "v" / "0", mode="r")[:])

    def test_the_same_bytes_from_many_threads(self, tmp_path: Path, dtype: str) -> None:
        write_zarr(tmp_path / "one", volume(), facts(dtype))
        write_zarr(tmp_path / "many", volume(), facts(dtype), threads=5)
        assert digest(tmp_path / "one") == digest(tmp_path / "many")

    def test_empty_chunks_are_left_out(self, tmp_path: Path, dtype: str) -> None:
        told = facts(dtype)
        write_zarr(tmp_path / "v", volume(), told)
        raw = (tmp_path / "v" / "0" / "c" / "0" / "0" / "0").read_bytes()
        index = np.frombuffer(raw[-8 * 16 - 4 : -4], "<u8").reshape(2, 2, 2, 2)
        # Columns 0 to 5 are nothing but the fill value, 6 to 11 are not.
        assert (index[:, :, 0] == 2**64 - 1).all()
        assert (index[:, :, 1, 1] == 6**3 * np.dtype(dtype).itemsize).all()
        assert int.from_bytes(raw[-4:], "little") == crc32c(raw[-8 * 16 - 4 : -4])
        array = zarr.open_array(tmp_path / "v" / "0", mode="r")
        assert np.abs(array[:, :, :9] * told.scale + told.offset).max() <= told.scale / 2 * (
            dtype == "uint16"
        )

    def test_values_and_origin_are_inside(self, tmp_path: Path, dtype: str) -> None:
        told = facts(dtype)
        write_zarr(tmp_path / "v", volume(), told)
        attributes = zarr.open_group(tmp_path / "v", mode="r").attrs["tomoline"]
        assert attributes["value_scale"] == told.scale
        assert attributes["value_offset"] == told.offset
        assert attributes["energy_kev"] == 18.0
        assert attributes["unit"] == "1"
        assert attributes["mean"] == 1.0


def test_thin_and_odd_volumes_take_little_more_than_their_voxels(tmp_path: Path) -> None:
    data = np.tile(volume((2, 65, 130)), (1, 2, 1))
    for number, depth in enumerate((2, 1)):
        folder = tmp_path / str(number)
        folder.mkdir()
        shape = (depth, *data.shape[1:])
        with OmeZarrWriter(folder, [shape], [(1, 1, 1)], facts()) as file:
            assert file.total_bytes < 1.05 * 4 * np.prod(shape) + 30000
            store(file, [data[:depth]], facts())
            file.finish({})
        read = zarr.open_array(folder / "0", mode="r")[:]
        np.testing.assert_array_equal(read, data[:depth])


def test_a_shard_that_is_not_complete_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    writer = OmeZarrWriter(tmp_path / "v", [(6, 6, 6)], [(1, 1, 1)], facts(), chunk=6, shard=6)

    def half_of_it() -> None:
        with writer as file:
            pieces = np.ones((1, 3, 6, 6), np.float32)
            file.write(0, 0, 0, pieces, np.array([True]), empty_sums(3))

    with pytest.raises(ValueError, match="1 shards are not complete"):
        half_of_it()


@pytest.mark.parametrize("dtype", ["float32", "uint16"])
class TestFiles:
    @pytest.mark.parametrize("big", [False, True])
    def test_tifffile_reads_tiff(self, tmp_path: Path, dtype: str, big: bool) -> None:
        told = facts(dtype)
        path = tmp_path / "v.tif"
        write_one("tiff", path, volume(), told, big=big, threads=3)
        data, error = expected(volume(), dtype)
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff == big
            assert len(file.pages) == len(data)
            stored = file.series[0].asarray()
            by_page = np.stack([page.asarray() for page in file.pages])
            tags = file.pages[0].tags
            # Pixels per micrometre for ImageJ, per centimetre for others.
            density = tags["XResolution"].value[0] / tags["XResolution"].value[1]
            assert density == pytest.approx(1 / 0.65 * (1e4 if big else 1))
            if big:
                details = json.loads(tags["ImageDescription"].value)["tomoline"]
            else:
                imagej = file.imagej_metadata
                assert imagej is not None
                assert (imagej["unit"], imagej["spacing"]) == ("um", 0.65)
                details = json.loads(
                    tags["ImageDescription"].value.partition("tomoline=")[2].strip()
                )
                if dtype == "uint16":
                    assert imagej["c0"] == pytest.approx(told.offset)
                    assert imagej["c1"] == pytest.approx(told.scale)
        assert details["source"] == "a.h5"
        np.testing.assert_array_equal(stored, by_page)
        assert stored.dtype == dtype
        assert np.abs(stored * told.scale + told.offset - data).max() <= error

    def test_h5py_reads_hdf5(self, tmp_path: Path, dtype: str) -> None:
        told = facts(dtype)
        path = tmp_path / "v.h5"
        data = np.tile(volume(), (1, 3, 4))  # several chunks along all axes
        write_one("hdf5", path, data, told, threads=3)
        with h5py.File(path) as file:
            group = file[file.attrs["default"]]
            group = group[group.attrs["default"]]
            assert group.attrs["NX_class"] == "NXdata"
            signal = group[group.attrs["signal"]]
            assert signal.dtype == dtype
            assert signal.chunks is not None
            values, error = expected(data, dtype)
            read = signal[:]
            assert np.abs(read * told.scale + told.offset - values).max() <= error
            assert [group[axis].shape[0] for axis in group.attrs["axes"]] == list(data.shape)
            assert group["x"][1] == pytest.approx(0.65)
            assert group["x"].attrs["units"] == "um"
            details = json.loads(file["/entry/process/details"][()])
            assert (details["method"], details["mean"]) == ("CTF", 1.0)
            if dtype == "uint16":
                assert signal.attrs["scale_factor"] == told.scale
                assert signal.attrs["add_offset"] == told.offset

    def test_mrcfile_reads_mrc(self, tmp_path: Path, dtype: str) -> None:
        told = facts(dtype)
        path = tmp_path / "v.mrc"
        write_one("mrc", path, volume(), told, threads=3)
        data, error = expected(volume(), dtype)
        with mrcfile.open(path) as file:
            assert file.is_volume()
            assert file.voxel_size.x == pytest.approx(6500)
            stored = file.data * np.float64(told.scale) + told.offset
            assert np.abs(stored - data).max() <= error
            back = [
                float(file.header[name]) * told.scale + told.offset
                for name in ("dmin", "dmax", "dmean")
            ]
            assert back == pytest.approx([data.min(), data.max(), data.mean()], abs=1e-4)
            assert float(file.header.rms) * told.scale == pytest.approx(data.std(), rel=1e-4)
            assert "delta [1]" in file.get_labels()[0]

    @pytest.mark.parametrize("kind", WRITERS)
    def test_the_same_bytes_from_many_threads(self, tmp_path: Path, dtype: str, kind: str) -> None:
        write_one(kind, tmp_path / "one", volume(), facts(dtype))
        write_one(kind, tmp_path / "many", volume(), facts(dtype), threads=5)
        assert digest(tmp_path / "one") == digest(tmp_path / "many")

    @pytest.mark.parametrize("kind", WRITERS)
    def test_without_a_voxel_size(self, tmp_path: Path, dtype: str, kind: str) -> None:
        write_one(kind, tmp_path / "v", volume(), facts(dtype, None))
        write_zarr(tmp_path / "z", volume(), facts(dtype, None))
        axes = zarr.open_group(tmp_path / "z").attrs["ome"]["multiscales"][0]["axes"]
        assert all("unit" not in axis for axis in axes)


def test_large_stacks_become_bigtiff(tmp_path: Path) -> None:
    assert not volume_tiff.TiffVolumeWriter(tmp_path / "v", (1000, 1000, 1000), facts()).big
    assert volume_tiff.TiffVolumeWriter(tmp_path / "v", (1080, 1000, 1000), facts()).big


class TestFullDisk:
    def test_is_found_before_anything_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        room = SimpleNamespace(f_bavail=10, f_frsize=4096)
        monkeypatch.setattr(os, "statvfs", lambda path: room)
        shape = (21, 50, 37)
        for kind in WRITERS:
            with pytest.raises(TomolineError) as caught:
                WRITERS[kind](tmp_path / "v", shape, facts())
            assert caught.value.code == "FILE-08"
            assert "uint16" in caught.value.remedy
        with pytest.raises(TomolineError, match=r"needs 1\d\d\.\d KiB, 40\.0 KiB are"):
            OmeZarrWriter(tmp_path, [shape], [(1, 1, 1)], facts())
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("kind", ["zarr", *WRITERS])
    def test_midway_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        real, calls = os.pwrite, []

        def full(descriptor: int, data: Any, offset: int) -> int:
            calls.append(offset)
            if len(calls) > 10:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(descriptor, data, offset)

        monkeypatch.setattr(os, "pwrite", full)
        data = np.tile(volume(), (1, 3, 4))
        write = write_zarr if kind == "zarr" else partial(write_one, kind)
        with pytest.raises(TomolineError) as caught:
            write(tmp_path / "v", data, facts())
        assert caught.value.code == "FILE-08"

    def test_names_what_the_user_knows(self, tmp_path: Path) -> None:
        from tomoline.files.atomic import temporary_path
        from tomoline.files.volume_blocks import _known

        part = temporary_path(tmp_path / "a_volume.ome.zarr")
        assert _known(part / "0" / "c" / "1") == tmp_path / "a_volume.ome.zarr"
        assert _known(tmp_path / "b") == tmp_path / "b"
