"""Parameters and directives as words: what ``tomoline steps`` and ``directives`` tell."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic_core import PydanticUndefined

from tomoline.params import ParameterInfo
from tomoline.surfaces.directive_table import Directive


def value_text(value: Any) -> str:
    """Write a parameter's value as ``--set`` takes it.

    >>> value_text((0.35, 0.035)), value_text(True), value_text(None), value_text(())
    ('0.35,0.035', 'yes', 'none', 'none')
    """
    if value is None or value == () or value is PydanticUndefined:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list | frozenset | set):
        return ",".join(value_text(item) for item in value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str | Path):
        return str(value) or "empty"
    return str(value)


def kind_text(info: ParameterInfo) -> str:
    """Write a parameter's type with its bounds and unit.

    >>> from tomoline.params import StepParams, parameter, describe
    >>> class Params(StepParams):
    ...     size_px: int = parameter(3, help="Size.", gt=0)
    >>> kind_text(describe(Params)[0])
    'integer > 0, pixels'
    """
    kind, comma, none = info.type_text.partition(", or none")
    words = " ".join(part for part in (kind, info.bounds) if part)
    unit = "" if info.type is bool else info.unit
    return ", ".join(part for part in (words, unit) if part) + comma + none


def codes_text(info: ParameterInfo) -> str:
    """Write what IMOD's codes mean, where a directive has such.

    >>> from tomoline.params import StepParams, parameter, describe
    >>> class Params(StepParams):
    ...     turn: str = parameter("x", help=".", directive="d", directive_values={"0": "no"})
    >>> codes_text(describe(Params)[0])
    '0 = no'
    """
    codes = {str(code): value for code, value in (info.directive_values or {}).items()}
    if info.directive is not None and info.directive_empty is not ...:
        codes["empty"] = info.directive_empty
    return ", ".join(f"{code} = {value_text(value)}" for code, value in codes.items())


def allowed_text(directive: Directive) -> str:
    """Say where a directive may stand."""
    if directive.batch and directive.template:
        return "batch file, templates"
    return "batch file" if directive.batch else "templates"


def state_text(directive: Directive) -> str:
    """Say how a directive is acted on."""
    if directive.targets:
        return "sets " + ", ".join(target.name for target in directive.targets)
    if directive.handled:
        return directive.handled
    if directive.off:
        values = " or ".join(directive.off.split(","))
        return f"not acted on yet ({directive.part}), except {values}"
    return f"not acted on yet ({directive.part})"


def matching(table: Mapping[str, Directive], pattern: str) -> list[Directive]:
    """Return the directives whose name, parameter or meaning fits a pattern.

    Parameters
    ----------
    table : mapping
        All directives.
    pattern : str
        A whole name, a pattern with ``*``, or words that must all occur; "" for all.

    >>> from tomoline.surfaces.directive_table import directive_table
    >>> [one.name for one in matching(directive_table(()), "*.tilt.RADIAL")]
    ['comparam.tilt.tilt.RADIAL']
    """
    if pattern in table:
        return [table[pattern]]
    if re.search(r"[*?\[]", pattern):
        lowered = pattern.lower()
        return [one for one in table.values() if fnmatch.fnmatchcase(one.name.lower(), lowered)]
    words = pattern.lower().split()
    found = []
    for directive in table.values():
        names = " ".join(target.name for target in directive.targets)
        text = f"{directive.name} {names} {directive.part} {directive.meaning} {directive.help}"
        if all(word in text.lower() for word in words):
            found.append(directive)
    return found


def directive_json(directive: Directive) -> dict[str, Any]:
    """Return a directive as a document for programs."""
    return {
        "name": directive.name,
        "type": directive.type,
        "unit": directive.unit,
        "default": directive.default or None,
        "meaning": directive.help,
        "when": directive.when or None,
        "batch": directive.batch,
        "template": directive.template,
        "part": directive.part,
        "acted_on": directive.acted_on,
        "state": state_text(directive),
        "parameters": [
            {
                "name": target.name,
                "type": target.info.type_text,
                "bounds": target.info.bounds or None,
                "unit": target.info.unit or None,
                "default": value_text(target.info.default),
                "codes": {
                    str(code): value_text(value)
                    for code, value in (target.info.directive_values or {}).items()
                },
            }
            for target in directive.targets
        ],
    }
