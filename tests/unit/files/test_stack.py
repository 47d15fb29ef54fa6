from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from tomoline.errors import TomolineError
from tomoline.files import mrc, stack


@pytest.mark.parametrize(
    ("dtype", "imagej"),
    [
        (np.uint8, False),
        (np.uint8, True),
        (np.int16, False),  # ImageJ has no signed integers
        (np.uint16, True),
        (np.float32, False),
        (np.float32, True),
    ],
)
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_tiff_stacks(tmp_path: Path, dtype: type, imagej: bool, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    images = np.arange(4 * 6 * 5).reshape(4, 6, 5).astype(dtype)
    tifffile.imwrite(path, images, photometric="minisblack", imagej=imagej, compression=compression)
    series = stack.open_stack(path)
    assert series.shape == (4, 6, 5)
    assert series.dtype == dtype
    assert series.header_tilt_deg is None
    for view in range(4):
        image = series.read(view)
        assert image.dtype == np.float32
        assert image.flags.c_contiguous
        np.testing.assert_array_equal(image, images[view])


def test_a_single_tiff_page_is_one_view(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.ones((6, 5), np.uint8))
    assert stack.open_stack(tmp_path / "a.tif").shape == (1, 6, 5)


def test_tiff_pages_appended_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for view in range(3):
        tifffile.imwrite(path, np.full((6, 5), view, np.uint16), append=True)
    series = stack.open_stack(path)
    assert series.shape == (3, 6, 5)
    assert series.read(2)[0, 0] == 2


def test_imagejs_unit_gives_the_pixel_size(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    images = np.ones((2, 6, 5), np.uint8)
    tifffile.imwrite(path, images, imagej=True, resolution=(2.0, 2.0), metadata={"unit": "nm"})
    assert stack.open_stack(path).pixel_size_nm == 0.5
    tifffile.imwrite(path, images, resolution=(72, 72), resolutionunit="inch")
    assert stack.open_stack(path).pixel_size_nm is None


def test_colour_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((6, 5, 3), np.uint8), photometric="rgb")
    with pytest.raises(TomolineError) as caught:
        stack.open_stack(path)
    assert caught.value.code == "FILE-05"


def test_pages_of_different_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for size in (5, 6):
        tifffile.imwrite(path, np.ones((size, 5), np.uint16), append=True)
    with pytest.raises(TomolineError, match="varies") as caught:
        stack.open_stack(path)
    assert caught.value.code == "FILE-05"


def test_a_tiff_whose_data_are_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((4, 60, 50), np.uint16), photometric="minisblack")
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(TomolineError) as caught:
        stack.open_stack(path).read(3)
    assert caught.value.code == "FILE-03"


def test_views_are_read_from_several_threads(tmp_path: Path) -> None:
    data = np.arange(8 * 30 * 20, dtype=np.int16).reshape(8, 30, 20)
    with mrc.MrcWriter(tmp_path / "a.st", data.shape, 1) as out:
        out.write(0, data)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="minisblack")
    for name in ("a.st", "a.tif"):
        series = stack.open_stack(tmp_path / name)
        with ThreadPoolExecutor(4) as pool:
            for view, image in enumerate(pool.map(series.read, range(8))):
                np.testing.assert_array_equal(image, data[view])


def test_no_such_view(tmp_path: Path) -> None:
    with mrc.MrcWriter(tmp_path / "a.st", (1, 2, 3), 1) as out:
        out.write(0, np.zeros((2, 3)))
    with pytest.raises(IndexError):
        stack.open_stack(tmp_path / "a.st").read(1)


def test_what_is_read_may_be_changed(tmp_path: Path) -> None:
    with mrc.MrcWriter(tmp_path / "a.st", (1, 2, 3)) as out:
        out.write(0, np.zeros((2, 3)))
    series = stack.open_stack(tmp_path / "a.st")
    image = series.read(0)
    image += 1
    assert series.read(0)[0, 0] == 0


@pytest.mark.parametrize("target", [8, 1 << 31, 20])
def test_a_broken_chain_of_pages_is_refused_at_once(tmp_path: Path, target: int) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((1, 6, 5), np.uint16), photometric="minisblack", metadata=None)
    raw = bytearray(path.read_bytes())
    first = int.from_bytes(raw[4:8], "little")
    end = first + 2 + 12 * int.from_bytes(raw[first : first + 2], "little")
    raw[end : end + 4] = (first if target == 8 else target).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(TomolineError) as caught:
        stack.open_stack(path)
    assert caught.value.code == "FILE-03"
