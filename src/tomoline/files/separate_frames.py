"""Flats or darks that lie in a file or a folder of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tomoline.errors import scan
from tomoline.files._frame_groups import list_tiffs
from tomoline.files._tiff_sequence import Located, locate
from tomoline.files.atomic import translate_os_error
from tomoline.files.frames import FrameLocation

_HDF5_START = b"\x89HDF\r\n\x1a\n"


def locate_stack(path: Path, kind: str) -> FrameLocation:
    """Return the frames of a TIFF file, a folder of them, or an HDF5 file.

    Parameters
    ----------
    path : Path
        The file or folder.
    kind : str
        ``flats`` or ``darks``.

    Raises
    ------
    TomolineError
        FILE-.. if it cannot be read; SCAN-17 if it holds none.
    """
    path = path.absolute()
    if path.is_dir():
        names = list_tiffs(path)
        if not names:
            raise scan.NO_FLATS.error(path, f"The folder of {kind} holds no TIFF files.")
        return without_bad(locate(path, names))
    try:
        with path.open("rb") as stream:
            start = stream.read(8)
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    if start == _HDF5_START:
        from tomoline.files.hdf5_scan import stack_in

        return stack_in(path, kind)
    return without_bad(locate(path.parent, [path.name]))


def without_bad(found: Located) -> FrameLocation:
    """Return a location without its bad frames, for frames that have no order to keep."""
    location = found.location
    keep = [place for place in range(location.count) if place not in found.bad]
    if len(keep) == location.count:
        return location
    return replace(
        location,
        names=tuple(location.names[place] for place in keep) if location.names else (),
        indices=tuple(location.indices[place] for place in keep) if location.indices else (),
    )
