"""Step 3: from frames to projections: flats, shifts and phase, in one pass over the frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.steps._base import Shape, Step, StepContext, Values
from tomoline.steps._retrieval_plan import RetrieveParams, settle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tomoline.files.sinograms import Sinograms
    from tomoline.steps._correction import FlatChoice
    from tomoline.steps._early import EarlyResults
    from tomoline.steps._retriever import Retriever
    from tomoline.steps.scan_layout import ScanLayout

# Above this part of projections that cannot be used, something is wrong with the scan.
_MOST_BAD = 0.2
# A store in a file writes several angles at once much faster; more than this gain little.
_ANGLES_AT_ONCE = 4
# Bad frames that a message names.
_MOST_NAMED = 5


@dataclass
class _Block:
    """What came of a few consecutive angles."""

    choices: dict[int, tuple[FlatChoice, ...]] = field(default_factory=dict)
    faults: dict[int, str] = field(default_factory=dict)
    zingers: int = 0

    def add(self, other: _Block) -> None:
        """Take in what came of other angles."""
        self.choices.update(other.choices)
        self.faults.update(other.faults)
        self.zingers += other.zingers


def run(params: RetrieveParams, context: StepContext) -> Values:
    """Make the projections of all angles."""
    from tomoline.steps._retriever import Retriever
    from tomoline.steps._shifts import Shifts
    from tomoline.steps.scan_layout import ScanLayout

    layout = ScanLayout.read(context.input("scan_layout"))
    shifts = Shifts.read(context.input("shifts")) if context.has("shifts") else None
    with ExitStack() as stack:
        keep = None
        if params.corrected_frames:
            from tomoline.steps._corrected_frames import CorrectedFrames

            folder = stack.enter_context(context.writing("corrected_frames", folder=True))
            keep = CorrectedFrames(folder, layout)
        for notice in settle(params, layout)[1]:
            context.warn(notice)
        # First, for it takes of the engine's memory.
        store = context.create_sinograms(
            "projections", (layout.height_px, layout.angles, layout.width_px)
        )
        memory = context.engine.memory_bytes
        fields = context.input("flat_fields")
        retriever = Retriever.open(layout, fields, shifts, params, keep, memory)
        done = _retrieve_all(layout, retriever, store, context)
    if done.faults:
        context.warn(
            errors.retrieve.FRAMES_LEFT_OUT.notice(
                layout.root, f"{len(done.faults)} of {layout.angles}: {_named(done.faults)}."
            )
        )
    retrieval = retriever.describe(done.faults)
    with context.writing("retrieval") as path:
        retrieval.write(path)
    with context.writing("flat_choice") as path:
        scores = write_choices(path, layout.angles, retriever.plan.distances, done.choices)
    plan = retriever.plan
    optics = plan.optics
    return {
        "method": plan.method,
        "quantity": plan.quantity,
        "unit": retrieval.unit,
        "distances": plan.distances,
        "beta_over_delta": plan.beta_over_delta if optics else None,
        "zero_compensation": plan.zero_compensation if optics else None,
        "padding_px": plan.padding_px,
        "padded_height_px": retriever.padded[0],
        "padded_width_px": retriever.padded[1],
        "pixel_size_um": plan.pixel_size_um,
        "delta_per_rad": optics.delta_per_rad if optics else None,
        "fresnel_numbers": optics.fresnel_numbers.tolist() if optics else [],
        "projections": len(done.choices),
        "excluded": {str(angle + 1): why for angle, why in sorted(done.faults.items())},
        "mean_flat_score": scores,
        "zingers": done.zingers,
    }


def _retrieve_all(
    layout: ScanLayout, retriever: Retriever, store: Sinograms, context: StepContext
) -> _Block:
    """Retrieve all angles that take part, a few consecutive ones at a time."""
    from tomoline.steps._beside import bytes_beside
    from tomoline.steps._early import recall_early

    frame_bytes = 4 * layout.height_px * layout.width_px
    memory = context.engine.memory_bytes
    room = memory // 8
    at_once = max(1, min(_ANGLES_AT_ONCE, (room - retriever.bytes_per_call) // frame_bytes))
    taking_part = layout.taking_part
    early = None if retriever.keeps_frames else recall_early(context)
    kept = retriever.shared_bytes + (early.projection_bytes if early is not None else 0)
    chunk = retriever.bytes_per_call + at_once * frame_bytes
    blocks = [
        range(first, min(first + at_once, layout.angles))
        for first in range(0, layout.angles, at_once)
    ]

    def work(angles: range) -> _Block:
        part = [angle for angle in angles if taking_part[angle]]
        return _retrieve_block(retriever, part, angles, store, early)

    done = _Block()
    limit = _MOST_BAD * layout.angles - len(layout.excluded)
    for block in context.engine.map(
        work,
        blocks,
        bytes_per_chunk=bytes_beside(kept, chunk, memory),
        label="phase retrieval" if retriever.plan.optics else "flat-field correction",
    ):
        done.add(block)
        if done.faults and len(done.faults) > limit:
            raise errors.retrieve.TOO_MANY_BAD.error(
                layout.root,
                f"{len(done.faults) + len(layout.excluded)} of {layout.angles} projections so "
                f"far: {_named(done.faults)}.",
            )
    return done


def _retrieve_block(
    retriever: Retriever,
    taking_part: Sequence[int],
    angles: range,
    store: Sinograms,
    early: EarlyResults | None = None,
) -> _Block:
    """Retrieve a few consecutive angles and store them; those that are bad stay zero."""
    import numpy as np

    from tomoline.steps._retriever import BadFrameError

    rows, _, columns = store.shape
    block = np.empty((len(angles), rows, columns), np.float32)
    result = _Block()
    for place, angle in enumerate(angles):
        if angle not in taking_part:
            block[place] = 0.0
            continue
        try:
            done = early.take(angle, retriever.shifts_at(angle)) if early else None
            retrieved = done or retriever.retrieve(angle, block[place])
            if done is not None:
                block[place] = done.projection
            result.choices[angle] = retrieved.choices
            result.zingers += retrieved.zingers
        except BadFrameError as error:
            result.faults[angle] = str(error)
            block[place] = 0.0
    if result.choices:
        store.write_angles(angles.start, block)
    return result


def _named(faults: dict[int, str]) -> str:
    first = [
        f"projection {angle + 1} ({why.rstrip('.')})"
        for angle, why in sorted(faults.items())[:_MOST_NAMED]
    ]
    more = len(faults) - len(first)
    return ", ".join(first) + (f" and {more} more" if more else "")


def write_choices(
    path: Path, angles: int, distances: int, choices: dict[int, tuple[FlatChoice, ...]]
) -> list[float | None]:
    """Write which flats were chosen, and all scores; return the mean score of the chosen ones.

    The file has ``scores`` (distances, angles, flats) float32, not a number where there is none,
    and ``chosen`` (distances, angles, average) int32, -1 where there is none.
    """
    import numpy as np

    every = [choice for of_angle in choices.values() for choice in of_angle]
    flats = max((len(choice.scores) for choice in every), default=0)
    most = max((len(choice.indices) for choice in every), default=0)
    scores = np.full((distances, angles, flats), np.nan, np.float32)
    chosen = np.full((distances, angles, most), -1, np.int32)
    for angle, of_angle in choices.items():
        for distance, choice in enumerate(of_angle):
            scores[distance, angle, : len(choice.scores)] = choice.scores
            chosen[distance, angle, : len(choice.indices)] = choice.indices
    with path.open("wb") as file:
        np.savez(file, scores=scores, chosen=chosen)
    return [_mean_score(scores[distance], chosen[distance]) for distance in range(distances)]


def _mean_score(scores: NDArray[np.float32], chosen: NDArray[np.int32]) -> float | None:
    import numpy as np

    if not scores.size or not chosen.size:
        return None
    best = np.take_along_axis(scores, np.maximum(chosen, 0), axis=1)[chosen >= 0]
    best = best[np.isfinite(best)]
    return float(best.mean()) if best.size else None


def _memory_bytes(shape: Shape, params: RetrieveParams) -> int:
    """Two spectra and the padded rows, the frame as stored and corrected, and a few angles."""
    padding = params.padding_px
    if padding is None:
        padding = max(200, max(shape.height, shape.width) // 10)
    padded = (shape.height + 2 * padding + 64) * (shape.width + 2 * padding + 64)
    return 3 * 4 * padded + (4 + _ANGLES_AT_ONCE) * 4 * shape.height * shape.width


RETRIEVE = Step(
    name="retrieve",
    number=3,
    title="projections",
    params=RetrieveParams,
    run=run,
    reads=("scan_layout", "flat_fields"),
    optional=("shifts",),
    writes=("projections", "retrieval", "flat_choice", "corrected_frames"),
    memory_bytes=_memory_bytes,
    chunk_axis="angle",
)


__all__ = ["RETRIEVE", "RetrieveParams", "run", "write_choices"]
