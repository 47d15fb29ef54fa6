"""Checking directives by themselves: names, places, types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.surfaces._settings import Setting, Source, of_axis, settings_of
from tomoline.surfaces._values import convert
from tomoline.surfaces.directive_table import Directive, program_options
from tomoline.surfaces.names import nearest, suggestion

TYPING_ERROR = 0.85
"""Likeness (of difflib) from which an unknown option is taken for a mistyped one."""


def usable_settings(
    source: Source,
    table: Mapping[str, Directive],
    notices: list[Notice],
    faults: list[TomolineError],
    axis: str = "",
) -> list[Setting]:
    """Return the settings of a file whose names and places are right; tell of the others.

    Settings for the other axis are left out, which is told only where there is but one axis.
    """
    settings = settings_of(source.entries, source.origin, table)
    notices += [*_repeated(settings), *_ignored(source)]
    usable = []
    for setting in settings:
        problem = _problem_of(setting, table, told=not axis)
        if problem is None:
            if (meant := of_axis(setting, axis)) is not None:
                usable.append(meant)
        elif isinstance(problem, Notice):
            notices.append(problem)
        else:
            faults.append(problem)
    return usable


def _repeated(settings: Sequence[Setting]) -> Iterator[Notice]:
    first: dict[tuple[str, str], Setting] = {}
    for setting in settings:
        other = first.setdefault((setting.name, setting.axis), setting)
        if other.text != setting.text:
            yield errors.parameters.REPEATED.notice(
                str(setting.origin),
                f"{setting.written} = {setting.text} replaces the value of line "
                f"{other.origin.line}, {other.text or 'empty'}.",
            )


def _ignored(source: Source) -> Iterator[Notice]:
    for line, text in source.ignored:
        where = str(replace(source.origin, line=line))
        yield errors.parameters.MEANINGLESS_LINE.notice(where, f"{text[:60]!r} means nothing here.")


def _problem_of(
    setting: Setting, table: Mapping[str, Directive], *, told: bool
) -> Notice | TomolineError | None:
    """Return what is wrong with a directive's name or place, None if it is to be used."""
    where = str(setting.origin)
    if setting.axis == "b" and told:
        found = f"{setting.written} is for axis B and is passed over."
        return errors.parameters.SECOND_AXIS.notice(where, found)
    directive = table.get(setting.name)
    if directive is None:
        return _unknown(setting, table)
    if setting.origin.layer.endswith("template") and not directive.template:
        found = f"{setting.written} stands in a {setting.origin.layer}."
        return errors.parameters.NOT_A_DIRECTIVE.error(where, found)
    return None


def _unknown(setting: Setting, table: Mapping[str, Directive]) -> Notice | TomolineError:
    """Tell an unknown directive; an option that only IMOD's program knows is no fault."""
    where = str(setting.origin)
    parts = setting.name.split(".")
    siblings = [name.split(".")[3] for name in table if name.split(".")[:3] == parts[:3]]
    if len(parts) == 4 and parts[0] == "comparam" and siblings:
        others = program_options().get(parts[2], frozenset())
        if parts[3] in others or nearest(parts[3], [*siblings, *others], TYPING_ERROR) is None:
            found = (
                f"{setting.written} is not in the table of directives; it is taken for another "
                f"option of IMOD's {parts[2]}."
            )
            return errors.parameters.NOT_ACTED_ON.notice(where, found)
    found = f"{setting.written} is not a directive.{suggestion(setting.name, table, 0.7)}"
    return errors.parameters.UNKNOWN_DIRECTIVE.error(where, found)


_TYPES: Mapping[str, Any] = {
    "Bool": bool,
    "Int": int,
    "Float": float,
    "2 Int": tuple[int, int],
    "2 Float": tuple[float, float],
    "List": tuple[int, ...],
}


def type_problem(setting: Setting, directive: Directive) -> str:
    """Say how the text breaks IMOD's type; only Booleans may not be empty, as in IMOD."""
    kind = _TYPES.get(directive.type)
    if kind is None or (directive.targets and kind is not bool):
        return ""
    if not setting.text:
        return "must be 0 or 1" if kind is bool else ""
    try:
        convert(setting.text, kind, one_for_both=directive.name.endswith("XandY"))
    except ValueError as error:
        return str(error)
    return ""
