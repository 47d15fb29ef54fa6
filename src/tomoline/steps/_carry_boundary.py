"""The boundary model of axis a, carried over to axis b of a dual-axis set.

Contours are drawn on raw views. How the grid was turned and moved between the axes is found from
the view that they are drawn on and a view of this axis near zero tilt (see
`tomoline.kernels.axis_turn`). Where that is not sure there is no boundary, rather than a wrong one.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tomoline import errors, geometry
from tomoline.files.atomic import write_text
from tomoline.steps._base import StepContext, Values
from tomoline.steps.acquisition import Acquisition
from tomoline.steps.artifacts import ARTIFACTS

if TYPE_CHECKING:
    from tomoline.files.imod_model import Contour, Model
    from tomoline.kernels.axis_turn import AxisTurn

Floats = NDArray[np.float64]

STEEPEST_DEG = 30.0
"""Contours on views of a higher tilt are not carried over: too much else is seen there."""

_VIEWS_TRIED = 3


@dataclass(frozen=True)
class _Axis:
    """A raw stack in the data set's folder, and what is known of it."""

    stack: Path
    acquisition: Acquisition

    @classmethod
    def of(cls, folder: Path, root: str) -> _Axis | None:
        stack, told = folder / f"{root}.mrc", folder / f"{root}_acquisition.json"
        if not (stack.is_file() and told.is_file()):
            return None
        return cls(stack, Acquisition.read(told))

    def view_matrix(self, view: int, unit_nm: float | None) -> Floats:
        """Return the matrix (2, 2) from the flat specimen, in pixels of `unit_nm`, to a view."""
        from tomoline.kernels.correlator import projection

        known = self.acquisition
        scale = 1.0
        if unit_nm is not None and known.pixel_size_nm is not None:
            scale = unit_nm / known.pixel_size_nm
        if known.tilt_axis_deg is None:
            return scale * np.eye(2)
        tilt = math.radians(float(known.tilt_deg[view]))
        return scale * projection(tilt, math.radians(known.tilt_axis_deg))

    def near_zero(self) -> list[int]:
        """Return the views nearest to zero tilt that take part, the nearest first."""
        tilts = np.where(self.acquisition.included, np.abs(self.acquisition.tilt_deg), np.inf)
        order = np.argsort(tilts, kind="stable")[:_VIEWS_TRIED]
        return [int(view) for view in order if np.isfinite(tilts[view])]

    def read(self, view: int) -> NDArray[np.float32]:
        from tomoline.files.stack import open_stack
        from tomoline.steps._views import read_clean

        return read_clean(open_stack(self.stack), view)[0]

    def centre(self) -> Floats:
        known = self.acquisition
        return np.array([geometry.centre(known.width_px), geometry.centre(known.height_px)])


def files_of_other_axis(folder: Path, other: str | None, drawn: Path | None) -> Sequence[Path]:
    """Return the files that carrying over reads."""
    if other is None:
        return ()
    names = (f"{other}.mrc", f"{other}_acquisition.json")
    return (*(folder / name for name in names), _model_path(folder, other, drawn))


def _model_path(folder: Path, other: str, drawn: Path | None) -> Path:
    return folder / (drawn or f"{other}_rawbound.mod")


def carry_boundary(context: StepContext, other: str | None, drawn: Path | None) -> Values:
    """Write this axis's boundary model from the other's; a user's own is left as it is.

    Parameters
    ----------
    context : StepContext
        Of the set-up of this axis, whose stack is delivered.
    other : str or None
        Root name of the other axis; None takes away what was carried over before.
    drawn : Path or None
        Its boundary model, where that is not its ``_rawbound.mod``.

    Returns
    -------
    dict
        What was found, for the record; empty where there is nothing to carry over.
    """
    own = context.folder / ARTIFACTS["boundary"].file_name(context.root)
    if own.is_file() and not is_carried(own):
        if mark_of(own).is_file():  # it was carried over once, and then changed by hand
            context.keep("boundary")
        return {"boundary": "the user's own"} if other is not None else {}
    own.unlink(missing_ok=True)  # carried over before; it is made again if it still holds
    mark_of(own).unlink(missing_ok=True)
    if other is None:
        return {}
    path = _model_path(context.folder, other, drawn)
    if not path.is_file():
        return {}
    from tomoline.files import imod_model

    model = imod_model.read(path)
    here, there = _Axis.of(context.folder, context.root), _Axis.of(context.folder, other)
    if here is None or there is None:
        return _leave(context, path, f"the stack of {other} is not there.")
    if not any(len(contour.points) for contour in model.contours):
        return _leave(context, path, "it has no contour.")
    size = sum(
        4 * 6 * one.acquisition.height_px * one.acquisition.width_px for one in (here, there)
    )
    turns: dict[int, tuple[int, AxisTurn]] = {}
    for view, found in context.engine.map(
        lambda view: (view, _turn(there, here, view)),
        sorted({_view(contour, there) for contour in model.contours if len(contour.points)}),
        bytes_per_chunk=size,
        label="boundary model",
    ):
        if isinstance(found, str):
            return _leave(context, path, found)
        turns[view] = found
    moved = _moved(model, turns, there, here)
    facts = _facts(path.name, moved, turns, there)
    _write(context, moved)
    return {f"boundary_{name}" if name != "boundary" else name: one for name, one in facts.items()}


