"""Step 3: the coarsely aligned stack that beads and patches are tracked in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._views import REDUCTION_CODES, ReductionFilter

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files.mrc import MrcWriter, Statistics
    from tomoline.files.stack import Stack
    from tomoline.steps._views import Image


# No structure lies further from its view's mean than this, in standard deviations; the range of
# bytes is not wasted on what does.
_LOWEST_SD, _HIGHEST_SD = -20.0, 20.0


class PrealignParams(StepParams):
    """Apply the coarse alignment, with reduction, and give all views the same mean and contrast."""

    binning: int = parameter(
        1,
        ge=1,
        help="Raw pixels for each pixel of the prealigned stack, along x and y; 1 keeps all "
        "detail for tracking.",
        directive="comparam.prenewst.newstack.BinByFactor",
        when="With images of 4096 pixels and more, or with beads larger than 20 pixels.",
    )
    reduction_filter: ReductionFilter = parameter(
        "lanczos3",
        help="Kernel of the antialiased reduction; three lobes keep the most detail.",
        directive="comparam.prenewst.newstack.AntialiasFilter",
        directive_values=REDUCTION_CODES,
    )
    output_mode: Literal["bytes", "same"] = parameter(
        "bytes",
        help="Numbers to store: bytes, or the raw stack's own; 255 levels are finer than the "
        "noise of any view.",
        directive="comparam.prenewst.newstack.ModeToOutput",
        directive_values={"0": "bytes"},
        directive_empty="same",
    )


@dataclass(frozen=True)
class _Contrast:
    """Statistics of a raw view, from which its scaling follows."""

    found: Statistics
    replaced: int

    @property
    def lowest_sd(self) -> float:
        """Least value, in standard deviations from the mean."""
        return (self.found.minimum - self.found.mean) / self.found.rms

    @property
    def highest_sd(self) -> float:
        """Greatest value, in standard deviations from the mean."""
        return (self.found.maximum - self.found.mean) / self.found.rms


def run(params: PrealignParams, context: StepContext) -> Values:
    """Write the prealigned stack."""
    import numpy as np

    from tomoline.files import transforms
    from tomoline.files.mrc import MrcWriter
    from tomoline.files.stack import open_stack
    from tomoline.steps._views import UNKNOWN_PIXEL_NM, check_count, mode_of, read_clean
    from tomoline.steps.acquisition import Acquisition

    stack = open_stack(context.input("fixed_stack"))
    moves = transforms.read(context.input("coarse_transforms"))
    views = Acquisition.read(context.input("views"))
    check_count(stack, len(moves), "coarse transforms")
    count, height, width = stack.shape
    numbers = range(count)
    contrasts = list(
        context.engine.map(
            lambda view: _measure(stack, view),
            numbers,
            bytes_per_chunk=4 * height * width * 2,
            label="measuring views",
        )
    )
    included = views.included if views.count == count else np.ones(count, dtype=bool)
    slope, offset = _byte_scaling(contrasts, included)
    from tomoline.kernels.reduce import reduced_shape

    shape = reduced_shape((height, width), params.binning)
    mode = 0 if params.output_mode == "bytes" else mode_of(stack.dtype)
    pixel_size = views.pixel_size_nm or UNKNOWN_PIXEL_NM
    with (
        context.writing("prealigned_stack") as path,
        MrcWriter(
            path,
            (count, *shape),
            mode,
            pixel_size * params.binning,
            titles=("tomoline: coarsely aligned stack",),
        ) as writer,
    ):

        def make(view: int) -> None:
            image, mean, _ = read_clean(stack, view)
            moved = _move(image, moves[view], params, shape, mean)
            if mode == 0:
                _write_bytes(writer, view, moved, contrasts[view], slope, offset)
            else:
                writer.write(view, moved)

        for _ in context.engine.map(
            make,
            numbers,
            bytes_per_chunk=_chunk_bytes(height, width, params),
            label="prealigned stack",
        ):
            pass
    return {
        "shape": [count, *shape],
        "binning": params.binning,
        "mode": mode,
        "gray_per_sd": slope if mode == 0 else None,
        "gray_of_mean": offset if mode == 0 else None,
        "view_mean": [contrast.found.mean for contrast in contrasts],
        "view_sd": [contrast.found.rms for contrast in contrasts],
        "pixels_replaced": sum(contrast.replaced for contrast in contrasts),
    }


def _measure(stack: Stack, view: int) -> _Contrast:
    from tomoline.files.mrc import Statistics

    image = stack.read(view)
    found = Statistics.of(image)
    return _Contrast(found, image.size - found.count)


def _byte_scaling(contrasts: list[_Contrast], included: NDArray[np.bool_]) -> tuple[float, float]:
    """Return gray levels for one standard deviation, and the gray level of the mean."""
    used = [c for c, use in zip(contrasts, included, strict=True) if use and c.found.rms]
    low = max(min((c.lowest_sd for c in used), default=-1.0), _LOWEST_SD)
    high = min(max((c.highest_sd for c in used), default=1.0), _HIGHEST_SD)
    slope = 255.0 / (high - low)
    return slope, -low * slope


def _write_bytes(
    writer: MrcWriter, view: int, moved: Image, contrast: _Contrast, slope: float, offset: float
) -> None:
    """Scale a view so that all views have the same mean and contrast, and write it."""
    import numpy as np

    from tomoline.files.mrc import Statistics
    from tomoline.kernels.contrast import ByteBand

    out = np.empty((1, *moved.shape), dtype=np.int8)
    sd, mean = contrast.found.rms, contrast.found.mean
    low = mean - offset * sd / slope
    band = ByteBand(out, low, low + 255 * sd / slope)
    for row in range(len(moved)):
        band.store(moved[row : row + 1], 0, row)
    writer.write(view, out, [Statistics(*band.statistics(0))])


def _move(
    image: Image,
    move: NDArray[np.float64],
    params: PrealignParams,
    shape: tuple[int, int],
    fill: float,
) -> Image:
    import numpy as np

    from tomoline.kernels.reduce import reduce_image
    from tomoline.kernels.resample import transform_image

    only_shifts = np.array_equal(move[:, :2], np.eye(2))
    if params.binning == 1:
        return transform_image(image, move, order=3, fill=fill)
    shift = (float(move[0, 2]), float(move[1, 2]))
    if not only_shifts:
        image, shift = transform_image(image, move, order=3, fill=fill), (0.0, 0.0)
    return reduce_image(
        image, params.binning, shape, kernel=params.reduction_filter, shift_px=shift, fill=fill
    )


def _chunk_bytes(height: int, width: int, params: PrealignParams) -> int:
    """Bound on one view: raw, moved, reduced, and its conversion and statistics."""
    return 4 * height * width * 2 + 4 * height * width * 3 // params.binning


def _memory_bytes(shape: Shape, params: PrealignParams) -> int:
    return _chunk_bytes(shape.height, shape.width, params)


PREALIGN = Step(
    name="prealign",
    number=3,
    title="prealigned stack",
    params=PrealignParams,
    run=run,
    reads=("fixed_stack", "coarse_transforms", "views"),
    writes=("prealigned_stack",),
    memory_bytes=_memory_bytes,
)
