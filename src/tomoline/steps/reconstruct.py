"""Step 14: the tomogram, by weighted back-projection, SIRT, or both."""

from __future__ import annotations

import contextlib
import glob
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._reconstruct_params import ReconstructParams
from tomoline.steps.artifacts import ARTIFACTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files import com
    from tomoline.files.mrc import MrcWriter
    from tomoline.steps._reconstruct_plan import Plan
    from tomoline.steps._slices import Backprojection, Method, RowSource

# Slices that decide the scaling to integers, by their place along the axis, and how many times
# larger than in them a density may be elsewhere.
_PREVIEWS = (0.25, 0.5, 0.75)
_HEADROOM = 3.0
INT16_LIMIT = 32767


@dataclass(frozen=True)
class _Scaling:
    """From densities to stored values."""

    add: float = 0.0
    multiply: float = 1.0
    mode: int = 2

    def write(self, writer: MrcWriter, first: int, slices: NDArray[np.float32]) -> int:
        """Scale and write slices; return how many values do not fit the file's mode."""
        from tomoline.files.mrc import Statistics

        if self.mode == 2:
            writer.write(first, slices)
            return 0
        from tomoline.kernels.integers import to_int16

        made = to_int16(slices, self.add, self.multiply)
        count = slices.shape[1] * slices.shape[2]
        statistics = [
            Statistics(count, *(float(part[n]) for part in parts))
            for parts in [(made.minimum, made.maximum, made.mean, made.variance_sum)]
            for n in range(len(slices))
        ]
        writer.write(first, made.values, statistics)
        return made.clipped


def run(params: ReconstructParams, context: StepContext) -> Values:
    """Write the tomogram."""
    import numpy as np

    from tomoline.files import com
    from tomoline.kernels.filters import RadialFilter
    from tomoline.steps import _slices
    from tomoline.steps._reconstruct_plan import make_plan
    from tomoline.steps._rows import RowReader

    name = "filtered_stack" if context.has("filtered_stack") else "aligned_stack"
    plan = make_plan(params, context, context.input(name))
    shape = plan.geometry
    values: Values = {
        "stack": name,
        "shape": [0, shape.thickness, shape.x_count],
        "binning": plan.binning,
        "thickness_px": shape.thickness,
        "thickness_from": plan.thickness_source,
        "views_used": len(plan.included),
        "tilt_deg": [round(float(angle), 4) for angle in np.degrees(shape.tilt_rad)],
        "tilt_offset_deg": plan.tilt_offset_deg,
        "x_axis_tilt_deg": float(np.degrees(shape.x_tilt_rad)),
        "z_shift_px": shape.z_shift_px,
    }
    with RowReader(context.input(name), [int(n) for n in plan.included]) as reader:
        values["shape"][0] = reader.height
        tilt_scale = params.scale
        source = _slices.RowSource(reader, shape.x_tilt_rad, params.log_base)
        if not params.use_sirt or params.back_projection_also:
            radial = RadialFilter(
                *params.radial_per_px,
                params.sirt_like_iterations,
                params.hamming_start_per_px,
            )
            method = _slices.backprojection(shape, radial)
            scaling = _scaling(params, plan, method, source)
            if scaling.mode != 2:
                gain = _gain(plan, method)
                tilt_scale = (scaling.add * gain, scaling.multiply / gain)
            with contextlib.ExitStack() as stack:
                path = stack.enter_context(context.writing("full_tomogram"))
                writer = stack.enter_context(_writer(path, plan, reader.height, scaling))
                seconds, clipped = _fill(
                    method, source, {0: writer}, scaling, context, "back-projection"
                )
            updates = len(plan.included) * reader.height * shape.thickness * shape.x_count
            values["voxel_updates"] = updates
            values["voxel_updates_per_thread_second"] = round(updates / max(seconds, 1e-9))
            values["clipped_voxels"] = clipped
            values["density_offset"] = scaling.add
            values["density_factor"] = scaling.multiply
            if clipped:
                context.warn(
                    errors.tilt.SCALE_CLIPS.notice(
                        "reconstruct.scale", f"{clipped} voxels did not fit."
                    )
                )
            values.update(_statistics(writer, ""))
        with context.writing("tilt_com") as path:
            stack_shape = (name, reader.header.shape[0], reader.height)
            com.write(path, [_command(params, context, plan, stack_shape, tilt_scale)])
        _remove_iterations(context)
        if params.use_sirt:
            values.update(_run_sirt(params, plan, source, context))
    return values


