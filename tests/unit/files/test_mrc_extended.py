import struct
from pathlib import Path

import numpy as np
import pytest
from mrcfile.dtypes import get_ext_header_dtype

from tomoline.files import mrc, stack

TILTS = (-60.0, 0.0, 59.99)


def write_with_extended(
    path: Path, extended: bytes, *, nint: int = 0, nreal: int = 0, kind: bytes = b"\0" * 4
) -> None:
    """Write a stack of three views with the given extended header."""
    data = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5)
    with mrc.MrcWriter(path, data.shape) as out:
        out.write(0, data)
    raw = bytearray(path.read_bytes())
    raw[92:96] = struct.pack("<i", len(extended))
    raw[104:108] = kind
    raw[128:132] = struct.pack("<2h", nint, nreal)
    path.write_bytes(raw[:1024] + extended + raw[1024:])


def shorts_of(value: float) -> tuple[int, int]:
    """SerialEM's two shorts for a number from 0.01 to 100, by the documented rule."""
    mantissa, exponent = round(value * 2**10), 10
    return mantissa // 256, -(exponent * 256 + mantissa % 256)


@pytest.mark.parametrize("kind", [b"\0\0\0\0", b"SERI", b"\xcd\xcd\xcd\xcd"])
def test_serialem(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.st"
    sections = b""
    for view, tilt in enumerate(TILTS):
        dose = shorts_of(2.5)
        fields = (round(tilt * 100), view * 1000, 0, 0, 25, -25, 640, 5000, *dose)
        sections += struct.pack("<10h", *fields)
    write_with_extended(
        path, sections.ljust(1024, b"\0"), nint=20, nreal=1 | 2 | 4 | 8 | 16 | 32, kind=kind
    )
    series = stack.open_stack(path)
    assert series.header_tilt_deg == TILTS
    assert series.header is not None
    extended = series.header.extended
    assert extended is not None
    assert extended.kind == "SerialEM"
    assert extended.dose_e_per_a2 == (2.5, 2.5, 2.5)
    assert extended.pieces == ((0, 0, 0), (1000, 0, 0), (2000, 0, 0))
    assert series.is_montage
    assert series.read(0)[0, 1] == 1


def test_old_fei(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    table = np.zeros((1024, 32), dtype="<f4")
    table[:3, 0] = TILTS
    table[:3, 10], table[:3, 11] = 86.5, 0.55e-9
    write_with_extended(path, table.tobytes(), nint=0, nreal=32)
    series = stack.open_stack(path)
    assert series.header_tilt_deg == pytest.approx(TILTS)
    assert series.pixel_size_nm == 0.55  # the header's own 1 A means that it is not known
    assert series.header_tilt_axis_deg == 86.5


@pytest.mark.parametrize("kind", [b"FEI1", b"FEI2"])
def test_new_fei(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "a.mrc"
    table = np.zeros(3, dtype=get_ext_header_dtype(kind, "<"))
    table["Alpha tilt"] = TILTS
    table["Pixel size X"] = 1.35e-10
    table["Dose"] = 3e20
    write_with_extended(path, table.tobytes(), kind=kind)
    series = stack.open_stack(path)
    assert series.header_tilt_deg == pytest.approx(TILTS)
    assert series.pixel_size_nm == 0.135
    assert series.header is not None
    assert series.header.extended is not None
    assert series.header.extended.dose_e_per_a2 == pytest.approx((3.0, 3.0, 3.0))


def test_agard(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    table = np.zeros((3, 5), dtype="<f4")
    table[:, 2] = TILTS
    write_with_extended(path, table.tobytes(), nint=2, nreal=3)
    assert stack.open_stack(path).header_tilt_deg == pytest.approx(TILTS)


@pytest.mark.parametrize("kind", [b"CCP4", b"FEI1", b"SERI", b"AGAR", b"\xff\0\xff\0"])
@pytest.mark.parametrize(("nint", "nreal"), [(0, 0), (-3, 5), (2, 1), (32767, 32767), (20, -1)])
def test_rubbish_never_keeps_images_from_being_read(
    tmp_path: Path, kind: bytes, nint: int, nreal: int
) -> None:
    path = tmp_path / "a.mrc"
    rubbish = np.random.default_rng(5).bytes(160)
    write_with_extended(path, rubbish, nint=nint, nreal=nreal, kind=kind)
    assert stack.open_stack(path).read(2)[3, 4] == 59


def test_angles_that_were_left_at_zero_are_unknown(tmp_path: Path) -> None:
    path = tmp_path / "a.st"
    write_with_extended(path, bytes(1024), nint=2, nreal=1)
    assert stack.open_stack(path).header_tilt_deg is None
