"""Open the frames that a `FrameLocation` names."""

from __future__ import annotations

from tomoline.files.frames import FrameLocation, Frames


def open_frames(location: FrameLocation) -> Frames:
    """Return the frames at a location, to be read from any thread.

    Nothing is read yet: a missing or damaged file shows when its frame is read.

    >>> open_frames(FrameLocation("tiff_files", ".", 2, 3, "<u2", ("a.tif",))).shape
    (1, 2, 3)
    """
    if location.storage in ("tiff_files", "tiff_pages"):
        from tomoline.files._tiff_frames import TiffFrames

        return TiffFrames(location)
    if location.storage in ("hdf5", "hdf5_each"):
        from tomoline.files._hdf5_frames import Hdf5Frames

        return Hdf5Frames(location)
    from tomoline.files._xrm_frames import XrmFrames

    return XrmFrames(location)
