"""One angle of a scan: frames of all distances in, one projection out.

What comes out for an angle depends on that angle alone, so it is the same whether angles are taken
as they are recorded or afterwards, on how many threads, and in which order.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.files.frames import Frames
from tomoline.files.open_frames import open_frames
from tomoline.steps._retrieval import Retrieval
from tomoline.steps._retrieval_plan import RetrievalPlan, RetrieveParams, settle
from tomoline.steps._shifts import Shifts
from tomoline.steps.scan_layout import ScanLayout

if TYPE_CHECKING:
    from tomoline.kernels.phase import PhaseTransform, Workspace
    from tomoline.steps._correction import FlatChoice

Real = NDArray[np.float32]


class Corrector(Protocol):
    """What is needed of `tomoline.steps._correction.FrameCorrector`."""

    @property
    def memory_bytes(self) -> int:
        """Most memory that it holds."""

    def fault(self, raw: NDArray[Any]) -> str | None:
        """Say why a frame cannot be used; None if it can."""

    def choose(self, raw: NDArray[Any]) -> FlatChoice:
        """Choose the flats that match a frame best."""

    def correct(self, raw: NDArray[Any], choice: FlatChoice, time: float | None, out: Real) -> int:
        """Write the frame's transmission into `out`; return how many zingers were replaced."""


# Distance, angle, corrected frame, choice of flats.
Keep = Callable[[int, int, Real, "FlatChoice"], None]


class BadFrameError(Exception):
    """A frame that cannot be used; its text names it and says why."""


@dataclass(frozen=True)
class Retrieved:
    """The projection of one angle, and the flats chosen for its frames.

    Attributes
    ----------
    projection : (rows, columns) float32
        Phase in rad or -ln(transmission), finite.
    choices : tuple of FlatChoice
        For each distance that takes part.
    zingers : int
        Pixels that were replaced as zingers, in the frames of all distances.
    """

    projection: Real
    choices: tuple[FlatChoice, ...]
    zingers: int = 0


class _Buffers:
    """What one call needs; lent to one call at a time and used again."""

    def __init__(self, shape: tuple[int, int], transform: PhaseTransform | None) -> None:
        self.raw: NDArray[Any] | None = None
        self.work: Workspace | None = None
        if transform is not None:
            from tomoline.kernels.phase import Workspace

            self.work = Workspace(transform)
        self.frame: Real = np.empty(shape if transform is None else (0, 0), np.float32)


