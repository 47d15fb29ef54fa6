"""Step 13: low-pass filter of the aligned views."""

from __future__ import annotations

from tomoline.params import StepParams, parameter
from tomoline.steps._base import Shape, Step, StepContext, Values


class FilterStackParams(StepParams):
    """Remove high frequencies from the aligned views before reconstruction; off unless asked for.

    The radial filter of the reconstruction already removes the highest frequencies.
    """

    enabled: bool = parameter(
        False,
        help="Filter the aligned stack; off, since the radial filter does most of this along x.",
        directive="runtime.AlignedStack.any.filterStack",
        template=False,
        when="For very noisy series that shall be looked at.",
    )
    low_pass_per_px: tuple[float, float] = parameter(
        (0.35, 0.05),
        help="Frequency up to which nothing changes, and the standard deviation of the Gaussian "
        "fall beyond, in cycles per pixel; mtffilter's values.",
        unit="cycles/pixel",
        directive="comparam.mtffilter.mtffilter.LowPassRadiusSigma",
    )


def run(params: FilterStackParams, context: StepContext) -> Values:
    """Write the filtered stack."""
    from tomoline.files import mrc
    from tomoline.files.mrc import MrcWriter
    from tomoline.files.stack import open_stack
    from tomoline.kernels.filters import low_pass
    from tomoline.steps._views import read_clean

    source = context.input("aligned_stack")
    stack = open_stack(source)
    count, height, width = stack.shape
    cutoff, sigma = params.low_pass_per_px
    with (
        context.writing("filtered_stack") as path,
        MrcWriter(
            path,
            stack.shape,
            2,
            mrc.probe(source).pixel_size_nm,
            titles=("tomoline: aligned stack, low-pass filtered",),
        ) as writer,
    ):

        def make(view: int) -> None:
            image, _, _ = read_clean(stack, view)
            writer.write(view, low_pass(image, cutoff, sigma))

        for _ in context.engine.map(
            make,
            range(count),
            bytes_per_chunk=_chunk_bytes(height, width),
            label="filtering views",
        ):
            pass
    return {"cutoff_per_px": cutoff, "falloff_per_px": sigma, "shape": [count, height, width]}


def _chunk_bytes(height: int, width: int) -> int:
    """Bound on one view: the image, its padded copy, spectrum, factors and result."""
    return 4 * (height + 80) * (width + 80) * 9


def _memory_bytes(shape: Shape, params: FilterStackParams) -> int:
    return _chunk_bytes(shape.height, shape.width)


FILTER_STACK = Step(
    name="filter_stack",
    number=13,
    title="2D filtering",
    params=FilterStackParams,
    run=run,
    reads=("aligned_stack",),
    writes=("filtered_stack",),
    memory_bytes=_memory_bytes,
    active=lambda params: params.enabled,
)
