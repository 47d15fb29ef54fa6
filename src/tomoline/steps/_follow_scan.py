"""What can be done of a scan while it is recorded: matching flats, registering, retrieving.

Everything here calls what the steps call, on frames that are whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tomoline.errors import Faults, TomolineError
from tomoline.files.scan_files import ScanFiles
from tomoline.params import StepParams
from tomoline.steps._base import StepContext
from tomoline.steps._beside import bytes_beside
from tomoline.steps._early import EARLY, EarlyResults, flats_digest
from tomoline.steps._scan_describe import open_described, partial_layout
from tomoline.steps.flats import FLATS
from tomoline.steps.following import Arrived
from tomoline.steps.scan_layout import ScanLayout

if TYPE_CHECKING:
    from tomoline.steps._anchors import AnchorMeasurer
    from tomoline.steps._retriever import Retrieved

# Share of the engine's memory for projections that wait for the end of the scan. The store that
# they go to then takes its share while they are still there.
_SHARE = 0.3
# Angles that are retrieved before the folder is looked at again, for each thread.
_AT_ONCE = 8
# So many frames of a distance must be known to come before their number is believed.
_PROMISED = 3


class ScanFollower:
    """Takes the frames of a scan as they come.

    Parameters
    ----------
    parameters : mapping of str to StepParams
        Of all steps of the recipe.
    context : StepContext
        Of a folder of its own, for what the whole scan will make again.
    """

    def __init__(self, parameters: Mapping[str, StepParams], context: StepContext) -> None:
        self._parameters = parameters
        self._context = context
        self._early = EarlyResults(int(_SHARE * context.engine.memory_bytes))
        self._found: ScanFiles | None = None
        self._layout: ScanLayout | None = None
        self._promised = 0
        self._bad_angles: set[int] = set()

    def look(self) -> Arrived:
        """Look at what is there of the scan."""
        params: Any = self._parameters["scan"]
        source = self._context.source
        try:
            found = open_described(source, params)
        except Faults:
            raise  # a parameter file with mistakes does not get better by waiting
        except TomolineError as error:
            self._found = None
            folder = source if source.is_dir() else source.parent
            return Arrived(sum(1 for _ in folder.iterdir()), False, False, error.found)
        self._found = found
        count, lost = found.projections[0].count, len(found.bad)
        there = sum(one.count - len(one.missing) for one in found.projections)
        if lost >= _PROMISED:
            self._promised = count
        expected = params.expected_frames or (self._promised if self._promised == count else 0)
        notices = [one.found.rstrip(".") for one in found.notices]
        missing = "; ".join(notices) or f"{count} of {expected} projections are there"
        return Arrived(there, bool(expected) and count >= expected and not lost, not lost, missing)

    def work(self) -> bool:
        """Register and retrieve some of what is there."""
        if self._found is None:
            return False
        params: Any = self._parameters["scan"]
        self._layout = partial_layout(params, self._found, self._context)
        if not self._early.flats:
            with self._context.writing("scan_layout") as path:
                self._layout.write(path)
            FLATS.run(self._parameters["flats"], self._context)  # type: ignore[arg-type]
            self._early.flats = flats_digest(self._context.input("flat_fields"))
            return True
        return self._register() or self._retrieve()

    def prepared(self) -> Mapping[str, Any]:
        """Return what the steps may recall."""
        return {EARLY: self._early}

    def _register(self) -> bool:
        """Measure shifts where that is possible now."""
        layout, params = self._layout, self._parameters["register"]
        if layout is None or len(layout.projections) < 2 or params.method == "none":  # type: ignore[attr-defined]
            return False
        wanted = [one for one in self._course(layout).wanted() if layout.taking_part[one]]
        wanted = wanted[: _AT_ONCE * self._context.engine.threads]
        if not wanted:
            return False
        measurer, memory = self._measurer(layout), self._context.engine.memory_bytes
        found = self._context.engine.map(
            measurer.measure,
            wanted,
            bytes_per_chunk=bytes_beside(int(_SHARE * memory), measurer.bytes_per_angle, memory),
            label="shifts, as frames come",
        )
        self._early.measured.update(zip(wanted, found, strict=True))
        return True

    def _measurer(self, layout: ScanLayout) -> AnchorMeasurer:
        from tomoline.steps._anchors import AnchorMeasurer

        flat_fields = self._context.input("flat_fields")
        return AnchorMeasurer.open(layout, flat_fields, self._parameters["register"])  # type: ignore[arg-type]

    def _course(self, layout: ScanLayout) -> Any:
        """Return the course of the shifts, as far as it is known."""
        from tomoline.steps._anchors import ShiftCourse

        params: Any = self._parameters["register"]
        taking_part = layout.taking_part
        # The last angle is an anchor too, but which one it will be is not known yet.
        places = np.flatnonzero(taking_part)
        whole = (len(places) - 1) // params.every_angles * params.every_angles + 1
        taking_part[places[max(whole, 0) :]] = False
        course = ShiftCourse(taking_part.tolist(), len(layout.projections), params)
        for angle, measurement in self._early.measured.items():
            course.add(angle, measurement)
        return course

    def _retrieve(self) -> bool:
        """Retrieve angles whose frames are there and whose shifts are settled."""
        from tomoline.steps._anchors import LOOK_AHEAD_ANGLES, magnifications
        from tomoline.steps._retriever import BadFrameError, Retriever
        from tomoline.steps._shifts import Shifts

        layout = self._layout
        if layout is None or self._early.full:
            return False
        params: Any = self._parameters["register"]
        distances = len(layout.projections)
        shifts = np.zeros((layout.angles, distances, 2))
        ready = layout.taking_part
        if distances > 1 and params.method != "none":
            course = self._course(layout)
            places = np.flatnonzero(ready)
            ready[places[max(len(places) - LOOK_AHEAD_ANGLES(params), 0) :]] = False
            for angle in np.flatnonzero(ready):
                ready[angle] = course.ready(int(angle))
                if ready[angle]:
                    shifts[angle] = course.at(int(angle))
        done = self._early.retrieved.keys() | self._bad_angles
        wanted = [int(one) for one in np.flatnonzero(ready) if int(one) not in done]
        wanted = wanted[: _AT_ONCE * self._context.engine.threads]
        if not wanted:
            return False
        quiet: Any = self._parameters["retrieve"].model_copy(update={"corrected_frames": False})
        memory = self._context.engine.memory_bytes
        retriever = Retriever.open(
            layout,
            self._context.input("flat_fields"),
            Shifts(shifts, magnifications(layout, params)),
            quiet,
            memory_bytes=memory,
        )
        kept = retriever.shared_bytes + int(_SHARE * memory)

        def work(angle: int) -> Retrieved | None:
            try:
                return retriever.retrieve(angle)
            except BadFrameError:
                return None  # the step will say so

        found = self._context.engine.map(
            work,
            wanted,
            bytes_per_chunk=bytes_beside(kept, retriever.bytes_per_call, memory),
            label="projections, as frames come",
        )
        for one, result in zip(wanted, found, strict=True):
            if result is None:
                self._bad_angles.add(one)
            else:
                self._early.add(one, shifts[one], result)
        return True