def _command(
    params: ReconstructParams,
    context: StepContext,
    plan: Plan,
    stack: tuple[str, int, int],
    scale: tuple[float, float] | None,
) -> com.Command:
    """Return tilt with the options that make a tomogram like this step's.

    `stack` is the artifact of the views, the number of views and their height.
    """
    from tomoline.steps._com_files import command, view_list

    name, count, height = stack
    shape, binning = plan.geometry, plan.binning
    excluded = sorted(set(range(count)) - {int(view) for view in plan.included})
    low_pass = params.hamming_start_per_px is None
    return command(
        "tilt",
        (
            ("InputProjections", context.input(name).name),
            ("OutputFile", ARTIFACTS["full_tomogram"].file_name(context.root)),
            ("IMAGEBINNED", binning),
            ("FULLIMAGE", (shape.x_count * binning, height * binning)),
            ("SUBSETSTART", (0, 0)),
            ("TILTFILE", context.input("tilt_angles").name),
            ("XTILTFILE", context.input("x_tilts").name if context.has("x_tilts") else None),
            ("THICKNESS", shape.thickness * binning),
            ("RADIAL", params.radial_per_px if low_pass else None),
            ("FalloffIsTrueSigma", 1 if low_pass else None),
            ("HammingLikeFilter", params.hamming_start_per_px),
            ("FakeSIRTiterations", params.sirt_like_iterations or None),
            ("LOG", params.log_base),
            (
                "OFFSET",
                float(plan.tilt_offset_deg),
            ),
            (
                "XAXISTILT",
                float(plan.x_axis_tilt_deg),
            ),
            ("SHIFT", (0.0, float(plan.position.z_shift_px))),
            ("EXCLUDELIST2", view_list(excluded) if excluded else None),
            ("SCALE", scale),
            ("MODE", 1 if scale else 2),
            ("PERPENDICULAR", True),
            ("AdjustOrigin", True),
        ),
    )


def _remove_iterations(context: StepContext) -> None:
    """Take away the iterations that an earlier run left, which may not be those of this one."""
    for old in context.folder.glob(f"{glob.escape(context.root)}.srec[0-9][0-9]*"):
        old.unlink(missing_ok=True)


def _scaling(
    params: ReconstructParams, plan: Plan, method: Backprojection, source: RowSource
) -> _Scaling:
    """Return the scaling of SCALE, or one that a few slices suggest."""
    if params.output == "float32" and params.scale is None:
        return _Scaling()
    if params.scale is None:
        return _Scaling(0.0, _factor(method, source), mode=1)
    gain = _gain(plan, method)
    add, multiply = params.scale
    return _Scaling(add / gain, multiply * gain, mode=1)


def _gain(plan: Plan, method: Backprojection) -> float:
    """Return by how much tilt's values are larger: its ramp counts steps, not cycles."""
    from tomoline.kernels.filters import angular_widths

    return method.padded / float(angular_widths(plan.geometry.tilt_rad).sum())


def _factor(method: Backprojection, source: RowSource) -> float:
    """Return the factor that lets the largest density of a few slices use a third of the range."""
    import numpy as np

    from tomoline.kernels.backproject import LANES

    height = source.reader.height
    largest = 0.0
    for share in _PREVIEWS:
        first = int(np.clip(share * height - LANES / 2, 0, max(height - LANES, 0)))
        made = method.slices(*source.rows(first, min(first + LANES, height)))[0]
        largest = max(largest, float(made.max()), -float(made.min()))
    return INT16_LIMIT / (_HEADROOM * largest) if largest > 0 else 1.0


def _writer(path: Path, plan: Plan, height: int, scaling: _Scaling) -> MrcWriter:
    from tomoline.files.mrc import MrcWriter
    from tomoline.steps._densities import density_titles

    shape = (height, plan.geometry.thickness, plan.geometry.x_count)
    return MrcWriter(
        path,
        shape,
        scaling.mode,
        plan.pixel_size_nm,
        titles=(
            "tomoline: tomogram, slices perpendicular to the tilt axis",
            *density_titles(scaling.add, scaling.multiply),
        ),
        is_volume=True,
    )


def _statistics(writer: MrcWriter, prefix: str) -> Values:
    found = writer.statistics
    return {
        f"{prefix}minimum": found.minimum,
        f"{prefix}maximum": found.maximum,
        f"{prefix}mean": found.mean,
        f"{prefix}sd": found.rms,
    }


