"""Step 0 of a scan: find its frames, check them, and say what is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values


class ScanParams(StepParams):
    """Find the frames of a scan and what is known of it, and check both.

    What the files tell is used unless a parameter says otherwise.
    """

    name: str | None = parameter(
        None,
        help="Root name of the data set; by default the name of the parameter file or folder.",
        template=False,
        acquisition=True,
    )
    energy_kev: float | None = parameter(
        None,
        gt=0,
        le=1000,
        help="X-ray energy; by default what the files say.",
        acquisition=True,
    )
    pixel_size_um: float | None = parameter(
        None,
        gt=0,
        help="Size of a detector pixel, before any geometric magnification; by default what the "
        "files say.",
        acquisition=True,
    )
    distances_m: tuple[float, ...] = parameter(
        (),
        help="From the specimen to the detector, one for each distance; by default what the files "
        "say.",
        acquisition=True,
    )
    source_distance_m: float | None = parameter(
        None,
        gt=0,
        help="From the source to the specimen, where the beam is a cone; by default what the "
        "files say, else the beam is parallel.",
        acquisition=True,
    )
    region: tuple[int, int, int, int] | None = parameter(
        None,
        help="Part of the frames to use: left, top, width, height; by default what the parameter "
        "file says, else all.",
        unit="pixels",
        when="To cut margins that the beam does not reach, or for a quick look at a part.",
    )
    first_angle_deg: float | None = parameter(
        None, help="Angle of the first projection; by default what the files say, else 0."
    )
    step_deg: float | None = parameter(
        None,
        help="Angle between projections; by default what the files say, else what the images show.",
        when="When the files do not tell the angles.",
    )
    range_deg: float | None = parameter(
        None,
        help="Angle from the first projection to one step behind the last, where the step is not "
        "given.",
        when="180 or 360, when the files do not tell the angles.",
    )
    exclude_frames: tuple[int, ...] = parameter(
        (), help="Projections that shall take no part, numbered from 1."
    )
    flats_file: str | None = parameter(
        None,
        help="File, or folder of TIFF files, that holds the flats where they are not with the "
        "projections.",
    )
    darks_file: str | None = parameter(
        None,
        help="File, or folder of TIFF files, that holds the darks where they are not with the "
        "projections.",
    )
    data_path: str | None = parameter(
        None,
        help="Dataset of the frames in an HDF5 file; by default found in the usual places.",
        when="When a file holds several, or keeps them in an unusual place.",
    )
    angles_path: str | None = parameter(
        None, help="Dataset of the angles in an HDF5 file; by default found in the usual places."
    )
    image_key_path: str | None = parameter(
        None,
        help="Dataset of the image key in an HDF5 file; by default found in the usual places.",
    )
    expected_frames: int | None = parameter(
        None,
        ge=3,
        help="Projections of each distance that there will be, for a scan that is still being "
        "recorded; by default those that are there.",
    )


def run(params: ScanParams, context: StepContext) -> Values:
    """Describe the scan."""
    from tomoline.steps._scan_describe import describe_scan

    layout, values = describe_scan(params, context)
    with context.writing("scan_layout") as path:
        layout.write(path)
    return values


def _external(source: Path, params: ScanParams) -> Sequence[Path]:
    from tomoline.steps._scan_describe import described_by

    return described_by(source, params)


def _listed(source: Path, params: ScanParams) -> Sequence[Path]:
    from tomoline.steps._scan_describe import frame_files

    return frame_files(source, params)


def _look(source: Path, params: ScanParams) -> None:
    """Refuse files that are no scan, or one that lacks what it cannot do without."""
    from tomoline.steps._scan_describe import open_described

    open_described(source, params)


def _memory_bytes(shape: Shape, params: ScanParams) -> int:
    # Some pairs of frames, where the angles have to be found from them.
    return (64 << 20) + 16 * shape.height * shape.width * 4


SCAN = Step(
    name="scan",
    number=0,
    title="find the frames, check, describe",
    params=ScanParams,
    run=run,
    reads=(),
    writes=("scan_layout",),
    memory_bytes=_memory_bytes,
    external=_external,
    listed=_listed,
    look=_look,
)
