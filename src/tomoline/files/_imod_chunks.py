"""The chunks of IMOD's binary models: sizes, layouts, and walking through them.

Source: IMOD's page "IMOD Binary File Format" (https://bio3d.colorado.edu/imod/doc/binspec.html).
All numbers are big endian. ``OBJT``, ``CONT`` and ``MESH`` have fixed headers and no length; every
other chunk tells its length in bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tomoline.errors import files

FILE_ID = b"IMODV1.2"
END = b"IEOF"
# name; sizes, objects, flags, draw and mouse modes, black and white levels; offsets and scales;
# current object, contour and point, resolution, threshold; pixel size, its unit, checksum, angles
MODEL = struct.Struct(">128s 4i I 4i 6f 5i f 2i 3f")
# name, extra; contours, flags, axis, drawing mode; colour; point size; symbol and lines; meshes,
# surfaces
OBJECT = struct.Struct(">64s 16I i I 2i 3f i 8B 2i")
CONTOUR = struct.Struct(">i I 2i")
MESH = struct.Struct(">2i I 2h")
IMAGE_REFERENCE = struct.Struct(">18f")
LENGTH = struct.Struct(">i")
_POINT_BYTES = 12
_INDEX_BYTES = 4


@dataclass(frozen=True)
class Chunk:
    """One chunk: its four letters, and its bytes without letters and length."""

    name: bytes
    data: bytes


def chunks(raw: bytes, path: Path) -> Iterator[Chunk]:
    """Yield the chunks that follow the model's header, without the end marker.

    Raises
    ------
    TomolineError
        FILE-03 if the file ends inside a chunk or without its end marker.
    """
    position = len(FILE_ID) + MODEL.size
    while raw[position : position + 4] != END:
        name = raw[position : position + 4]
        start = position + 4
        if len(name) < 4:
            raise _cut(path, "before its end marker")
        size = _size(raw, name, start)
        if name not in (b"OBJT", b"CONT", b"MESH"):
            start += LENGTH.size
        if size < 0 or start + size > len(raw):
            raise _cut(path, f"inside a {name.decode('ascii', 'replace')} chunk")
        yield Chunk(name, raw[start : start + size])
        position = start + size


def packed(chunk: Chunk) -> bytes:
    """Return the bytes of a chunk as they stand in a file."""
    if chunk.name in (b"OBJT", b"CONT", b"MESH"):
        return chunk.name + chunk.data
    return chunk.name + LENGTH.pack(len(chunk.data)) + chunk.data


def _size(raw: bytes, name: bytes, start: int) -> int:
    """Bytes of the chunk's data; -1 if they cannot be known."""
    if name == b"OBJT":
        return OBJECT.size
    head = {b"CONT": CONTOUR, b"MESH": MESH}.get(name, LENGTH)
    if start + head.size > len(raw):
        return -1
    first, second = (*head.unpack_from(raw, start), 0)[:2]
    if first < 0 or (name == b"MESH" and second < 0):
        return -1
    if name == b"CONT":
        return CONTOUR.size + _POINT_BYTES * int(first)
    if name == b"MESH":
        return MESH.size + _POINT_BYTES * int(first) + _INDEX_BYTES * int(second)
    return int(first)


def _cut(path: Path, where: str) -> Exception:
    return files.TRUNCATED.error(where=path, found=f"The model ends {where}.")
