"""Frames of a scan: where they lie, and how one is read, whatever the format.

A `FrameLocation` is plain data that a scan's description keeps in JSON; `open_frames` (in
`tomoline.files.open_frames`) turns it into `Frames`. The region of interest is applied on reading,
so that everything above sees frames of one size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

Storage = Literal["tiff_files", "tiff_pages", "hdf5", "hdf5_each", "xrm"]


@dataclass(frozen=True)
class FrameLocation:
    """Where the frames of one kind and one distance lie.

    Attributes
    ----------
    storage : str
        ``tiff_files`` one TIFF a frame, ``tiff_pages`` pages of one or more TIFFs, ``hdf5`` slices
        of one dataset, ``hdf5_each`` a dataset for each frame, ``xrm`` Zeiss files.
    path : str
        The file, or for ``tiff_files`` and many ``xrm`` the folder of the files.
    names : tuple of (str or None)
        For each frame the file name, page's file or dataset name; None where the frame is missing.
        Empty where ``indices`` says all.
    indices : tuple of int
        For each frame its page, or its place in the dataset. Empty for one frame a file.
    dataset : str
        Path of the dataset inside the file (``hdf5``).
    height, width : int
        Of a whole frame as stored, pixels.
    dtype : str
        As stored, numpy's name.
    region : tuple of int or None
        (left, top, width, height) of the part to read, pixels; None for all.
    times : tuple of float
        When each frame was recorded, in the same (arbitrary) scale for projections and flats of a
        scan; empty if unknown.
    """

    storage: Storage
    path: str
    height: int
    width: int
    dtype: str
    names: tuple[str | None, ...] = ()
    indices: tuple[int, ...] = ()
    dataset: str = ""
    region: tuple[int, int, int, int] | None = None
    times: tuple[float, ...] = ()

    @property
    def count(self) -> int:
        """Number of frames, missing ones included."""
        return len(self.names) or len(self.indices)

    @property
    def missing(self) -> tuple[int, ...]:
        """Places of the frames that are not there."""
        return tuple(place for place, name in enumerate(self.names) if name is None)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, rows, columns) as they are read."""
        if self.region is None:
            return self.count, self.height, self.width
        return self.count, self.region[3], self.region[2]

    def to_json(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> FrameLocation:
        """Return what `to_json` was made of."""
        content = dict(content)
        for name in ("names", "indices", "times"):
            content[name] = tuple(content[name])
        if content["region"] is not None:
            content["region"] = tuple(content["region"])
        return cls(**content)


class Frames(Protocol):
    """Frames of one kind and one distance, to be read from any thread."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, rows, columns)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored numbers."""

    def label(self, index: int) -> str:
        """Say which frame this is, for messages: its file, and its page if there are several."""

    def read(self, index: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return frame `index`, (rows, columns) in the stored type (native byte order).

        Parameters
        ----------
        index : int
            Place of the frame.
        out : (rows, columns) array of `dtype`, optional
            Reused for the result where the storage allows; the result may also be another array,
            and may be read-only.

        Raises
        ------
        TomolineError
            FILE-.. if the frame is missing, truncated, of another size or not readable.
        """


class ArrayFrames:
    """Frames that are in memory: for tests, and for what is small.

    >>> ArrayFrames(np.zeros((2, 3, 4), np.uint16)).shape
    (2, 3, 4)
    """

    def __init__(self, frames: NDArray[Any], labels: Sequence[str] = ()) -> None:
        self._frames = frames
        self._labels = labels

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, rows, columns)."""
        count, rows, columns = self._frames.shape
        return count, rows, columns

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the numbers."""
        return self._frames.dtype

    def label(self, index: int) -> str:
        """Say which frame this is."""
        return self._labels[index] if self._labels else f"frame {index + 1}"

    def read(self, index: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return frame `index`."""
        frame: NDArray[Any] = self._frames[index]
        return frame


def stored_type(dtype: DTypeLike) -> str:
    """Return the name that `FrameLocation.dtype` has for a type.

    >>> stored_type(">u2")
    '>u2'
    """
    return np.dtype(dtype).str