class Retriever:
    """Makes the projection of any angle; may be called from any thread.

    Parameters
    ----------
    layout : ScanLayout
    correctors : sequence of FrameCorrector
        For each distance.
    frames : sequence of Frames
        Projections of each distance.
    shifts : Shifts or None
        What moves each distance onto the first; None for not at all.
    params : RetrieveParams
    keep : callable, optional
        Called as ``keep(distance, angle, frame, choice)`` with each corrected frame, which it must
        not change nor hold on to.

    Attributes
    ----------
    plan : RetrievalPlan
        Parameters with their defaults settled.
    notices : list of Notice
        What to warn of.
    padded : (height, width)
        Size that frames are padded to; the frames' own where no phase is retrieved.

    Raises
    ------
    TomolineError
        RETRIEVE-01 geometry unknown, RETRIEVE-02 method does not fit.
    """

    def __init__(
        self,
        layout: ScanLayout,
        correctors: Sequence[Corrector],
        frames: Sequence[Frames],
        shifts: Shifts | None,
        params: RetrieveParams,
        keep: Keep | None = None,
    ) -> None:
        self.plan, self.notices = settle(params, layout)
        self._shape = (layout.height_px, layout.width_px)
        self._correctors = correctors
        self._frames = frames
        self._times = [location.times for location in layout.projections]
        self._shifts = shifts
        self._magnification = self.plan.magnification if shifts is None else shifts.magnification
        self._keep = keep
        self._transform = _transform(self.plan, self._shape)
        self.padded = self._shape if self._transform is None else self._transform.padded
        self._idle: list[_Buffers] = []
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        layout: ScanLayout,
        flat_fields: Path,
        shifts: Shifts | None,
        params: RetrieveParams,
        keep: Keep | None = None,
        memory_bytes: int | None = None,
    ) -> Retriever:
        """Open the frames and flats of a scan; flats take an eighth of the given memory at most."""
        from tomoline.steps._correction import KEEP_BYTES, FrameCorrector

        settled, _ = settle(params, layout)
        taken = range(settled.distances)
        flats = KEEP_BYTES
        if memory_bytes is not None:
            flats = min(flats, memory_bytes // (8 * settled.distances))
        correctors = [FrameCorrector.open(layout, flat_fields, number, flats) for number in taken]
        frames = [open_frames(layout.projections[number]) for number in taken]
        return cls(layout, correctors, frames, shifts, params, keep)

    @property
    def bytes_per_call(self) -> int:
        """Bound on what one call of `retrieve` holds, its result included."""
        frame = self._shape[0] * self._shape[1]
        raw = max(stored.dtype.itemsize for stored in self._frames) * frame
        return raw + 3 * 4 * frame + (self._transform.workspace_bytes if self._transform else 0)

    @property
    def shared_bytes(self) -> int:
        """Size of what all calls share: filters, flats, and what flats are matched by."""
        filters = self._transform.shared_bytes if self._transform else 0
        return filters + sum(corrector.memory_bytes for corrector in self._correctors)

    @property
    def keeps_frames(self) -> bool:
        """Whether corrected frames are given away."""
        return self._keep is not None

    def shifts_at(self, angle: int) -> NDArray[np.float64]:
        """Return the shifts (distances, 2) that an angle is retrieved with."""
        if self._shifts is None:
            return np.zeros((self.plan.distances, 2))
        return self._shifts.at(angle)

    def describe(self, excluded: dict[int, str]) -> Retrieval:
        """Return what the projections are, for the artifact ``retrieval``."""
        plan = self.plan
        is_phase = plan.quantity == "phase"
        return Retrieval(
            quantity=plan.quantity,
            unit="rad" if is_phase else "1",
            delta_per_unit=plan.delta_per_unit,
            pixel_size_um=plan.pixel_size_um,
            excluded=excluded,
        )

    def retrieve(self, angle: int, out: Real | None = None) -> Retrieved:
        """Make the projection of one angle.

        Parameters
        ----------
        angle : int
            Place of the projection.
        out : (rows, columns) float32, C-contiguous, optional
            Written and returned in the result.

        Raises
        ------
        BadFrameError
            If a frame of this angle cannot be read, or shows no image.
        TomolineError
            RETRIEVE-07 if the projection is not finite; FLATS-.. and FILE-.. if flats cannot be
            read.
        """
        if out is None:
            out = np.empty(self._shape, np.float32)
        with self._borrowed() as buffers:
            taken = [
                self._take(distance, angle, buffers) for distance in range(self.plan.distances)
            ]
            if self._transform is not None and buffers.work is not None:
                finite = self._transform.finish(buffers.work, out)
            else:
                np.log(buffers.frame, out=out)
                np.negative(out, out=out)
                finite = bool(np.isfinite(out.sum()))
        if not finite:
            names = ", ".join(stored.label(angle) for stored in self._frames)
            raise errors.retrieve.NOT_FINITE.error(names, f"Projection {angle + 1} is not finite.")
        return Retrieved(
            out, tuple(choice for choice, _ in taken), sum(zingers for _, zingers in taken)
        )

    def _take(self, distance: int, angle: int, buffers: _Buffers) -> tuple[FlatChoice, int]:
        """Read and correct one frame, and take it in; return its flats and count its zingers."""
        frames, corrector = self._frames[distance], self._correctors[distance]
        raw = self._read(frames, angle, buffers)
        fault = corrector.fault(raw)
        if fault is not None:
            raise BadFrameError(f"{frames.label(angle)}: {fault}")
        choice = corrector.choose(raw)
        times = self._times[distance]
        work = buffers.work
        image = buffers.frame if work is None else work.image
        zingers = corrector.correct(raw, choice, times[angle] if times else None, image)
        if self._keep is not None:
            self._keep(distance, angle, image, choice)
        if self._transform is None or work is None:
            return choice, zingers
        if abs(self._magnification[distance] - 1) > 1e-9:
            image[...] = _demagnified(image, self._magnification[distance])
        shift = None if self._shifts is None else self._shifts.at(angle)[distance]
        self._transform.take(distance, shift, work)
        return choice, zingers

    def _read(self, frames: Frames, angle: int, buffers: _Buffers) -> NDArray[Any]:
        if buffers.raw is None or buffers.raw.dtype != frames.dtype:
            buffers.raw = np.empty(self._shape, frames.dtype)
        try:
            return frames.read(angle, buffers.raw)
        except TomolineError as error:
            raise BadFrameError(f"{error.where}: {error.found}") from error

    @contextmanager
    def _borrowed(self) -> Iterator[_Buffers]:
        with self._lock:
            buffers = self._idle.pop() if self._idle else None
        if buffers is None:
            buffers = _Buffers(self._shape, self._transform)
        try:
            yield buffers
        finally:
            with self._lock:
                self._idle.append(buffers)


def _transform(plan: RetrievalPlan, shape: tuple[int, int]) -> PhaseTransform | None:
    optics = plan.optics
    if optics is None:
        return None
    from tomoline.kernels.phase import PhaseTransform

    return PhaseTransform(shape, plan.padding_px, plan.retrieving, optics)


def _demagnified(image: Real, magnification: float) -> Real:
    """Bring an image of a cone beam to the magnification of the first distance.

    Where it becomes smaller than the frame, its edges go on outside.
    """
    from tomoline.kernels.resample import transform_image

    shrink = np.array([[1 / magnification, 0.0, 0.0], [0.0, 1 / magnification, 0.0]])
    result = transform_image(image, shrink, fill=1.0)
    height, width = image.shape
    top, left = (int(np.ceil((n - 1) / 2 * max(1 - 1 / magnification, 0))) for n in image.shape)
    result[:top], result[height - top :] = result[top], result[height - 1 - top]
    result[:, :left] = result[:, left, None]
    result[:, width - left :] = result[:, width - 1 - left, None]
    return result
