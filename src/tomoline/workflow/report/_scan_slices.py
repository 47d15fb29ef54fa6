"""The preview slices of a scan, and what the volume's values are."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tomoline.workflow.report._picture import contrast, figure, row
from tomoline.workflow.report._source import Source
from tomoline.workflow.report._svg import number

_MOST = 6
_WIDTH = 318
_LARGEST = 640


def slices(source: Source) -> str:
    """Draw the preview slices, all with one contrast, and tell of the volume."""
    return _preview(source) + _volume(source)


def _preview(source: Source) -> str:
    path = source.path("preview")
    if path is None:
        return ""
    images, details = _read(path)
    given = source.numbers("slices", "preview_percentiles")
    limits = contrast(np.concatenate([_sample(one) for one in images])[:, None])
    if given is not None and len(given) == 2 and given[1] > given[0]:
        limits = (float(given[0]), float(given[1]))
    rows = details.get("rows") or list(range(len(images)))
    chosen = np.unique(np.linspace(0, len(images) - 1, min(_MOST, len(images))).round().astype(int))
    size = details.get("voxel_um")
    drawn = row(
        [
            figure(
                images[one],
                caption=f"slice {rows[one]}",
                width=_WIDTH,
                pixel_size_nm=1000 * size if size else None,
                limits=limits,
                largest=_LARGEST,
                y_up=False,
            )
            for one in chosen
        ]
    )
    unit = str(details.get("unit") or "1")
    quantity = f"{details.get('quantity') or 'values'}{'' if unit == '1' else f' in {unit}'}"
    return drawn + (
        f'<p class="quiet">{escape(quantity)}; black is {number(limits[0])}, white '
        f"{number(limits[1])}. x to the right, y down; the rotation axis is in the middle; "
        "slices are counted from 0.</p>"
    )


def _read(path: Path) -> tuple[list[NDArray[np.float32]], dict[str, Any]]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        images = [np.asarray(page.asarray(), np.float32) for page in file.pages]
        text = str(file.pages.first.description)
    try:
        details = json.loads(text)
    except ValueError:
        details = {}
    return images, details if isinstance(details, dict) else {}


def _sample(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return values of the middle, which a circular mask leaves."""
    rows, columns = image.shape
    middle = image[rows // 5 : rows - rows // 5, columns // 5 : columns - columns // 5]
    return middle.ravel()[:: max(1, middle.size // 50_000)]


def _volume(source: Source) -> str:
    """Say what was written, and how stored numbers become values."""
    kind, form = source.value("output", "type"), source.value("output", "format")
    if not kind or not form:
        return ""
    names = {"zarr": "OME-Zarr", "tiff": "TIFF stack", "hdf5": "HDF5", "mrc": "MRC"}
    words = [f"The volume is {names.get(form, form)}, {kind}"]
    levels = source.number("output", "levels")
    if levels and levels > 1:
        words[0] += f", with {levels:.0f} levels of resolution"
    mean, sd = source.number("output", "mean"), source.number("output", "sd")
    if mean is not None and sd is not None:
        words.append(f"its mean is {number(mean, 4)}, its standard deviation {number(sd, 4)}")
    if kind == "uint16":
        scale, offset = (source.number("output", f"value_{one}") for one in ("scale", "offset"))
        clipped = source.number("output", "clipped_fraction") or 0.0
        if scale is not None and offset is not None:
            words.append(f"a value is {number(offset, 6)} + {number(scale, 6)} × the stored number")
        words.append(
            f"{number(100 * clipped, 2)} % of the voxels are cut off" if clipped else "none cut off"
        )
    return f'<p class="quiet">{escape("; ".join(words))}.</p>'
