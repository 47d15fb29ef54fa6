"""MRC images, stacks and volumes (.mrc .st .rec .ali .preali .map), as IMOD reads and writes them.

Read are modes 0 (bytes, signed or not), 1, 2, 6 and 12, in both byte orders, with the extended
headers of SerialEM, Agard and FEI. Written are the same modes, little endian, MRC2014 with IMOD's
stamp. See `MrcHeader` for what a header tells, `MrcWriter` for writing.
"""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files._mrc_extended import ExtendedHeader, parse
from tomoline.files._mrc_header import (
    HEADER_BYTES,
    MrcHeader,
    fields_of,
    pixel_size_of,
    tilt_axis_of,
    titles_of,
    voxel_dtype,
)
from tomoline.files._mrc_writer import MrcWriter, check_room
from tomoline.files._statistics import Statistics
from tomoline.files.atomic import translate_os_error

__all__ = [
    "ExtendedHeader",
    "MrcHeader",
    "MrcWriter",
    "Statistics",
    "check_room",
    "open_map",
    "read_section",
    "release_pages",
    "probe",
    "read_header",
]

# No microscope writes more about a section than this; a larger claim is rubbish.
_MOST_EXTENDED_BYTES = 1 << 30


def probe(path: Path) -> MrcHeader:
    """Return what an MRC file's header says, after checking that the voxels are all there.

    Raises
    ------
    TomolineError
        FILE-01 missing, FILE-02 no regular file, FILE-03 shorter than its header says (with the
        number of whole sections), FILE-04 no MRC file, FILE-05 a mode that is not read,
        FILE-10 not readable. Bytes after the voxels are allowed.
    """
    header = read_header(path)
    available = Path(path).stat().st_size - header.data_offset
    if available < header.data_bytes:
        section = header.shape[1] * header.shape[2] * header.dtype.itemsize
        whole = max(available, 0) // section
        raise files.TRUNCATED.error(
            where=path,
            found=f"The header promises {header.shape[0]} sections of {header.shape[2]} x "
            f"{header.shape[1]} pixels, but the file ends after {whole} whole ones "
            f"({available} of {header.data_bytes} bytes).",
        )
    return header


def read_header(path: Path) -> MrcHeader:
    """Return what an MRC file's header says, whether or not the voxels are there.

    Raises the errors of `probe`, FILE-03 only where the header itself is cut short.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise files.NOT_A_FILE.error(where=path, found="It is a folder or a device.")
    try:
        with path.open("rb") as stream:
            raw = stream.read(HEADER_BYTES)
            if len(raw) < HEADER_BYTES:
                raise files.TRUNCATED.error(
                    where=path,
                    found=f"It has {len(raw)} bytes; the header alone takes {HEADER_BYTES}.",
                )
            fields, order = fields_of(raw, path)
            extended_bytes = max(int(fields["extended_bytes"]), 0)
            extended_raw = stream.read(min(extended_bytes, _MOST_EXTENDED_BYTES))
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    columns, rows, sections = (int(n) for n in fields["size"])
    titles = titles_of(fields)
    extended = parse(
        extended_raw,
        sections,
        kind=bytes(fields["extended_type"]),
        nint=int(fields["nint"]),
        nreal=int(fields["nreal"]),
        order=order,
    )
    origin = tuple(float(value) / 10 for value in fields["origin_a"])
    return MrcHeader(
        shape=(sections, rows, columns),
        mode=int(fields["mode"]),
        dtype=voxel_dtype(fields, order, path),
        data_offset=HEADER_BYTES + extended_bytes,
        pixel_size_nm=pixel_size_of(fields),
        origin_nm=(origin[0], origin[1], origin[2]),
        titles=titles,
        minimum=float(fields["minimum"]),
        maximum=float(fields["maximum"]),
        mean=float(fields["mean"]),
        rms=float(fields["rms"]),
        tilt_axis_deg=tilt_axis_of(titles),
        is_volume=int(fields["space_group"]) in (1, 401),
        extended=extended,
    )


def open_map(path: Path, header: MrcHeader | None = None) -> np.memmap[Any, Any]:
    """Return the voxels as stored, mapped into memory, read-only, shape (z, y, x).

    Parameters
    ----------
    path : Path
        The file.
    header : MrcHeader, optional
        As `probe` returned it, to save reading it again.

    Raises
    ------
    TomolineError
        As `probe`.
    """
    known = header or probe(path)
    try:
        return np.memmap(
            path, dtype=known.dtype, mode="r", offset=known.data_offset, shape=known.shape
        )
    except OSError as error:
        raise translate_os_error(error, Path(path), reading=True) from error


def release_pages(mapped: NDArray[Any]) -> None:
    """Let go of the memory that reading a mapped array has filled; reading it again refills it.

    What a map has touched counts as this process's memory until it is closed, though the system
    could take it back at any time.
    """
    base: Any = mapped
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap):
        base.madvise(mmap.MADV_DONTNEED)


def read_section(path: Path, section: int, header: MrcHeader) -> NDArray[Any]:
    """Return one section as stored, (y, x), its own memory; from several threads at a time.

    Raises
    ------
    TomolineError
        FILE-03 if the file ends before, FILE-10 if it cannot be read.
    """
    _, height, width = header.shape
    offset = header.data_offset + section * height * width * header.dtype.itemsize
    try:
        values = np.fromfile(path, dtype=header.dtype, count=height * width, offset=offset)
    except OSError as error:
        raise translate_os_error(error, Path(path), reading=True) from error
    if values.size != height * width:
        raise files.TRUNCATED.error(where=path, found="It became shorter while it was read.")
    return values.reshape(height, width)
