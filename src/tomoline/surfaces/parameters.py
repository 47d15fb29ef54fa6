"""The parameters of a run, from all places where they may be given.

Precedence rises from the steps' defaults over templates, batch directive file and TOML file to
``--set``. Everything is validated at once and before any data are read.

>>> from tomoline.surfaces.parameters import gather
>>> gather((), settings=["trim.bytes=yes"]).faults[0].code
'PARAM-03'
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tomoline import errors
from tomoline.errors import Faults, Notice, TomolineError
from tomoline.params import ParameterInfo, StepParams, describe
from tomoline.steps import Step
from tomoline.surfaces._names import suggestion
from tomoline.surfaces._settings import Origin
from tomoline.surfaces._values import convert
from tomoline.surfaces.directive_table import EXCLUSIVE, declared
from tomoline.surfaces.directives import BATCH_RANK, Source, resolve
from tomoline.surfaces.templates import TemplatePlaces

TOML_RANK = BATCH_RANK + 1
SET_RANK = BATCH_RANK + 2


@dataclass(frozen=True)
class Given:
    """A value of a parameter, and where it was given."""

    step: str
    field: str
    value: Any
    origin: Origin


@dataclass
class Parameters:
    """The parameters of all steps of a recipe.

    Attributes
    ----------
    steps : dict
        Validated parameters by name of the step; complete only without faults.
    origins : dict
        Where each value that differs from the default was given, by step and field.
    root : str or None
        Root name of the data set, where a directive tells it.
    folder : Path or None
        Folder of the raw stack, where a directive tells it.
    notices, faults : list
        What to tell the user.
    """

    steps: dict[str, StepParams] = field(default_factory=dict)
    origins: dict[str, dict[str, Origin]] = field(default_factory=dict)
    root: str | None = None
    folder: Path | None = None
    notices: list[Notice] = field(default_factory=list)
    faults: list[TomolineError] = field(default_factory=list)


def parameters(
    steps: Sequence[Step[Any]],
    *,
    directives: Path | None = None,
    toml: Path | None = None,
    settings: Sequence[str] = (),
    templates: Mapping[str, Path] | None = None,
    places: TemplatePlaces | None = None,
) -> Parameters:
    """Return the parameters of `steps`.

    Parameters
    ----------
    steps : sequence of Step
        The steps of the recipe.
    directives : Path, optional
        Batch directive file of IMOD; the templates that it names are read as well.
    toml : Path, optional
        File with a table for each step, ``[reconstruct]`` with ``thickness_px = 300``.
    settings : sequence of str
        ``STEP.FIELD=VALUE``, or ``DIRECTIVE=VALUE``, as from ``--set``.
    templates : mapping, optional
        Templates by kind, in place of those that the batch file names.
    places : TemplatePlaces, optional
        Where templates lie; IMOD's places if left out.

    Raises
    ------
    Faults
        With all that is wrong in all of them.
    """
    found = gather(
        steps,
        directives=directives,
        toml=toml,
        settings=settings,
        templates=templates,
        places=places,
    )
    if found.faults:
        raise Faults(found.faults)
    return found


def gather(
    steps: Sequence[Step[Any]],
    *,
    directives: Path | None = None,
    toml: Path | None = None,
    settings: Sequence[str] = (),
    templates: Mapping[str, Path] | None = None,
    places: TemplatePlaces | None = None,
) -> Parameters:
    """Return what `parameters` returns, with the faults in it instead of raising them."""
    result = Parameters()
    options: list[Given] = []
    sources: list[Source] = []
    faults: list[TomolineError] = []
    for number, text in enumerate(settings):
        _read_setting(text, SET_RANK + number, steps, options, sources, faults)
    resolved = resolve(directives, steps, templates=templates, places=places, extra=sources)
    result.root, result.folder = resolved.root, resolved.folder
    result.notices += resolved.notices
    result.faults += resolved.faults
    given = list(_from_resolved(resolved.values, resolved.origins))
    if toml is not None:
        given += _read_toml(toml, steps, result.faults)
    given = sorted(given + options, key=lambda one: one.origin.rank)
    result.faults += faults
    given = _keep_one_of_each_group(given, steps, result)
    _validate(given, steps, result)
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
    path: Path, steps: Sequence[Step[Any]], faults: list[TomolineError]
) -> Iterator[Given]:
    try:
        text = _text(path)
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(
            errors.files.BAD_TEXT.error(
                path, f"{error}.", remedy="Correct that line; see https://toml.io for the format."
            )
        )
        return
    except TomolineError as fault:
        faults.append(fault)
        return
    lines = _toml_lines(text)
    for step, table in content.items():
        origin = Origin(TOML_RANK, "parameter file", str(path), lines.get((step, ""), 0))
        if not isinstance(table, dict):
            found = (
                f"{step} stands outside the table of a step, such as [{steps[0].name}]."
                if (steps)
                else f"{step} stands outside the table of a step."
            )
            faults.append(errors.parameters.UNKNOWN_PARAMETER.error(str(origin), found))
            continue
        if step not in {one.name for one in steps}:
            _info(step, "", steps, origin, faults)
            continue
        for name, value in table.items():
            line = lines.get((step, name), origin.line)
            origin_of_field = Origin(TOML_RANK, "parameter file", str(path), line)
            info = _info(step, name, steps, origin_of_field, faults)
            if info is not None:
                yield Given(step, name, value, origin_of_field)


def _text(path: Path) -> str:
    if path.is_dir():
        raise errors.files.NOT_A_FILE.error(path, "this is a folder.")
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise errors.files.MISSING.error(path, "there is no such file.") from None
    except UnicodeDecodeError as error:
        raise errors.files.BAD_TEXT.error(path, "this is not UTF-8 text.") from error
    except (OSError, ValueError) as error:
        raise errors.files.NOT_READABLE.error(path, f"{error}.") from error


def _toml_lines(text: str) -> dict[tuple[str, str], int]:
    """Return the line of each table and key, as far as they are written plainly."""
    lines: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(text.split("\n"), start=1):
        if match := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            table = match[1]
            lines.setdefault((table, ""), number)
        elif match := re.match(r"\s*([\w-]+)\s*=", line):
            lines.setdefault((table, match[1]) if table else (match[1], ""), number)
        elif match := re.match(r"\s*([\w-]+)\.([\w-]+)\s*=", line):
            lines.setdefault((match[1], match[2]), number)
    return lines


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


def _keep_one_of_each_group(
    given: list[Given], steps: Sequence[Step[Any]], result: Parameters
) -> list[Given]:
    """Drop a value that a later source replaces by one that excludes it; refuse both in one."""
    latest: dict[tuple[str, str], Given] = {}
    for one in given:
        latest[(one.step, one.field)] = one
    targets = declared(steps)
    for group in EXCLUSIVE:
        keys = [
            (target.step, target.info.name) for name in group for target in targets.get(name, ())
        ]
        present = [latest[key] for key in keys if key in latest and latest[key].value is not None]
        highest = max((one.origin.rank for one in present), default=0)
        holding = [one for one in present if one.origin.rank == highest]
        if len(holding) > 1 and highest > BATCH_RANK:
            names = " and ".join(f"{one.step}.{one.field}" for one in holding)
            result.faults.append(
                errors.parameters.CONFLICT.error(str(holding[1].origin), f"{names} are both given.")
            )
        for one in present:
            if one.origin.rank < highest:
                del latest[(one.step, one.field)]
                found = (
                    f"{one.step}.{one.field} gives way to {holding[0].step}.{holding[0].field} "
                    f"({holding[0].origin})."
                )
                result.notices.append(errors.parameters.REPLACED.notice(str(one.origin), found))
    return list(latest.values())


def _validate(given: Iterable[Given], steps: Sequence[Step[Any]], result: Parameters) -> None:
    by_step: dict[str, dict[str, Given]] = {}
    for one in given:
        by_step.setdefault(one.step, {})[one.field] = one
    for step in steps:
        fields = by_step.get(step.name, {})
        result.origins[step.name] = {name: one.origin for name, one in fields.items()}
        try:
            result.steps[step.name] = step.validate(
                {name: one.value for name, one in fields.items()}
            )
        except ValidationError as error:
            result.faults += _faults_of(error, step, fields)


def _faults_of(
    error: ValidationError, step: Step[Any], fields: Mapping[str, Given]
) -> Iterator[TomolineError]:
    """Turn pydantic's errors into ours, one for each field."""
    infos = {info.name: info for info in describe(step.params)}
    seen = set()
    for detail in error.errors(include_url=False):
        name = str(detail["loc"][0]) if detail["loc"] else ""
        if name in seen:
            continue
        seen.add(name)
        message = str(detail["msg"]).removeprefix("Value error, ")
        if name not in fields:
            where = ", ".join(sorted({str(one.origin) for one in fields.values()}))
            yield errors.parameters.BAD_VALUE.error(where, f"step {step.name}: {message}.")
            continue
        one, info = fields[name], infos[name]
        wanted = ", ".join(part for part in (info.type_text, info.bounds) if part)
        found = f"{step.name}.{name} = {one.value!r}: {message} ({wanted})."
        yield errors.parameters.BAD_VALUE.error(str(one.origin), found)
