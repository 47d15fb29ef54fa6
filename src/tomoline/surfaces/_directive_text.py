"""From parameters' values back to directives, as IMOD reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from tomoline import errors
from tomoline.errors import Notice
from tomoline.params import ParameterInfo, describe
from tomoline.steps import Step
from tomoline.surfaces._values import directive_value
from tomoline.surfaces.directive_table import Directive, directive_table
from tomoline.surfaces.directives import RADIAL, TRUE_SIGMA
from tomoline.surfaces.options import value_text

ALREADY_THE_SAME = frozenset(
    {
        # Told neither, IMOD too looks for a .rawtlt and for angles in the header.
        ("setup", "use_rawtlt"),
        ("setup", "extract_angles"),
        # None is none, whether that is told or not.
        ("reconstruct", "sirt_like_iterations"),
        # An old and a new way of telling the same falloff.
        ("reconstruct", "radial_per_px"),
    }
)
"""Parameters whose default is what IMOD does, though the table's default reads otherwise."""

LEAST_RANGE = 3
"""As many numbers in a row are written as a range."""


@dataclass
class Written:
    """Parameters as directives.

    Attributes
    ----------
    entries : list of (directive, text)
        In the order of IMOD's table.
    notices : list of Notice
        PROJ-16 for each parameter that has none.
    left_out : list of str
        The same parameters, ``step.field = value (why)``, for a comment.
    """

    entries: list[tuple[str, str]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def leave_out(self, where: str, name: str, value: Any, why: str) -> None:
        """Tell that a parameter has no directive."""
        text = f"{name} = {value_text(value)}"
        self.left_out.append(f"{text} ({why})")
        found = f"{text} is not written: {why}."
        self.notices.append(errors.project.NOT_EXPORTED.notice(where, found))


def directive_text(value: Any, info: ParameterInfo) -> str | None:
    """Return the text by which a directive gives a parameter this value.

    Parameters
    ----------
    value : object
        Valid for the parameter.
    info : ParameterInfo
        The parameter, which has a directive.

    Returns
    -------
    str or None
        None where no text has that meaning.

    >>> from tomoline.recipes import STEPS
    >>> infos = {info.name: info for info in describe(STEPS["trim"].params)}
    >>> directive_text("flip", infos["reorient"])
    '1'
    """
    texts = _candidates(value, info)
    return next((text for text in texts if _means(text, value, info)), None)


def _candidates(value: Any, info: ParameterInfo) -> Iterator[str]:
    """Yield texts that may mean a value, the best first."""
    codes = [str(code) for code, meant in (info.directive_values or {}).items() if meant == value]
    # A negative code asks IMOD for its default, which may become another one.
    yield from sorted(codes, key=lambda code: code.startswith("-"))
    if isinstance(value, bool):
        yield str(int(value))
    elif value is None or value == ():
        yield ""
    elif not codes:
        yield _text(value)
        yield ""


def _text(value: Any) -> str:
    if isinstance(value, float):
        whole = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if whole else repr(value)
    if isinstance(value, tuple | list):
        return (
            ranges(value)
            if all(type(one) is int for one in value)
            else ",".join(_text(one) for one in value)
        )
    return str(value)


def ranges(numbers: Sequence[int]) -> str:
    """Write a list of integers as IMOD does.

    >>> ranges((1, 4, 5, 6, 9, 10)), ranges((1, 4, 3, 2, 5)), ranges((-1,))
    ('1,4-6,9,10', '1,4,3,2,5', '-1')
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1 and number > 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    parts = [
        f"{run[0]}-{run[-1]}" if len(run) >= LEAST_RANGE else ",".join(map(str, run))
        for run in runs
    ]
    return ",".join(parts)


def _means(text: str, value: Any, info: ParameterInfo) -> bool:
    """Whether a directive's text is read as that value."""
    if text != text.strip() or len(text.splitlines()) > 1:
        return False
    if not text:
        # Without a meaning of its own it cancels: the parameter is at its default then.
        if info.type is bool or bool in get_args(info.type):
            return False  # IMOD takes 0 and 1 only
        empty = info.default if info.directive_empty is ... else info.directive_empty
        return _equal(empty, value)
    try:
        found = directive_value(text, info)
    except ValueError:
        return False
    return _equal(found, value)


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, Path) or isinstance(other, Path):
        return str(one) == str(other)
    return bool(one == other)


def written(
    values: Mapping[str, Mapping[str, Any]],
    steps: Sequence[Step[Any]],
    *,
    template: bool = False,
    where: str = "",
    every: bool = False,
) -> Written:
    """Return parameters as directives.

    Parameters
    ----------
    values : mapping
        ``{step: {field: value}}``: those that were given, validated.
    steps : sequence of Step
        Their declarations.
    template : bool
        Leave out what may stand in batch files only, and tell it.
    where : str
        What the notices are about.
    every : bool
        With those that were not given, where IMOD would take another value than tomoline does.
    """
    table = directive_table(steps)
    result = Written()
    texts: dict[str, str] = {}
    for step in steps:
        given = values.get(step.name, {})
        for info in describe(step.params):
            if info.name in given:
                value = given[info.name]
            elif every and _imod_differs(step.name, info, table):
                value = info.default
            else:
                continue
            name = f"{step.name}.{info.name}"
            why, text = _directive_of(value, info, table, template=template)
            if text is not None and info.directive is not None:
                if not text and info.name not in given:
                    continue  # nothing was said, so there is nothing to cancel
                texts[info.directive] = text
            elif info.name in given and value != info.default:
                result.leave_out(where, name, value, why)
    if RADIAL in texts:
        texts[TRUE_SIGMA] = "1"
    order = {name: number for number, name in enumerate(table)}
    result.entries = sorted(texts.items(), key=lambda entry: order[entry[0]])
    return result


def _directive_of(
    value: Any, info: ParameterInfo, table: Mapping[str, Directive], *, template: bool
) -> tuple[str, str | None]:
    """Return why a value cannot be written, or the text by which it can."""
    if info.directive is None:
        return "there is no directive for it", None
    if template and not table[info.directive].template:
        return f"{info.directive} may stand in batch files only", None
    text = directive_text(value, info)
    return f"no value of {info.directive} means that", text


def _imod_differs(step: str, info: ParameterInfo, table: Mapping[str, Directive]) -> bool:
    """Whether IMOD, told nothing, takes another value than the parameter's default."""
    if info.directive is None or info.default is None or info.default == ():
        return False
    if (step, info.name) in ALREADY_THE_SAME:
        return False
    default = table[info.directive].default
    if not default:
        return True
    try:
        return not _equal(directive_value(default, info), info.default)
    except ValueError:
        return True
