"""Step 20: the trimmed tomogram, turned so that its sections are parallel to the specimen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files.mrc import MrcWriter
    from tomoline.kernels.contrast import Histogram
    from tomoline.steps._rows import RowReader

_LEAST_XY, _LEAST_Z = 40, 4
# Differences below this part of the densities are nothing but rounding.
_FLAT = 1e-4
# Memory for one band of sections; long runs of each old section keep the disk fast.
_BAND_BYTES = 64 << 20

Reorient = Literal["none", "flip", "rotate"]


class TrimParams(StepParams):
    """Cut out a sub-volume, turn it so that sections are parallel to the specimen, scale it.

    Sizes up to 1 are parts of the whole, larger ones are voxels; the middle is kept.
    """

    enabled: bool = parameter(
        True,
        help="Make a trimmed tomogram: it is the one to look at.",
        directive="runtime.Postprocess.any.doTrimvol",
    )
    reorient: Reorient = parameter(
        "rotate",
        help="Rotate about X (keeps the hand), flip Y and Z (inverts it), or leave the slices "
        "perpendicular to the tilt axis.",
        directive="runtime.Trimvol.any.reorient",
        directive_values={"0": "none", "1": "flip", "2": "rotate"},
    )
    width: float | None = parameter(
        None,
        gt=0,
        help="Size along X to keep; by default all.",
        directive="runtime.Trimvol.any.sizeInX",
    )
    height: float | None = parameter(
        None,
        gt=0,
        help="Size along Y (the tilt axis) to keep; by default all.",
        directive="runtime.Trimvol.any.sizeInY",
    )
    thickness: float | None = parameter(
        None,
        gt=0,
        help="Size along Z to keep; by default all.",
        directive="runtime.Trimvol.any.thickness",
    )
    output: Literal["bytes", "float32"] = parameter(
        "bytes",
        help="Numbers to store: bytes, which viewers show at once, or the densities themselves.",
        when="float32 for subtomogram averaging and measurements.",
    )
    scale_from_x: float = parameter(
        0.8,
        gt=0,
        help="Size along X of the middle region that the contrast is found from; edges are "
        "distorted.",
        directive="runtime.Trimvol.any.scaleFromX",
    )
    scale_from_y: float = parameter(
        0.8,
        gt=0,
        help="Size along Y of that region.",
        directive="runtime.Trimvol.any.scaleFromY",
    )
    scale_from_z: float = parameter(
        0.33,
        gt=0,
        help="Size along Z of that region; the specimen is in the middle.",
        directive="runtime.Trimvol.any.scaleFromZ",
    )
    scale_to_mean_sd: tuple[float, float] | None = parameter(
        None,
        help="Scale to this mean and standard deviation of the middle region, and store "
        "floating-point numbers.",
        directive="runtime.Trimvol.any.scaleToMeanSD",
        directive_empty=None,
        when="To give many tomograms the same densities, for instance 0 and 1.",
    )
    outlier_sd: float = parameter(
        20.0,
        gt=0,
        help="Densities further than this from the median become black or white, so that a few "
        "gold beads do not take the contrast of everything else.",
        unit="standard deviations",
        when="Raise it if the inside of gold beads matters, lower it for more contrast.",
    )
    tomogram: Literal["back_projection", "sirt", "both"] = parameter(
        "back_projection",
        help="Which to trim where both were made; both makes ROOT_sirt_trim_rec.mrc as well.",
        directive="runtime.Trimvol.any.doSIRTifBoth",
        directive_values={"0": "back_projection", "1": "sirt", "2": "both"},
    )


@dataclass(frozen=True)
class _Region:
    """A box in the tomogram: first and last + 1 along x, y and z."""

    x: tuple[int, int]
    y: tuple[int, int]
    z: tuple[int, int]

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Sizes along z, y, x."""
        return tuple(last - first for first, last in (self.z, self.y, self.x))  # type: ignore[return-value]


def run(params: TrimParams, context: StepContext) -> Values:
    """Write the trimmed tomogram."""
    made = [name for name in ("full_tomogram", "sirt_tomogram") if context.has(name)]
    if not made:
        raise errors.tilt.NOTHING_TO_TRIM.error(context.folder, "there is none.")
    chosen = made[-1] if params.tomogram == "sirt" else made[0]
    with context.writing("tomogram") as path:
        values = _trim(params, context, context.input(chosen), path)
    extra = context.folder / f"{context.root}_sirt_trim_rec.mrc"
    extra.unlink(missing_ok=True)
    if params.tomogram == "both" and len(made) == 2:
        values["sirt"] = _trim(params, context, context.input(made[1]), extra)
    return {"trimmed": chosen, **values}


