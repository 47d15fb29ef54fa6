"""The artifact ``flat_fields``: what the step `flats` found out, for each distance."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import files

Real = NDArray[np.float32]
Method = Literal["best", "fitted", "mean", "median", "interpolated", "pca", "none"]

_IMAGE_NAMES = (
    "dark", "levels", "pattern", "parts", "part_scales", "coefficients", "squares", "with_pattern",
    "form_dark", "form_weight", "means", "components", "component_units", "bad_places",
    "bad_sources", "repair_flats", "repair_places", "repair_values", "repair_around",
)  # fmt: skip


@dataclass(frozen=True)
class FlatSettings:
    """Numbers and words of one distance.

    Attributes
    ----------
    method : str
        How flats are used at this distance.
    average : int
        Flats that the mean is taken of.
    match : str
        ``correlation`` or ``ssim``.
    level_counts : float
        Typical counts of a flat, dark off.
    dark_counts : float
        Typical counts of a dark.
    noise : float
        Standard deviation of a pixel's noise in one flat, relative to its value.
    saturation_counts : float or None
        Counts at which the detector's numbers end; None for floating point.
    air_columns : tuple of int or None
        Columns at the left and at the right edge that see no specimen, where frames are brought
        to the flats' level there; None: levels are left as recorded.
    zinger_excess : float
        How far a zinger stands out, in units of the beam; 0: they are left.
    binning, half_width, limit
        Of the descriptors, see `tomoline.kernels.flat_match`.
    reach_rows : int
        How far bad pixels' stand-ins lie.
    group_times : tuple of float
        Mean time of each of `means`, for ``interpolated``.
    used : tuple of int
        Flats that take part.
    """

    method: Method
    average: int
    match: Literal["correlation", "ssim"]
    level_counts: float
    dark_counts: float
    noise: float
    saturation_counts: float | None
    air_columns: tuple[int, int] | None
    zinger_excess: float
    binning: int = 1
    half_width: int = 1
    limit: float = 0.0
    reach_rows: int = 0
    group_times: tuple[float, ...] = ()
    used: tuple[int, ...] = ()


@dataclass(frozen=True)
class FlatFields:
    """Darks, flats and how frames are matched to them, for one distance.

    Attributes
    ----------
    settings : FlatSettings
    images : dict of str to array
        ``dark`` (rows, columns) float32, missing where there are none; ``levels`` (flats,) of each
        flat relative to the mean; ``means`` (groups, rows, columns) float32 and ``components`` (k,
        rows, columns) int16 in ``component_units`` where the method needs them; the arrays of a
        `FlatBasis`; bad pixels; repairs of single flats.
    """

    settings: FlatSettings
    images: dict[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, distance: int) -> FlatFields:
        """Read what `write` wrote for one distance; the others are not touched."""
        try:
            with np.load(path, allow_pickle=False) as content:
                settings = json.loads(str(content[f"{distance}/settings"]))
                images = {
                    name: content[f"{distance}/{name}"]
                    for name in _IMAGE_NAMES
                    if f"{distance}/{name}" in content
                }
        except (KeyError, ValueError, zipfile.BadZipFile) as fault:
            raise files.NOT_THIS_FORMAT.error(
                path, f"it is not a file of flats: {fault}."
            ) from None
        for name in ("air_columns", "group_times", "used"):
            if settings[name] is not None:
                settings[name] = tuple(settings[name])
        return cls(FlatSettings(**settings), images)


class FlatFieldsWriter:
    """Writes distance after distance, so that only one is in memory.

    Parameters
    ----------
    path : Path
        A zip file of arrays, as ``numpy.savez`` writes; its bytes depend on its contents alone.
    """

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", allowZip64=True)

    def __enter__(self) -> FlatFieldsWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def add(self, distance: int, fields: FlatFields) -> None:
        """Write one distance."""
        settings = np.array(json.dumps(asdict(fields.settings)))
        for name, array in (("settings", settings), *fields.images.items()):
            # A name instead of a ZipInfo would bring the time of day into the file.
            info = zipfile.ZipInfo(f"{distance}/{name}.npy", (1980, 1, 1, 0, 0, 0))
            with self._zip.open(info, "w", force_zip64=True) as member:
                _write_array(member, array)


def _write_array(member: Any, array: NDArray[Any]) -> None:
    """Write in numpy's format, without a copy of the whole array."""
    array = np.ascontiguousarray(array) if array.ndim else array
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(array))
    member.write(header.getvalue())
    member.write(array.reshape(-1).view(np.uint8).data)
