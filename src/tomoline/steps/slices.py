"""Step 6 of a scan: how slices are made, and the first few of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._slices_params import SlicesParams, bytes_of_group

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.steps._reconstruction import Reconstruction, Unit
    from tomoline.steps._retrieval import Retrieval
    from tomoline.steps._slices_of_scan import Views

    Floats = NDArray[np.float32]


_FEWEST_ANGLES = 3
_WIDEST_GAP_DEG = 2.0
# Slices of the preview that are made together: neighbours on one thread, the rest on others.
_AT_ONCE = 4
# Values of a slice that the limits are found from.
_SAMPLED = 1 << 20


def run(params: SlicesParams, context: StepContext) -> Values:
    """Settle how slices are made and write the preview."""
    import numpy as np

    from tomoline.steps._reconstruction import Reconstruction
    from tomoline.steps._retrieval import Retrieval
    from tomoline.steps._slices_of_scan import SliceMaker, Views

    views = Views.open(context)
    retrieval = Retrieval.read(context.input("retrieval"))
    _check(views, context)
    settings = _settle(params, views, retrieval)
    maker = SliceMaker(views, settings)
    rows = settings.preview_rows
    parts = [rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE)]
    made = context.engine.map(
        maker.make_rows, parts, bytes_per_chunk=maker.bytes_per_group, label="preview slices"
    )
    preview = np.concatenate(list(made))
    limits, percentiles = _limits(params, settings, preview)
    if not np.isfinite(preview).all():
        context.warn(errors.volume.PREVIEW_NOT_FINITE.notice("preview", "it holds no numbers."))
    elif limits is None:
        context.warn(errors.volume.EMPTY_PREVIEW.notice("preview", "all its values are the same."))
    settings = Reconstruction(**{**vars(settings), "limits": limits})
    with context.writing("preview") as path:
        _write_preview(path, preview, settings)
    with context.writing("reconstruction") as path:
        settings.write(path)
    return {
        "slices": settings.slices,
        "size_px": settings.size_px,
        "quantity": settings.quantity,
        "unit": settings.unit_text,
        "voxel_um": settings.voxel_um,
        "scale": settings.scale,
        "filter": settings.filter_name,
        "rings": settings.rings,
        "mask_radius_px": settings.mask_radius_px,
        "angles_used": int(views.taking_part.sum()),
        "preview_rows": list(settings.preview_rows),
        "preview_percentiles": percentiles,
        "limits": None if limits is None else list(limits),
    }


def _check(views: Views, context: StepContext) -> None:
    """Refuse what no slice can be made of, and warn of what is missing."""
    import numpy as np

    from tomoline.kernels.scan_filters import missing_angle

    used = int(views.taking_part.sum())
    if used < _FEWEST_ANGLES:
        raise errors.volume.TOO_FEW_ANGLES.error(
            context.root, f"{used} of {len(views.taking_part)} projections take part."
        )
    if views.axis.side is not None and views.stitching is None:
        raise errors.volume.NOT_JOINED.error(
            context.root, f"The axis is at the {views.axis.side} of the field."
        )
    for row in (0, views.rows - 1):
        axis = views.axis_at(row)
        if not 0 <= axis <= views.columns - 1:
            raise errors.volume.AXIS_OUTSIDE.error(
                f"row {row}",
                f"The axis is at column {axis:.1f}, the columns are 0 to {views.columns - 1}.",
            )
    missing = float(np.degrees(missing_angle(views.angles_rad[views.taking_part])))
    if missing > _WIDEST_GAP_DEG:
        context.warn(
            errors.volume.MISSING_ANGLES.notice(
                context.root, f"{missing:.1f} of 180 degrees have no projection."
            )
        )


def _settle(params: SlicesParams, views: Views, retrieval: Retrieval) -> Reconstruction:
    from tomoline.steps._reconstruction import Reconstruction

    size = params.size_px or views.columns
    unit, scale = _unit(params, retrieval)
    rows = sorted(set(params.preview_rows)) or _spread(params.preview_slices, views.rows)
    outside = [row for row in rows if not 0 <= row < views.rows]
    if outside:
        raise errors.volume.ROW_OUTSIDE.error(
            "slices.preview_rows", f"Row {outside[0]} is not among 0 to {views.rows - 1}."
        )
    axes = [views.axis_at(row) for row in (0, views.rows - 1)]
    fraction, rings = params.mask_fraction, params.rings
    return Reconstruction(
        slices=views.rows,
        size_px=size,
        columns_px=views.columns,
        unit=unit,
        scale=scale,
        filter_name=params.filter,
        cutoff_per_px=params.filter_cutoff_per_px,
        padding=params.padding,
        compatible=params.compatible,
        mask_radius_px=None if fraction is None else 0.5 * fraction * size,
        rings=rings,
        rings_width_px=params.rings_width_px or (9 if rings == "fast" else 21),
        voxel_um=retrieval.pixel_size_um,
        axis_range_px=(min(axes), max(axes)),
        preview_rows=tuple(rows),
    )


def _spread(count: int, rows: int) -> list[int]:
    """Return rows spread evenly over the height.

    >>> _spread(3, 100), _spread(5, 2)
    ([16, 50, 83], [0, 1])
    """
    count = min(count, rows)
    return [int((n + 0.5) * rows / count) for n in range(count)]


def _unit(params: SlicesParams, retrieval: Retrieval) -> tuple[Unit, float]:
    """Return the unit of slices, and what a density per pixel is to be multiplied by for it."""
    phase = retrieval.quantity == "phase"
    centimetres = None
    if retrieval.pixel_size_um and not phase:
        centimetres = 1e4 / retrieval.pixel_size_um
    if params.unit == "auto":
        if phase:
            delta = retrieval.delta_per_unit
            return ("rad_per_px", 1.0) if delta is None else ("delta", delta)
        return ("per_px", 1.0) if centimetres is None else ("per_cm", centimetres)
    if phase != (params.unit in ("delta", "rad_per_px")):
        raise errors.volume.WRONG_UNIT.error(
            "slices.unit", f"{params.unit} is asked for, the projections are {retrieval.quantity}."
        )
    factors = {
        "delta": retrieval.delta_per_unit,
        "rad_per_px": 1.0,
        "per_px": 1.0,
        "per_cm": centimetres,
    }
    factor = factors[params.unit]
    if factor is None:
        raise errors.volume.WRONG_UNIT.error(
            "slices.unit",
            f"{params.unit} needs the energy and the pixel size, which are not known."
            if phase
            else f"{params.unit} needs the pixel size, which is not known.",
        )
    return params.unit, factor


def _limits(
    params: SlicesParams, settings: Reconstruction, preview: Floats
) -> tuple[tuple[float, float] | None, list[float] | None]:
    """Return robust limits of all slices, and the percentiles that they come from."""
    import numpy as np

    size = settings.size_px
    place = np.arange(size) - (size - 1) / 2
    radius = settings.mask_radius_px
    inside = np.ones((size, size), bool)
    if radius is not None:
        inside = np.hypot(place[:, None], place[None, :]) < radius
    values = np.concatenate([_sampled(one[inside]) for one in preview])
    values = values[np.isfinite(values)]
    low, high = sorted(params.limits_percentiles)
    if not len(values):
        return None, None
    black, white = (float(one) for one in np.percentile(values, [low, high]))
    margin = params.limits_margin * (white - black)
    if not white > black:
        return None, [black, white]
    return (black - margin, white + margin), [black, white]


def _sampled(values: Floats) -> Floats:
    return values[:: max(1, len(values) // _SAMPLED)]


def _write_preview(path: Path, preview: Floats, settings: Reconstruction) -> None:
    import tifffile

    details = {
        "rows": list(settings.preview_rows),
        "quantity": settings.quantity,
        "unit": settings.unit_text,
        "voxel_um": settings.voxel_um,
        "limits": settings.limits,
    }
    with tifffile.TiffWriter(path) as file:
        for number, one in enumerate(preview):
            file.write(
                one,
                photometric="minisblack",
                description=json.dumps(details) if number == 0 else None,
                metadata=None,
                software="tomoline",
            )


def _memory_bytes(shape: Shape, params: SlicesParams) -> int:
    return bytes_of_group(shape, params.size_px or 2 * shape.width)


SLICES = Step(
    name="slices",
    number=6,
    title="slices",
    params=SlicesParams,
    run=run,
    reads=("scan_layout", "projections", "retrieval", "rotation_axis"),
    optional=("stitching",),
    writes=("reconstruction", "preview"),
    memory_bytes=_memory_bytes,
    chunk_axis="row",
)
