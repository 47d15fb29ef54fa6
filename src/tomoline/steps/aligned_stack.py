"""Step 8: the aligned stack, tilt axis vertical, that tomograms are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tomoline import errors
from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._views import REDUCTION_CODES, ReductionFilter
from tomoline.steps.artifacts import ARTIFACTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files import com
    from tomoline.steps._views import Image


class AlignedStackParams(StepParams):
    """Apply the final alignment to the fixed stack in one interpolation, with any reduction.

    All views are carried through, excluded ones too.
    """

    linear_interpolation: bool = parameter(
        False,
        help="Bilinear instead of cubic interpolation: faster, and smoother by a little; cubic "
        "keeps fine detail.",
        directive="runtime.AlignedStack.any.linearInterpolation",
        when="For very noisy series, where the smoothing does no harm.",
    )
    binning: int = parameter(
        1,
        ge=1,
        help="Raw pixels for each pixel of the aligned stack and the tomogram; 1 keeps all detail.",
        directive="runtime.AlignedStack.any.binByFactor",
        when="When the tomogram need not have the full resolution: 2 makes it 8 times smaller.",
    )
    size_px: tuple[int, int] | None = parameter(
        None,
        help="Width and height of the aligned stack in unbinned pixels; by default those of the "
        "raw stack, exchanged where the tilt axis is nearer to the horizontal.",
        directive="runtime.AlignedStack.any.sizeInXandY",
    )
    reduction_filter: ReductionFilter = parameter(
        "lanczos3",
        help="Kernel of the antialiased reduction; three lobes keep the most detail.",
        directive="comparam.newst.newstack.AntialiasFilter",
        directive_values=REDUCTION_CODES,
    )
    edge_taper: tuple[int, int] | None = parameter(
        (1, 0),
        help="Length over which a view's edges fade into its mean, in pixels (1 for one percent "
        "of the size), and 1 to fade inside the view rather than beyond it. Sharp edges would "
        "make streaks in the tomogram.",
        directive="comparam.newst.newstack.TaperAtFill",
        directive_empty=None,
    )
    output_mode: Literal["float32", "same"] = parameter(
        "float32",
        help="Numbers to store: float32, or the raw stack's own; rounding interpolated counts to "
        "integers would add noise.",
        when="To save disk space with stacks of 16-bit integers.",
    )


def run(params: AlignedStackParams, context: StepContext) -> Values:
    """Write the aligned stack."""
    from tomoline.files import com, transforms
    from tomoline.files.mrc import MrcWriter
    from tomoline.files.stack import open_stack
    from tomoline.kernels.resample import taper_length
    from tomoline.steps._views import UNKNOWN_PIXEL_NM, check_count, mode_of, read_clean
    from tomoline.steps.acquisition import Acquisition

    stack = open_stack(context.input("fixed_stack"))
    moves = transforms.read(context.input("transforms"))
    views = Acquisition.read(context.input("views"))
    check_count(stack, len(moves), "transforms")
    count, height, width = stack.shape
    axis_deg = _axis(moves)
    swapped = 45 < abs((axis_deg + 90) % 180 - 90)
    full = _full_shape((height, width), params, swapped)
    taper = 0
    if params.edge_taper:
        taper = params.edge_taper[0] if params.edge_taper[0] != 1 else taper_length(full)
    inside = bool(params.edge_taper and params.edge_taper[1])
    shape = (full[0] // params.binning, full[1] // params.binning)
    mode = 2 if params.output_mode == "float32" else mode_of(stack.dtype)
    pixel_size = views.pixel_size_nm or UNKNOWN_PIXEL_NM
    with (
        context.writing("aligned_stack") as path,
        MrcWriter(
            path,
            (count, *shape),
            mode,
            pixel_size * params.binning,
            titles=("tomoline: aligned stack, tilt axis vertical",),
        ) as writer,
    ):

        def make(view: int) -> int:
            image, mean, replaced = read_clean(stack, view)
            writer.write(view, _align(image, moves[view], params, full, mean, (taper, inside)))
            return replaced

        replaced = sum(
            context.engine.map(
                make,
                range(count),
                bytes_per_chunk=_chunk_bytes(height, width, full),
                label="aligned stack",
            )
        )
    with context.writing("newst_com") as path:
        com.write(path, [_command(params, context, shape, mode)])
    if replaced:
        context.warn(
            errors.tilt.NON_FINITE.notice(stack.path, f"{replaced} pixels are not numbers.")
        )
    return {
        "shape": [count, *shape],
        "binning": params.binning,
        "mode": mode,
        "tilt_axis_deg": axis_deg,
        "width_and_height_exchanged": swapped and params.size_px is None,
        "interpolation": "linear" if params.linear_interpolation else "cubic",
        "edge_taper_px": taper,
        "pixels_replaced": replaced,
    }


def _command(
    params: AlignedStackParams, context: StepContext, shape: tuple[int, int], mode: int
) -> com.Command:
    """Return newstack with the options that make a stack like this step's."""
    from tomoline.steps._com_files import command

    reduced = params.binning > 1
    codes = {name: code for code, name in REDUCTION_CODES.items()}
    return command(
        "newstack",
        (
            ("InputFile", context.input("fixed_stack").name),
            ("OutputFile", ARTIFACTS["aligned_stack"].file_name(context.root)),
            ("TransformFile", context.input("transforms").name),
            ("SizeToOutputInXandY", (shape[1], shape[0])),
            ("BinByFactor", params.binning),
            ("AntialiasFilter", codes[params.reduction_filter] if reduced else None),
            ("LinearInterpolation", params.linear_interpolation),
            ("TaperAtFill", params.edge_taper),
            ("ModeToOutput", mode),
            ("ImagesAreBinned", 1.0),
            ("OffsetsInXandY", (0.0, 0.0)),
            ("AdjustOrigin", True),
        ),
    )


