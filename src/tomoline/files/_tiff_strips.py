"""Plain TIFF pages: where their pixels lie, found without decoding anything.

A page is plain when its grey pixels stand uncompressed in one run of bytes, which is how cameras
write. Such a page is read by a single request to the system; all others are tifffile's.
Tags and types: TIFF revision 6.0 (Adobe, 1992) and the BigTIFF extension.
"""

from __future__ import annotations

import os
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tomoline.errors import TomolineError, files

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _DESCRIPTION = 256, 257, 258, 259, 270
_STRIP_OFFSETS, _SAMPLES, _STRIP_BYTES, _PREDICTOR, _SAMPLE_FORMAT = 273, 277, 279, 317, 339
_TILE_OFFSETS, _FILL_ORDER = 324, 266
_USED = {
    _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _DESCRIPTION, _STRIP_OFFSETS, _SAMPLES, _STRIP_BYTES,
    _PREDICTOR, _SAMPLE_FORMAT, _TILE_OFFSETS, _FILL_ORDER,
}  # fmt: skip
_FIELD_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 16: "Q"}
_MOST_TAGS = 1000
_MOST_COUNT = 1 << 22
_MOST_PLANES = 1_000_000
_KINDS = {1: "u", 2: "i", 3: "f"}


@dataclass(frozen=True)
class Page:
    """A page of a TIFF file.

    Attributes
    ----------
    height, width : int
        Pixels.
    dtype : numpy.dtype or None
        As stored, with its byte order; None where tifffile has to tell.
    offset : int or None
        Where the pixels start if the page is plain, else None.
    """

    height: int
    width: int
    dtype: np.dtype[Any] | None
    offset: int | None

    @property
    def plain(self) -> bool:
        """Whether one run of bytes holds the pixels."""
        return self.offset is not None and self.dtype is not None

    @property
    def byte_count(self) -> int:
        """Bytes of the pixels of a plain page."""
        return self.height * self.width * (self.dtype.itemsize if self.dtype is not None else 0)


@dataclass(frozen=True)
class Directory:
    """The pages of a file, and the bytes that said so.

    Attributes
    ----------
    pages : tuple of Page
        In the order of the file; ImageJ's planes behind a single page count as pages.
    evidence : tuple of (int, bytes)
        The bytes that were looked at, with their offsets. A file that has the same bytes there
        has its pixels in the same place.
    """

    pages: tuple[Page, ...]
    evidence: tuple[tuple[int, bytes], ...]

    def same_in(self, descriptor: int) -> bool:
        """Whether an open file has its pages where this one has them."""
        return all(
            os.pread(descriptor, len(held), offset) == held for offset, held in self.evidence
        )


