"""Zeiss's files: the streams of an OLE2 file, read past its library."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from ole_file import write_ole, zeiss_streams

from tomoline.errors import TomolineError
from tomoline.files import xrm
from tomoline.files.open_frames import open_frames
from tomoline.files.open_scan import open_scan


def make(path: Path, count: int = 3, size: int = 60, *, scattered: bool = False) -> np.ndarray:
    random = np.random.default_rng(count + size)
    frames = random.integers(0, 60000, (count, size, size + 2), dtype=np.uint16)
    streams = zeiss_streams([one.tobytes() for one in frames], size, size + 2, 5)
    streams["ReferenceData/Image"] = (frames[0].astype(np.float32) * 2).tobytes()
    streams["ReferenceData/DataType"] = struct.pack("<i", 10)
    write_ole(path, streams, scattered=scattered)
    return frames


@pytest.mark.parametrize("scattered", [False, True], ids=["in one run", "scattered"])
@pytest.mark.parametrize("size", [60, 20], ids=["sectors", "mini sectors"])
def test_a_file_of_all_frames(tmp_path: Path, scattered: bool, size: int) -> None:
    path = tmp_path / "a.txrm"
    written = make(path, size=size, scattered=scattered)
    found = open_scan(path)
    assert found.angles_deg == (0.0, 10.0, 20.0)
    assert found.energy_kev == pytest.approx(9.2)
    assert found.pixel_size_um == 0.25
    frames = open_frames(found.projections[0])
    assert frames.shape == written.shape
    for index, expected in enumerate(written):
        np.testing.assert_array_equal(frames.read(index), expected)
    assert found.flats[0] is not None
    flat = open_frames(found.flats[0]).read(0)
    assert flat.dtype == np.float32
    np.testing.assert_array_equal(flat, written[0] * np.float32(2))


def test_a_file_for_each_frame_in_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (2, 10, 9):
        make(tmp_path / f"s{number}.xrm", count=1)
    found = open_scan(tmp_path)
    assert found.projections[0].names == ("s2.xrm", "s9.xrm", "s10.xrm")
    assert open_frames(found.projections[0]).read(1).shape == (60, 62)


def test_files_of_different_sizes_are_refused(tmp_path: Path) -> None:
    make(tmp_path / "s1.xrm", count=1, size=60)
    make(tmp_path / "s2.xrm", count=1, size=64)
    with pytest.raises(TomolineError) as caught:
        open_scan(tmp_path)
    assert caught.value.code == "SCAN-12"


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.txrm"
    make(path)
    frames = open_frames(open_scan(path).projections[0])
    frames.read(0)
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(TomolineError) as caught:
        frames.read(2)
    assert caught.value.code == "FILE-03"
    assert str(path) in caught.value.where


def test_real_files(scan_data: Path) -> None:
    folder = scan_data / "formats-misc"
    header = xrm.probe(folder / "txrm_test_chip_tomo.txrm")
    assert (header.frames, header.height, header.width, header.dtype) == (7, 256, 256, "<u2")
    np.testing.assert_allclose(header.angles_deg, np.arange(-45, 46, 15), atol=0.05)
    assert header.energy_kev == pytest.approx(9.2, abs=0.01)
    assert header.pixel_size_um == pytest.approx(0.1558, abs=1e-4)
    import olefile

    found = open_scan(folder / "txrm_test_chip_tomo.txrm")
    frames = open_frames(found.projections[0])
    with olefile.OleFileIO(folder / "txrm_test_chip_tomo.txrm") as ole:
        for index in range(7):
            data = ole.openstream(f"ImageData1/Image{index + 1}").read()
            expected = np.frombuffer(data, "<u2").reshape(256, 256)
            np.testing.assert_array_equal(frames.read(index), expected)
    for name in ("test_chip00.xrm", "test_chip01.xrm"):
        found = open_scan(folder / name)
        assert open_frames(found.projections[0]).read(0).mean() > 0
        assert found.flats[0] is not None
