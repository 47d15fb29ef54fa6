"""Scans in HDF5 files: NXtomo and its variants, Data Exchange, ALS, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from tomoline.errors import TomolineError
from tomoline.files._hdf5_frames import Hdf5Frames
from tomoline.files._hdf5_tree import open_tree
from tomoline.files.frames import FrameLocation
from tomoline.files.open_frames import open_frames
from tomoline.files.open_scan import open_scan
from tomoline.files.scan_files import ScanFiles, ScanOptions

# 1 flat, 2 dark, 3 invalid, with flats between the projections.
KEY = np.array([1, 2, 0, 0, 0, 1, 3, 0, 0, 0, 1])
PROJECTIONS, FLATS, DARKS = [2, 3, 4, 7, 8, 9], [0, 5, 10], [1]
FRAMES = np.arange(len(KEY) * 12 * 14, dtype=np.uint16).reshape(len(KEY), 12, 14)
ANGLES = np.linspace(0, 150, 6)


def nxtomo(path: Path, *, key: Any = KEY, data: Any = FRAMES, **fields: Any) -> Path:
    """Write a small NXtomo file; fields named like angles_deg go where NXtomo has them."""
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry1/tomo_entry")
        entry["definition"] = "NXtomo"
        detector = entry.create_group("instrument/detector")
        detector["image_key"] = key
        if data is not None:
            detector["data"] = data
        for name, (value, unit) in fields.items():
            entry[name.replace("__", "/")] = value
            if unit:
                entry[name.replace("__", "/")].attrs["units"] = unit
    return path


def per_frame(angles: np.ndarray) -> np.ndarray:
    every = np.zeros(len(KEY))
    every[PROJECTIONS] = angles
    return every


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(TomolineError) as caught:
        action()
    assert caught.value.found
    assert caught.value.remedy
    return caught.value.code


def read(location: FrameLocation | None) -> np.ndarray:
    assert location is not None
    frames = open_frames(location)
    return np.stack([frames.read(index) for index in range(location.count)])


@pytest.mark.parametrize("dtype", [np.int32, np.float64, np.uint8])
def test_frames_are_told_apart_by_the_image_key(tmp_path: Path, dtype: Any) -> None:
    path = nxtomo(tmp_path / "a.nxs", key=KEY.astype(dtype))
    found = open_scan(path)
    assert found.format == "NXtomo"
    np.testing.assert_array_equal(read(found.projections[0]), FRAMES[PROJECTIONS])
    np.testing.assert_array_equal(read(found.flats[0]), FRAMES[FLATS])
    np.testing.assert_array_equal(read(found.darks[0]), FRAMES[DARKS])
    # When each was recorded, so that flats can be interpolated between.
    assert found.projections[0].times == tuple(PROJECTIONS)
    assert found.flats[0] is not None
    assert found.flats[0].times == tuple(FLATS)
    assert found.angles_deg is None


@pytest.mark.parametrize("every", [True, False], ids=["each frame", "each projection"])
@pytest.mark.parametrize(
    ("values", "unit"),
    [(ANGLES, "deg"), (ANGLES, None), (np.radians(ANGLES), "rad"), (ANGLES, "degrees")],
)
def test_angles_and_their_units(
    tmp_path: Path, every: bool, values: np.ndarray, unit: str | None
) -> None:
    angles = per_frame(values) if every else values
    found = open_scan(nxtomo(tmp_path / "a.nxs", sample__rotation_angle=(angles, unit)))
    np.testing.assert_allclose(found.angles_deg, ANGLES)
    assert found.angles_source == "/entry1/tomo_entry/sample/rotation_angle"


@pytest.mark.parametrize("last", [180.0, 360.0])
def test_the_end_of_the_turn_may_be_included(tmp_path: Path, last: float) -> None:
    angles = np.linspace(0, last, 6)
    found = open_scan(nxtomo(tmp_path / "a.nxs", sample__rotation_angle=(angles, "deg")))
    assert found.angles_deg is not None
    assert found.angles_deg[-1] == last


def test_units_of_the_geometry(tmp_path: Path) -> None:
    found = open_scan(
        nxtomo(
            tmp_path / "a.nxs",
            instrument__detector__distance=(73.0, "mm"),
            instrument__detector__x_pixel_size=(6.5e-7, "m"),
            instrument__beam__incident_energy=(18000.0, "eV"),
            instrument__source__energy=(3.0, "GeV"),
            instrument__source__distance=(-0.05, "m"),
        )
    )
    assert found.distances_m == pytest.approx((0.073,))
    assert found.pixel_size_um == pytest.approx(0.65)
    assert found.energy_kev == pytest.approx(18.0)
    assert found.source_distance_m == pytest.approx(0.05)


def test_metadata_that_are_not_numbers_are_passed_over_and_told(tmp_path: Path) -> None:
    found = open_scan(
        nxtomo(
            tmp_path / "a.nxs",
            instrument__detector__distance=(np.nan, "undefined"),
            instrument__detector__x_pixel_size=(6.5, "furlongs"),
            instrument__source__energy=(3.0009, None),
            sample__rotation_angle=(per_frame(ANGLES * np.nan), "deg"),
        )
    )
    assert found.distances_m == ()
    assert found.pixel_size_um is None
    assert found.energy_kev is None
    assert found.angles_deg is None
    assert {notice.code for notice in found.notices} == {"SCAN-19"}
    said = " ".join(notice.found for notice in found.notices)
    for name in ("distance", "furlongs", "rotation_angle"):
        assert name in said


def test_links_that_lead_nowhere_or_in_circles(tmp_path: Path) -> None:
    path = nxtomo(tmp_path / "a.nxs", sample__rotation_angle=(ANGLES, "deg"))
    with h5py.File(path, "a") as file:
        file["entry1/broken"] = h5py.ExternalLink("gone.h5", "/data")
        file["entry1/softly"] = h5py.SoftLink("/not/there")
        for number in range(5):
            file[f"entry1/tomo_entry/up{number}"] = h5py.SoftLink("/entry1")
        file["entry1/other/data"] = h5py.SoftLink("/entry1/tomo_entry/instrument/detector/data")
        file["aaa/instrument/detector/image_key"] = KEY
        file["aaa/instrument/detector/data"] = h5py.ExternalLink("gone.h5", "/data")
    found = open_scan(path)
    np.testing.assert_array_equal(read(found.projections[0]), FRAMES[PROJECTIONS])
    with open_tree(path) as tree:
        assert len(tree.groups) < 30
        assert set(tree.dangling) >= {"/entry1/broken", "/entry1/softly"}


def test_pixels_behind_an_external_link(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "pixels.h5", "w") as file:
        file["entry/detector"] = FRAMES
    path = nxtomo(tmp_path / "a.nxs", data=None)
    with h5py.File(path, "a") as file:
        link = h5py.ExternalLink("pixels.h5", "/entry/detector")
        file["entry1/tomo_entry/instrument/detector/data"] = link
    np.testing.assert_array_equal(read(open_scan(path).projections[0]), FRAMES[PROJECTIONS])
    (tmp_path / "pixels.h5").unlink()
    with pytest.raises(TomolineError) as caught:
        open_scan(path)
    assert caught.value.code == "SCAN-18"
    assert "pixels.h5" in caught.value.found
    assert "6 projections, 3 flats, 1 dark" in caught.value.found


def test_image_keys_that_do_not_fit(tmp_path: Path) -> None:
    assert code_of(lambda: open_scan(nxtomo(tmp_path / "a.nxs", key=KEY + 7))) == "SCAN-22"
    assert code_of(lambda: open_scan(nxtomo(tmp_path / "b.nxs", key=KEY + np.nan))) == "SCAN-22"
    assert code_of(lambda: open_scan(nxtomo(tmp_path / "e.nxs", key=KEY - 2))) == "SCAN-22"
    assert code_of(lambda: open_scan(nxtomo(tmp_path / "f.nxs", key=KEY + 0.5))) == "SCAN-22"
    nothing = np.ones(len(KEY))
    assert code_of(lambda: open_scan(nxtomo(tmp_path / "c.nxs", key=nothing))) == "SCAN-22"
    assert code_of(lambda: open_scan(nxtomo(tmp_path / "d.nxs", key=KEY[:-1]))) == "SCAN-18"


def test_two_scans_in_one_file_need_a_choice(tmp_path: Path) -> None:
    path = nxtomo(tmp_path / "a.nxs")
    with h5py.File(path, "a") as file:
        file["entry2/data/image_key"] = KEY
        file["entry2/data/data"] = FRAMES + 1
    assert code_of(lambda: open_scan(path)) == "SCAN-21"
    found = open_scan(path, ScanOptions(data_path="entry2/data/data"))
    np.testing.assert_array_equal(read(found.projections[0]), FRAMES[PROJECTIONS] + 1)
    assert code_of(lambda: open_scan(path, ScanOptions(data_path="/entry3"))) == "SCAN-18"


def test_named_datasets(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["some/frames"], file["some/what"], file["some/where"] = FRAMES, KEY, ANGLES
    options = ScanOptions(None, None, "/some/frames", "/some/where", "/some/what")
    found = open_scan(path, options)
    np.testing.assert_array_equal(read(found.projections[0]), FRAMES[PROJECTIONS])
    np.testing.assert_allclose(found.angles_deg, ANGLES)
    wrong = replace(options, angles_path="/some/other")
    assert code_of(lambda: open_scan(path, wrong)) == "SCAN-15"
    wrong = replace(options, angles_path="/some/frames")
    assert code_of(lambda: open_scan(path, wrong)) == "SCAN-15"


def data_exchange(path: Path, **extra: Any) -> Path:
    with h5py.File(path, "w") as file:
        file["exchange/data"] = FRAMES[:6]
        file["exchange/data_white"] = FRAMES[6:9]
        file["exchange/data_dark"] = FRAMES[9]
        for name, value in extra.items():
            file[name.replace("__", "/")] = value
    return path


def test_data_exchange(tmp_path: Path) -> None:
    found = open_scan(data_exchange(tmp_path / "a.h5", exchange__theta=ANGLES))
    np.testing.assert_array_equal(read(found.projections[0]), FRAMES[:6])
    np.testing.assert_array_equal(read(found.flats[0]), FRAMES[6:9])
    np.testing.assert_array_equal(read(found.darks[0]), FRAMES[9:10])
    np.testing.assert_allclose(found.angles_deg, ANGLES)


def test_angles_that_are_radians_without_saying_so(tmp_path: Path) -> None:
    frames = np.zeros((30, 4, 5), np.uint16)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["exchange/data"] = frames
        file["exchange/theta"] = np.linspace(0, np.pi, 30, endpoint=False)
    found = open_scan(path)
    np.testing.assert_allclose(found.angles_deg, np.linspace(0, 180, 30, endpoint=False))
    assert "radians" in found.notices[0].found


def test_flats_and_darks_in_files_of_their_own(tmp_path: Path) -> None:
    path, flats, darks = (tmp_path / name for name in ("p.h5", "f.h5", "d.nxs"))
    with h5py.File(path, "w") as file:
        file["exchange/data"] = FRAMES[:6]
    with h5py.File(flats, "w") as file:
        file["anything"] = FRAMES[:2]
    nxtomo(darks)
    found = open_scan(path, ScanOptions(flats_file=flats, darks_file=darks))
    np.testing.assert_array_equal(read(found.flats[0]), FRAMES[:2])
    np.testing.assert_array_equal(read(found.darks[0]), FRAMES[DARKS])
    with h5py.File(flats, "a") as file:
        file["another"] = FRAMES[:2]
    assert code_of(lambda: open_scan(path, ScanOptions(flats_file=flats))) == "SCAN-17"


STORAGE: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "a chunk a frame": {"chunks": (1, 12, 14)},
    "other chunks": {"chunks": (3, 5, 7)},
    "gzip": {"chunks": (1, 12, 14), "compression": "gzip"},
    "bitshuffle": {"chunks": (1, 12, 14), **hdf5plugin.Bitshuffle()},
}


@pytest.mark.parametrize("how", STORAGE.values(), ids=STORAGE.keys())
@pytest.mark.parametrize("dtype", ["<u2", ">u2", "<f4", "<i4"])
def test_frames_however_they_are_stored(tmp_path: Path, how: dict[str, Any], dtype: str) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("exchange/data", data=FRAMES.astype(dtype), dtype=dtype, **how)
    location = open_scan(path).projections[0]
    np.testing.assert_array_equal(read(location), FRAMES)
    part = replace(location, region=(2, 3, 9, 5))
    np.testing.assert_array_equal(read(part), FRAMES[:, 3:8, 2:11])
    frames = Hdf5Frames(location)
    with ThreadPoolExecutor(4) as pool:
        for index, frame in enumerate(pool.map(frames.read, list(range(len(FRAMES))))):
            np.testing.assert_array_equal(frame, FRAMES[index])
            assert frame.dtype == np.dtype(dtype).newbyteorder("=")
    direct = not {"compression"} & set(how) and how.get("chunks") != (3, 5, 7)
    assert all((place is not None) == direct for place in frames._places.values())


def test_a_chunk_that_was_never_written_is_the_fill_value(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("d", (4, 12, 14), "<u2", chunks=(1, 12, 14), fillvalue=9)
        made[1] = FRAMES[1]
    frames = read(open_scan(path).projections[0])
    assert (frames[0] == 9).all()
    np.testing.assert_array_equal(frames[1], FRAMES[1])


def test_a_file_that_was_cut_or_is_none(tmp_path: Path) -> None:
    path = data_exchange(tmp_path / "a.h5")
    location = open_scan(path).projections[0]
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    assert code_of(lambda: open_scan(path)) == "FILE-03"
    assert code_of(lambda: open_frames(location).read(5)) == "FILE-03"
    path.write_text("no HDF5")
    assert code_of(lambda: open_scan(path)) == "FILE-04"
    path.unlink()
    assert code_of(lambda: open_scan(path)) == "FILE-01"
    assert code_of(lambda: open_frames(location).read(0)) == "FILE-01"


def test_als832(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        group = file.create_group("scan")
        for name, value in (("nangles", b"5\r"), ("arange", b"180.0\r"), ("pxsize", b"0.00065\r")):
            group.attrs[name] = value
        for number in (0, 1, 3, 4):
            group[f"scan_0000_{number:04d}.tif"] = FRAMES[number][None]
        for number in (0, 4):
            group[f"scanbak_0000_{number:04d}.tif"] = FRAMES[5 + number][None]
    found = open_scan(path)
    assert found.format == "ALS 8.3.2"
    assert found.projections[0].missing == (2,)
    assert dict(found.bad) == {2: "missing"}
    assert found.step_deg == 45.0
    assert found.pixel_size_um == pytest.approx(0.65)
    np.testing.assert_array_equal(open_frames(found.projections[0]).read(3), FRAMES[3])
    assert code_of(lambda: open_frames(found.projections[0]).read(2)) == "FILE-01"
    assert found.flats[0] is not None
    assert found.flats[0].times == (0.0, 4.0)


def test_the_tooth(scan_data: Path) -> None:
    path = scan_data / "tooth-aps2bm" / "tooth.h5"
    found = open_scan(path)
    assert found.format == "Data Exchange"
    angles = np.array(found.angles_deg)
    np.testing.assert_allclose(angles, np.linspace(0, 180, 181, endpoint=False), atol=1e-4)
    with h5py.File(path) as file:
        for location, name in (
            (found.projections[0], "data"),
            (found.flats[0], "data_white"),
            (found.darks[0], "data_dark"),
        ):
            np.testing.assert_array_equal(read(location), file["exchange"][name][()])


def test_diad(scan_data: Path) -> None:
    folder = scan_data / "diad-k11-18014"
    found = open_scan(folder / "k11-18014.nxs")
    assert found.format == "NXtomo"
    flats = [*range(50), *range(3101, 3151)]
    darks = [*range(50, 100), *range(3151, 3201)]
    assert found.projections[0].indices == tuple(range(100, 3101))
    assert found.flats[0] is not None
    assert found.flats[0].indices == tuple(flats)
    assert found.darks[0] is not None
    assert found.darks[0].indices == tuple(darks)
    with h5py.File(folder / "k11-18014" / "k11-18014-imaging.h5") as file:
        pixels = file["entry/detector/detector"][()]
    with h5py.File(folder / "k11-18014" / "k11-18014-pcompPanda.h5") as file:
        angles = file["entry/gts_theta.value/gts_theta.value"][()]
    np.testing.assert_array_equal(read(found.projections[0]), pixels[100:3101])
    np.testing.assert_array_equal(read(found.flats[0]), pixels[flats])
    np.testing.assert_array_equal(read(found.darks[0]), pixels[darks])
    np.testing.assert_allclose(found.angles_deg, angles[100:3101])
    assert found.energy_kev is None  # the ring's 3 GeV are none


def test_other_real_files(scan_data: Path) -> None:
    folder = scan_data / "formats-misc"
    with pytest.raises(TomolineError) as caught:
        open_scan(folder / "dls_i12_112482.nxs")
    assert caught.value.code == "SCAN-18"
    for said in (
        "pco1-112482.hdf",
        "3601 projections, 100 flats, 50 darks",
        "3601 angles, 0.0000 to 360",
    ):
        assert said in caught.value.found

    def opened(name: str) -> ScanFiles:
        return open_scan(folder / name)

    als = opened("als832_20200521_160002_heartbeat_test.h5")
    assert als.projections[0].shape == (64, 59, 50)
    assert [one.count for one in (*als.flats, *als.darks) if one] == [12, 4]
    assert als.energy_kev == pytest.approx(20.0, abs=0.01)
    assert als.pixel_size_um == pytest.approx(0.645)
    assert als.step_deg == pytest.approx(180 / 63)
    assert read(als.projections[0]).max() <= 255
    mock = opened("aps7bm_meta_mock.h5")
    assert mock.projections[0].shape == (11, 50, 50)
    assert mock.step_deg == pytest.approx(0.05625)
    assert mock.pixel_size_um == pytest.approx(1.1806, abs=1e-4)
    txm = opened("aps_txm_dxfile.h5")
    assert txm.projections[0].shape == (1, 2, 16)
    assert txm.energy_kev == pytest.approx(11.0)
    assert txm.angles_deg is None