def read_directory(path: Path) -> Directory:
    """Return the pages of a TIFF file.

    Raises
    ------
    TomolineError
        FILE-03 if it is cut short or damaged, FILE-04 if it is no TIFF file.
    OSError
        If it cannot be opened or read.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return directory_of(descriptor, path)
    finally:
        os.close(descriptor)


def directory_of(descriptor: int, path: Path) -> Directory:
    """Return the pages of an open TIFF file; otherwise as `read_directory`."""
    try:
        return _Reader(descriptor, path).directory()
    except (struct.error, OverflowError) as error:
        raise _damaged(path, "a directory ends early") from error


def _damaged(path: Path, what: str) -> TomolineError:
    return files.TRUNCATED.error(
        where=path, found=f"The TIFF file is damaged or cut short ({what})."
    )


class _Reader:
    """Walks the chain of directories of one file."""

    def __init__(self, descriptor: int, path: Path) -> None:
        self._descriptor = descriptor
        self._path = path
        self._evidence: list[tuple[int, bytes]] = []

    def directory(self) -> Directory:
        """Return all pages."""
        head = os.pread(self._descriptor, 16, 0)
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            kind = files.TRUNCATED if len(head) < 8 else files.NOT_THIS_FORMAT
            what = "The file is empty." if not head else "It is no TIFF file."
            raise kind.error(where=self._path, found=what)
        self._order = "<" if head[:2] == b"II" else ">"
        self._big = 43 in head[2:4]
        first = head[8:16] if self._big else head[4:8]
        self._evidence.append((0, head[:16] if self._big else head[:8]))
        (offset,) = struct.unpack(self._order + ("Q" if self._big else "I"), first)
        pages: list[Page] = []
        seen: set[int] = set()
        description = b""
        while offset:
            if offset in seen:
                raise _damaged(self._path, "its directories lead in a circle")
            seen.add(offset)
            tags, offset = self._tags(offset)
            pages.append(self._page(tags))
            description = description or self._description(tags)
        if len(pages) == 1 and pages[0].plain and description.startswith(b"ImageJ="):
            planes = re.search(rb"\bimages=(\d+)", description)
            count = int(planes[1]) if planes else 1
            if count > _MOST_PLANES:
                raise _damaged(self._path, f"{count} planes")
            pages = _planes(pages[0], count)
        return Directory(tuple(pages), tuple(self._evidence))

    def _tags(self, offset: int) -> tuple[dict[int, tuple[int, int, bytes]], int]:
        """Return a directory's tags (type, count, value field), and where the next one is."""
        counter, entry, pointer = (8, 20, 8) if self._big else (2, 12, 4)
        counted = os.pread(self._descriptor, counter, offset)
        (count,) = struct.unpack(self._order + ("Q" if self._big else "H"), counted)
        if count > _MOST_TAGS:
            raise _damaged(self._path, f"a directory with {count} tags")
        block = os.pread(self._descriptor, count * entry + pointer, offset + counter)
        if len(block) < count * entry + pointer:
            raise _damaged(self._path, "a directory ends early")
        self._evidence.append((offset, counted + block))
        tags = {}
        for start in range(0, count * entry, entry):
            tag, kind = struct.unpack_from(self._order + "HH", block, start)
            if tag not in _USED:
                continue
            (items,) = struct.unpack_from(
                self._order + ("Q" if self._big else "I"), block, start + 4
            )
            tags[tag] = (kind, items, block[start + entry - pointer : start + entry])
        (following,) = struct.unpack(
            self._order + ("Q" if self._big else "I"), block[count * entry :]
        )
        return tags, following

    def _values(
        self, tags: dict[int, tuple[int, int, bytes]], tag: int, default: tuple[int, ...]
    ) -> tuple[int, ...]:
        if tag not in tags:
            return default
        kind, count, field = tags[tag]
        letter = _FIELD_TYPES.get(kind)
        if letter is None or letter == "s" or not 0 < count <= _MOST_COUNT:
            return default
        size = struct.calcsize(letter) * count
        held = field[:size] if size <= len(field) else self._pread(field, size)
        return struct.unpack(f"{self._order}{count}{letter}", held)

    def _pread(self, field: bytes, size: int) -> bytes:
        """Return the bytes that a value field points to, and remember them."""
        (offset,) = struct.unpack(self._order + ("Q" if self._big else "I"), field)
        held = os.pread(self._descriptor, size, offset)
        self._evidence.append((offset, held))
        return held

    def _description(self, tags: dict[int, tuple[int, int, bytes]]) -> bytes:
        kind, count, field = tags.get(_DESCRIPTION, (0, 0, b""))
        if kind != 2 or count <= len(field) or count > _MOST_COUNT:
            return b""
        (offset,) = struct.unpack(self._order + ("Q" if self._big else "I"), field)
        start = os.pread(self._descriptor, 7, offset)
        # Other programs write the time here, which differs from frame to frame: no evidence.
        return self._pread(field, count) if start == b"ImageJ=" else b""

    def _page(self, tags: dict[int, tuple[int, int, bytes]]) -> Page:
        (width,) = self._values(tags, _WIDTH, (0,))[:1]
        (height,) = self._values(tags, _HEIGHT, (0,))[:1]
        bits = self._values(tags, _BITS, (1,))
        kind = _KINDS.get(self._values(tags, _SAMPLE_FORMAT, (1,))[0])
        grey = len(bits) == 1 and self._values(tags, _SAMPLES, (1,)) == (1,)
        dtype = None
        if grey and (kind, bits[0]) in _STORED:
            dtype = np.dtype(f"{self._order}{kind}{bits[0] // 8}")
        offsets = self._values(tags, _STRIP_OFFSETS, ())
        counts = self._values(tags, _STRIP_BYTES, ())
        plain = (
            dtype is not None
            and width > 0
            and height > 0
            and self._values(tags, _COMPRESSION, (1,)) == (1,)
            and self._values(tags, _PREDICTOR, (1,)) == (1,)
            and self._values(tags, _FILL_ORDER, (1,)) == (1,)
            and _TILE_OFFSETS not in tags
            and bool(offsets)
            and len(offsets) == len(counts)
            and all(
                here + size == there
                for here, size, there in zip(offsets, counts, offsets[1:], strict=False)
            )
            and _holds(counts, width * height * (bits[0] // 8))
        )
        return Page(height, width, dtype, offsets[0] if plain else None)


_STORED = {(kind, bits) for kind in "ui" for bits in (8, 16, 32)} | {("f", 32), ("f", 64)}


def _holds(counts: tuple[int, ...], needed: int) -> bool:
    """Whether strips that follow each other hold the pixels without a gap."""
    return counts[0] >= needed if len(counts) == 1 else sum(counts) == needed


def _planes(page: Page, count: int) -> list[Page]:
    """Return ImageJ's planes: they follow each other behind the only page's pixels."""
    start = page.offset or 0
    return [
        Page(page.height, page.width, page.dtype, start + plane * page.byte_count)
        for plane in range(max(1, count))
    ]
