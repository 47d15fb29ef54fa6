"""What the first bytes of a file promise: whether it can be whole.

Nothing here says that a file is good. What cannot be read for another reason than that bytes are
still to come is taken, and its run says what is wrong with it.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

from tomoline.errors import TomolineError
from tomoline.queue.watching import whole_hdf5
from tomoline.queue.words import count_of

_MRC_HEADER = 1024
_MRC_BITS = {0: 8, 1: 16, 2: 32, 3: 32, 4: 64, 6: 16, 12: 16, 16: 24, 101: 4}
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_TIFF = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),
    b"MM\0+": (">", True),
}
_MOST_PAGES = 100_000
_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES = 273, 279, 324, 325
_WIDTHS = {3: ("H", 2), 4: ("I", 4), 16: ("Q", 8)}


@dataclass(frozen=True, slots=True)
class MdocFacts:
    """What an .mdoc names.

    Attributes
    ----------
    image_file : str
        Name of the stack that it describes, "" where it does not say.
    frames : frozenset of str
        Names of the files of frames that it lists.
    views : int
        Number of views of a tilt series; 0 for a montage, or a file of one view's frames.
    """

    image_file: str
    frames: frozenset[str]
    views: int


def mdoc_facts(path: Path) -> MdocFacts | None:
    """Return what an .mdoc names; None if it cannot be read (yet)."""
    from tomoline.files import adoc

    try:
        document = adoc.read(path, latin1=True)
    except TomolineError:
        return None
    entries = list(document.entries)
    frames, views, montage = set(), 0, False
    for section in document.sections:
        views += section.kind == "ZValue"
        montage |= section.kind == "MontSection"
        if section.kind == "T":  # what follows a title still is global
            entries += section.entries
        if section.kind == "FrameSet":
            frames.add(path.name[: -len(".mdoc")])
        frames |= {_base(one.value) for one in section.entries if one.key == "SubFramePath"}
    values = {one.key: one.value for one in entries}
    montage |= values.get("Montage") == "1"
    image = _base(values.get("ImageFile", ""))
    return MdocFacts(image, frozenset(frames - {""}), 0 if montage else views)


def _base(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def lacking(path: Path, *, views: int = 0, late: bool = False) -> str:
    """Return what a file still lacks, by its first bytes; "" if nothing is known to be missing.

    An HDF5 file is whole when the files that it links to are, too.

    Parameters
    ----------
    path : Path
        A stack, or a scan in one file.
    views : int
        How many views its .mdoc describes; 0 where that is not known.
    late : bool
        Whether linked files that hold no frames are no longer waited for.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        start = file.read(_MRC_HEADER)
        if not size:
            return "it is empty"
        suffix = path.suffix.lower()
        if suffix in (".mrc", ".st"):
            return _mrc(start, size, views)
        if start[:4] in _TIFF:
            order, big = _TIFF[start[:4]]
            return _Tiff(file.fileno(), size, order, big).lacking(views)
        if suffix in (".tif", ".tiff") and not start.strip(b"\0"):
            return "its header has not been written"
        if start.startswith(whole_hdf5.START) or suffix in whole_hdf5.SUFFIXES:
            return whole_hdf5.lacking(path, file.fileno(), late=late)
        if start.startswith(_OLE):
            return _ole(start, size)
        if not start.strip(b"\0"):
            return "its header has not been written"
    return ""


def _mrc(start: bytes, size: int, views: int) -> str:
    if len(start) < _MRC_HEADER:
        return f"it has {len(start)} of the {_MRC_HEADER} bytes of a header"
    if not start[:16].strip(b"\0"):
        return "its header has not been written"
    for order in "<>":
        columns, rows, sections, mode = struct.unpack_from(f"{order}4i", start)
        (extended,) = struct.unpack_from(f"{order}i", start, 92)
        if min(columns, rows, sections) > 0 and mode in _MRC_BITS and extended >= 0:
            break
    else:
        return ""
    line = -(-columns * _MRC_BITS[mode] // 8)
    promised = _MRC_HEADER + extended + line * rows * sections
    # Pixels that cannot be: the header is damaged, and no more bytes will come.
    if promised > size and promised < 1 << 50:
        return f"its header promises {promised} bytes, there are {size}"
    return _views(sections, views)


def _views(there: int, described: int) -> str:
    if described and there < described:
        return f"its .mdoc describes {count_of(described, 'view')}, the stack has {there}"
    if described and there > described:
        return f"its .mdoc describes {described} of {count_of(there, 'view')} so far"
    return ""


class _Tiff:
    """Follows the pages of a TIFF file; that their strips are in the file is enough."""

    def __init__(self, file: int, size: int, order: str, big: bool) -> None:
        self._file, self._size, self._order, self._big = file, size, order, big

    def lacking(self, views: int) -> str:
        word, width = ("Q", 8) if self._big else ("I", 4)
        try:
            (page,) = self._unpack(word, width, width)  # the header is as long as two offsets
            pages = 0
            if page == 0:
                return "its header names no page"
            while page and pages < _MOST_PAGES:
                (count,) = self._unpack("Q" if self._big else "H", page, 8 if self._big else 2)
                entries = page + (8 if self._big else 2)
                length = 20 if self._big else 12
                if end := self._page_end(entries, count, length):
                    if end > self._size:
                        return f"page {pages + 1} ends at byte {end}, there are {self._size}"
                (page,) = self._unpack(word, entries + count * length, width)
                pages += 1
        except EOFError as error:
            return str(error)
        return _views(pages, views)

    def _page_end(self, entries: int, count: int, length: int) -> int:
        starts: tuple[int, ...] = ()
        sizes: tuple[int, ...] = ()
        raw = self._read(entries, count * length)
        for place in range(0, len(raw), length):
            (tag,) = struct.unpack_from(f"{self._order}H", raw, place)
            if tag in (_STRIPS, _TILES):
                starts = self._values(raw, place)
            elif tag in (_STRIP_BYTES, _TILE_BYTES):
                sizes = self._values(raw, place)
        return max((a + b for a, b in zip(starts, sizes, strict=False)), default=0)

    def _values(self, raw: bytes, place: int) -> tuple[int, ...]:
        word, width = ("Q", 8) if self._big else ("I", 4)
        kind, count = struct.unpack_from(f"{self._order}H{word}", raw, place + 2)
        if kind not in _WIDTHS or not count:
            return ()
        letter, bytes_each = _WIDTHS[kind]
        at = place + 4 + width
        if count * bytes_each <= width:
            return struct.unpack_from(f"{self._order}{count}{letter}", raw, at)
        (where,) = struct.unpack_from(f"{self._order}{word}", raw, at)
        if count > 1 << 20:
            return ()
        return self._unpack(f"{count}{letter}", where, count * bytes_each)

    def _unpack(self, letters: str, at: int, count: int) -> tuple[int, ...]:
        return struct.unpack(f"{self._order}{letters}", self._read(at, count))

    def _read(self, at: int, count: int) -> bytes:
        raw = os.pread(self._file, count, at) if at < self._size else b""
        if len(raw) < count:
            raise EOFError(f"it points to byte {at + count}, there are {self._size}")
        return raw


def _ole(start: bytes, size: int) -> str:
    if len(start) < 512:
        return f"it has {size} of the 512 bytes of a header"
    shift, first = struct.unpack_from("<H", start, 30)[0], struct.unpack_from("<I", start, 48)[0]
    if shift not in (9, 12) or first >= 0xFFFFFFFA:
        return ""
    needed = (first + 2) << shift
    if needed > size:
        return f"its directory ends at byte {needed}, there are {size}"
    return ""
