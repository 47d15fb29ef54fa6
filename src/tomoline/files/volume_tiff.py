"""Volumes as one TIFF stack, a page a slice: classic TIFF with ImageJ's words, BigTIFF beyond 4 GB.

All tags stand before the pixels, which follow each other without a gap, so that slices are written
to their places in any order, and a reader may map the whole volume. ImageJ takes its scaling from
lines ``key=value`` of the description; the line ``tomoline=`` has everything else as JSON.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.files.volume_blocks import (
    Shape,
    Stored,
    VolumeFacts,
    check_room,
    open_new,
    write_at,
)

SUFFIX = ".tif"
_CLASSIC_LIMIT = (1 << 32) - (1 << 20)
_ALIGNMENT = 4096
_ASCII, _SHORT, _LONG, _RATIONAL, _LONG8 = 2, 3, 4, 5, 16
_FORMATS = {_SHORT: "H", _LONG: "I", _LONG8: "Q"}
_NO_UNIT, _CENTIMETRE = 1, 3


class TiffVolumeWriter:
    """Write a volume as a TIFF stack, slice by slice.

    Parameters
    ----------
    path : Path
        The file to make.
    shape : (z, y, x)
        Of the volume.
    facts : VolumeFacts
        What the volume is.
    big : bool, optional
        Whether to write BigTIFF; by default where classic TIFF would be too small.

    Raises
    ------
    TomolineError
        FILE-08 if there is no room for it.
    """

    def __init__(
        self, path: Path, shape: Shape, facts: VolumeFacts, *, big: bool | None = None
    ) -> None:
        self._path = path
        self.shapes = (shape,)
        self.block = (1, shape[1], shape[2])
        self._facts = facts
        self._slice_bytes = shape[1] * shape[2] * np.dtype(facts.dtype).itemsize
        needed = shape[0] * self._slice_bytes
        self.big = needed + 512 * shape[0] > _CLASSIC_LIMIT if big is None else big
        self._head = _Head(self.big, shape, facts).encoded
        check_room(path.parent, needed + len(self._head))
        self._descriptor = -1

    def __enter__(self) -> TiffVolumeWriter:
        self._descriptor = open_new(self._path)
        write_at(self._descriptor, self._head, 0, self._path)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def write(
        self,
        level: int,
        first: int,
        block_row: int,
        pieces: Stored,
        used: NDArray[np.bool_],
        sums: NDArray[np.float64],
    ) -> None:
        """Store one slice (see `VolumeFile.write`)."""
        offset = len(self._head) + first * self._slice_bytes
        write_at(self._descriptor, pieces, offset, self._path)

    def finish(self, found: Mapping[str, Any]) -> None:
        """Do nothing: what is found on the way does not fit before the pixels."""


class _Head:
    """Everything before the pixels: the file's header and the tags of all pages."""

    def __init__(self, big: bool, shape: Shape, facts: VolumeFacts) -> None:
        self._big, self._shape, self._facts = big, shape, facts
        self._description = _description(shape, facts, for_imagej=not big)
        # Where the pixels lie does not change how long the tags are, so the first pass tells.
        size = -(-len(self._make(0)) // _ALIGNMENT) * _ALIGNMENT
        self.encoded = self._make(size).ljust(size, b"\0")

    def _make(self, first_pixel: int) -> bytes:
        head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if self._big else b"II*\0\x08\0\0\0"
        parts, position = [head], len(head)
        for page in range(self._shape[0]):
            tags = self._tags(page, first_pixel)
            parts.append(_directory(tags, position, self._big, page == self._shape[0] - 1))
            position += len(parts[-1])
        return b"".join(parts)

    def _tags(self, page: int, first_pixel: int) -> dict[int, tuple[int, Any]]:
        _, height, width = self._shape
        dtype = np.dtype(self._facts.dtype)
        slice_bytes = height * width * dtype.itemsize
        long = _LONG8 if self._big else _LONG
        tags: dict[int, tuple[int, Any]] = {
            256: (_LONG, width),
            257: (_LONG, height),
            258: (_SHORT, 8 * dtype.itemsize),
            259: (_SHORT, 1),  # not compressed
            262: (_SHORT, 1),  # black is zero
            273: (long, first_pixel + page * slice_bytes),
            277: (_SHORT, 1),  # one value a pixel
            278: (_LONG, height),  # one strip
            279: (long, slice_bytes),
            339: (_SHORT, 3 if dtype.kind == "f" else 1),
        }
        if self._facts.voxel_um:
            # ImageJ takes the number as pixels per micrometre, the unit of its description.
            per_unit = (1e4 if self._big else 1.0) / self._facts.voxel_um
            fraction = Fraction(per_unit).limit_denominator(1_000_000)
            ratio = (fraction.numerator, fraction.denominator)
            tags |= {
                282: (_RATIONAL, ratio),
                283: (_RATIONAL, ratio),
                296: (_SHORT, _CENTIMETRE if self._big else _NO_UNIT),
            }
        if page == 0:
            tags[270] = (_ASCII, self._description)
        return tags


def _directory(tags: dict[int, tuple[int, Any]], position: int, big: bool, last: bool) -> bytes:
    """Return the tags of one page that stand at `position`, with what does not fit in them."""
    inline = 8 if big else 4
    count = struct.pack("<Q" if big else "<H", len(tags))
    entry_bytes = 4 + 2 * inline
    extra_at = position + len(count) + entry_bytes * len(tags) + inline
    entries, extra = [], b""
    for code, (kind, value) in sorted(tags.items()):
        if kind == _ASCII:
            number, data = len(value) + 1, value + b"\0"
        elif kind == _RATIONAL:
            number, data = 1, struct.pack("<II", *value)
        else:
            number, data = 1, struct.pack("<" + _FORMATS[kind], value)
        if len(data) > inline:
            place = struct.pack("<Q" if big else "<I", extra_at + len(extra))
            extra += data.ljust(-(-len(data) // 8) * 8, b"\0")
            data = place
        entries.append(struct.pack("<HHQ" if big else "<HHI", code, kind, number))
        entries.append(data.ljust(inline, b"\0"))
    # Directories begin at even places, as the standard asks.
    extra += b"\0" * ((extra_at + len(extra)) % 2)
    following = 0 if last else extra_at + len(extra)
    link = struct.pack("<Q" if big else "<I", following)
    return count + b"".join(entries) + link + extra


def _description(shape: Shape, facts: VolumeFacts, *, for_imagej: bool) -> bytes:
    """Return the description of the first page: lines for ImageJ, or only JSON."""
    details = json.dumps(facts.description, ensure_ascii=True, allow_nan=False)
    if not for_imagej:
        return f'{{"tomoline": {details}}}'.encode("ascii")
    low, high = facts.stored_window
    lines = ["ImageJ=1.53t", f"images={shape[0]}", f"slices={shape[0]}", "loop=false"]
    if facts.voxel_um:
        lines += ["unit=um", f"spacing={facts.voxel_um:.9g}"]
    if facts.dtype == "uint16":
        # A straight line from stored numbers to values.
        lines += ["cf=0", f"c0={facts.offset:.9g}", f"c1={facts.scale:.9g}"]
        lines += [f"vunit={facts.unit}"]
    lines += [f"min={low:.9g}", f"max={high:.9g}", f"tomoline={details}"]
    return ("\n".join(lines) + "\n").encode("ascii", "replace")
