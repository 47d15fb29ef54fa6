"""Frames in Zeiss's files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files._raw_pixels import RawReader, cut_short
from tomoline.files._xrm_streams import Runs, open_streams
from tomoline.files.atomic import translate_os_error
from tomoline.files.frames import FrameLocation
from tomoline.files.xrm import image_stream

Pixels = NDArray[Any]


class XrmFrames:
    """Frames in Zeiss's files; see `tomoline.files.frames.Frames`."""

    def __init__(self, location: FrameLocation) -> None:
        self._location = location
        self._dtype = np.dtype(location.dtype)
        self._reader = RawReader(location.height, location.width, self._dtype, location.region)
        # Where each frame's bytes stand; threads may both find the same.
        self._places: dict[int, Runs | bytes] = {}

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
        what = self._location.dataset or f"frame {self._image(index) + 1}"
        return f"{self._path(index)}, {what}"

    def _path(self, index: int) -> Path:
        base = Path(self._location.path)
        name = self._location.names[index] if self._location.names else None
        return base / name if name is not None else base

    def _image(self, index: int) -> int:
        return self._location.indices[index] if self._location.indices else 0

    def read(self, index: int, out: Pixels | None = None) -> Pixels:
        """Return frame `index`; see `tomoline.files.frames.Frames`."""
        if self._location.names and self._location.names[index] is None:
            raise files.MISSING.error(where=self.label(index), found="The frame is missing.")
        path = self._path(index)
        place = self._places.get(index)
        if place is None:
            place = self._places[index] = self._find(path, index)
        needed = self._location.height * self._location.width * self._dtype.itemsize
        try:
            descriptor = os.open(path, os.O_RDONLY)
            try:
                if isinstance(place, tuple) and len(place) == 1:
                    return self._reader.read(descriptor, place[0][0], path, out)
                data = place if isinstance(place, bytes) else _gather(descriptor, place)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise translate_os_error(error, path, reading=True) from error
        if len(data) < needed:
            raise cut_short(path, needed, len(data))
        frame = np.frombuffer(data[:needed], self._dtype)
        frame = frame.reshape(self._location.height, self._location.width)
        left, top, width, height = self._location.region or (0, 0, *frame.shape[::-1])
        inside = frame[top : top + height, left : left + width]
        return np.ascontiguousarray(inside, dtype=self.dtype)

    def _find(self, path: Path, index: int) -> Runs | bytes:
        """Return where a frame's bytes stand, or, of a tiny frame, the bytes themselves."""
        name = self._location.dataset or image_stream(self._image(index))
        needed = self._location.height * self._location.width * self._dtype.itemsize
        with open_streams(path) as streams:
            if not streams.has(name):
                raise files.TRUNCATED.error(path, f"It has no stream {name}.")
            runs = streams.runs(name)
            if runs is None:
                return streams.read(name)
        held = sum(length for _, length in runs)
        if held < needed:
            raise cut_short(path, needed, held)
        return runs


def _gather(descriptor: int, runs: Runs) -> bytes:
    return b"".join(os.pread(descriptor, length, offset) for offset, length in runs)