def mark_of(own: Path) -> Path:
    """Return the hidden file that tells what carrying over last wrote as a boundary model.

    It is no artifact: whoever deletes results keeps boundary models, which are a user's work, and
    this must stay with them.
    """
    return own.with_name(f".{own.stem}.json")


def is_carried(own: Path) -> bool:
    """Whether a boundary model is as carrying over left it, not drawn or changed by a user."""
    try:
        written = json.loads(mark_of(own).read_text(encoding="utf-8"))["sha256"]
        return bool(written == hashlib.sha256(own.read_bytes()).hexdigest())
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _leave(context: StepContext, path: Path, found: str) -> Values:
    context.warn(errors.tilt.BOUNDARY_NOT_CARRIED.notice(path, found))
    own = context.folder / ARTIFACTS["boundary"].file_name(context.root)
    write_text(mark_of(own), json.dumps({"sha256": None}))
    return {"boundary": "none; it could not be carried over"}


def _view(contour: Contour, axis: _Axis) -> int:
    middle = round(float(np.median(contour.points[:, 2])))
    return int(np.clip(middle, 0, axis.acquisition.count - 1))


def _turn(first: _Axis, second: _Axis, view: int) -> tuple[int, AxisTurn] | str:
    """Return a view of the second axis and how it lies to a view of the first, or why not."""
    from tomoline.kernels.axis_turn import SURE, find_turn

    tilt = float(first.acquisition.tilt_deg[view])
    if abs(tilt) > STEEPEST_DEG:
        return f"it is drawn on view {view + 1}, at {tilt:.0f} degrees."
    unit = first.acquisition.pixel_size_nm
    image, matrix = first.read(view), first.view_matrix(view, unit)
    surest = 0.0
    for other in second.near_zero():
        found = find_turn(image, second.read(other), matrix, second.view_matrix(other, unit))
        if found is not None and found.confidence >= SURE:
            return other, found
        surest = max(surest, found.confidence if found else 0.0)
    return f"how the axes lie to each other is not sure (confidence {surest:.2f}, {SURE} needed)."


def _moved(
    model: Model, turns: dict[int, tuple[int, AxisTurn]], first: _Axis, second: _Axis
) -> Model:
    """Return the model as drawn on the second axis."""

    def move(contour: Contour) -> Contour:
        if not len(contour.points):
            return contour
        view, turn = turns[_view(contour, first)]
        flat = geometry.apply(turn.transform, contour.points[:, :2] - first.centre())
        points = np.column_stack([flat + second.centre(), np.full(len(flat), float(view))])
        return replace(contour, points=points)

    known = second.acquisition
    return replace(
        model,
        objects=tuple(
            replace(part, contours=tuple(move(one) for one in part.contours))
            for part in model.objects
        ),
        size_px=(known.width_px, known.height_px, known.count),
        pixel_size_nm=known.pixel_size_nm,
        origin_px=(0.0, 0.0, 0.0),
        extra=(),  # windows and slicer angles are of the other stack
    )


def _facts(
    name: str, model: Model, turns: dict[int, tuple[int, AxisTurn]], first: _Axis
) -> dict[str, Any]:
    view, (other, turn) = min(
        turns.items(), key=lambda item: abs(float(first.acquisition.tilt_deg[item[0]]))
    )
    return {
        "boundary": f"carried over from {name}",
        "contours": len(model.contours),
        "turn_deg": round(turn.turn_deg, 2),
        "shift_px": [round(float(one), 1) for one in turn.shift_px],
        "confidence": round(min(one.confidence for _, one in turns.values()), 3),
        "views": [view + 1, other + 1],
    }


def _write(context: StepContext, model: Model) -> None:
    from tomoline.files import imod_model

    with context.writing("boundary") as path:
        imod_model.write(path, model)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        # In place before the model: a kill between the two must not leave a model that looks as
        # if a user had put it there.
        own = context.folder / ARTIFACTS["boundary"].file_name(context.root)
        write_text(mark_of(own), json.dumps({"sha256": digest}))
