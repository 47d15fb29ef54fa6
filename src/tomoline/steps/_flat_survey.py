"""Reading all darks and flats of one distance, once: statistics, descriptors, and misfits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomoline.errors import TomolineError
from tomoline.errors import flats as kinds
from tomoline.files.frames import Frames
from tomoline.steps._base import StepContext
from tomoline.steps._beside import bytes_beside

if TYPE_CHECKING:
    from tomoline.kernels.flat_fields import FrameStatistics
    from tomoline.kernels.flat_match import DescriptorForm

Real = NDArray[np.float32]

CHUNK_FRAMES = 8
"""Frames that one piece of work reads; the division does not depend on the threads."""
MOST_MATCHED = 300
"""Flats that are described; of more, as many are taken at even steps."""
BLANK = "it is blank, or not brighter than the darks."

_STATISTICS_BYTES = 3 * 4 + 2 * 4  # a pixel of the statistics
_LEVEL_OUTLIER = 0.5  # part of the typical level by which a flat may differ from it
_COARSE_OUTLIER = 0.12  # part by which a cell may always differ from what it usually is


def chunk_bytes(height: int, width: int, item_bytes: int = 4) -> int:
    """Bound on what one piece of work holds; `item_bytes` is the size of a stored number."""
    return height * width * (_STATISTICS_BYTES + 8 + CHUNK_FRAMES * item_bytes)


@dataclass
class Survey:
    """What all frames of one kind and distance tell.

    Attributes
    ----------
    statistics : list of FrameStatistics
        For each group of frames.
    descriptors : (frames, blocks) float32
    coarse : (frames, rows, columns) float32
        Means of cells, dark off.
    levels : (frames,) float64
        Typical counts of each, dark off; 0 for those that are not used.
    used : (frames,) bool
    reasons : dict of int to str
        Why the others are not.
    """

    statistics: list[FrameStatistics]
    descriptors: Real
    coarse: Real
    levels: NDArray[np.float64]
    used: NDArray[np.bool_]
    reasons: dict[int, str] = field(default_factory=dict)

    @property
    def all(self) -> FrameStatistics:
        """Statistics of all groups together."""
        from tomoline.kernels.flat_fields import FrameStatistics

        if len(self.statistics) == 1:
            return self.statistics[0]
        result = FrameStatistics.empty(self.statistics[0].total.shape)
        for part in self.statistics:
            result.include(part)
        return result


@dataclass
class _Piece:
    """What the frames of one piece of work tell."""

    group: int
    statistics: FrameStatistics
    descriptors: dict[int, Real] = field(default_factory=dict)
    coarse: dict[int, Real] = field(default_factory=dict)
    levels: dict[int, float] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)


def survey(
    frames: Frames,
    groups: Sequence[Sequence[int]],
    context: StepContext,
    form: DescriptorForm | None,
    label: str,
    skip: dict[int, str],
) -> Survey:
    """Read frames once and say what they tell; frames that cannot be read or used are left out.

    Parameters
    ----------
    frames : Frames
    groups : sequence of sequences of int
        Which frames belong together; all of them in one group as a rule.
    context : StepContext
    form : DescriptorForm, optional
        How to describe them; none for darks.
    label : str
        For the progress bar.
    skip : dict of int to str
        Frames known to be of no use, with the reason.
    """
    from tomoline.kernels.flat_fields import FrameStatistics

    count, rows, columns = frames.shape
    cells = _coarse(form.dark).shape if form else (1, 1)
    work = [
        (number, tuple(group[first : first + CHUNK_FRAMES]))
        for number, group in enumerate(groups)
        for first in range(0, len(group), CHUNK_FRAMES)
    ]
    found = Survey(
        [FrameStatistics.empty((rows, columns)) for _ in groups],
        np.zeros((count if form else 0, form.size if form else 0), np.float32),
        np.zeros((count if form else 0, *cells), np.float32),
        np.zeros(count),
        np.zeros(count, bool),
        dict(skip),
    )

    def read(piece: tuple[int, tuple[int, ...]]) -> _Piece:
        return _read_piece(frames, piece, form, skip)

    kept = found.descriptors.nbytes + found.coarse.nbytes
    kept += sum(statistics.nbytes for statistics in found.statistics)
    chunk = chunk_bytes(rows, columns, frames.dtype.itemsize)
    told = bytes_beside(kept, chunk, context.engine.memory_bytes)
    for piece in context.engine.map(read, work, bytes_per_chunk=told, label=label):
        found.statistics[piece.group].include(piece.statistics)
        for index, descriptor in piece.descriptors.items():
            found.descriptors[index] = descriptor
            found.coarse[index] = piece.coarse[index]
        for index, level in piece.levels.items():
            found.levels[index] = level
            found.used[index] = True
        found.reasons |= piece.reasons
    return found


def _read_piece(
    frames: Frames,
    piece: tuple[int, tuple[int, ...]],
    form: DescriptorForm | None,
    skip: dict[int, str],
) -> _Piece:
    from tomoline.kernels.flat_fields import FrameStatistics
    from tomoline.kernels.flat_match import bin_frame, contrast

    group, indices = piece
    result = _Piece(group, FrameStatistics.empty(frames.shape[1:]))
    stack = np.empty((len(indices), *frames.shape[1:]), frames.dtype)
    taken: list[int] = []
    for index in indices:
        if index in skip:
            continue
        place = stack[len(taken)]
        try:
            frame = frames.read(index, place)
        except TomolineError as fault:
            result.reasons[index] = fault.found
            continue
        if frame is not place:
            place[...] = frame
        if frame.dtype.kind == "f":
            finite = np.isfinite(place)
            if np.count_nonzero(finite) < 0.99 * place.size:
                result.reasons[index] = "more than 1 % of its pixels are not numbers."
                continue
            place[~finite] = 0
        if form is None:
            result.levels[index] = float(np.median(place[::8, ::8]))
        else:
            binned = bin_frame(place, form.binning)
            # Of a part that tells it well enough.
            few = max(1, min(binned.shape) // 128)
            level = float(np.median((binned - form.dark)[::few, ::few]))
            if not level > 0:
                result.reasons[index] = BLANK
                continue
            result.levels[index] = level
            result.descriptors[index] = contrast(binned, form)
            result.coarse[index] = _coarse(binned - form.dark)
        taken.append(index)
    result.statistics.add(stack[: len(taken)], taken)
    return result


def misfits(found: Survey, saturation: float | None) -> dict[int, str]:
    """Return flats that are not of the beam alone, with the reason.

    A flat must have about the level of the others, and no part of it may be much darker or brighter
    than in them, as a specimen left in the beam is. Stripes that moved further than in any other
    flat do not count: they are needed where they move as far again.
    """
    reasons: dict[int, str] = {}
    kept = np.flatnonzero(found.used)
    if len(kept) < 2:
        return reasons
    typical = float(np.median(found.levels[kept]))
    for index in kept:
        level = found.levels[index]
        if saturation is not None and level >= 0.98 * saturation:
            reasons[int(index)] = "it is saturated."
        elif abs(level - typical) > _LEVEL_OUTLIER * typical:
            reasons[int(index)] = f"its level is {level:.0f} counts, that of others {typical:.0f}."
    kept = np.array([index for index in kept if int(index) not in reasons], int)
    if len(kept) < 4:
        return reasons
    views = found.coarse[kept] / found.levels[kept, None, None]
    # How far the worst cell of each flat is from what it is in most flats.
    usual = np.median(views, axis=0)
    worst = np.abs(views / np.where(usual > 0, usual, 1) - 1).max(axis=(1, 2))
    middle = float(np.median(worst))
    spread = 1.4826 * float(np.median(np.abs(worst - middle)))
    for place in np.flatnonzero(worst > max(middle + 8 * spread, _COARSE_OUTLIER)):
        reasons[int(kept[place])] = (
            f"a part of it differs from other flats by {100 * worst[place]:.0f} %, as with a "
            "specimen in the beam."
        )
    return reasons


def _coarse(binned: Real) -> Real:
    """Return means of cells of 8 x 8 blocks, the remainder dropped; stripes average out in them."""
    rows, columns = binned.shape
    tall, wide = min(8, rows), min(8, columns)
    cells = binned[: rows // tall * tall, : columns // wide * wide]
    means: Real = cells.reshape(rows // tall, tall, columns // wide, wide).mean(axis=(1, 3))
    return means


def pixel_noise(frames: Frames, used: NDArray[np.bool_], dark: Real | None) -> float:
    """Return the relative noise of a pixel of one flat, from the difference of two.

    What moves between them is smooth along the rows, so second differences leave only noise.
    """
    kept = np.flatnonzero(used)
    if len(kept) < 2 or frames.shape[2] < 16:
        return 0.0
    pair = []
    for index in (kept[0], kept[-1]):
        image: NDArray[Any] = frames.read(int(index))[::8].astype(np.float32)
        if dark is not None:
            image -= dark[::8]
        pair.append(image / np.maximum(np.median(image), 1e-30))
    difference = np.diff(pair[0] - pair[1], n=2, axis=1)
    middle = np.median(difference)
    # The weights 1, -2, 1 and two images: 6 * 2 variances.
    return float(1.4826 * np.median(np.abs(difference - middle)) / 12**0.5)


def report_missing(
    frames: Frames, reasons: dict[int, str], context: StepContext, kind: str, most: int = 5
) -> None:
    """Warn of frames that are left out; of many, of the first few by name."""
    for number, (index, reason) in enumerate(sorted(reasons.items())):
        if number == most:
            context.warn(
                kinds.FLAT_LEFT_OUT.notice(
                    kind, f"{len(reasons) - most} more {kind} are left out for similar reasons."
                )
            )
            return
        context.warn(kinds.FLAT_LEFT_OUT.notice(frames.label(index), reason))
