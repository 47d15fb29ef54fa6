"""Step 4 of a scan: the rotation axis, its tilt, how sure they are, and a picture to check it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.steps._axis_params import AxisParams
from tomoline.steps._base import Shape, Step, StepContext, Values

if TYPE_CHECKING:
    from tomoline.files.sinograms import Sinograms
    from tomoline.steps._axis import RotationAxis, Side
    from tomoline.steps._axis_rows import Block, Turn
    from tomoline.steps._axis_search import Found

_LEAST_PROJECTIONS = 8
# Rows that are averaged in a block.
_TOGETHER = 4
# Part of the width at the edges where the axis of half a turn is not looked for: what little would
# be mirrored there, chance mirrors too.
_MARGIN = 0.1
# A given axis, or a guess, may differ by so much without a word.
_GIVEN_PX, _GUESS_PX = 1.0, 5.0
# Blur over half the width that is worth a warning, and offsets from the middle up to which a
# full turn is reconstructed as it is.
_SMEAR_PX, _NEAR_MIDDLE = 0.5, 0.05
# An edge is empty where slopes are this much weaker than in the field.
_EMPTY_EDGE = 0.15
_UNSURE = 0.5
# Confidence in a given axis that the projections contradict.
_CONTRADICTED = 0.3
# Confidence in what sharpness alone finds beside a guess, and how reliable it must be for that.
_GUESSED, _SHARP_ENOUGH = 0.4, 0.5


@dataclass(frozen=True)
class _Outcome:
    """The axis that is used, and where it comes from."""

    axis_px: float
    slope: float
    confidence: float
    source: str
    known: bool


def run(params: AxisParams, context: StepContext) -> Values:
    """Find the rotation axis, judge it, and draw the sweep."""
    import numpy as np

    from tomoline.steps._axis import RotationAxis
    from tomoline.steps._axis_rows import Turn, spread_blocks
    from tomoline.steps._axis_search import AxisSearch
    from tomoline.steps._axis_verdict import slope_of
    from tomoline.steps._retrieval import Retrieval
    from tomoline.steps.scan_layout import ScanLayout

    layout = ScanLayout.read(context.input("scan_layout"))
    retrieval = Retrieval.read(context.input("retrieval"))
    sinograms = context.sinograms("projections")
    rows, _, width = sinograms.shape
    turn = Turn.of(np.array(layout.angles_deg), retrieval.taking_part(layout))
    _check(params, turn, rows, width, layout.root)
    if not turn.half:
        context.warn(
            errors.axis.NO_HALF_TURN.notice(
                layout.root, f"The angles cover {math.degrees(turn.covered_rad):.1f} degrees."
            )
        )
    if params.side in ("left", "right") and not turn.full:
        context.warn(
            errors.axis.SIDE_OF_HALF_TURN.notice(
                "axis.side",
                f"{params.side} is not used: the angles cover "
                f"{math.degrees(turn.covered_rad):.1f} degrees.",
            )
        )
    blocks = spread_blocks(rows, params.blocks, _TOGETHER, params.rows)
    search = AxisSearch(sinograms, turn, blocks, context.engine, params.methods)
    margin = 2.0 if turn.full else _MARGIN * width
    everywhere = (margin, width - 1 - margin)
    guess = params.guess_px if params.guess_px is not None else layout.hints.rotation_axis_px
    found = search.judge(everywhere)
    near = _near_range(params, guess, width)
    if near is not None:
        found = _clearer(search.judge(near), found, context, layout.root, near)
    start = found.verdict.axis_px if found.verdict else params.axis_px
    if start is None and guess is not None and 0 <= guess <= width - 1:
        start = guess
    if start is not None:
        found = search.sharpen(found, start)
    verdict = found.verdict
    slope = slope_of(verdict.agreeing if verdict and params.tilt else (), rows)
    outcome = _settle(params, guess, found, slope.px_per_row, width)
    _warn_of_doubts(params, context, layout.root, found, outcome, guess)
    smear = abs(outcome.slope) * width / 2
    if smear > _SMEAR_PX:
        context.warn(
            errors.axis.LARGE_TILT.notice(
                layout.root,
                f"The axis leans by {_tilt_deg(outcome.slope):.3f} degrees, which smears the rim "
                f"of slices over {smear:.1f} pixels.",
            )
        )
    side = _side(params, sinograms, search.shown_block, turn, outcome.axis_px)
    axis = RotationAxis(
        axis_px=outcome.axis_px,
        slope_px_per_row=outcome.slope,
        middle_row=(rows - 1) / 2,
        full_turn=turn.full,
        side=side,
        overlap_px=_overlap_px(outcome.axis_px, width, side),
        confidence=outcome.confidence,
        source=outcome.source,
    )
    with context.writing("rotation_axis") as path:
        axis.write(path)
    sweep = _draw_sweep(params, context, sinograms, search.shown_block, turn, axis)
    return {
        "rotation_axis_px": axis.axis_px,
        "rotation_axis_tilt_deg": _tilt_deg(axis.slope_px_per_row),
        "slope_px_per_row": axis.slope_px_per_row,
        "slope_error_px_per_row": slope.error_px_per_row
        if math.isfinite(slope.error_px_per_row)
        else None,
        "confidence": axis.confidence,
        "source": axis.source,
        "methods": {
            one.method: {
                "axis_px": one.axis_px,
                "error_px": one.error_px if math.isfinite(one.error_px) else None,
                "reliability": one.reliability,
            }
            for one in found.estimates
        },
        "guess_px": guess,
        "full_turn": axis.full_turn,
        "side": axis.side,
        "overlap_px": axis.overlap_px,
        "covered_deg": math.degrees(turn.covered_rad),
        "sweep_axes_px": sweep,
        "sweep_row": search.shown_block.row,
    }


def _check(params: AxisParams, turn: Turn, rows: int, width: int, root: str) -> None:
    import numpy as np

    if turn.count < _LEAST_PROJECTIONS or np.ptp(turn.angles_rad) == 0:
        raise errors.axis.TOO_FEW.error(root, f"{turn.count} projections take part.")
    if params.rows is not None and not 0 <= params.rows[0] < params.rows[1] <= rows:
        raise errors.axis.BAD_ROWS.error(
            "axis.rows", f"{params.rows[0]} to {params.rows[1]}, where there are {rows} rows."
        )
    if params.axis_px is not None and not 0 <= params.axis_px <= width - 1:
        raise errors.axis.OUTSIDE_FIELD.error(
            "axis.axis_px", f"{params.axis_px:g}, where columns run from 0 to {width - 1}."
        )


def _near_range(params: AxisParams, guess: float | None, width: int) -> tuple[float, float] | None:
    """Return the range to look at first, if a guess or a range was given."""
    if guess is None and params.search_px is None:
        return None
    middle = guess if guess is not None else (width - 1) / 2
    if not 0 <= middle <= width - 1:
        return None
    reach = params.search_px or max(width / 16, 10.0)
    return max(0.0, middle - reach), min(width - 1.0, middle + reach)


def _clearer(
    near: Found, everywhere: Found, context: StepContext, root: str, limits: tuple[float, float]
) -> Found:
    """Return what was found within the range, unless all columns give a clearer answer."""
    if near.verdict is None:
        chosen = everywhere
    elif everywhere.verdict is None:
        chosen = near
    else:
        apart = abs(near.verdict.axis_px - everywhere.verdict.axis_px)
        chosen = everywhere if apart > _GUESS_PX else near
    verdict = chosen.verdict
    if verdict is not None and not limits[0] < verdict.axis_px < limits[1]:
        context.warn(
            errors.axis.OUTSIDE_RANGE.notice(
                root,
                f"Nothing as clear as column {verdict.axis_px:.2f} lies between "
                f"{limits[0]:.1f} and {limits[1]:.1f}; it is used.",
            )
        )
    return chosen


def _settle(
    params: AxisParams, guess: float | None, found: Found, slope: float, width: int
) -> _Outcome:
    """Return the axis to use: the given one, the found one, the guess, or the middle."""
    verdict = found.verdict
    if params.axis_px is not None:
        confidence = 0.0
        if verdict is not None:
            agrees = abs(verdict.axis_px - params.axis_px) <= _GIVEN_PX
            confidence = verdict.confidence if agrees else _CONTRADICTED
        return _Outcome(params.axis_px, slope, confidence, "given", True)
    if verdict is not None:
        return _Outcome(verdict.axis_px, slope, verdict.confidence, verdict.source, True)
    if guess is not None and 0 <= guess <= width - 1:
        # Sharpness needs no half turn, but somebody who says about where to look.
        for one in found.estimates:
            if one.method == "sharpness" and one.reliability >= _SHARP_ENOUGH:
                return _Outcome(one.axis_px, 0.0, _GUESSED, "guess and sharpness", True)
        return _Outcome(guess, 0.0, 0.0, "guess", False)
    return _Outcome((width - 1) / 2, 0.0, 0.0, "middle of the field", False)


def _warn_of_doubts(
    params: AxisParams,
    context: StepContext,
    root: str,
    found: Found,
    outcome: _Outcome,
    guess: float | None,
) -> None:
    said = ", ".join(
        f"{one.method} {one.axis_px:.2f} (reliability {one.reliability:.2f})"
        for one in found.estimates
    )
    if not outcome.known:
        context.warn(
            errors.axis.UNKNOWN.notice(
                root,
                f"The projections do not show it ({said or 'no method gave an answer'}); the "
                f"{outcome.source}, {outcome.axis_px:.2f}, is used.",
            )
        )
        return
    verdict = found.verdict
    if params.axis_px is not None:
        if verdict is not None and abs(verdict.axis_px - params.axis_px) > _GIVEN_PX:
            context.warn(
                errors.axis.GIVEN_DIFFERS.notice(
                    "axis.axis_px",
                    f"{params.axis_px:.2f} is used, but the projections show "
                    f"{verdict.axis_px:.2f} ({said}).",
                )
            )
        return
    if verdict is not None and verdict.differing:
        context.warn(errors.axis.DISAGREE.notice(root, f"{said}; {outcome.axis_px:.2f} is used."))
    elif outcome.confidence < _UNSURE:
        context.warn(
            errors.axis.UNSURE.notice(
                root, f"{outcome.axis_px:.2f}, confidence {outcome.confidence:.2f} ({said})."
            )
        )
    if guess is not None and abs(guess - outcome.axis_px) > _GUESS_PX:
        context.warn(
            errors.axis.GUESS_FAR.notice(
                root,
                f"The guess is {guess:.2f}, the projections show {outcome.axis_px:.2f}, which is "
                "used.",
            )
        )


def _tilt_deg(slope: float) -> float:
    """Angle of the axis from the vertical; positive leans to the right in higher rows."""
    return math.degrees(math.atan(slope))


def _side(
    params: AxisParams, sinograms: Sinograms, block: Block, turn: Turn, axis_px: float
) -> Side | None:
    """Decide whether, and at which edge, the halves of a full turn have to be joined."""
    import numpy as np

    from tomoline.steps._axis_rows import read_block

    if not turn.full or params.side == "none":
        return None
    if params.side != "auto":
        return params.side
    width = sinograms.shape[2]
    offset = axis_px - (width - 1) / 2
    if abs(offset) <= _NEAR_MIDDLE * width:
        return None
    side: Side = "right" if offset > 0 else "left"
    from tomoline.kernels.axis_rows import slopes

    smooth = max(2.0, width / 250)
    changes = slopes(read_block(sinograms, block, turn), smooth).std(axis=0)
    edge = max(4, round(0.03 * width))
    # The very edge knows no slope.
    skip = round(2 * smooth)
    near = changes[-edge - skip : -skip] if side == "right" else changes[skip : edge + skip]
    empty = float(near.mean()) < _EMPTY_EDGE * float(np.percentile(changes, 90))
    return None if empty else side


def _overlap_px(axis_px: float, width: int, side: Side | None) -> float | None:
    if side is None:
        return None
    return 2 * axis_px + 1 if side == "left" else 2 * (width - 1 - axis_px) + 1


def _draw_sweep(
    params: AxisParams,
    context: StepContext,
    sinograms: Sinograms,
    block: Block,
    turn: Turn,
    axis: RotationAxis,
) -> list[float]:
    """Write the picture of slices for axes around the used one; return those axes."""
    from tomoline.files.png import png
    from tomoline.steps._axis_sweep import make_sweep, picture_of, sweep_axes

    width = sinograms.shape[2]
    step = params.sweep_step_px or min(2.0, max(0.5, round(width / 1024 * 2) / 2))
    axes = sweep_axes(axis.at(block.row), step, params.sweep_axes)
    radius = max(32.0, min(axis.axis_px, width - 1 - axis.axis_px))
    sweep = make_sweep(sinograms, block, turn, context.engine, axes, radius)
    with context.writing("axis_sweep") as path:
        path.write_bytes(png(picture_of(sweep)))
    return [float(one) for one in axes]


def _memory_bytes(shape: Shape, params: AxisParams) -> int:
    from tomoline.steps._axis_sizes import memory_bytes

    return memory_bytes(shape.views, shape.width, _TOGETHER)


AXIS = Step(
    name="axis",
    number=4,
    title="rotation axis",
    params=AxisParams,
    run=run,
    reads=("scan_layout", "projections", "retrieval"),
    writes=("rotation_axis", "axis_sweep"),
    memory_bytes=_memory_bytes,
    chunk_axis="block of rows",
)
