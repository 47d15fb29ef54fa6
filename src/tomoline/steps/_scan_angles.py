"""Where the angles of a scan's projections come from."""

from __future__ import annotations

from dataclasses import dataclass

from tomoline.errors import scan
from tomoline.files.scan_files import ScanFiles
from tomoline.steps._base import StepContext
from tomoline.steps.scan import ScanParams

_ASSUMED_RANGE_DEG = 180.0


@dataclass(frozen=True)
class Angles:
    """Angle of each projection in degrees, and where they come from."""

    degrees: tuple[float, ...]
    source: str


def choose_angles(params: ScanParams, found: ScanFiles, context: StepContext) -> Angles:
    """Return the angles: from the parameters, else the files, else assumed with a warning.

    Raises
    ------
    TomolineError
        SCAN-15 if the files have another number of angles than of projections.
    """
    count = found.projections[0].count
    first = params.first_angle_deg
    if params.step_deg is not None:
        return _regular(first or 0.0, params.step_deg, count, "scan.step_deg")
    if params.range_deg is not None:
        return _regular(first or 0.0, params.range_deg / count, count, "scan.range_deg")
    if found.angles_deg is not None:
        if len(found.angles_deg) != count:
            raise scan.ANGLES_DO_NOT_MATCH.error(
                context.source, f"{len(found.angles_deg)} angles for {count} projections."
            )
        start = found.angles_deg[0]
        moved = 0.0 if first is None else first - start
        return Angles(tuple(angle + moved for angle in found.angles_deg), found.angles_source)
    if first is None:
        first = found.first_angle_deg or 0.0
    if found.step_deg is not None:
        return _regular(first, found.step_deg, count, found.angles_source)
    if found.range_deg is not None:
        return _regular(first, found.range_deg / count, count, found.angles_source)
    step = _ASSUMED_RANGE_DEG / count
    context.warn(
        scan.ANGLES_ASSUMED.notice(
            context.source,
            f"{_ASSUMED_RANGE_DEG:g} degrees are assumed for the {count} projections, a step of "
            f"{step:.6g} degrees.",
        )
    )
    return _regular(first, step, count, "assumed")


def _regular(first_deg: float, step_deg: float, count: int, source: str) -> Angles:
    return Angles(tuple(first_deg + place * step_deg for place in range(count)), source)