def _fill(
    method: Method,
    source: RowSource,
    writers: dict[int, MrcWriter],
    scaling: _Scaling,
    context: StepContext,
    label: str,
) -> tuple[float, int]:
    """Reconstruct all slices into the writers.

    Returns the seconds of all threads together, and the number of values that did not fit.
    """
    from tomoline.kernels.backproject import LANES
    from tomoline.steps._slices import Shearer

    geometry = method.geometry
    shearer = Shearer(geometry, source.reader.height)

    def work(chunk: tuple[int, int]) -> tuple[float, int]:
        rows, row_px = source.rows(*chunk)
        begin = time.thread_time()
        made = method.slices(rows, row_px)
        seconds = time.thread_time() - begin
        del rows
        clipped = 0
        for ready in shearer.bring(chunk, made):
            clipped += scaling.write(writers[ready.name], ready.first, ready.slices)
        return seconds, clipped

    # Chunks that wait for their neighbours count as well.
    waiting = (shearer.depth + 1) * len(writers) if geometry.x_tilt_rad else 0
    chunk_bytes = 4 * LANES * geometry.thickness * geometry.x_count
    results = context.engine.map(
        work,
        shearer.chunks,
        bytes_per_chunk=method.bytes_per_chunk + waiting * chunk_bytes,
        label=label,
    )
    seconds, clipped = zip(*results, strict=True)
    return sum(seconds), sum(clipped)


def _run_sirt(
    params: ReconstructParams, plan: Plan, source: RowSource, context: StepContext
) -> Values:
    """Write the tomogram by SIRT, and the earlier iterations to leave as ROOT.srecNN."""
    from tomoline.steps import _slices

    means = _view_means(source, context)
    method = _slices.iterations(
        plan.geometry, params.leave_iterations, params.sirt_radial_per_px, means
    )
    last = method.names[-1]
    height = source.reader.height
    with contextlib.ExitStack() as stack:
        final = stack.enter_context(context.writing("sirt_tomogram"))
        paths = {
            name: final if name == last else context.folder / f"{context.root}.srec{name:02d}"
            for name in method.names
        }
        with contextlib.ExitStack() as open_files:
            writers = {
                name: open_files.enter_context(_writer(path, plan, height, _Scaling()))
                for name, path in paths.items()
            }
            _fill(method, source, writers, _Scaling(), context, "SIRT")
        values = {"sirt_iterations": list(method.names), **_statistics(writers[last], "sirt_")}
        if params.sirt_scale_to_integer is not None:
            for name, path in paths.items():
                _to_integers(path, writers[name], params.sirt_scale_to_integer, plan)
    return values


def _view_means(source: RowSource, context: StepContext) -> NDArray[np.float64]:
    """Return the mean of each view, after any logarithm, (view,)."""
    import numpy as np

    height = source.reader.height
    chunks = [(first, min(first + 32, height)) for first in range(0, height, 32)]
    one = type(source)(source.reader, 0.0, source.log_base)
    sums = context.engine.map(
        lambda chunk: one.rows(*chunk)[0].sum(axis=(1, 2), dtype=np.float64),
        chunks,
        bytes_per_chunk=3 * 4 * 32 * source.reader.width * len(source.reader.views),
        label="measuring views",
    )
    total: NDArray[np.float64] = np.sum(list(sums), axis=0)
    return total / (height * source.reader.width)


def _to_integers(path: Path, written: MrcWriter, limits: tuple[int, int], plan: Plan) -> None:
    """Replace a file of floating-point numbers by one of integers between the limits."""
    import numpy as np

    from tomoline.files.atomic import temporary_path
    from tomoline.steps._rows import RowReader

    low, high = written.statistics.minimum, written.statistics.maximum
    factor = (limits[1] - limits[0]) / max(high - low, 1e-30)
    scaling = _Scaling(limits[0] / factor - low, factor, mode=1)
    scaled = temporary_path(path)
    try:
        with RowReader(path) as reader:
            shape = reader.header.shape
            with _writer(scaled, plan, shape[0], scaling) as writer:
                for section in range(shape[0]):
                    values = reader.read_section(section, 0, shape[1])
                    values -= np.float32(low)
                    values *= np.float32(factor)
                    values += np.float32(limits[0])
                    writer.write(section, values)
        scaled.replace(path)
    finally:
        scaled.unlink(missing_ok=True)


def _memory_bytes(shape: Shape, params: ReconstructParams) -> int:
    """Bound for one chunk of 32 slices; lengths as for the largest likely tomogram."""
    largest = max(shape.height, shape.width)
    thickness = params.thickness_px or params.binned_thickness_px or largest // 2
    lanes = 4 * 32
    # With an X-axis tilt, finished chunks wait for their neighbours.
    volumes = 3 * ((len(params.leave_iterations) + 1) if params.use_sirt else 1)
    views = shape.views * (4 * largest + 2 * thickness)
    return lanes * (views + 8 * largest + volumes * thickness * largest)


RECONSTRUCT = Step(
    name="reconstruct",
    number=14,
    title="reconstruction",
    params=ReconstructParams,
    run=run,
    reads=("aligned_stack", "tilt_angles", "views"),
    optional=("filtered_stack", "position", "x_tilts"),
    writes=("full_tomogram", "tilt_com", "sirt_tomogram"),
    memory_bytes=_memory_bytes,
    chunk_axis="slice",
)