def _trim(params: TrimParams, context: StepContext, source: Path, target: Path) -> Values:
    from tomoline.files.mrc import MrcWriter
    from tomoline.steps._densities import density_scaling
    from tomoline.steps._rows import RowReader

    reader = RowReader(source)
    height, thickness, width = reader.header.shape
    whole = (width, height, thickness)
    region = _region(whole, (params.width, params.height, params.thickness))
    sizes = region.sizes
    if min(sizes[1:]) < min(_LEAST_XY, height, width) or sizes[0] < min(_LEAST_Z, thickness):
        raise errors.tilt.REGION_TOO_SMALL.error(
            "trim",
            f"{sizes[2]} x {sizes[1]} x {sizes[0]} voxels of {width} x {height} x {thickness}.",
        )
    to_bytes = params.output == "bytes" and params.scale_to_mean_sd is None
    add, multiply = density_scaling(reader.header.titles)
    # Floating-point numbers are the densities again.
    scaling = _Scaling(factor=1 / multiply, offset=-add)
    values: Values = {}
    with reader:
        if to_bytes or params.scale_to_mean_sd is not None:
            parts = (params.scale_from_x, params.scale_from_y, params.scale_from_z)
            histogram = _histogram(reader, _region(whole, parts), context)
            scaling = _scaling(params, histogram, round(_part(params.scale_from_z, thickness)))
            if scaling.low >= scaling.high and to_bytes:
                context.warn(
                    errors.tilt.FLAT_TOMOGRAM.notice(source, f"all voxels are {scaling.low:g}.")
                )
            mean, sd = histogram.mean_and_sd()
            values = {"region_mean": mean, "region_sd": sd}
        shape, origin = _shape_and_origin(region, params.reorient, thickness)
        with MrcWriter(
            target,
            shape,
            0 if to_bytes else 2,
            reader.header.pixel_size_nm,
            titles=("tomoline: trimmed tomogram",),
            origin_px=origin,
            is_volume=True,
        ) as writer:
            _copy(reader, region, params.reorient, scaling, writer, context)
    if to_bytes:
        values |= {"black_density": scaling.low, "white_density": scaling.high}
    found = writer.statistics
    return {
        "shape": list(shape),
        "reorient": params.reorient,
        "x_px": list(region.x),
        "y_px": list(region.y),
        "z_px": list(region.z),
        "mode": writer.mode,
        "mean": found.mean + (128 if to_bytes else 0),
        "sd": found.rms,
        **values,
    }


@dataclass(frozen=True)
class _Scaling:
    """Bytes from `low` to `high`, or factor and offset."""

    low: float = 0.0
    high: float = 0.0
    factor: float = 1.0
    offset: float = 0.0


def _part(size: float, whole: int) -> float:
    """Return a size in voxels: sizes up to 1 are parts of the whole."""
    return min(size * whole if size <= 1 else size, whole)


def _region(whole: tuple[int, int, int], sizes: tuple[float | None, ...]) -> _Region:
    """Return the middle region of the given sizes along x, y, z."""
    ranges = []
    for total, size in zip(whole, sizes, strict=True):
        kept = total if size is None else max(1, round(_part(size, total)))
        first = (total - kept) // 2
        ranges.append((first, first + kept))
    return _Region(*ranges)


