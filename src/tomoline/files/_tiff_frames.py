"""Frames in TIFF files: one a file, or pages of one or several files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError, files
from tomoline.files._raw_pixels import RawReader
from tomoline.files._tiff_strips import Directory, Page, directory_of
from tomoline.files.atomic import translate_os_error
from tomoline.files.frames import FrameLocation

Pixels = NDArray[Any]
# Pixels for each byte of a file; nothing but a constant image is compressed further.
_MOST_COMPRESSION = 100_000


class TiffFrames:
    """Frames in TIFF files; see `tomoline.files.frames.Frames`.

    Plain pages are read by one request straight into memory, where the first file's directory, or
    its own, says they are. All others are tifffile's.
    """

    def __init__(self, location: FrameLocation) -> None:
        self._location = location
        path = Path(location.path)
        self._one_file = path if location.storage == "tiff_pages" and not location.names else None
        self._folder = path
        self._dtype = np.dtype(location.dtype)
        self._reader = RawReader(location.height, location.width, self._dtype, location.region)
        # Of each file of several pages, and under "" of a single-page file that others are like.
        # Threads may both find the same; the last one to store it wins.
        self._directories: dict[str, Directory] = {}

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, rows, columns)."""
        return self._location.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored numbers, in native byte order."""
        return self._dtype.newbyteorder("=")

    def label(self, index: int) -> str:
        """Say which frame this is."""
        name = self._location.names[index] if self._location.names else None
        if self._location.names and name is None:
            return f"frame {index + 1} of {self._folder}"
        path = self._one_file or self._folder / str(name)
        if self._location.storage == "tiff_pages":
            return f"{path}, page {self._location.indices[index] + 1}"
        return str(path)

    def read(self, index: int, out: Pixels | None = None) -> Pixels:
        """Return frame `index`; see `tomoline.files.frames.Frames`."""
        names = self._location.names
        if names and names[index] is None:
            raise files.MISSING.error(where=self.label(index), found="The frame is missing.")
        path = self._one_file or self._folder / str(names[index])
        page = self._location.indices[index] if self._location.indices else 0
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                found = self._page(descriptor, path, page)
                # Before the library is asked: it would try to make an image of any size.
                self._check_size(path, found.height, found.width)
                if found.plain and found.dtype == self._dtype and found.offset is not None:
                    return self._reader.read(descriptor, found.offset, path, out)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise translate_os_error(error, path, reading=True) from error
        return self._decode(path, page)

    def _page(self, descriptor: int, path: Path, page: int) -> Page:
        key = "" if self._location.storage == "tiff_files" else path.name
        known = self._directories.get(key)
        # A file of several pages is taken not to change while it is open.
        if known is None or (key == "" and not known.same_in(descriptor)):
            known = directory_of(descriptor, path)
            self._directories[key] = known
        if page >= len(known.pages):
            raise files.TRUNCATED.error(
                where=path, found=f"It has {len(known.pages)} pages, but page {page + 1} is needed."
            )
        return known.pages[page]

    def _check_size(self, path: Path, height: int, width: int) -> None:
        expected = self._location.height, self._location.width
        if (height, width) != expected:
            raise files.NOT_THIS_FORMAT.error(
                where=path,
                found=f"It is {width} x {height} pixels, the other frames are "
                f"{expected[1]} x {expected[0]}.",
            )

    def _decode(self, path: Path, page: int) -> Pixels:
        """Read a page that is not plain."""
        import tifffile

        try:
            # Opened for each frame: a TiffFile may not be shared between threads.
            with tifffile.TiffFile(path) as tiff:
                image = tiff.pages[page].asarray(maxworkers=1)
        except OSError as error:
            raise translate_os_error(error, path, reading=True) from error
        except Exception as error:  # tifffile raises many kinds for files that are not whole
            raise files.TRUNCATED.error(
                where=path, found=f"The TIFF file is damaged or cut short ({error})."
            ) from error
        if image.ndim != 2 or image.dtype.newbyteorder("=") != self.dtype:
            raise files.NOT_THIS_FORMAT.error(
                where=path,
                found=f"It holds {image.dtype} pixels of shape {image.shape}, the other frames "
                f"are {self.dtype}.",
            )
        self._check_size(path, *image.shape)
        if self._location.region is not None:
            left, top, width, height = self._location.region
            image = image[top : top + height, left : left + width]
        return np.ascontiguousarray(image, dtype=self.dtype)


def describe_page(path: Path, page: Page, index: int = 0) -> tuple[int, int, np.dtype[Any]]:
    """Return (height, width, dtype) of a page, asking tifffile where it is not plain.

    Raises
    ------
    TomolineError
        FILE-03 damaged, FILE-05 no grey image.
    """
    if page.plain and page.dtype is not None:
        return page.height, page.width, page.dtype
    import tifffile

    try:
        most_bytes = _MOST_COMPRESSION * path.stat().st_size
        if not 0 < page.height * page.width <= most_bytes:
            raise files.TRUNCATED.error(
                path, f"It says it is {page.width} x {page.height} pixels, more than it can hold."
            )
        with tifffile.TiffFile(path) as tiff:
            shape, dtype = tiff.pages[index].shape, tiff.pages[index].dtype
    except TomolineError:
        raise
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    except Exception as error:  # tifffile raises many kinds for files that are not whole
        raise files.TRUNCATED.error(
            where=path, found=f"The TIFF file is damaged or cut short ({error})."
        ) from error
    if dtype is None or len(shape) != 2 or np.dtype(dtype).kind not in "uif":
        raise files.UNSUPPORTED.error(
            where=path, found=f"It holds {dtype} images of shape {shape}; grey images are read."
        )
    return int(shape[0]), int(shape[1]), np.dtype(dtype).newbyteorder("=")
