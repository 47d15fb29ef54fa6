"""Step 7 of a scan: all slices, written as one volume in the format that was asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._slices_params import bytes_of_group

if TYPE_CHECKING:
    from tomoline.files.volume_blocks import VolumeFacts
    from tomoline.steps._slices_of_scan import SliceMaker

_MUCH_CLIPPED = 0.01
_SUFFIXES = {"zarr": ".ome.zarr", "tiff": ".tif", "hdf5": ".h5", "mrc": ".mrc"}


class OutputParams(StepParams):
    """Make all slices and write the volume, with everything that is known of it inside.

    Integers are ``(value - low) / step``, and the file says `low` and `step`.
    """

    format: Literal["zarr", "tiff", "hdf5", "mrc"] = parameter(
        "zarr",
        help="Format of the volume: OME-Zarr 0.5 with a pyramid of levels, which viewers open at "
        "any size; one TIFF stack; HDF5 (NXdata); or MRC.",
        when="tiff for Fiji, hdf5 for programs that read NeXus, mrc for electron microscopists.",
    )
    type: Literal["float32", "uint16"] = parameter(
        "float32",
        help="Numbers to store: the values themselves, or 16-bit integers between the limits, "
        "half the size.",
        when="uint16 where disks are small; its steps are finer than the noise.",
    )
    limits: tuple[float, float] | None = parameter(
        None,
        help="Values that become the least and the greatest integer, and black and white in "
        "viewers; by default found from the preview slices, with a margin.",
        when="To give several volumes the same scale.",
    )


def run(params: OutputParams, context: StepContext) -> Values:
    """Write the volume."""
    import numpy as np

    from tomoline.kernels.blocks import Quantisation
    from tomoline.kernels.pyramid import level_factors, level_shapes
    from tomoline.steps._slices_of_scan import SliceMaker
    from tomoline.steps._volume_writing import Units, VolumeBuilder

    maker = SliceMaker.open(context)
    low, high = _limits(params, context)
    quantisation = Quantisation.between(low, high) if params.type == "uint16" else None
    facts = _facts(
        params,
        context,
        maker,
        (low, high),
        (1.0, 0.0) if quantisation is None else (quantisation.step, quantisation.low),
    )
    shapes = level_shapes(maker.shape) if params.format == "zarr" else (maker.shape,)
    factors = level_factors(maker.shape, len(shapes))
    dtype = np.dtype(params.type)
    _, height, width = maker.shape

    def bytes_for(slices: int) -> int:
        """Slices, their halves, one that waits for its pair, and a row of blocks."""
        held = 4 * height * width * (slices + math.ceil(slices / 2) + 1)
        spare = held + dtype.itemsize * height * width
        return int(maker.bytes_per_group) + spare

    units = Units.choose(context.engine, maker.group, len(shapes) - 1, bytes_for)
    suffix = _SUFFIXES[params.format]
    with context.writing("volume", suffix=suffix, folder=params.format == "zarr") as path:
        with _opened(params, path, shapes, factors, facts) as file:
            builder = VolumeBuilder(file, dtype, quantisation, facts.fill)
            sums = builder.build(
                maker.make, units, context.engine, bytes_for(units.slices), "writing the volume"
            )
            found = {
                "mean": _number(sums.mean),
                "sd": _number(sums.sd),
                "minimum": _number(sums.extremes[0]),
                "maximum": _number(sums.extremes[1]),
                "clipped_fraction": sums.clipped_fraction,
            }
            file.finish(found)
        size = _size(path)
    _warn(context, sums.not_finite, sums.clipped_fraction, (low, high))
    return {
        "file": f"{context.root}_volume{suffix}",
        "format": params.format,
        "type": params.type,
        "quantity": facts.quantity,
        "unit": facts.unit,
        "shape": list(maker.shape),
        "voxel_um": facts.voxel_um,
        "levels": len(shapes),
        "bytes": size,
        "limits": [low, high],
        "value_scale": facts.scale,
        "value_offset": facts.offset,
        **found,
    }


def _facts(
    params: OutputParams,
    context: StepContext,
    maker: SliceMaker,
    window: tuple[float, float],
    scaling: tuple[float, float],
) -> VolumeFacts:
    from tomoline.files.volume_blocks import VolumeFacts
    from tomoline.steps._provenance import describe
    from tomoline.steps.scan_layout import ScanLayout

    layout = ScanLayout.read(context.input("scan_layout"))
    retrieval = json.loads(context.input("retrieval").read_text(encoding="utf-8"))
    return VolumeFacts(
        name=f"{layout.root}",
        dtype=params.type,
        voxel_um=retrieval.get("pixel_size_um") or None,
        quantity=maker.quantity,
        unit=maker.unit,
        scale=scaling[0],
        offset=scaling[1],
        window=window,
        details=describe(context, layout),
    )


def _opened(
    params: OutputParams,
    path: Path,
    shapes: Sequence[tuple[int, int, int]],
    factors: Sequence[tuple[int, int, int]],
    facts: VolumeFacts,
) -> Any:
    """Return the writer of the chosen format."""
    if params.format == "zarr":
        from tomoline.files.ome_zarr import OmeZarrWriter

        return OmeZarrWriter(path, shapes, factors, facts)
    if params.format == "tiff":
        from tomoline.files.volume_tiff import TiffVolumeWriter

        return TiffVolumeWriter(path, shapes[0], facts)
    if params.format == "hdf5":
        from tomoline.files.volume_hdf5 import Hdf5VolumeWriter

        return Hdf5VolumeWriter(path, shapes[0], facts)
    from tomoline.files.volume_mrc import MrcVolumeWriter

    return MrcVolumeWriter(path, shapes[0], facts)


def _limits(params: OutputParams, context: StepContext) -> tuple[float, float]:
    """Return the values of black and white, those given or those found from preview slices."""
    if params.limits is not None:
        low, high = params.limits
        if not (math.isfinite(low) and math.isfinite(high) and high > low):
            raise errors.volume.BAD_LIMITS.error(
                "output.limits", f"{low:g} to {high:g} is no range of values."
            )
        return low, high
    path = context.input("reconstruction")
    found = json.loads(path.read_text(encoding="utf-8")).get("limits")
    if isinstance(found, list) and len(found) == 2 and found[1] > found[0]:
        return float(found[0]), float(found[1])
    if params.type == "uint16":
        raise errors.volume.NO_LIMITS.error(path.name, f"It has {found}.")
    return 0.0, 1.0


def _warn(
    context: StepContext, not_finite: list[int], clipped: float, limits: tuple[float, float]
) -> None:
    if not_finite:
        slices = ", ".join(str(one + 1) for one in not_finite[:5])
        more = f" and {len(not_finite) - 5} more" if len(not_finite) > 5 else ""
        context.warn(
            errors.volume.NOT_FINITE.notice(
                "volume",
                f"slice {slices}{more} of {context.root} holds values that are no numbers.",
            )
        )
    if clipped > _MUCH_CLIPPED:
        context.warn(
            errors.volume.CLIPPED.notice(
                "volume",
                f"{100 * clipped:.1f} % of the voxels lie outside {limits[0]:g} to {limits[1]:g}.",
            )
        )


def _number(value: float) -> float | None:
    """Return a number that JSON can hold."""
    return value if math.isfinite(value) else None


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
    return path.stat().st_size


def _memory_bytes(shape: Shape, params: OutputParams) -> int:
    """Bound for a group of slices, their halves, two in hand, and what making them takes."""
    size = 2 * shape.width
    return bytes_of_group(shape, size) + 4 * size * size * (8 + 4 + 2)


OUTPUT = Step(
    name="output",
    number=7,
    title="volume",
    params=OutputParams,
    run=run,
    reads=("scan_layout", "projections", "retrieval", "rotation_axis", "reconstruction"),
    optional=("stitching",),
    writes=("volume",),
    memory_bytes=_memory_bytes,
    chunk_axis="slice",
)
