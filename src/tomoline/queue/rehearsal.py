"""What a run would do with data sets, without doing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.layers import Layers
from tomoline.queue.model import DataSetEntry
from tomoline.queue.reach import Asked
from tomoline.queue.store import Store

if TYPE_CHECKING:
    from tomoline.workflow.given import Layer


@dataclass(frozen=True)
class Rehearsed:
    """What a run would do with a data set, or with one axis of it.

    Attributes
    ----------
    name, root : str
        The data set, and the root name of what is run.
    steps : list of tuple
        Number, name, action (run, keep, off, leave) and reason of each step.
    error : TomolineError or None
        Why it cannot be run, as far as that is known before.
    busy : bool
        Whether it is being run just now, so that the steps tell of a moment.
    """

    name: str
    root: str
    steps: list[tuple[float, str, str, str]] = field(default_factory=list)
    error: TomolineError | None = None
    busy: bool = False


def rehearse(store: Store, entry: DataSetEntry, asked: Asked) -> list[Rehearsed]:
    """Return what a run would do with a data set, one by one for its axes."""
    sources = (entry.source, entry.source_b) if entry.source_b else (entry.source,)
    axes = ("a", "b") if entry.dual else ("",)
    with store.read() as db:
        query = "SELECT 1 FROM batch WHERE data_set = ? AND state = 'running'"
        busy = db.execute(query, (entry.id,)).fetchone() is not None
    found = []
    for root, axis, source in zip(entry.roots, axes, sources, strict=True):
        try:
            steps = _plan(store, entry, root, axis, str(source), asked)
            found.append(Rehearsed(entry.name, root, steps, busy=busy))
        except TomolineError as error:
            found.append(Rehearsed(entry.name, root, error=error, busy=busy))
        except OSError as error:  # such as a folder that may not be looked into
            from tomoline.files.atomic import translate_os_error

            coded = translate_os_error(error, Path(error.filename or source), reading=True)
            found.append(Rehearsed(entry.name, root, error=coded, busy=busy))
    return found


def _plan(
    store: Store, entry: DataSetEntry, root: str, axis: str, source: str, asked: Asked
) -> list[tuple[float, str, str, str]]:
    from tomoline.recipes import RECIPES
    from tomoline.workflow.dataset import DataSet
    from tomoline.workflow.execution import check_destination
    from tomoline.workflow.given import merge
    from tomoline.workflow.plan import plan
    from tomoline.workflow.run import load_record

    recipe = RECIPES[entry.recipe]
    merged = merge(recipe.steps, _layers(store, entry, axis))
    data_set = DataSet(root, entry.folder, Path(source))
    if not data_set.record_path.exists() and not data_set.source.exists():
        raise errors.files.MISSING.error(source, "there is no such file.")
    check_destination(data_set, recipe)
    if getattr(merged.parameters.get("setup"), "montage", False):
        raise errors.tilt.MONTAGE.error(source, "setup.montage is set.")
    decisions = plan(
        recipe,
        merged.parameters,
        data_set,
        load_record(data_set, recipe),
        asked.first or None,
        asked.last or None,
    )
    return [(one.step.number, one.step.name, str(one.action), one.reason) for one in decisions]


def _layers(store: Store, entry: DataSetEntry, axis: str) -> list[Layer]:
    """Return the layers of a data set or of one axis, as its process will have them."""
    from tomoline.workflow.given import Layer
    from tomoline.workflow.second_axis import second_axis_layer

    layers = Layers(store)
    found = [Layer.from_json(one) for one in layers.stack(entry, axis)]
    if axis == "b":
        first = [Layer.from_json(one) for one in layers.stack(entry, "a")]
        found.append(second_axis_layer(first, found, *entry.roots))
    return found
