"""A raw tilt series, whatever its file format: MRC or TIFF."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files
from tomoline.files import _tiff, mrc

_UNSET_NM = 0.1  # what IMOD and others write where they know no pixel size: 1 A exactly


@dataclass(frozen=True)
class Stack:
    """A stack of images on disk; it may be read from several threads at a time.

    Attributes
    ----------
    path : Path
        The file.
    shape : (view, y, x)
        Views in the order of the file.
    dtype : numpy.dtype
        Of the pixels as stored.
    pixel_size_nm : float or None
        From the extended header or the header; None where there is none, or exactly 1 Å.
    pixel_size_y_nm : float or None
        The same along y, for the check that pixels are square.
    header_tilt_deg : (view,) tuple of float or None
        From the extended header.
    header_tilt_axis_deg : float or None
        From a title, as SerialEM counts it in its "Tilt axis angle" (IMOD's convention), or the
        extended header.
    titles : tuple of str
        Titles of the header.
    """

    path: Path
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_size_nm: float | None
    pixel_size_y_nm: float | None
    header_tilt_deg: tuple[float, ...] | None
    header_tilt_axis_deg: float | None
    titles: tuple[str, ...] = ()
    header: mrc.MrcHeader | None = None

    @property
    def is_montage(self) -> bool:
        """Whether the extended header lists pieces of a montage."""
        extended = self.header.extended if self.header else None
        return extended is not None and extended.is_montage

    def read(self, view: int) -> NDArray[np.float32]:
        """Return a view as float32 (y, x), C-contiguous, its own memory.

        Bytes are 0 to 255 however they are stored, as in IMOD.

        Raises
        ------
        TomolineError
            FILE-03 if a TIFF's view is not whole.
        IndexError
            If there is no such view.
        """
        if not 0 <= view < self.shape[0]:
            raise IndexError(f"{self.path} has {self.shape[0]} views, no index {view}")
        if self.header is None:
            return _tiff.read_view(self.path, view, self.shape)
        with np.errstate(invalid="ignore"):  # NaN is for the steps to find
            stored = mrc.read_section(self.path, view, self.header)
            image: NDArray[np.float32] = stored.astype(np.float32)
        if self.header.value_offset:
            image += np.float32(self.header.value_offset)
        return image


def open_stack(path: Path) -> Stack:
    """Open an MRC or TIFF stack, told apart by its contents.

    Raises
    ------
    TomolineError
        FILE-01 missing, FILE-02 no regular file, FILE-03 cut short, FILE-04 neither MRC nor TIFF,
        FILE-05 a variant that is not read, FILE-10 not readable.
    """
    path = Path(path)
    if path.is_file() and _starts_as_tiff(path):
        tiff = _tiff.probe(path)
        size = tiff.pixel_size_nm
        return Stack(path, tiff.shape, tiff.dtype, size, size, None, None)
    header = mrc.probe(path)
    extended = header.extended
    size_x, size_y = (header.pixel_size_nm or (_UNSET_NM, _UNSET_NM))[:2]
    known = (size_x, size_y) != (_UNSET_NM, _UNSET_NM)
    if not known and extended is not None and extended.pixel_size_nm is not None:
        size_x = size_y = extended.pixel_size_nm
        known = True
    axis = header.tilt_axis_deg
    if axis is None and extended is not None:
        axis = extended.tilt_axis_deg
    return Stack(
        path,
        header.shape,
        header.dtype,
        size_x if known else None,
        size_y if known else None,
        extended.tilt_deg if extended is not None else None,
        axis,
        header.titles,
        header,
    )


def _starts_as_tiff(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) in _tiff.TIFF_STARTS
    except OSError as error:
        raise files.NOT_READABLE.error(
            where=path, found=f"The system reports: {error.strerror}."
        ) from error
