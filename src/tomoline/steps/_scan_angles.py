"""Where the angles of a scan's projections come from."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

from tomoline.errors import scan
from tomoline.files.scan_files import Region, ScanFiles
from tomoline.steps._base import StepContext
from tomoline.steps.scan import ScanParams

_ASSUMED_RANGE_DEG = 180.0
# More turns than that are a slip of the unit or of the number.
_MOST_DEG = 3600.0
# Below it, a step that the images show is not used without a warning.
_SURE = 0.7


@dataclass(frozen=True)
class Angles:
    """Angle of each projection in degrees, and where they come from."""

    degrees: tuple[float, ...]
    source: str


def choose_angles(
    params: ScanParams,
    found: ScanFiles,
    region: Region | None,
    excluded: Collection[int],
    context: StepContext,
) -> Angles:
    """Return the angles: from the parameters, else the files, else the images.

    Where none of them tells, half a turn is assumed, with a warning.

    Raises
    ------
    TomolineError
        SCAN-15 if the files have another number of angles than of projections, or the angles are
        all the same or cover more than ten turns.
    """
    angles = _choose(params, found, region, excluded, context)
    covered = max(angles.degrees) - min(angles.degrees)
    if not math.isfinite(covered) or covered == 0 or covered > _MOST_DEG:
        raise scan.ANGLES_DO_NOT_MATCH.error(
            context.source,
            f"The angles of {len(angles.degrees)} projections, from {angles.source}, run from "
            f"{min(angles.degrees):g} to {max(angles.degrees):g} degrees.",
        )
    return angles


def _choose(
    params: ScanParams,
    found: ScanFiles,
    region: Region | None,
    excluded: Collection[int],
    context: StepContext,
) -> Angles:
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
    return _from_images(found, region, excluded, first, context)


def _from_images(
    found: ScanFiles,
    region: Region | None,
    excluded: Collection[int],
    first_deg: float,
    context: StepContext,
) -> Angles:
    """Return the angles that the frames show, with a warning where they do not clearly."""
    from tomoline.steps._scan_step import step_from_images

    count = found.projections[0].count
    seen = step_from_images(found, region, excluded, context.engine)
    if seen is not None and seen.confidence >= _SURE:
        context.log(
            f"angles from the images: {seen.frames_in_half_turn:.2f} frames in half a turn, "
            f"confidence {seen.confidence:.2f}"
        )
        return _regular(first_deg, seen.step_deg, count, "images")
    if seen is not None and seen.confidence > 0:
        step, source = seen.step_deg, "images, unsure"
        said = "the images show it, but not clearly"
    else:
        step, source = _ASSUMED_RANGE_DEG / count, "assumed"
        said = f"{_ASSUMED_RANGE_DEG:g} degrees in all are assumed"
    context.warn(
        scan.ANGLES_ASSUMED.notice(
            context.source,
            f"A step of {step:.6g} degrees is taken for the {count} projections: {said}.",
        )
    )
    return _regular(first_deg, step, count, source)


def _regular(first_deg: float, step_deg: float, count: int, source: str) -> Angles:
    return Angles(tuple(first_deg + place * step_deg for place in range(count)), source)
