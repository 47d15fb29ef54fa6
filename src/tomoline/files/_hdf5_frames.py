"""Frames in HDF5 files: slices of one dataset, or a dataset for each frame.

The library lets one thread in at a time. Where a frame's pixels stand uncompressed in one run of
bytes, they are therefore read past it, as those of plain TIFF files.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError, files
from tomoline.files._raw_pixels import RawReader
from tomoline.files.atomic import translate_os_error
from tomoline.files.frames import FrameLocation

Pixels = NDArray[Any]


class Hdf5Frames:
    """Frames in an HDF5 file; see `tomoline.files.frames.Frames`."""

    def __init__(self, location: FrameLocation) -> None:
        import hdf5plugin  # noqa: F401 (detectors compress with its filters)

        self._location = location
        self._path = Path(location.path)
        self._dtype = np.dtype(location.dtype)
        self._reader = RawReader(location.height, location.width, self._dtype, location.region)
        self._lock = threading.Lock()
        self._file: Any = None
        self._places: dict[int, tuple[Path, int] | None] = {}

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
        if self._location.storage == "hdf5_each":
            return f"{self._path}, {self._location.names[index]}"
        return f"{self._path}, {self._location.dataset}, frame {self._location.indices[index] + 1}"

    def read(self, index: int, out: Pixels | None = None) -> Pixels:
        """Return frame `index`; see `tomoline.files.frames.Frames`."""
        try:
            with self._lock:
                if index not in self._places:
                    self._places[index] = self._place(index)
            place = self._places[index]
            if place is None:
                with self._lock:
                    return self._decode(index)
            path, offset = place
            descriptor = os.open(path, os.O_RDONLY)
            try:
                return self._reader.read(descriptor, offset, path, out)
            finally:
                os.close(descriptor)
        except TomolineError:
            raise
        except OSError as error:
            if error.errno is not None:
                raise translate_os_error(error, self._path, reading=True) from error
            raise self._unreadable(index, error) from error
        except (KeyError, ValueError, RuntimeError) as error:
            raise self._unreadable(index, error) from error

    def _unreadable(self, index: int, error: Exception) -> TomolineError:
        return files.TRUNCATED.error(
            where=self.label(index), found=f"HDF5 cannot read the frame ({error})."
        )

    def _dataset(self, index: int) -> Any:
        import h5py

        if self._file is None:
            self._file = h5py.File(self._path, "r")
        if self._location.storage == "hdf5_each":
            return self._file[str(self._location.names[index])]
        return self._file[self._location.dataset]

    def _place(self, index: int) -> tuple[Path, int] | None:
        """Return the file and offset of a frame's pixels if they stand in one run of bytes."""
        dataset = self._dataset(index)
        if dataset.dtype != self._dtype or dataset.ndim not in (2, 3) or dataset.is_virtual:
            return None
        if dataset.file.userblock_size:
            return None
        plane = int(np.prod(dataset.shape[-2:])) * self._dtype.itemsize
        frame = self._location.indices[index] if dataset.ndim == 3 and self._is_stack else 0
        path = Path(dataset.file.filename)
        if dataset.chunks is None:
            start = dataset.id.get_offset()
            return None if start is None or dataset.external else (path, start + frame * plane)
        if dataset.chunks != (*(1,) * (dataset.ndim - 2), *dataset.shape[-2:]):
            return None
        if dataset.id.get_create_plist().get_nfilters():
            return None
        where = dataset.id.get_chunk_info_by_coord((frame, 0, 0)[-dataset.ndim :])
        # A chunk that was never written has no place: it holds the fill value.
        return None if where.byte_offset is None else (path, where.byte_offset)

    @property
    def _is_stack(self) -> bool:
        return self._location.storage == "hdf5"

    def _decode(self, index: int) -> Pixels:
        dataset = self._dataset(index)
        left, top, width, height = self._location.region or (
            0,
            0,
            self._location.width,
            self._location.height,
        )
        inside = (slice(top, top + height), slice(left, left + width))
        if dataset.ndim == 2:
            frame = dataset[inside]
        else:
            frame = dataset[(self._location.indices[index] if self._is_stack else 0, *inside)]
        if frame.shape != (height, width):
            raise ValueError(f"it is {frame.shape}, not {(height, width)}")
        return np.ascontiguousarray(frame, dtype=self.dtype)
