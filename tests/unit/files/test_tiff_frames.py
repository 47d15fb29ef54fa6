"""Frames in TIFF files: plain strips read past the library, everything else by it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from tomoline.errors import TomolineError
from tomoline.files._tiff_sequence import locate
from tomoline.files._tiff_strips import read_directory
from tomoline.files.frames import FrameLocation
from tomoline.files.open_frames import open_frames

HEIGHT, WIDTH = 21, 34


def images(count: int, dtype: str = "uint16", seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.random((count, HEIGHT, WIDTH)) * 250).astype(dtype)


def write_sequence(folder: Path, stack: np.ndarray, **how: Any) -> list[str]:
    names = [f"f_{k:04d}.tif" for k in range(len(stack))]
    for name, image in zip(names, stack, strict=True):
        tifffile.imwrite(folder / name, image, **how)
    return names


def sequence(folder: Path, names: list[str], **changes: Any) -> FrameLocation:
    return replace(locate(folder, names).location, **changes)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
)
def test_every_plain_type_and_byte_order(tmp_path: Path, dtype: str, order: str) -> None:
    stack = images(3, dtype)
    names = write_sequence(tmp_path, stack, byteorder=order)
    assert read_directory(tmp_path / names[0]).pages[0].plain
    frames = open_frames(sequence(tmp_path, names))
    assert frames.dtype == np.dtype(dtype)
    assert frames.dtype.isnative
    for index, expected in enumerate(stack):
        np.testing.assert_array_equal(frames.read(index), expected)


VARIANTS: dict[str, dict[str, Any]] = {
    "several strips": {"rowsperstrip": 4},
    "one row a strip": {"rowsperstrip": 1},
    "deflate": {"compression": "zlib"},
    "lzw": {"compression": "lzw"},
    "predictor": {"compression": "zlib", "predictor": True},
    "tiles": {"tile": (16, 16)},
    "BigTIFF": {"bigtiff": True},
    "described": {"description": "a long description " * 9},
    "imagej": {"imagej": True},
}


@pytest.mark.parametrize("how", VARIANTS.values(), ids=VARIANTS.keys())
@pytest.mark.parametrize(
    "region", [None, (0, 3, WIDTH, 11), (5, 2, 20, 17)], ids=["all", "rows", "part"]
)
def test_variants_and_regions(
    tmp_path: Path, how: dict[str, Any], region: tuple[int, int, int, int] | None
) -> None:
    stack = images(2)
    names = write_sequence(tmp_path, stack, **how)
    plain = read_directory(tmp_path / names[0]).pages[0].plain
    assert plain == (not {"compression", "tile"} & set(how))
    frames = open_frames(sequence(tmp_path, names, region=region))
    left, top, width, height = region or (0, 0, WIDTH, HEIGHT)
    out = np.full((height, width), 7, np.uint16)
    padded = np.zeros((height + 4, width + 6), np.uint16)
    for index, image in enumerate(stack):
        expected = image[top : top + height, left : left + width]
        np.testing.assert_array_equal(frames.read(index), expected)
        np.testing.assert_array_equal(frames.read(index, out), expected)
        inside = padded[2:-2, 3:-3]
        np.testing.assert_array_equal(frames.read(index, inside), expected)
    assert not padded[:2].any()
    assert not padded[:, :3].any()


def test_a_plain_frame_is_read_into_the_given_memory(tmp_path: Path) -> None:
    names = write_sequence(tmp_path, images(1))
    out = np.empty((HEIGHT, WIDTH), np.uint16)
    assert open_frames(sequence(tmp_path, names)).read(0, out) is out


def test_memory_that_does_not_fit_is_left_alone(tmp_path: Path) -> None:
    stack = images(1)
    frames = open_frames(sequence(tmp_path, write_sequence(tmp_path, stack)))
    for unfit in (
        np.zeros((HEIGHT, WIDTH), np.float32),
        np.zeros((HEIGHT, WIDTH), np.int16),
        np.zeros((HEIGHT + 1, WIDTH), np.uint16),
    ):
        np.testing.assert_array_equal(frames.read(0, unfit), stack[0])
        assert frames.read(0, unfit).dtype == np.uint16
        assert not unfit.any()


def test_compressed_pixels_that_are_no_smaller(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 65535, (64, 64), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", image, compression="zlib", rowsperstrip=64)
    assert (tmp_path / "a.tif").stat().st_size > image.nbytes
    np.testing.assert_array_equal(open_frames(sequence(tmp_path, ["a.tif"])).read(0), image)


def test_strips_in_another_order(tmp_path: Path) -> None:
    image = images(1)[0]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, image, rowsperstrip=11, metadata=None)
    with tifffile.TiffFile(path) as tiff:
        tag = tiff.pages[0].tags["StripOffsets"]
        place, (first, second), dtype = tag.valueoffset, tag.value, tag.dtype
        counts = tiff.pages[0].databytecounts
    raw = bytearray(path.read_bytes())
    strips = raw[first : first + counts[0]], raw[second : second + counts[1]]
    raw[first : first + sum(counts)] = strips[1] + strips[0]
    width = {3: 2, 4: 4}[int(dtype)]
    for k, offset in enumerate((first + counts[1], first)):
        raw[place + k * width : place + (k + 1) * width] = offset.to_bytes(width, "little")
    path.write_bytes(raw)
    assert not read_directory(path).pages[0].plain
    np.testing.assert_array_equal(open_frames(sequence(tmp_path, ["a.tif"])).read(0), image)


def test_siblings_with_their_pixels_elsewhere(tmp_path: Path) -> None:
    stack = images(4)
    names = write_sequence(tmp_path, stack[:2])
    for name, image, text in (("f_2.tif", stack[2], "later"), ("f_3.tif", stack[3], "later" * 50)):
        tifffile.imwrite(tmp_path / name, image, description=text, metadata=None)
        names.append(name)
    frames = open_frames(sequence(tmp_path, names))
    for index in (0, 2, 1, 3, 0):
        np.testing.assert_array_equal(frames.read(index), stack[index])


@pytest.mark.parametrize("how", [{}, {"imagej": True}, {"compression": "zlib"}, {"bigtiff": True}])
def test_pages_of_one_file(tmp_path: Path, how: dict[str, Any]) -> None:
    stack = images(5)
    tifffile.imwrite(tmp_path / "s.tif", stack, photometric="minisblack", **how)
    located = locate(tmp_path, ["s.tif"])
    assert located.location.storage == "tiff_pages"
    frames = open_frames(located.location)
    assert frames.shape == stack.shape
    for index in (4, 0, 2):
        np.testing.assert_array_equal(frames.read(index), stack[index])
    assert frames.label(2).endswith("s.tif, page 3")


def test_imagejs_planes_behind_one_page(tmp_path: Path) -> None:
    stack = images(5)
    description = f"ImageJ=1.53\nimages={len(stack)}\nslices={len(stack)}\n"
    tifffile.imwrite(tmp_path / "s.tif", stack[0], description=description, metadata=None)
    with (tmp_path / "s.tif").open("ab") as file:
        file.write(stack[1:].astype("<u2").tobytes())
    frames = open_frames(locate(tmp_path, ["s.tif"]).location)
    assert frames.shape == stack.shape
    np.testing.assert_array_equal(frames.read(4), stack[4])


def test_pages_of_several_files(tmp_path: Path) -> None:
    stack = images(7)
    tifffile.imwrite(tmp_path / "a_0.tif", stack[:4], photometric="minisblack")
    tifffile.imwrite(tmp_path / "a_1.tif", stack[4:], photometric="minisblack")
    frames = open_frames(locate(tmp_path, ["a_0.tif", "a_1.tif"]).location)
    for index, expected in enumerate(stack):
        np.testing.assert_array_equal(frames.read(index), expected)


def test_threads_read_the_same(tmp_path: Path) -> None:
    stack = np.random.default_rng(2).integers(0, 65535, (12, 400, 500), dtype=np.uint16)
    names = write_sequence(tmp_path, stack)
    frames = open_frames(sequence(tmp_path, names, region=(30, 40, 400, 350)))
    with ThreadPoolExecutor(6) as pool:
        for index, frame in enumerate(pool.map(frames.read, list(range(12)) * 20)):
            np.testing.assert_array_equal(frame, stack[index % 12, 40:390, 30:430])


def refused(frames: Any, index: int) -> TomolineError:
    with pytest.raises(TomolineError) as caught:
        frames.read(index)
    return caught.value


def test_what_is_wrong_with_a_frame_is_said_with_its_name(tmp_path: Path) -> None:
    names = write_sequence(tmp_path, images(6))
    frames = open_frames(sequence(tmp_path, [*names, None]))  # type: ignore[list-item]
    os.truncate(tmp_path / names[1], 600)
    (tmp_path / names[2]).write_bytes(b"")
    tifffile.imwrite(tmp_path / names[3], images(1)[0, :, :-2])
    (tmp_path / names[4]).unlink()
    (tmp_path / names[5]).write_bytes(b"not a TIFF file, but as long as one" * 30)
    for index, code in ((1, "FILE-03"), (2, "FILE-03"), (3, "FILE-04"), (4, "FILE-01")):
        error = refused(frames, index)
        assert error.code == code
        assert names[index] in error.where
    assert refused(frames, 5).code == "FILE-04"
    assert refused(frames, 6).code == "FILE-01"
    np.testing.assert_array_equal(frames.read(0), images(6)[0])


def test_a_compressed_frame_that_is_damaged(tmp_path: Path) -> None:
    names = write_sequence(tmp_path, images(2), compression="zlib")
    frames = open_frames(sequence(tmp_path, names))
    os.truncate(tmp_path / names[1], (tmp_path / names[1]).stat().st_size - 200)
    assert refused(frames, 1).code == "FILE-03"


def test_frames_of_another_size_or_cut_are_found_by_their_length(tmp_path: Path) -> None:
    names = write_sequence(tmp_path, images(9))
    os.truncate(tmp_path / names[0], 600)
    tifffile.imwrite(tmp_path / names[3], images(1)[0, :, :-2])
    (tmp_path / names[4]).write_bytes(b"")
    tifffile.imwrite(tmp_path / names[5], images(9)[5], description="more text", metadata=None)
    located = locate(tmp_path, [*names, None])
    assert sorted(located.bad) == [0, 3, 4]
    assert "cut short" in located.bad[0]
    assert f"{WIDTH - 2} x {HEIGHT}" in located.bad[3]
    assert "empty" in located.bad[4]
    assert located.location.missing == (9,)
    assert (located.location.height, located.location.width) == (HEIGHT, WIDTH)


def test_the_last_page_of_a_stack_that_was_cut(tmp_path: Path) -> None:
    stack = images(5)
    for name in ("s.tif", "t.tif"):
        with tifffile.TiffWriter(tmp_path / name) as file:
            for image in stack:
                file.write(image, contiguous=False, metadata=None)
    os.truncate(tmp_path / "t.tif", (tmp_path / "t.tif").stat().st_size - 10)
    located = locate(tmp_path, ["s.tif", "t.tif"])
    assert list(located.bad) == [9]
    assert "cut short" in located.bad[9]
    frames = open_frames(located.location)
    np.testing.assert_array_equal(frames.read(8), stack[3])
    assert refused(frames, 9).code == "FILE-03"


def test_a_stack_that_lost_its_directories(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", images(5), photometric="minisblack", metadata=None)
    os.truncate(tmp_path / "s.tif", 7000)
    with pytest.raises(TomolineError) as caught:
        locate(tmp_path, ["s.tif"])
    assert caught.value.code == "FILE-03"


@pytest.mark.parametrize("how", [{}, {"bigtiff": True}, {"rowsperstrip": 3}, {"imagej": True}])
def test_damage_anywhere_is_read_or_refused(tmp_path: Path, how: dict[str, Any]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, images(3)[:, :4, :5], photometric="minisblack", **how)
    whole = path.read_bytes()
    random = np.random.default_rng(3)
    refusals = 0
    for _ in range(400):
        raw = bytearray(whole)
        for place in random.integers(0, len(raw), random.integers(1, 4)):
            raw[place] = random.choice([0, 1, 0x7F, 0x80, 0xFF, random.integers(0, 256)])
        path.write_bytes(raw[: random.integers(1, 2 * len(raw))])
        try:
            frames = open_frames(locate(tmp_path, ["a.tif"]).location)
            for index in range(min(frames.shape[0], 5)):
                frames.read(index)
        except TomolineError as error:
            refusals += bool(error.found)
    assert refusals > 50


def test_a_chain_of_pages_that_leads_in_a_circle(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "s.tif", images(1)[0], metadata=None)
    raw = bytearray((tmp_path / "s.tif").read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    tags = int.from_bytes(raw[first : first + 2], "little")
    end = first + 2 + 12 * tags
    raw[end : end + 4] = first.to_bytes(4, "little")
    (tmp_path / "s.tif").write_bytes(raw)
    with pytest.raises(TomolineError) as caught:
        read_directory(tmp_path / "s.tif")
    assert caught.value.code == "FILE-03"
