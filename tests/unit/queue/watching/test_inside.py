"""What first bytes promise."""

from __future__ import annotations

import struct
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile
from microscope import mdoc_text, mrc_bytes, put, tiff_bytes

from tomoline.queue.watching.inside import MdocFacts, lacking, mdoc_facts


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint16, np.float32, np.float16])
def test_mrc_of_each_mode_is_whole_at_its_last_byte(tmp_path: Path, dtype: type) -> None:
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as file:
        file.set_data(np.zeros((5, 7, 9), dtype))
    assert lacking(path) == ""
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert f"promises {len(content)} bytes" in lacking(path)


def test_mrc_of_the_other_byte_order(tmp_path: Path) -> None:
    header = bytearray(1024)
    struct.pack_into(">4i", header, 0, 8, 8, 2, 1)
    path = put(tmp_path / "a.st", bytes(header) + bytes(256))
    assert lacking(path) == ""
    put(path, bytes(header) + bytes(255))
    assert "promises 1280 bytes" in lacking(path)


@pytest.mark.parametrize(
    ("options", "bigtiff"),
    [({}, False), ({}, True), ({"rowsperstrip": 2}, False), ({"tile": (16, 16)}, True),
     ({"compression": "zlib"}, False)],
)  # fmt: skip
def test_tiff_is_whole_at_its_last_byte(
    tmp_path: Path, options: dict[str, object], bigtiff: bool
) -> None:
    path = tmp_path / "a.tif"
    pixels = np.random.default_rng(1).integers(0, 9000, (3, 32, 48), np.uint16)
    with tifffile.TiffWriter(path, bigtiff=bigtiff) as file:
        for page in pixels:
            file.write(page, **options)
    assert lacking(path, views=3) == ""
    content = path.read_bytes()
    for share in (0.3, 0.6, 0.95):
        path.write_bytes(content[: int(share * len(content))])
        assert lacking(path) != ""


def test_views_of_stack_and_mdoc(tmp_path: Path) -> None:
    path = put(tmp_path / "a.mrc", mrc_bytes(3))
    assert lacking(path, views=3) == lacking(path) == ""
    assert lacking(path, views=4) == "its .mdoc describes 4 views, the stack has 3"
    assert lacking(path, views=1) == "its .mdoc describes 1 of 3 views so far"
    assert lacking(path, views=2) == "its .mdoc describes 2 of 3 views so far"
    path = put(tmp_path / "a.tif", tiff_bytes(3))
    assert lacking(path, views=2) == "its .mdoc describes 2 of 3 views so far"


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("a.mrc", b"", "it is empty"),
        ("a.mrc", b"\1" * 7, "it has 7 of the 1024 bytes of a header"),
        ("a.tif", bytes(50), "its header has not been written"),
        ("a.tif", b"II*\0" + bytes(4), "its header names no page"),
        ("a.tif", b"II*\0\x08\0\0\0", "it points to byte 10, there are 8"),
        ("a.h5", bytes(2000), "it has 2000 bytes and no superblock"),
        ("a.txrm", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "it has 8 of the 512 bytes of a header"),
        # What more bytes would not mend is for the run to tell.
        ("a.mrc", b"\xff" * 2000, ""),
        ("a.tif", b"no TIFF at all", ""),
        ("a.h5", b"no HDF5 file at all", ""),
    ],
)
def test_starts_of_files(tmp_path: Path, name: str, content: bytes, found: str) -> None:
    assert lacking(put(tmp_path / name, content)) == found


def test_a_tiff_whose_pages_go_round_ends(tmp_path: Path) -> None:
    content = bytearray(tiff_bytes(1))
    struct.pack_into("<I", content, 8 + 2 + 4 * 12, 8)
    assert lacking(put(tmp_path / "a.tif", bytes(content))) == ""


def test_mdoc_facts(tmp_path: Path) -> None:
    frames = {0: r"X:\a\f0.tif", 1: "/b/f1.tif"}
    path = put(tmp_path / "a.mrc.mdoc", mdoc_text(2, image="a.mrc", frames=frames))
    assert mdoc_facts(path) == MdocFacts("a.mrc", frozenset({"f0.tif", "f1.tif"}), 2)
    put(path, "[MontSection = 0]\nTiltAngle = 1\n\n[ZValue = 0]\nTiltAngle = 1\n")
    found = mdoc_facts(path)
    assert found is not None
    assert found.views == 0
    path = put(tmp_path / "f7.tif.mdoc", "[FrameSet = 0]\nTiltAngle = 1\n")
    assert mdoc_facts(path) == MdocFacts("", frozenset({"f7.tif"}), 0)
    assert mdoc_facts(tmp_path / "missing.mdoc") is None
    assert mdoc_facts(put(path, b"\0\1\2")) is None
