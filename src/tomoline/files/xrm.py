"""Scans in Zeiss (Xradia) files: a ``.txrm`` with all frames, or a ``.xrm`` for each.

The layout is that of dxchange's and the manufacturer's readers: numbers below ``ImageInfo``, the
frames ``ImageData1/Image1`` onwards, a hundred to each ``ImageData``, and ``ReferenceData/Image``
as the flat. The pixel size is the effective one; the beam is treated as parallel.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tomoline.errors import files, scan
from tomoline.files._xrm_streams import Streams, open_streams
from tomoline.files.frames import FrameLocation, stored_type
from tomoline.files.scan_files import ScanFiles, ScanOptions
from tomoline.files.separate_frames import locate_stack

REFERENCE = "ReferenceData/Image"
_TYPES = {3: "<u1", 5: "<u2", 10: "<f4"}
_IMAGES_PER_GROUP = 100
_NUMBER = re.compile(r"(\d+)(?=\.[^.]+$)")


@dataclass(frozen=True)
class XrmHeader:
    """What a Zeiss file says: frames, their size, type and angles, and the reference's type."""

    frames: int
    height: int
    width: int
    dtype: str
    angles_deg: tuple[float, ...]
    energy_kev: float | None
    pixel_size_um: float | None
    reference_dtype: str | None


def image_stream(index: int) -> str:
    """Return the name of a frame's stream.

    >>> image_stream(100)
    'ImageData2/Image101'
    """
    return f"ImageData{index // _IMAGES_PER_GROUP + 1}/Image{index + 1}"


def probe(path: Path) -> XrmHeader:
    """Return what a Zeiss file holds.

    Raises
    ------
    TomolineError
        FILE-01, FILE-02, FILE-10 as the system says; FILE-03 damaged, FILE-04 no such file,
        FILE-05 pixels of a type that is not read.
    """
    with open_streams(path) as streams:
        return _header(streams, Path(path))


def _header(streams: Streams, path: Path) -> XrmHeader:
    width, height = (_whole(streams, path, f"ImageInfo/Image{one}") for one in ("Width", "Height"))
    count = _whole(streams, path, "ImageInfo/NoOfImages")
    code = _whole(streams, path, "ImageInfo/DataType")
    if code not in _TYPES:
        raise files.UNSUPPORTED.error(path, f"Its pixels are of type {code}; 3, 5 and 10 are read.")
    # A scan that was stopped has fewer frames than were planned.
    taken = streams.number("ImageInfo/ImagesTaken", "i")
    there = min(count, int(taken)) if taken else count
    angles = (
        streams.values("ImageInfo/Angles", "f", there) if streams.has("ImageInfo/Angles") else ()
    )
    energy_ev = streams.number("ImageInfo/Energy", "f")
    pixel_um = streams.number("ImageInfo/PixelSize", "f")
    reference = None
    if streams.has(REFERENCE):
        reference_code = streams.number("ReferenceData/DataType", "i")
        reference = _TYPES.get(int(reference_code) if reference_code is not None else code)
    return XrmHeader(
        frames=there,
        height=height,
        width=width,
        dtype=stored_type(_TYPES[code]),
        angles_deg=tuple(float(angle) for angle in angles),
        energy_kev=_positive(energy_ev, 1e-3),
        pixel_size_um=_positive(pixel_um, 1.0),
        reference_dtype=stored_type(reference) if reference else None,
    )


def _whole(streams: Streams, path: Path, name: str) -> int:
    value = streams.number(name, "i")
    if value is None or not 0 < value < 1 << 24:
        raise files.TRUNCATED.error(path, f"{name} is {value}.")
    return int(value)


def _positive(value: float | None, factor: float) -> float | None:
    if value is None or not math.isfinite(value) or value <= 0:
        return None
    return float(np.float32(value)) * factor


def read_scan(paths: Sequence[Path], options: ScanOptions) -> ScanFiles:
    """Return what one or several Zeiss files tell of a scan.

    Raises
    ------
    TomolineError
        As `probe`; SCAN-12 if files differ in size, SCAN-15 if a file has no angle for each frame.
    """
    paths = sorted(paths, key=_order)
    headers = [probe(path) for path in paths]
    first = headers[0]
    for path, header in zip(paths, headers, strict=True):
        if (header.height, header.width, header.dtype) != (first.height, first.width, first.dtype):
            raise scan.OTHER_SIZE.error(
                path,
                f"It has {header.width} x {header.height} pixels of type {header.dtype}, "
                f"{paths[0].name} has {first.width} x {first.height} of {first.dtype}.",
            )
    angles = tuple(angle for header in headers for angle in header.angles_deg)
    if len(paths) == 1:
        frames = _location(paths[0], first, indices=tuple(range(first.frames)))
        flats = _references(paths, headers)
    else:
        if any(header.frames != 1 for header in headers):
            raise scan.SEVERAL_SCANS.error(
                paths[0].parent, f"It holds {', '.join(path.name for path in paths[:12])}."
            )
        frames = _location(paths[0].parent, first, names=tuple(path.name for path in paths))
        flats = _references(paths, headers)
    darks = None
    if options.flats_file is not None:
        flats = locate_stack(options.flats_file, "flats")
    if options.darks_file is not None:
        darks = locate_stack(options.darks_file, "darks")
    known = len(angles) == frames.count and frames.count > 1
    return ScanFiles(
        format="Zeiss",
        projections=(frames,),
        flats=(flats,),
        darks=(darks,),
        angles_deg=angles if known else None,
        angles_source="ImageInfo/Angles" if known else "",
        energy_kev=first.energy_kev,
        pixel_size_um=first.pixel_size_um,
        files=tuple(paths) if len(paths) == 1 else (),
    )


def _order(path: Path) -> tuple[str, int]:
    found = _NUMBER.search(path.name)
    return (path.name[: found.start()], int(found[1])) if found else (path.name, 0)


def _location(
    path: Path,
    header: XrmHeader,
    *,
    names: tuple[str, ...] = (),
    indices: tuple[int, ...] = (),
    dataset: str = "",
    dtype: str | None = None,
) -> FrameLocation:
    return FrameLocation(
        "xrm",
        str(path),
        header.height,
        header.width,
        dtype or header.dtype,
        names=names,
        indices=indices,
        dataset=dataset,
    )


def _references(paths: Sequence[Path], headers: Sequence[XrmHeader]) -> FrameLocation | None:
    """Return the references as flats: of one file, or of all those that have one of that type."""
    dtype = next((one.reference_dtype for one in headers if one.reference_dtype), None)
    if dtype is None:
        return None
    if len(paths) == 1:
        return _location(paths[0], headers[0], indices=(0,), dataset=REFERENCE, dtype=dtype)
    names = tuple(
        path.name
        for path, header in zip(paths, headers, strict=True)
        if header.reference_dtype == dtype
    )
    return _location(paths[0].parent, headers[0], names=names, dataset=REFERENCE, dtype=dtype)