def _shape_and_origin(
    region: _Region, reorient: Reorient, thickness: int
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Return the new file's shape (sections, rows, columns) and its place in the turned volume."""
    z, y, x = region.sizes
    if reorient == "none":
        return (y, z, x), (region.x[0], region.z[0], region.y[0])
    first_z = region.z[0] if reorient == "flip" else thickness - region.z[1]
    return (z, y, x), (region.x[0], region.y[0], first_z)


def _histogram(reader: RowReader, region: _Region, context: StepContext) -> Histogram:
    """Count the densities of a region."""
    from tomoline.kernels.contrast import BINS, Histogram

    low, high = _extremes(reader, region)
    _, height, width = region.sizes[0], region.sizes[1], region.sizes[2]
    step = max(1, height // 64)
    chunks = [(y, min(y + step, region.y[1])) for y in range(*region.y, step)]

    def count(chunk: tuple[int, int]) -> NDArray[np.int64]:
        part = Histogram(low, high)
        for y in range(*chunk):
            part.add(reader.read_section(y, *region.z)[:, slice(*region.x)])
        return part.counts

    result = Histogram(low, high)
    size = 4 * 3 * region.sizes[0] * max(width, reader.width) + 8 * BINS
    for counts in context.engine.map(count, chunks, bytes_per_chunk=size, label="finding contrast"):
        result.include(counts)
    return result


def _extremes(reader: RowReader, region: _Region) -> tuple[float, float]:
    """Return a range that holds the densities: the header's, or that of some sections."""
    import numpy as np

    header = reader.header
    if np.isfinite([header.minimum, header.maximum]).all() and header.minimum < header.maximum:
        return header.minimum, header.maximum
    some = [
        reader.read_section(y, *region.z)
        for y in range(region.y[0], region.y[1], max(1, region.sizes[1] // 16))
    ]
    return float(np.nanmin(some)), float(np.nanmax(some))


def _scaling(params: TrimParams, histogram: Histogram, sections: int) -> _Scaling:
    if params.scale_to_mean_sd is not None:
        mean, sd = histogram.mean_and_sd()
        factor = params.scale_to_mean_sd[1] / sd if sd else 1.0
        return _Scaling(factor=factor, offset=params.scale_to_mean_sd[0] - mean * factor)
    # findcontrast lets one pixel of each section saturate, dark and light.
    low, high = histogram.limits(sections, params.outlier_sd)
    if high - low < _FLAT * max(abs(low), abs(high)):
        high = low
    return _Scaling(low, high)


def _copy(
    reader: RowReader,
    region: _Region,
    reorient: Reorient,
    scaling: _Scaling,
    writer: MrcWriter,
    context: StepContext,
) -> None:
    """Bring the region's voxels into the new file, a band of its sections at a time."""
    import numpy as np

    from tomoline.files.mrc import Statistics
    from tomoline.kernels.contrast import ByteBand

    sections, rows, columns = writer.shape
    item = writer.dtype.itemsize
    size = max(1, min(sections, _BAND_BYTES // (rows * columns * item)))
    chunks = [(first, min(first + size, sections)) for first in range(0, sections, size)]
    backwards = reorient == "rotate"

    def work(chunk: tuple[int, int]) -> None:
        out = np.empty((chunk[1] - chunk[0], rows, columns), dtype=writer.dtype)
        band = ByteBand(out, scaling.low, scaling.high) if writer.mode == 0 else None
        for row in range(rows):
            values = _row(reader, region, reorient, chunk, row)
            if band is not None:
                band.store(values, region.x[0], row, backwards=backwards)
            else:
                values = values[::-1] if backwards else values
                out[:, row] = values[:, slice(*region.x)] * np.float32(scaling.factor)
                out[:, row] += np.float32(scaling.offset)
        statistics = None
        if band is not None:
            found = (band.statistics(n) for n in range(len(out)))
            statistics = [Statistics(*numbers) for numbers in found]
        writer.write(chunk[0], out, statistics)

    bound = size * (rows * columns * item + 3 * 4 * reader.width)
    for _ in context.engine.map(work, chunks, bytes_per_chunk=bound, label="trimming"):
        pass


def _row(
    reader: RowReader, region: _Region, reorient: Reorient, chunk: tuple[int, int], row: int
) -> NDArray[np.float32]:
    """Return row `row` of the new sections of a chunk, (section, x), x uncut.

    Backwards for a rotation.
    """
    import numpy as np

    first, last = chunk
    if reorient == "none":
        z = region.z[0] + row
        old = [reader.read_section(region.y[0] + n, z, z + 1) for n in range(first, last)]
        return np.concatenate(old)
    y = region.y[0] + row
    if reorient == "flip":
        return reader.read_section(y, region.z[0] + first, region.z[0] + last)
    # A rotation about X: y stays, z runs the other way.
    return reader.read_section(y, region.z[1] - last, region.z[1] - first)


def _memory_bytes(shape: Shape, params: TrimParams) -> int:
    """Bound for one band of sections, or for counting densities in one piece."""
    largest = max(shape.height, shape.width)
    item = 1 if params.output == "bytes" and params.scale_to_mean_sd is None else 4
    section = largest * largest * item
    return max(section, _BAND_BYTES) + 16 * largest * largest // 2 + (1 << 20)


TRIM = Step(
    name="trim",
    number=20,
    title="trimmed tomogram",
    params=TrimParams,
    run=run,
    reads=(),
    optional=("full_tomogram", "sirt_tomogram"),
    writes=("tomogram",),
    memory_bytes=_memory_bytes,
    chunk_axis="section",
    active=lambda params: params.enabled,
)
