import struct
import threading
import warnings
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tomoline.errors import TomolineError
from tomoline.files import mrc, stack

MODES = {0: np.int8, 1: np.int16, 2: np.float32, 6: np.uint16, 12: np.float16}
HEADER_RELATIVE_ERROR = 1e-5  # of mean and SD: the header holds float32


def write(path: Path, data: np.ndarray, mode: int, **options: object) -> None:
    with mrc.MrcWriter(path, data.shape, mode, **options) as out:  # type: ignore[arg-type]
        out.write(0, data)


@pytest.mark.parametrize("mode", MODES)
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_stored_values_come_back_and_mrcfile_agrees(
    mode: int, tmp_path: Path, data: st.DataObject
) -> None:
    elements = None
    if mode in (2, 12):
        elements = st.floats(-1000, 1000, width=16)
    shape = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)
    values = data.draw(hnp.arrays(MODES[mode], shape, elements=elements))
    path = tmp_path / "a.mrc"
    write(path, values, mode, pixel_size_nm=0.25)
    np.testing.assert_array_equal(mrc.open_map(path), values)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with mrcfile.open(path) as oracle:
            np.testing.assert_array_equal(oracle.data.reshape(values.shape), values)
            assert oracle.voxel_size.x == pytest.approx(2.5)
            wide = values.astype(np.float64)
            assert oracle.header.dmin == wide.min()
            assert oracle.header.dmax == wide.max()
            assert oracle.header.dmean == pytest.approx(wide.mean(), rel=1e-5, abs=1e-5)
            assert oracle.header.rms == pytest.approx(wide.std(), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("mode", [0, 1, 2, 6])
def test_written_files_are_valid_mrc2014(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a.mrc"
    random = np.random.default_rng(1)
    write(path, random.integers(0, 100, (3, 20, 30)).astype(np.float32), mode, titles=("x" * 90,))
    assert mrcfile.validate(path)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", MODES)
def test_files_of_mrcfile_are_read_in_both_byte_orders(
    tmp_path: Path, mode: int, order: str
) -> None:
    path = tmp_path / "a.mrc"
    values = np.arange(60).reshape(3, 4, 5).astype(np.dtype(MODES[mode]).newbyteorder(order))
    with mrcfile.new(path) as oracle:
        oracle.set_data(values)
        oracle.voxel_size = 11.04
    header = mrc.probe(path)
    assert header.pixel_size_nm == (1.104, 1.104, 1.104)
    np.testing.assert_array_equal(mrc.open_map(path), values)
    offset = 128 if mode == 0 else 0
    view = stack.open_stack(path).read(1)
    assert view.dtype == np.float32
    assert view.flags.c_contiguous
    np.testing.assert_array_equal(view, values[1].astype(np.float32) + offset)


def test_bytes_are_0_to_255_however_they_are_stored(tmp_path: Path) -> None:
    values = np.array([[[0.0, 127.4, 128.0, 254.6, 300.0, -5.0, np.nan]]])
    write(tmp_path / "a.mrc", values, 0)
    np.testing.assert_array_equal(
        stack.open_stack(tmp_path / "a.mrc").read(0)[0], [0, 127, 128, 255, 255, 0, 0]
    )
    with mrcfile.open(tmp_path / "a.mrc") as oracle:
        assert oracle.data.dtype == np.int8


def test_unsigned_bytes_without_imods_stamp_are_told_by_their_maximum(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.array([[[0.0, 200.0]]]), 0)
    raw = bytearray(path.read_bytes())
    raw[152:160] = bytes(8)
    raw[76:84] = struct.pack("<2f", 0, 200)
    raw[1024:] = bytes([0, 200])
    path.write_bytes(raw)
    np.testing.assert_array_equal(stack.open_stack(path).read(0), [[0, 200]])


def test_integers_are_rounded_and_clipped(tmp_path: Path) -> None:
    values = np.array([[[1.5, 2.5, -1e9, 1e9, np.nan, np.inf]]], dtype=np.float32)
    write(tmp_path / "a.mrc", values, 1)
    np.testing.assert_array_equal(
        mrc.open_map(tmp_path / "a.mrc")[0, 0], [2, 2, -32768, 32767, 0, 32767]
    )
    write(tmp_path / "a.mrc", values, 6)
    np.testing.assert_array_equal(
        mrc.open_map(tmp_path / "a.mrc")[0, 0], [2, 2, 0, 65535, 0, 65535]
    )


def test_order_and_threads_do_not_matter(tmp_path: Path) -> None:
    data = np.random.default_rng(2).normal(1000, 3, (12, 50, 60)).astype(np.float32)
    write(tmp_path / "a.mrc", data, 2)
    with mrc.MrcWriter(tmp_path / "b.mrc", data.shape, 2) as out:
        parts = [(8, data[8:]), (0, data[:3]), (3, data[3]), (4, data[4:8])]
        threads = [threading.Thread(target=out.write, args=part) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()
    header = mrc.probe(tmp_path / "b.mrc")
    assert header.mean == pytest.approx(data.mean(dtype=float), rel=HEADER_RELATIVE_ERROR)
    assert header.rms == pytest.approx(data.std(dtype=float), rel=HEADER_RELATIVE_ERROR)


def test_known_statistics_are_taken(tmp_path: Path) -> None:
    data = np.random.default_rng(3).integers(0, 255, (2, 9, 8)).astype(np.float32)
    write(tmp_path / "a.mrc", data, 0)
    with mrc.MrcWriter(tmp_path / "b.mrc", data.shape, 0) as out:
        out.write(0, data, [mrc.Statistics.of(section) for section in data])
    assert (tmp_path / "a.mrc").read_bytes() == (tmp_path / "b.mrc").read_bytes()


def test_statistics_ignore_what_is_not_finite_and_survive_large_values() -> None:
    found = mrc.Statistics.of(np.array([1.0, np.nan, np.inf, 3.0], dtype=np.float32))
    assert (found.count, found.minimum, found.maximum, found.mean) == (2, 1, 3, 2)
    assert mrc.Statistics.of(np.full(3, np.nan)).rms == 0
    assert mrc.Statistics.of(np.array([-1e30, 1e30], np.float32)).rms == pytest.approx(1e30)


def test_missing_sections_are_a_fault_and_leave_nothing(tmp_path: Path) -> None:
    def unfinished() -> None:
        with mrc.MrcWriter(tmp_path / "a.mrc", (2, 3, 4)) as out:
            out.write(1, np.zeros((3, 4)))

    with pytest.raises(ValueError, match="1 of 2 sections"):
        unfinished()
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_found_before_computing(tmp_path: Path) -> None:
    def too_large() -> None:
        with mrc.MrcWriter(tmp_path / "a.mrc", (1 << 16, 1 << 16, 1 << 16)):
            raise AssertionError("the block must not start")

    with pytest.raises(TomolineError) as caught:
        too_large()
    assert caught.value.code == "FILE-08"
    assert list(tmp_path.iterdir()) == []


def test_room_is_checked(tmp_path: Path) -> None:
    mrc.check_room(tmp_path, 1)
    with pytest.raises(TomolineError) as caught:
        mrc.check_room(tmp_path, 1 << 60)
    assert caught.value.code == "FILE-08"


def test_truncated_data_tell_the_whole_sections(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.zeros((5, 10, 10), np.float32), 2)
    path.write_bytes(path.read_bytes()[: 1024 + 3 * 400 + 7])
    with pytest.raises(TomolineError, match="after 3 whole ones") as caught:
        mrc.probe(path)
    assert caught.value.code == "FILE-03"
    assert mrc.read_header(path).shape == (5, 10, 10)


def test_bytes_after_the_data_are_allowed(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.ones((1, 2, 3), np.float32), 2)
    with path.open("ab") as stream:
        stream.write(b"more")
    assert mrc.open_map(path).shape == (1, 2, 3)


@pytest.mark.parametrize(("mode", "words"), [(3, "complex"), (4, "Fourier"), (16, "green")])
def test_other_modes_are_refused(tmp_path: Path, mode: int, words: str) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.ones((1, 2, 3), np.float32), 2)
    raw = bytearray(path.read_bytes())
    raw[12:16] = struct.pack("<i", mode)
    path.write_bytes(raw)
    with pytest.raises(TomolineError, match=words) as caught:
        mrc.probe(path)
    assert caught.value.code == "FILE-05"


@pytest.mark.parametrize("size", [(0, 5, 5), (-1, 5, 5), (1 << 30, 1 << 30, 1 << 30)])
def test_senseless_sizes_are_no_mrc_file(tmp_path: Path, size: tuple[int, int, int]) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.ones((1, 2, 3), np.float32), 2)
    raw = bytearray(path.read_bytes())
    raw[:12] = struct.pack("<3i", *size)
    path.write_bytes(raw)
    with pytest.raises(TomolineError) as caught:
        mrc.probe(path)
    assert caught.value.code == "FILE-04"


def test_a_huge_claim_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.ones((1, 2, 3), np.float32), 2)
    raw = bytearray(path.read_bytes())
    raw[:12] = struct.pack("<3i", 1 << 16, 1 << 16, 1 << 10)
    raw[92:96] = struct.pack("<i", (1 << 31) - 1)
    path.write_bytes(raw)
    with pytest.raises(TomolineError, match="after 0 whole ones"):
        mrc.probe(path)


