"""IMOD's models (.mod .fid .seed .3dmod), read and written.

Points are given in pixel-centre coordinates: files count x and y from the edge of the first pixel,
half a pixel more. In models of a stack z is the view, from 0. Chunks that tomoline has no use for
(meshes, views, labels) are kept and written back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError, files
from tomoline.files import _imod_chunks as layout
from tomoline.files._imod_chunks import Chunk
from tomoline.files._text import read_bytes
from tomoline.files.atomic import write_bytes

OPEN, SCATTERED = 1 << 3, 1 << 9  # flags of an object whose contours are lines, or single points

# IMOD's bits 10 and 12 to 15: z from -0.5, clip planes, materials as bytes, origin kept, angles
# stored properly.
_MODEL_FLAGS = 0xF400
_UNIT_NM = -9
_A_PER_NM = 10.0
_NM_OF_UNIT = {0: 0.0, 3: 1e12, 1: 1e7, -2: 1e7, -3: 1e6, -6: 1e3, -9: 1.0, -10: 0.1}
_DEFAULT_NM = 0.1
_EDGE = np.array([0.5, 0.5, 0.0])
_MATERIAL = bytes.fromhex("66ff7f04000000000000000000ff0000")
_AT_OBJECT = {b"IMAT", b"OBST", b"MEST", b"MESH", b"CLIP", b"MEPA", b"OLBL", b"OGRP", b"SKLI"}


@dataclass(frozen=True, eq=False)
class Contour:
    """A chain of points: a bead through the views, or one drawn line.

    Attributes
    ----------
    points : (point, 3) float64
        (x, y, z); pixel centres at integers, z the section or view from 0.
    surface : int
        Number of the surface that the contour belongs to; 0 for none.
    time, flags : int
        As in the file.
    sizes_px : (point,) float64 or None
        Radius with which each point is drawn; negative for the object's default.
    extra : tuple of Chunk
        Labels and other chunks, kept.
    """

    points: NDArray[np.float64]
    surface: int = 0
    time: int = 0
    flags: int = 0
    sizes_px: NDArray[np.float64] | None = None
    extra: tuple[Chunk, ...] = ()


@dataclass(frozen=True, eq=False)
class ModelObject:
    """Contours that share a name and a way of drawing.

    Attributes
    ----------
    contours : tuple of Contour
        The contours.
    name : str
        Up to 63 characters.
    color : (red, green, blue)
        From 0 to 1.
    flags : int
        As in the file; `OPEN`, `SCATTERED`, or 0 for closed contours.
    symbol, symbol_size : int
        How 3dmod marks points: 0 circle, 1 none; size in pixels of the screen.
    point_size_px : int
        Radius of points as spheres or circles, in pixels of the image; 0 for none.
    extra : tuple of Chunk
        Meshes, material and other chunks, kept.
    """

    contours: tuple[Contour, ...]
    name: str = ""
    color: tuple[float, float, float] = (0.0, 1.0, 0.0)
    flags: int = OPEN
    symbol: int = 0
    symbol_size: int = 7
    point_size_px: int = 0
    extra: tuple[Chunk, ...] = ()

    @property
    def is_closed(self) -> bool:
        """Whether contours are closed areas, such as boundaries, rather than lines or points."""
        return not self.flags & (OPEN | SCATTERED)


@dataclass(frozen=True, eq=False)
class Model:
    """A model: objects, and the image that its coordinates are of.

    Attributes
    ----------
    objects : tuple of ModelObject
        The objects.
    size_px : (x, y, z)
        Size of the image or stack.
    pixel_size_nm : float or None
        Its pixel size; None where the model has none.
    z_scale : float
        Thickness of a section in pixels, for display.
    origin_px : (x, y, z)
        Position of the image's first voxel in the volume it was cut from.
    extra : tuple of Chunk
        Views, slicer angles and other chunks of the whole model, kept.
    """

    objects: tuple[ModelObject, ...]
    size_px: tuple[int, int, int]
    pixel_size_nm: float | None = None
    z_scale: float = 1.0
    origin_px: tuple[float, float, float] = (0.0, 0.0, 0.0)
    extra: tuple[Chunk, ...] = field(default=(), repr=False)

    @property
    def contours(self) -> tuple[Contour, ...]:
        """The contours of all objects, in order."""
        return tuple(contour for part in self.objects for contour in part.contours)


def read(path: Path) -> Model:
    """Read an IMOD model.

    Raises
    ------
    TomolineError
        FILE-04 if it is no binary IMOD model, or a coordinate is not a number; FILE-03 if it is
        cut short; FILE-01, FILE-02, FILE-10.
    """
    path = Path(path)
    raw = read_bytes(path)
    if raw[:4] != b"IMOD" or raw[4:7] != b"V1.":
        raise files.NOT_THIS_FORMAT.error(where=path, found="It is no binary IMOD model.")
    if len(raw) < len(layout.FILE_ID) + layout.MODEL.size:
        raise files.TRUNCATED.error(where=path, found="The model ends inside its header.")
    head = layout.MODEL.unpack_from(raw, len(layout.FILE_ID))
    objects: list[_Draft] = []
    extra: list[Chunk] = []
    origin = (0.0, 0.0, 0.0)
    for chunk in layout.chunks(raw, path):
        if chunk.name == b"OBJT":
            objects.append(_Draft(chunk.data))
        elif chunk.name == b"MINX" and len(chunk.data) >= layout.IMAGE_REFERENCE.size:
            origin = _origin(layout.IMAGE_REFERENCE.unpack_from(chunk.data), head[5])
        elif objects and objects[-1].takes(chunk, path):
            continue
        else:
            extra.append(chunk)
    unit = _NM_OF_UNIT.get(head[22], 0.0)
    pixel_size = float(f"{head[21] * unit:.7g}") if head[21] > 0 and unit else None
    return Model(
        objects=tuple(draft.finished() for draft in objects),
        size_px=(head[1], head[2], head[3]),
        pixel_size_nm=pixel_size,
        z_scale=head[15],
        origin_px=origin,
        extra=tuple(extra),
    )


def write(path: Path, model: Model) -> None:
    """Write an IMOD model that 3dmod and IMOD's programs read.

    Its image reference is the pixel size and origin, so that 3dmod shows it in place on the image
    of the same pixel size; 0.1 nm, as in images, where it is not known.

    Raises
    ------
    ValueError
        If a coordinate is not a finite number.
    """
    write_bytes(path, b"".join(_parts(model)))


def _parts(model: Model) -> Iterable[bytes]:
    size_nm = model.pixel_size_nm or _DEFAULT_NM
    yield layout.FILE_ID
    yield layout.MODEL.pack(
        b"IMOD-NewModel", *model.size_px, len(model.objects), _MODEL_FLAGS,
        1, 1, 0, 255,
        0.0, 0.0, 0.0, 1.0, 1.0, model.z_scale,
        0, 0, 0, 3, 128,
        size_nm, _UNIT_NM, 0,
        0.0, 0.0, 0.0,
    )  # fmt: skip
    for part in model.objects:
        yield from _object_parts(part)
    for chunk in model.extra:
        yield layout.packed(chunk)
    size_a = size_nm * _A_PER_NM
    # IMOD keeps the origin with the opposite sign of MRC2014's.
    origin_a = [-value * size_a for value in model.origin_px]
    reference = [0.0] * 3 + origin_a + [0.0] * 3 + [size_a] * 3 + [0.0] * 6
    yield layout.packed(Chunk(b"MINX", layout.IMAGE_REFERENCE.pack(*reference)))
    yield layout.END


def _object_parts(part: ModelObject) -> Iterable[bytes]:
    surfaces = max((contour.surface for contour in part.contours), default=0)
    meshes = sum(chunk.name == b"MESH" for chunk in part.extra)
    yield b"OBJT" + layout.OBJECT.pack(
        part.name.encode("utf-8")[:63], *[0] * 16,
        len(part.contours), part.flags, 0, 1, *part.color, part.point_size_px,
        part.symbol, part.symbol_size, 1, 1, 0, 0, 0, 0, meshes, surfaces,
    )  # fmt: skip
    for contour in part.contours:
        points = np.asarray(contour.points, dtype=np.float64).reshape(-1, 3)
        if not np.all(np.isfinite(points)):
            raise ValueError("a model's coordinates must be finite numbers")
        head = layout.CONTOUR.pack(len(points), contour.flags, contour.time, contour.surface)
        yield b"CONT" + head + (points + _EDGE).astype(">f4").tobytes()
        if contour.sizes_px is not None:
            yield layout.packed(Chunk(b"SIZE", contour.sizes_px.astype(">f4").tobytes()))
        for chunk in contour.extra:
            yield layout.packed(chunk)
    if not any(chunk.name == b"IMAT" for chunk in part.extra):
        yield layout.packed(Chunk(b"IMAT", _MATERIAL))
    for chunk in part.extra:
        yield layout.packed(chunk)


class _Draft:
    """An object while its chunks are being read."""

    def __init__(self, data: bytes) -> None:
        self.head = layout.OBJECT.unpack(data)
        self.contours: list[Contour] = []
        self.extra: list[Chunk] = []

    def takes(self, chunk: Chunk, path: Path) -> bool:
        """Take a chunk that belongs to the object or its last contour."""
        if chunk.name == b"CONT":
            self.contours.append(_contour(chunk.data, path))
        elif chunk.name in _AT_OBJECT:
            self.extra.append(chunk)
        elif chunk.name in (b"SIZE", b"LABL", b"COST") and self.contours:
            last = self.contours[-1]
            sizes, extra = last.sizes_px, last.extra
            if chunk.name == b"SIZE" and len(chunk.data) == 4 * len(last.points):
                sizes = np.frombuffer(chunk.data, dtype=">f4").astype(np.float64)
            else:
                extra = (*extra, chunk)
            self.contours[-1] = Contour(
                last.points, last.surface, last.time, last.flags, sizes, extra
            )
        else:
            return False
        return True

    def finished(self) -> ModelObject:
        head = self.head
        return ModelObject(
            contours=tuple(self.contours),
            name=head[0].split(b"\0")[0].decode("utf-8", "replace"),
            color=(head[21], head[22], head[23]),
            flags=head[18],
            symbol=head[25],
            symbol_size=head[26],
            point_size_px=head[24],
            extra=tuple(self.extra),
        )


def _contour(data: bytes, path: Path) -> Contour:
    _, flags, time, surface = layout.CONTOUR.unpack_from(data)
    stored = np.frombuffer(data, dtype=">f4", offset=layout.CONTOUR.size)
    if not np.all(np.isfinite(stored)):
        raise _bad_point(path)
    points = stored.astype(np.float64).reshape(-1, 3)
    return Contour(points - _EDGE, surface, time, flags)


def _bad_point(path: Path) -> TomolineError:
    return files.NOT_THIS_FORMAT.error(
        where=path, found="A coordinate of the model is not a number."
    )


def _origin(reference: tuple[float, ...], flags: int) -> tuple[float, float, float]:
    """Origin in pixels from the image reference, where the model's flags say it is kept."""
    kept = flags & 1 << 14
    scales, origins = reference[9:12], reference[3:6]
    if not kept or not all(np.isfinite(reference[3:12])) or min(scales) <= 0:
        return (0.0, 0.0, 0.0)
    x, y, z = (0.0 - value / scale for value, scale in zip(origins, scales, strict=True))
    return (x, y, z)
