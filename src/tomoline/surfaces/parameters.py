"""The parameters of a run, from all places where they may be given.

Precedence rises from the steps' defaults over templates, batch directive file and TOML file to
``--set``. Everything is validated at once and before any data are read.

>>> from tomoline.surfaces.parameters import gather
>>> gather((), settings=["trim.bytes=yes"]).faults[0].code
'PARAM-03'
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.files import toml as toml_files
from tomoline.params import ParameterInfo, describe
from tomoline.steps import Step
from tomoline.surfaces._settings import SET_RANK, TOML_RANK, Setting
from tomoline.surfaces._values import convert
from tomoline.surfaces.directives import Source, resolve_files
from tomoline.surfaces.names import suggestion
from tomoline.surfaces.templates import TemplatePlaces
from tomoline.workflow.given import Given, Origin, Validated, keep_one_of_each_group, validate

if TYPE_CHECKING:
    from tomoline.recipes import Recipe


@dataclass
class Resolution(Validated):
    """The parameters of all steps of a recipe, and what directives say besides.

    Attributes
    ----------
    directives : dict
        The directives that hold, by name.
    root : str or None
        Root name of the data set, where a directive tells it.
    folder : Path or None
        Folder of the raw stack, where a directive tells it.
    """

    directives: dict[str, Setting] = field(default_factory=dict)
    root: str | None = None
    folder: Path | None = None


def resolve(
    recipe: Recipe,
    *,
    directives: Sequence[Path] = (),
    toml: Sequence[Path] = (),
    settings: Sequence[str] = (),
) -> Resolution:
    """Return the parameters of a recipe's steps; see `gather` for what gives them.

    Raises
    ------
    Faults
        With all that is wrong in all of them.
    """
    found = gather(recipe.steps, directives=directives, toml=toml, settings=settings)
    if found.faults:
        raise Faults(found.faults)
    return found


def gather(
    steps: Sequence[Step[Any]],
    *,
    directives: Sequence[Path] = (),
    toml: Sequence[Path] = (),
    settings: Sequence[str] = (),
    templates: Mapping[str, Path] | None = None,
    places: TemplatePlaces | None = None,
    axis: str = "",
) -> Resolution:
    """Return the parameters of steps, with all that is wrong in what gives them.

    Parameters
    ----------
    steps : sequence of Step
        Whose parameters are wanted.
    directives : sequence of Path
        Batch directive files of IMOD; the templates that they name are read as well. Of several
        files, here and below, later ones go before earlier ones.
    toml : sequence of Path
        Files with a table for each step, ``[reconstruct]`` with ``thickness_px = 300``.
    settings : sequence of str
        ``STEP.FIELD=VALUE``, or ``DIRECTIVE=VALUE``, as from ``--set``.
    templates : mapping, optional
        Templates by kind, in place of those that the batch files name.
    places : TemplatePlaces, optional
        Where templates lie; IMOD's places if left out.
    axis : str
        ``a`` or ``b`` of a dual-axis set; "" for a single axis. Only directives tell them apart.
    """
    result = Resolution()
    options: list[Given] = []
    sources: list[Source] = []
    faults: list[TomolineError] = []
    for number, text in enumerate(settings):
        _read_setting(text, SET_RANK + number, steps, options, sources, faults)
    resolved = resolve_files(
        directives, steps, templates=templates, places=places, extra=sources, axis=axis
    )
    result.directives = resolved.settings
    result.root, result.folder = resolved.root, resolved.folder
    result.notices += resolved.notices
    result.faults += resolved.faults
    given = list(_from_resolved(resolved.values, resolved.origins))
    for number, path in enumerate(toml):
        given += _read_toml(path, TOML_RANK + number, steps, result.faults)
    given = sorted(given + options, key=lambda one: one.origin.rank)
    result.faults += faults
    given = keep_one_of_each_group(given, steps, result, faults_from=TOML_RANK)
    validate(given, steps, result)
    return result


def _from_resolved(
    values: Mapping[str, Mapping[str, Any]], origins: Mapping[str, Mapping[str, Origin]]
) -> Iterator[Given]:
    for step, fields in values.items():
        for name, value in fields.items():
            yield Given(step, name, value, origins[step][name])


def _info(
    step: str,
    name: str,
    steps: Sequence[Step[Any]],
    origin: Origin,
    faults: list[TomolineError],
) -> ParameterInfo | None:
    """Return the declaration of STEP.FIELD, or record the fault that there is none."""
    where = str(origin)
    by_name = {one.name: one for one in steps}
    if step not in by_name:
        found = f"there is no step {step}.{suggestion(step, by_name)}"
        faults.append(errors.parameters.UNKNOWN_PARAMETER.error(where, found))
        return None
    fields = {info.name: info for info in describe(by_name[step].params)}
    if name not in fields:
        elsewhere = [f"{one.name}.{name}" for one in steps if name in one.params.model_fields]
        near = f" Did you mean {elsewhere[0]}?" if elsewhere else suggestion(name, fields)
        found = f"step {step} has no parameter {name}.{near}"
        faults.append(errors.parameters.UNKNOWN_PARAMETER.error(where, found))
        return None
    return fields[name]


def _read_toml(
    path: Path, rank: int, steps: Sequence[Step[Any]], faults: list[TomolineError]
) -> Iterator[Given]:
    try:
        file = toml_files.read(path)
    except TomolineError as fault:
        faults.append(fault)
        return
    names = {step.name for step in steps}
    for step, table in file.content.items():
        origin = Origin(rank, "parameter file", str(path), file.lines.get((step, ""), 0))
        if step not in names:
            _info(step, "", steps, origin, faults)
        elif not isinstance(table, dict):
            found = f"{step} is a step; its parameters stand in a table [{step}]."
            faults.append(errors.parameters.UNKNOWN_PARAMETER.error(str(origin), found))
        else:
            for name, value in table.items():
                line = file.lines.get((step, name), origin.line)
                here = replace(origin, line=line)
                if _info(step, name, steps, here, faults) is not None:
                    yield Given(step, name, value, here)


def _read_setting(
    text: str,
    rank: int,
    steps: Sequence[Step[Any]],
    options: list[Given],
    sources: list[Source],
    faults: list[TomolineError],
) -> None:
    """Read one ``--set``: a parameter goes to `options`, a directive to `sources`."""
    name, sign, value = (part.strip() for part in text.partition("="))
    origin = Origin(rank, f"--set {text}")
    parts = name.split(".")
    if not sign or len(parts) < 2:
        found = f"--set {text} is not of the form STEP.FIELD=VALUE."
        faults.append(errors.parameters.BAD_OPTION.error("", found))
        return
    if parts[0] in ("setupset", "comparam", "runtime"):
        sources.append(Source(origin, ((0, name, value),)))
        return
    info = _info(parts[0], ".".join(parts[1:]), steps, origin, faults)
    if info is None:
        return
    try:
        options.append(Given(parts[0], info.name, _option_value(value, info), origin))
    except ValueError as error:
        found = f"{name} = {value or '(empty)'}: {error}."
        faults.append(errors.parameters.BAD_VALUE.error(str(origin), found))


def _option_value(text: str, info: ParameterInfo) -> Any:
    if not text:
        if "none" in info.type_text:
            return None
        if "text" not in info.type_text and "list" not in info.type_text:
            raise ValueError(f"must be {info.type_text}")
    return convert(text, info.type, strict=False)
