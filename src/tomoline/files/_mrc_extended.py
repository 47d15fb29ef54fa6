"""The extended header of an MRC file: what the microscope noted of each section.

Sources: IMOD's page of the format for SerialEM's and Agard's layouts
(https://bio3d.colorado.edu/imod/doc/mrc_format.txt); the old FEI layout is Agard's with 32
reals; FEI1 and FEI2 are those of Thermo Fisher's "MRC2014 file image format" as `mrcfile` has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Bytes of each item of SerialEM's sections, from the lowest bit of its flags.
_SERIALEM_BYTES = (2, 6, 4, 2, 2, 4, 2, 4, 2, 4, 2)
_TILT, _PIECE, _STAGE, _MAGNIFICATION, _INTENSITY, _DOSE = range(6)
_NM_PER_M = 1e9
_M2_PER_A2 = 1e-20


@dataclass(frozen=True)
class ExtendedHeader:
    """What an extended header tells, one entry per section.

    Attributes
    ----------
    kind : str
        "SerialEM", "Agard", "FEI" (old), "FEI1", "FEI2", or the code of one that is not read.
    tilt_deg : tuple of float or None
        Tilt angle of each section; None where there is none, or all are zero.
    pixel_size_nm : float or None
        Pixel size, where a plausible one is given.
    dose_e_per_a2 : tuple of float or None
        Exposure dose of each section.
    tilt_axis_deg : float or None
        Tilt axis angle as the microscope's program counts it.
    pieces : tuple of (x, y, z) or None
        Piece coordinates of a montage.
    """

    kind: str
    tilt_deg: tuple[float, ...] | None = None
    pixel_size_nm: float | None = None
    dose_e_per_a2: tuple[float, ...] | None = None
    tilt_axis_deg: float | None = None
    pieces: tuple[tuple[int, int, int], ...] | None = None

    @property
    def is_montage(self) -> bool:
        """Whether several pieces share a section of the whole."""
        return self.pieces is not None and len({piece[:2] for piece in self.pieces}) > 1


def parse(
    raw: bytes, sections: int, *, kind: bytes, nint: int, nreal: int, order: str
) -> ExtendedHeader | None:
    """Return what the bytes of an extended header tell of `sections` sections.

    Parameters
    ----------
    raw : bytes
        The extended header.
    sections : int
        Number of sections of the file.
    kind : bytes
        The header's four letters for the type, often empty or rubbish.
    nint, nreal : int
        Bytes per section and flags (SerialEM), or integers and reals per section (Agard).
    order : str
        Byte order, "<" or ">".

    Returns
    -------
    ExtendedHeader or None
        None where there is no extended header. What does not fit is left out: nothing in an
        extended header can keep the images from being read.
    """
    if not raw:
        return None
    if kind in (b"FEI1", b"FEI2"):
        return _parse_fei(raw, sections, kind.decode(), order)
    known = kind in (b"SERI", b"AGAR")
    if kind == b"SERI" or (not known and serialem_bytes(nreal) == nint and nint > 0):
        return _parse_serialem(raw, sections, nint, nreal, order)
    if nint >= 0 and nreal > 0 and 4 * (nint + nreal) * sections <= len(raw):
        return _parse_agard(raw, sections, nint, nreal, order)
    name = kind.rstrip(b"\0 ").decode("latin-1")
    return ExtendedHeader(name if name.isalnum() and name.isascii() else "unknown")


def serialem_bytes(flags: int) -> int:
    """Return the bytes per section that SerialEM's flags imply, -1 for bits without a meaning.

    >>> serialem_bytes(1 | 32)
    6
    """
    if flags < 0 or flags >> len(_SERIALEM_BYTES):
        return -1
    return sum(count for bit, count in enumerate(_SERIALEM_BYTES) if flags >> bit & 1)


def float_of_shorts(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the numbers that SerialEM stores as pairs of shorts.

    The value is ``sign(s1) (256 |s1| + |s2| mod 256) 2^(sign(s2) (|s2| div 256))``.

    >>> float_of_shorts(np.array([3]), np.array([-2048 - 64]))
    array([3.25])
    """
    s1, s2 = first.astype(np.int64), second.astype(np.int64)
    mantissa = np.abs(s1) * 256 + np.abs(s2) % 256
    exponent = np.sign(s2) * (np.abs(s2) // 256)
    value: NDArray[np.float64] = np.where(s1 < 0, -1.0, 1.0) * np.ldexp(
        mantissa.astype(np.float64), exponent
    )
    return value


def _parse_serialem(raw: bytes, sections: int, nint: int, flags: int, order: str) -> ExtendedHeader:
    if nint <= 0 or serialem_bytes(flags) != nint or nint * sections > len(raw):
        return ExtendedHeader("SerialEM")
    shorts = np.frombuffer(raw, dtype=order + "i2", count=nint * sections // 2)
    table = shorts.reshape(sections, nint // 2)
    columns: dict[int, NDArray[Any]] = {}
    start = 0
    for bit, count in enumerate(_SERIALEM_BYTES):
        if flags >> bit & 1:
            columns[bit] = table[:, start : start + count // 2]
            start += count // 2
    tilt = columns[_TILT][:, 0] / 100.0 if _TILT in columns else None
    dose = float_of_shorts(*columns[_DOSE].T) if _DOSE in columns else None
    pieces = None
    if _PIECE in columns:
        pieces = tuple((int(x), int(y), int(z)) for x, y, z in columns[_PIECE])
    return ExtendedHeader(
        "SerialEM", tilt_deg=_angles(tilt), dose_e_per_a2=_doses(dose), pieces=pieces
    )


def _parse_agard(raw: bytes, sections: int, nint: int, nreal: int, order: str) -> ExtendedHeader:
    table = np.frombuffer(raw, dtype=order + "f4", count=(nint + nreal) * sections)
    reals = table.reshape(sections, nint + nreal)[:, nint:].astype(np.float64)
    if (nint, nreal) != (0, 32):
        return ExtendedHeader("Agard", tilt_deg=_angles(reals[:, 0]))
    return ExtendedHeader(
        "FEI",
        tilt_deg=_angles(reals[:, 0]),
        pixel_size_nm=_pixel_size(reals[0, 11]),
        tilt_axis_deg=_axis(reals[0, 10]),
    )


def _parse_fei(raw: bytes, sections: int, kind: str, order: str) -> ExtendedHeader:
    from mrcfile.dtypes import get_ext_header_dtype

    dtype = get_ext_header_dtype(kind.encode(), order)
    if dtype.itemsize * sections > len(raw):
        return ExtendedHeader(kind)
    table = np.frombuffer(raw, dtype=dtype, count=sections)
    return ExtendedHeader(
        kind,
        tilt_deg=_angles(table["Alpha tilt"]),
        pixel_size_nm=_pixel_size(table["Pixel size X"][0]),
        dose_e_per_a2=_doses(table["Dose"] * _M2_PER_A2),
        tilt_axis_deg=_axis(table["Tilt axis angle"][0]),
    )


def _angles(values: NDArray[Any] | None) -> tuple[float, ...] | None:
    if values is None or not np.all(np.isfinite(values)) or np.any(np.abs(values) > 180):
        return None
    # Angles that a program left unset are zeros; one section may truly be at zero.
    if len(values) > 1 and not np.any(values):
        return None
    return tuple(float(f"{value:.7g}") for value in values)


def _doses(values: NDArray[Any] | None) -> tuple[float, ...] | None:
    if values is None or not np.all(np.isfinite(values)) or not np.all(values > 0):
        return None
    return tuple(float(f"{value:.7g}") for value in values)


def _axis(value: float) -> float | None:
    return float(f"{value:.7g}") if np.isfinite(value) and 0 < abs(value) <= 360 else None


def _pixel_size(metres: float) -> float | None:
    size_nm = float(metres) * _NM_PER_M
    return float(f"{size_nm:.7g}") if np.isfinite(size_nm) and 1e-3 < size_nm < 1e5 else None
