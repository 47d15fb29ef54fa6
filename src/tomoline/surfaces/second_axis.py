"""What directives say of the second axis of a dual-axis set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline.errors import Faults
from tomoline.surfaces.kept_values import whole_path
from tomoline.surfaces.parameters import Resolution, gather
from tomoline.surfaces.templates import TemplatePlaces
from tomoline.workflow.given import LayerValue, Origin

if TYPE_CHECKING:
    from tomoline.steps import Step


def axis_b_values(
    steps: Sequence[Step[Any]],
    directives: Sequence[Path] = (),
    *,
    settings: Sequence[str] = (),
    templates: Mapping[str, Path] | None = None,
    places: TemplatePlaces | None = None,
) -> dict[str, LayerValue]:
    """Return the values of axis b that differ from those of axis a, by ``step.field``.

    They are what batch files and ``--set`` say with a ``b``: ``setupset.copyarg.bskip``,
    ``setupset.copyarg.brotation``, ``comparam.tiltb....``, ``runtime.Positioning.b....``; and,
    where they say something of axis a alone, what holds for axis b without it. Views that axis a
    leaves out say nothing of axis b's.

    Parameters
    ----------
    steps, directives, settings, templates, places
        As `tomoline.surfaces.parameters.gather` takes them. Templates are only read to know what
        holds below.

    Raises
    ------
    Faults
        With all that is wrong in them.

    >>> from tomoline.recipes import RECIPES
    >>> said = ["setupset.copyarg.skip=1-3", "setupset.copyarg.bskip=2"]
    >>> axis_b_values(RECIPES["tilt"].steps, settings=said)["setup.exclude_views"].value
    [2]
    """
    first, second = (
        gather(
            steps,
            directives=directives,
            settings=settings,
            templates=templates,
            places=places,
            axis=axis,
        )
        for axis in ("a", "b")
    )
    if second.faults:
        raise Faults(second.faults)
    values = {}
    for step in steps:
        if step.name not in first.parameters:
            continue
        own = first.parameters[step.name].model_dump(mode="json")
        other = second.parameters[step.name].model_dump(mode="json")
        for name in other:
            origin = _origin(first, step.name, name) or _origin(second, step.name, name)
            if origin is None or own[name] == other[name]:
                continue
            origin = _origin(second, step.name, name) or origin
            kind = step.params.model_fields[name].annotation
            value = other[name]
            if value is not None and _is_path(kind):
                value = whole_path(value, origin.file)
            values[f"{step.name}.{name}"] = LayerValue(value, str(origin))
    return values


def _origin(found: Resolution, step: str, name: str) -> Origin | None:
    """Return where a batch file or an option gives a value; templates are layers of their own."""
    origin = found.origins.get(step, {}).get(name)
    return None if origin is None or origin.layer.endswith("template") else origin


def _is_path(kind: Any) -> bool:
    return kind in (Path, Path | None)
