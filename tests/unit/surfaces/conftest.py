"""Two small steps that stand for the real ones, with every kind of parameter."""

from types import SimpleNamespace
from typing import Any, Literal

import pytest

from tomoline.params import StepParams, parameter
from tomoline.steps import Step


class TiltParams(StepParams):
    """Reconstruct."""

    thickness_px: int | None = parameter(
        None, gt=0, help="Thickness.", directive="comparam.tilt.tilt.THICKNESS"
    )
    binned_thickness_px: int | None = parameter(
        None, gt=0, help="Binned.", directive="runtime.Reconstruction.any.binnedThickness"
    )
    radial_per_px: tuple[float, float] = parameter(
        (0.35, 0.035), help="Radial filter.", directive="comparam.tilt.tilt.RADIAL"
    )
    log_base: float | None = parameter(
        0.0, help="Logarithm.", directive="comparam.tilt.tilt.LOG", directive_empty=None
    )
    leave_iterations: tuple[int, ...] = parameter(
        (), help="Kept.", directive="comparam.sirtsetup.sirtsetup.LeaveIterations"
    )
    sirt: bool = parameter(False, help="SIRT.", directive="runtime.Reconstruction.any.useSirt")
    label: str = parameter("", help="A word without a directive.")


class TrackParams(StepParams):
    """Track."""

    method: Literal["beads", "patches"] = parameter(
        "beads",
        help="What is tracked.",
        directive="runtime.Fiducials.any.trackingMethod",
        directive_values={"0": "beads", "1": "patches", "2": "beads"},
    )
    rounds: int = parameter(
        2, ge=1, le=50, help="Rounds.", directive="comparam.track.beadtrack.RoundsOfTracking"
    )
    patch_size_px: tuple[int, int] | None = parameter(
        None, help="Patches.", directive="comparam.xcorr_pt.tiltxcorr.SizeOfPatchesXandY"
    )


def _step(name: str, number: float, params: type[StepParams]) -> Step[Any]:
    return Step(
        name=name,
        number=number,
        title=name,
        params=params,
        run=lambda params, context: {},
        reads=(),
        writes=(),
        memory_bytes=lambda shape, params: 0,
    )


def small_steps() -> tuple[Step[Any], ...]:
    """Return the two steps."""
    return (_step("track", 5, TrackParams), _step("reconstruct", 14, TiltParams))


@pytest.fixture(scope="session")
def steps() -> tuple[Step[Any], ...]:
    return small_steps()


@pytest.fixture(scope="session")
def recipe(steps: tuple[Step[Any], ...]) -> Any:
    return SimpleNamespace(name="test", steps=steps)
