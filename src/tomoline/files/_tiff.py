"""TIFF stacks: several pages of one size, or one page with several planes (ImageJ)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError, files
from tomoline.files.atomic import translate_os_error

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MOST_TAGS = 1000
_NM_PER_UNIT = {"nm": 1.0, "µm": 1e3, "um": 1e3, "micron": 1e3, "\\u00B5m": 1e3, "Å": 0.1, "A": 0.1}


@dataclass(frozen=True)
class TiffHeader:
    """What a TIFF stack's tags say: shape (view, y, x), dtype, pixel size in nm or None."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_size_nm: float | None


def probe(path: Path) -> TiffHeader:
    """Return what a TIFF file holds.

    Raises
    ------
    TomolineError
        FILE-03 cut short, FILE-04 no TIFF file, FILE-05 colour or complex images, or pages of
        different sizes, FILE-10 not readable.
    """
    import tifffile

    try:
        check_directories(path)
        with tifffile.TiffFile(path) as tiff:
            shape, dtype, axes = _layout(tiff)
            size = _pixel_size(tiff)
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    except Exception as error:  # tifffile raises many kinds for files that are not whole
        raise _unreadable(path, error) from error
    if dtype is None or dtype.kind not in "uif" or "S" in axes or len(shape) not in (2, 3):
        raise files.UNSUPPORTED.error(
            where=path,
            found=f"It holds {dtype} images, {shape or 'of a size that varies'}; grey images of "
            "one size are read.",
        )
    views, rows, columns = (1, *shape)[-3:]
    return TiffHeader((int(views), int(rows), int(columns)), np.dtype(dtype), size)


def read_view(path: Path, view: int, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """Return one view as float32 (y, x).

    Raises
    ------
    TomolineError
        FILE-03 if the view is not whole.
    """
    import tifffile

    try:
        # Opened for each view: a TiffFile may not be shared between threads.
        with tifffile.TiffFile(path) as tiff:
            if len(tiff.pages) == shape[0]:
                image = tiff.pages[view].asarray(maxworkers=1)
            else:
                image = tiff.series[0].asarray(maxworkers=1).reshape(shape)[view]
            image = image.reshape(shape[1:])
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    except Exception as error:
        raise _unreadable(path, error, view) from error
    return np.ascontiguousarray(image, dtype=np.float32)


def check_directories(path: Path) -> int:
    """Return the number of pages, after walking the chain of their directories.

    A chain that leads in a circle, out of the file, or to a directory with absurdly many tags
    would keep tifffile busy for hours.

    Raises
    ------
    TomolineError
        FILE-03 if the chain is broken, FILE-04 if the file is no TIFF.
    """
    seen: set[int] = set()
    with path.open("rb") as stream:
        head = stream.read(16)
        order: Literal["little", "big"] = "big" if head[:2] == b"MM" else "little"
        if head[:4] not in TIFF_STARTS:
            raise files.NOT_THIS_FORMAT.error(where=path, found="It is no TIFF file.")
        big = 43 in head[2:4]
        counter, entry, pointer = (8, 20, 8) if big else (2, 12, 4)
        offset = int.from_bytes(head[8:16] if big else head[4:8], order)
        while offset:
            stream.seek(offset)
            counted = stream.read(counter)
            tags = int.from_bytes(counted, order)
            following = b""
            if len(counted) == counter and tags <= _MOST_TAGS and offset not in seen:
                stream.seek(tags * entry, os.SEEK_CUR)
                following = stream.read(pointer)
            if len(following) < pointer:
                raise files.TRUNCATED.error(
                    where=path,
                    found=f"The TIFF file is damaged or cut short after {len(seen)} pages.",
                )
            seen.add(offset)
            offset = int.from_bytes(following, order)
    return len(seen)


def _layout(tiff: Any) -> tuple[tuple[int, ...], Any, str]:
    """Shape, dtype and axes of all pages together, or of ImageJ's planes behind a single page."""
    pages = [(page.shape, page.dtype, page.axes) for page in tiff.pages]
    if len(pages) == 1:
        series = tiff.series[0]
        return series.shape, series.dtype, series.axes
    shape, dtype, axes = pages[0]
    if any(page != pages[0] for page in pages):
        # Told to the caller as a shape that is not read.
        return (), dtype, axes
    return (len(pages), *shape), dtype, axes


def _unreadable(path: Path, error: Exception, view: int | None = None) -> TomolineError:
    where = "" if view is None else f" at view {view + 1}"
    with Path(path).open("rb") as stream:
        start = stream.read(4)
    if start in TIFF_STARTS:
        return files.TRUNCATED.error(
            where=path, found=f"The TIFF file is damaged or cut short{where} ({error})."
        )
    return files.NOT_THIS_FORMAT.error(where=path, found=f"It is no TIFF file ({error}).")


def _pixel_size(tiff: Any) -> float | None:
    """Pixel size from ImageJ's unit, or the resolution in centimetres, where it is nanoscopic."""
    page = tiff.pages[0]
    tag = page.tags.get("XResolution")
    if tag is None or not isinstance(tag.value, tuple) or 0 in tag.value:
        return None
    per_unit = tag.value[0] / tag.value[1]
    unit = (tiff.imagej_metadata or {}).get("unit")
    if unit is None and page.tags.get("ResolutionUnit") is not None:
        unit_nm = 1e7 if int(page.tags["ResolutionUnit"].value) == 3 else None
    else:
        unit_nm = _NM_PER_UNIT.get(str(unit))
    if unit_nm is None:
        return None
    size_nm = unit_nm / per_unit
    # A screen's or printer's resolution is no pixel size.
    return float(f"{size_nm:.7g}") if 1e-3 < size_nm < 1e3 else None
