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
        self._stack: Any = None
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
            return f"{self._path}, {self._location.names[index] or f'frame {index + 1}'}"
        return f"{self._path}, {self._location.dataset}, frame {self._location.indices[index] + 1}"

    def read(self, index: int, out: Pixels | None = None) -> Pixels:
        """Return frame `index`; see `tomoline.files.frames.Frames`."""
        if self._location.names and self._location.names[index] is None:
            raise files.MISSING.error(where=self.label(index), found="The frame is missing.")
        try:
            with self._lock:
                place = self._find(index)
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

    def _find(self, index: int) -> tuple[Path, int] | None:
        """Return the file and offset of a frame's pixels if they stand in one run of bytes."""
        if index not in self._places:
            if self._location.storage == "hdf5":
                self._places = self._places_of_stack(self._dataset(index))
            else:
                self._places[index] = self._place_of_one(self._dataset(index))
        return self._places[index]

    def _dataset(self, index: int) -> Any:
        import h5py

        if self._file is None:
            self._file = h5py.File(self._path, "r")
        if self._location.storage == "hdf5_each":
            return self._file[str(self._location.names[index])]
        if self._stack is None:
            self._stack = self._file[self._location.dataset]
        return self._stack

    def _is_as_stored(self, dataset: Any) -> bool:
        """Whether the file holds the numbers as they are wanted, with nothing in between."""
        return bool(
            dataset.dtype == self._dtype
            and not dataset.is_virtual
            and not dataset.external
            and not dataset.file.userblock_size
            and not dataset.id.get_create_plist().get_nfilters()
        )

    def _places_of_stack(self, dataset: Any) -> dict[int, tuple[Path, int] | None]:
        indices = self._location.indices
        nowhere: dict[int, tuple[Path, int] | None] = dict.fromkeys(range(len(indices)))
        if dataset.ndim != 3 or not self._is_as_stored(dataset):
            # A single image counts as a stack of one.
            alone = dataset.ndim == 2 and len(indices) == 1
            return {0: self._place_of_one(dataset)} if alone else nowhere
        path, plane = Path(dataset.file.filename), dataset.shape[1:]
        if dataset.chunks is None:
            start = dataset.id.get_offset()
            if start is None:
                return nowhere
            step = int(np.prod(plane)) * self._dtype.itemsize
            return {place: (path, start + frame * step) for place, frame in enumerate(indices)}
        if dataset.chunks != (1, *plane):
            return nowhere
        offsets: dict[int, int | None] = {}

        def note(chunk: Any) -> None:
            offsets[chunk.chunk_offset[0]] = chunk.byte_offset

        dataset.id.chunk_iter(note)
        # A chunk that was never written is nowhere: it holds the fill value.
        found = [(place, offsets.get(frame)) for place, frame in enumerate(indices)]
        return {place: None if at is None else (path, at) for place, at in found}

    def _place_of_one(self, dataset: Any) -> tuple[Path, int] | None:
        """Return the place of a dataset that is a single frame."""
        if dataset.chunks is not None or not self._is_as_stored(dataset):
            return None
        start = dataset.id.get_offset()
        return None if start is None else (Path(dataset.file.filename), start)

    def _decode(self, index: int) -> Pixels:
        dataset = self._dataset(index)
        whole = (0, 0, self._location.width, self._location.height)
        left, top, width, height = self._location.region or whole
        inside: tuple[Any, ...] = (slice(top, top + height), slice(left, left + width))
        if dataset.ndim == 3:
            stacked = self._location.storage == "hdf5"
            inside = (self._location.indices[index] if stacked else 0, *inside)
        frame = dataset[inside]
        if frame.shape != (height, width):
            raise ValueError(f"it is {frame.shape}, not {(height, width)}")
        return np.ascontiguousarray(frame, dtype=self.dtype)
