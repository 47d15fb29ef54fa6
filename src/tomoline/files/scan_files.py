"""What the files of a scan tell, whatever their format, before any parameter has its say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tomoline.errors import Notice
from tomoline.files.frames import FrameLocation

Region = tuple[int, int, int, int]


@dataclass(frozen=True)
class ScanOptions:
    """What a reader has to be told where the files do not say it.

    Attributes
    ----------
    flats_file, darks_file : Path or None
        Where flats and darks lie if not with the projections.
    data_path, angles_path, image_key_path : str or None
        Datasets of an HDF5 file, where they are not in the usual places.
    expected_frames : int or None
        Projections of each distance of a scan that is still being recorded.
    """

    flats_file: Path | None = None
    darks_file: Path | None = None
    data_path: str | None = None
    angles_path: str | None = None
    image_key_path: str | None = None
    expected_frames: int | None = None


@dataclass(frozen=True)
class ScanFiles:
    """What the files of a scan tell.

    Attributes
    ----------
    format : str
        ``HiTT``, ``NXtomo``, ``Data Exchange``, ...
    projections : tuple of FrameLocation
        For each distance, of the same count.
    flats, darks : tuple of (FrameLocation or None)
        For each distance.
    angles_deg : tuple of float or None
        Angle of each projection; None where the files do not tell.
    angles_source : str
        Where they come from.
    first_angle_deg, step_deg, range_deg : float or None
        What is told about the angles instead.
    energy_kev, pixel_size_um, source_distance_m : float or None
        As in `ScanLayout`.
    distances_m : tuple of float
        Specimen to detector; empty if unknown.
    region : tuple of int or None
        (left, top, width, height) that the files ask for.
    hints : mapping of str to number
        Fields of `ScanHints`.
    bad : mapping of int to str
        Projections without a usable frame at every distance, with the reason.
    notices : tuple of Notice
        What the reader passed over.
    files : tuple of Path
        Parameter files and containers that were read.
    """

    format: str
    projections: tuple[FrameLocation, ...]
    flats: tuple[FrameLocation | None, ...]
    darks: tuple[FrameLocation | None, ...]
    angles_deg: tuple[float, ...] | None = None
    angles_source: str = ""
    first_angle_deg: float | None = None
    step_deg: float | None = None
    range_deg: float | None = None
    energy_kev: float | None = None
    pixel_size_um: float | None = None
    source_distance_m: float | None = None
    distances_m: tuple[float, ...] = ()
    region: Region | None = None
    hints: Mapping[str, float | int] = field(default_factory=dict)
    bad: Mapping[int, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    files: tuple[Path, ...] = ()
