"""Writing MRC files section by section, from several threads, in any order."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files._mrc_header import (
    HEADER_BYTES,
    IMOD_STAMP,
    INVERTED_ORIGIN,
    SIGNED_BYTES,
    header_dtype,
)
from tomoline.files._statistics import Statistics, combined
from tomoline.files.atomic import destination_of, translate_os_error, writing

_DTYPES = {0: "i1", 1: "<i2", 2: "<f4", 6: "<u2", 12: "<f2"}
_UNSIGNED_OFFSET = 128
_DEFAULT_PIXEL_SIZE_NM = 0.1  # IMOD's 1 A where nothing is known
_ANGSTROM_PER_NM = 10.0
_MRC2014 = 20140


class MrcWriter:
    """Write an MRC file (MRC2014 with IMOD's stamp), whole or not at all.

    Space is reserved when the block starts, so that a full disk is found before anything is
    computed; the header is written, and the file gets its name, when the block ends. Sections may
    be written from several threads in any order; the result does not depend on it.

    Parameters
    ----------
    path : Path
        Destination.
    shape : (z, y, x)
        Sections, rows, columns.
    mode : int
        0 bytes, 1 int16, 2 float32, 6 uint16, 12 float16. Bytes mean 0 to 255 and are stored
        signed, less 128, as IMOD does; an int8 array is taken to be in the stored form.
    pixel_size_nm : float or (x, y, z), optional
        IMOD's 0.1 if unknown.
    titles : sequence of str
        Up to ten labels of up to 80 ASCII characters; longer ones are cut.
    origin_px : (x, y, z)
        Position of the first voxel, in voxels, in the volume that this one was cut from.
    is_volume : bool
        Whether sections are slices of one volume rather than images of a stack.

    Raises
    ------
    TomolineError
        FILE-08 no room, FILE-09 not writable.
    ValueError
        If the block ends with sections missing, or sections do not fit the shape.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.mrc"
    >>> with MrcWriter(path, (2, 3, 4), mode=2, pixel_size_nm=0.5) as out:
    ...     out.write(0, np.zeros((2, 3, 4), np.float32))
    >>> path.stat().st_size
    1120
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        mode: int = 2,
        pixel_size_nm: float | tuple[float, float, float] | None = None,
        titles: Sequence[str] = (),
        origin_px: tuple[float, float, float] = (0.0, 0.0, 0.0),
        *,
        is_volume: bool = False,
    ) -> None:
        if mode not in _DTYPES:
            raise ValueError(f"MRC mode {mode} is not written; use one of {sorted(_DTYPES)}")
        if min(shape) < 1:
            raise ValueError(f"shape {shape} holds nothing")
        self.path = Path(path)
        self.shape = shape
        self.mode = mode
        self.dtype = np.dtype(_DTYPES[mode])
        size = _DEFAULT_PIXEL_SIZE_NM if pixel_size_nm is None else pixel_size_nm
        self.pixel_size_nm = size if isinstance(size, tuple) else (size, size, size)
        self.titles = tuple(titles)
        self.origin_px = origin_px
        self.is_volume = is_volume
        self._statistics: dict[int, Statistics] = {}
        self._stack = contextlib.ExitStack()
        self._descriptor = -1

    def __enter__(self) -> MrcWriter:
        with self._stack:
            part = self._stack.enter_context(writing(self.path))
            self._descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o666)
            self._stack.callback(self._close)
            self._reserve(HEADER_BYTES + self.shape[0] * self._section_bytes)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self._stack.__exit__(kind, error, traceback)
            return
        with self._stack:
            missing = self.shape[0] - len(self._statistics)
            if missing:
                raise ValueError(f"{self.path}: {missing} of {self.shape[0]} sections not written")
            self._write_at(self._header(), 0)

    def write(
        self,
        first_section: int,
        sections: NDArray[Any],
        statistics: Sequence[Statistics] | None = None,
    ) -> None:
        """Write sections, converted to the file's mode: integers are rounded and clipped.

        Parameters
        ----------
        first_section : int
            Index of the first one, from 0.
        sections : (n, y, x) or (y, x), any real dtype
            NaN becomes 0 in integer modes.
        statistics : sequence of Statistics, optional
            Of each section's values, where the caller knows them; saves a pass over the data.
        """
        stack = sections[None] if sections.ndim == 2 else sections
        last = first_section + len(stack)
        if stack.ndim != 3 or stack.shape[1:] != self.shape[1:] or last > self.shape[0]:
            raise ValueError(
                f"{self.path}: sections {stack.shape} at {first_section} do not fit {self.shape}"
            )
        for index, section in enumerate(stack):
            stored = self._convert(section)
            self._write_at(stored, HEADER_BYTES + (first_section + index) * self._section_bytes)
            known = statistics[index] if statistics is not None else None
            if known is not None and self.mode == 0:
                known = known.shifted(-_UNSIGNED_OFFSET)
            self._statistics[first_section + index] = known or Statistics.of(stored)

    @property
    def statistics(self) -> Statistics:
        """Statistics of the stored values written so far."""
        return combined([self._statistics[i] for i in sorted(self._statistics)])

    @property
    def _section_bytes(self) -> int:
        return self.shape[1] * self.shape[2] * self.dtype.itemsize

    def _convert(self, section: NDArray[Any]) -> NDArray[Any]:
        if section.dtype == self.dtype:
            return np.ascontiguousarray(section)
        if self.dtype.kind == "f":
            # float16 ends at 65504, which counts may pass.
            limit = float(np.finfo(self.dtype).max)
            values = np.clip(section, -limit, limit) if self.mode == 12 else section
            return np.ascontiguousarray(values, dtype=self.dtype)
        limits = np.iinfo(self.dtype)
        offset = _UNSIGNED_OFFSET if self.mode == 0 else 0
        if section.dtype.kind == "f":
            values = np.nan_to_num(section, nan=0.0, posinf=limits.max + offset, neginf=0.0)
            values = np.rint(values)
        else:
            values = section.astype(np.int64)
        clipped = np.clip(values, limits.min + offset, limits.max + offset)
        return np.ascontiguousarray(clipped - offset, dtype=self.dtype)

    def _reserve(self, size: int) -> None:
        try:
            os.posix_fallocate(self._descriptor, 0, size)
        except OSError as error:
            # Some network file systems cannot reserve; writing will tell.
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                raise
            os.ftruncate(self._descriptor, size)

    def _write_at(self, data: NDArray[Any], offset: int) -> None:
        view = data.reshape(-1).view(np.uint8).data
        try:
            while view:
                written = os.pwrite(self._descriptor, view, offset)
                if written == 0:
                    raise OSError(errno.ENOSPC, "nothing could be written")
                view, offset = view[written:], offset + written
        except OSError as error:
            raise translate_os_error(error, destination_of(self.path)) from error

    def _header(self) -> NDArray[Any]:
        header = np.zeros(1, dtype=header_dtype("<"))
        fields = header[0]
        statistics = self.statistics
        size = np.array(self.shape[::-1])
        pixel_a = np.array(self.pixel_size_nm) * _ANGSTROM_PER_NM
        fields["size"] = fields["grid"] = size
        fields["mode"] = self.mode
        fields["cell_a"] = size * pixel_a
        fields["cell_angles_deg"] = 90.0
        fields["axes"] = (1, 2, 3)
        fields["minimum"], fields["maximum"] = statistics.minimum, statistics.maximum
        fields["mean"], fields["rms"] = statistics.mean, statistics.rms
        fields["space_group"] = int(self.is_volume)
        fields["version"] = _MRC2014
        fields["imod_stamp"] = IMOD_STAMP
        fields["imod_flags"] = INVERTED_ORIGIN | (SIGNED_BYTES if self.mode == 0 else 0)
        fields["origin_a"] = np.array(self.origin_px) * pixel_a
        fields["map"] = b"MAP "
        fields["stamp"] = (0x44, 0x44, 0, 0)
        fields["labels"] = min(len(self.titles), 10)
        for index, title in enumerate(self.titles[:10]):
            fields["label"][index] = title.encode("ascii", "replace")[:80].ljust(80)
        return header

    def _close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def check_room(folder: Path, needed_bytes: int) -> None:
    """Raise FILE-08 if the disk of `folder` has less room than needed."""
    try:
        state = os.statvfs(folder)
    except OSError as error:
        raise translate_os_error(error, folder) from error
    free = state.f_bavail * state.f_frsize
    if free < needed_bytes:
        raise files.DISK_FULL.error(
            where=folder, found=f"{needed_bytes / 1e9:.2f} GB are needed and {free / 1e9:.2f} free."
        )
