"""The 1024 bytes that an MRC file starts with: layout, meaning, and making one.

Sources: the MRC2014 standard (Cheng et al., J. Struct. Biol. 192, 146, 2015;
https://www.ccpem.ac.uk/mrc_format/mrc2014.php) and IMOD's page of the format
(https://bio3d.colorado.edu/imod/doc/mrc_format.txt).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tomoline.errors import files
from tomoline.files._mrc_extended import ExtendedHeader

ByteOrder = Literal["<", ">"]
HEADER_BYTES = 1024
IMOD_STAMP = 1146047817  # the letters "IMOD"
SIGNED_BYTES, INVERTED_ORIGIN, FOUR_BIT = 1, 4, 16  # bits of IMOD's flags

# Offsets as in the standard; nint and nreal stand where IMOD and SerialEM have them.
_FIELDS: list[tuple[str, str, int]] = [
    ("size", "3i4", 0),
    ("mode", "i4", 12),
    ("grid", "3i4", 28),
    ("cell_a", "3f4", 40),
    ("cell_angles_deg", "3f4", 52),
    ("axes", "3i4", 64),
    ("minimum", "f4", 76),
    ("maximum", "f4", 80),
    ("mean", "f4", 84),
    ("space_group", "i4", 88),
    ("extended_bytes", "i4", 92),
    ("extended_type", "S4", 104),
    ("version", "i4", 108),
    ("nint", "i2", 128),
    ("nreal", "i2", 130),
    ("imod_stamp", "i4", 152),
    ("imod_flags", "i4", 156),
    ("origin_a", "3f4", 196),
    ("map", "S4", 208),
    ("stamp", "4u1", 212),
    ("rms", "f4", 216),
    ("labels", "i4", 220),
    ("label", "10S80", 224),
]
_MODES = {1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED = {
    3: "complex 16-bit integers (mode 3)",
    4: "complex numbers, a Fourier transform (mode 4)",
    16: "red, green and blue bytes (mode 16)",
    101: "packed 4-bit values (mode 101)",
}
_MOST_BYTES = 1 << 50
_TILT_AXIS = re.compile(r"tilt\s+axis\s+(?:rotation\s+)?angle\s*=\s*([-+]?[\d.]+)", re.IGNORECASE)


@dataclass(frozen=True)
class MrcHeader:
    """What the header of an MRC file says, in tomoline's words and order.

    Attributes
    ----------
    shape : tuple of int
        (z, y, x), that is (sections, rows, columns).
    mode : int
        MRC mode: 0 bytes, 1 int16, 2 float32, 6 uint16, 12 float16.
    dtype : numpy.dtype
        Of the voxels as stored, with byte order and sign.
    data_offset : int
        Where the voxels start, in bytes.
    pixel_size_nm : (x, y, z) or None
        None where the header has none; IMOD writes 0.1 (1 Å) where it knows none.
    origin_nm : (x, y, z)
        Position of the first voxel, sign as in MRC2014.
    titles : tuple of str
        The labels in use.
    minimum, maximum, mean, rms : float
        As the header says, not checked; rms is the standard deviation, 0 if not known.
    tilt_axis_deg : float or None
        From a title such as "Tilt axis angle = 85.0", as SerialEM writes it.
    is_volume : bool
        Whether the header marks a volume rather than a stack of images.
    extended : ExtendedHeader or None
        What microscopes wrote per section.
    """

    shape: tuple[int, int, int]
    mode: int
    dtype: np.dtype[Any]
    data_offset: int
    pixel_size_nm: tuple[float, float, float] | None
    origin_nm: tuple[float, float, float]
    titles: tuple[str, ...]
    minimum: float
    maximum: float
    mean: float
    rms: float
    tilt_axis_deg: float | None
    is_volume: bool
    extended: ExtendedHeader | None = None

    @property
    def value_offset(self) -> int:
        """What is added to stored values: 128 for signed bytes, which mean 0 to 255 as in IMOD."""
        return 128 if self.dtype == np.int8 else 0

    @property
    def data_bytes(self) -> int:
        """Number of bytes of voxels that the header promises."""
        return math.prod(self.shape) * self.dtype.itemsize


def header_dtype(order: ByteOrder) -> np.dtype[Any]:
    """Return the structured dtype of the header, in byte order "<" or ">"."""
    plain = np.dtype(
        {
            "names": [name for name, _, _ in _FIELDS],
            "formats": [kind for _, kind, _ in _FIELDS],
            "offsets": [offset for _, _, offset in _FIELDS],
            "itemsize": HEADER_BYTES,
        }
    )
    return plain.newbyteorder(order)


def fields_of(raw: bytes, path: Path) -> tuple[Any, ByteOrder]:
    """Return the header's fields and the byte order, which the machine stamp need not get right.

    Raises
    ------
    TomolineError
        FILE-04 if the sizes and the mode make no sense in either byte order.
    """
    orders: tuple[ByteOrder, ByteOrder] = ("<", ">")
    for order in orders if raw[212:213] != b"\x11" else orders[::-1]:
        fields = np.frombuffer(raw, dtype=header_dtype(order), count=1)[0]
        sizes = [int(n) for n in fields["size"]]
        known = int(fields["mode"]) in {0, *_MODES, *_REFUSED}
        if known and min(sizes) > 0 and math.prod(sizes) <= _MOST_BYTES:
            return fields, order
    raise files.NOT_THIS_FORMAT.error(
        where=path,
        found="The first bytes are no header of an MRC file: size and mode make no sense.",
    )


def voxel_dtype(fields: Any, order: ByteOrder, path: Path) -> np.dtype[Any]:
    """Return the dtype of the stored voxels.

    Bytes are signed or not as IMOD's flags say, and without those as the header's minimum and
    maximum require; the standard's signed bytes where both would do.

    Raises
    ------
    TomolineError
        FILE-05 for complex, colour and 4-bit data.
    """
    mode = int(fields["mode"])
    stamped = int(fields["imod_stamp"]) == IMOD_STAMP
    if mode == 0 and stamped and int(fields["imod_flags"]) & FOUR_BIT:
        mode = 101
    if mode in _REFUSED:
        raise files.UNSUPPORTED.error(where=path, found=f"It holds {_REFUSED[mode]}.")
    if mode != 0:
        return np.dtype(order + _MODES[mode])
    if stamped:
        signed = bool(int(fields["imod_flags"]) & SIGNED_BYTES)
    else:
        signed = not (fields["minimum"] >= 0 and fields["maximum"] > 127)
    return np.dtype(np.int8 if signed else np.uint8)


def pixel_size_of(fields: Any) -> tuple[float, float, float] | None:
    """Return the pixel size in nm along (x, y, z) of the array, or None."""
    axes = [int(axis) - 1 for axis in fields["axes"]]
    if sorted(axes) != [0, 1, 2]:
        axes = [0, 1, 2]
    sizes = []
    for axis in axes:
        grid, cell_a = int(fields["grid"][axis]), float(fields["cell_a"][axis])
        good = grid > 0 and math.isfinite(cell_a) and cell_a > 0
        # Rounded to what a float32 holds, so that 11.04 A is read as 1.104 nm.
        sizes.append(float(f"{cell_a / grid / 10:.7g}") if good else 0.0)
    x, y, z = sizes
    return (x, y, z or x) if x > 0 and y > 0 else None


def titles_of(fields: Any) -> tuple[str, ...]:
    """Return the labels in use, without trailing blanks."""
    count = min(max(int(fields["labels"]), 0), 10)
    return tuple(
        bytes(label).split(b"\0")[0].decode("latin-1").rstrip() for label in fields["label"][:count]
    )


def tilt_axis_of(titles: tuple[str, ...]) -> float | None:
    """Return the tilt axis angle that SerialEM notes in a title, in degrees.

    >>> tilt_axis_of(("    Tilt axis angle = 85.0, binning = 1  spot = 8",))
    85.0
    """
    for title in titles:
        if match := _TILT_AXIS.search(title):
            try:
                return float(match[1])
            except ValueError:
                continue
    return None