def _axis(moves: NDArray[np.float64]) -> float:
    """Return the tilt axis angle in degrees that most views agree on."""
    import numpy as np

    from tomoline.geometry import axis_of_transform

    angles = axis_of_transform(moves)
    reference = angles[len(angles) // 2]
    return float(reference + np.median((angles - reference + 180) % 360 - 180))


def _full_shape(raw: tuple[int, int], params: AlignedStackParams, swapped: bool) -> tuple[int, int]:
    """Return height and width before reduction, whole multiples of the binning."""
    height, width = (raw[1], raw[0]) if swapped else raw
    if params.size_px is not None:
        width, height = params.size_px
    if min(height, width) < params.binning:
        raise errors.parameters.BAD_VALUE.error(
            "aligned_stack", f"nothing is left of {width} x {height} pixels."
        )
    return height - height % params.binning, width - width % params.binning


def _align(
    image: Image,
    move: NDArray[np.float64],
    params: AlignedStackParams,
    full: tuple[int, int],
    fill: float,
    taper: tuple[int, bool],
) -> Image:
    from tomoline.kernels.reduce import reduce_image
    from tomoline.kernels.resample import transform_image

    moved = transform_image(
        image,
        move,
        full,
        order=1 if params.linear_interpolation else 3,
        fill=fill,
        taper_px=taper[0],
        taper_inside=taper[1],
    )
    if params.binning == 1:
        return moved
    return reduce_image(moved, params.binning, kernel=params.reduction_filter, fill=fill)


def _chunk_bytes(height: int, width: int, full: tuple[int, int]) -> int:
    """Bound on one view: raw, moved, reduced, and its conversion and statistics."""
    return 4 * (height * width * 2 + full[0] * full[1] * 3)


def _memory_bytes(shape: Shape, params: AlignedStackParams) -> int:
    full = _full_shape((shape.height, shape.width), params, swapped=False)
    return _chunk_bytes(shape.height, shape.width, full)


ALIGNED_STACK = Step(
    name="aligned_stack",
    number=8,
    title="aligned stack",
    params=AlignedStackParams,
    run=run,
    reads=("fixed_stack", "transforms", "views"),
    writes=("aligned_stack", "newst_com"),
    memory_bytes=_memory_bytes,
)