def test_a_wrong_machine_stamp_is_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.ones((1, 2, 3), np.float32), 2)
    raw = bytearray(path.read_bytes())
    for stamp in (b"\x11\x11\0\0", b"\0\0DD", b"\0\0\0\0"):
        raw[212:216] = stamp
        path.write_bytes(raw)
        assert mrc.open_map(path)[0, 0, 0] == 1


def test_one_angstrom_is_no_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.ones((1, 2, 3), np.float32), 2)
    assert mrc.probe(path).pixel_size_nm == (0.1, 0.1, 0.1)
    assert stack.open_stack(path).pixel_size_nm is None


def test_origin_is_kept_with_the_standards_sign(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    write(path, np.ones((1, 2, 3), np.float32), 2, pixel_size_nm=2.0, origin_px=(1.0, 2.0, 3.0))
    assert mrc.probe(path).origin_nm == (2.0, 4.0, 6.0)


def test_real_headers(tilt_data: Path) -> None:
    header = mrc.read_header(tilt_data / "imod-projects/unitTestData/headerTest.st")
    assert header.tilt_axis_deg == 77.1
    assert header.extended is not None
    assert header.extended.kind == "SerialEM"
    exosome = stack.open_stack(tilt_data / "exosome-gold-series/exosome.mrc")
    assert exosome.shape == (31, 560, 768)
    assert exosome.pixel_size_nm == 1.104


def test_real_images_agree_with_mrcfile(tilt_data: Path) -> None:
    for path in sorted(tilt_data.glob("*/*.mrc")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one has a machine stamp that mrcfile warns of
            with mrcfile.open(path, permissive=True) as oracle:
                expected = oracle.data.reshape(-1, *oracle.data.shape[-2:])[-1]
        series = stack.open_stack(path)
        np.testing.assert_array_equal(series.read(series.shape[0] - 1), expected, str(path))
