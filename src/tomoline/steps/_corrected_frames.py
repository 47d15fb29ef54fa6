"""Flat-corrected frames, written on request: the artifact ``corrected_frames``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tomoline.files.atomic import destination_of, translate_os_error
from tomoline.steps.scan_layout import ScanLayout

if TYPE_CHECKING:
    from tomoline.steps._correction import FlatChoice


class CorrectedFrames:
    """Writes each frame as float32 TIFF: ``distance1/frame_00001.tif`` and so on.

    The tag 1200 holds the matching scores of all flats, the tag 1201 the chosen ones, as HiTT
    writes them.
    """

    def __init__(self, folder: Path, layout: ScanLayout) -> None:
        self._folder = folder
        self._digits = max(5, len(str(layout.angles)))

    def __call__(
        self, distance: int, angle: int, frame: NDArray[np.float32], choice: FlatChoice
    ) -> None:
        """Write one frame."""
        import tifffile

        from tomoline.steps._correction import tiff_tags

        folder = self._folder / f"distance{distance + 1}"
        path = folder / f"frame_{angle + 1:0{self._digits}d}.tif"
        try:
            folder.mkdir(exist_ok=True)
            tifffile.imwrite(
                path,
                np.ascontiguousarray(frame),
                photometric="minisblack",
                metadata=None,
                extratags=tiff_tags(choice),
            )
        except OSError as error:
            raise translate_os_error(error, destination_of(self._folder)) from error
