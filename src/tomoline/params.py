"""Declaring a step's parameters once: type, unit, bounds, default, help, IMOD's name.

A step's parameters are a frozen pydantic model derived from `StepParams` whose fields are made by
`parameter`. Command-line options, directive and TOML reading, the directive table, the reference
page and the JSON schema are all generated from `describe`.

>>> class Params(StepParams):
...     radius_px: float = parameter(2.1, help="Largest radius of a peak.", unit="pixels", gt=0,
...                                  directive="comparam.eraser.ccderaser.MaximumRadius")
>>> describe(Params)[0].directive
'comparam.eraser.ccderaser.MaximumRadius'
>>> Params.model_validate({"radius_px": "3"}).radius_px
3.0
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field

from tomoline.units import unit_of_name


class StepParams(BaseModel):
    """Base of the parameters of a step: frozen, and unknown names are faults."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, defer_build=True)


def parameter(
    default: Any,
    *,
    help: str,
    unit: str = "",
    directive: str | None = None,
    directive_values: Mapping[str, Any] | None = None,
    directive_empty: Any = ...,
    when: str = "",
    template: bool = True,
    acquisition: bool = False,
    **bounds: Any,
) -> Any:
    """Declare one field of a `StepParams` model.

    Parameters
    ----------
    default : Any
        Default value; the help says its reason.
    help : str
        What it means, one sentence, and why the default is what it is.
    unit : str
        Unit for readers; must agree with the suffix of the field's name. "" if dimensionless.
    directive : str, optional
        IMOD's directive that sets this field.
    directive_values : mapping, optional
        From the directive's text to this field's value, where the two differ.
    directive_empty : Any, optional
        Value that an empty directive ("key =") means. Left out: it cancels an earlier value.
    when : str
        When to change it, one sentence, for ``tomoline directives``.
    template : bool
        Whether IMOD allows the directive in templates too.
    acquisition : bool
        True where the files of the acquisition normally tell the value.
    **bounds
        ``gt``, ``ge``, ``lt``, ``le``, ``min_length`` and so on of pydantic.
    """
    facts: dict[str, Any] = {"unit": unit, "when": when, "acquisition": acquisition}
    if directive is not None:
        facts["directive"] = directive
        facts["template"] = template
        if directive_values is not None:
            facts["directive_values"] = dict(directive_values)
        if directive_empty is not ...:
            facts["directive_empty"] = directive_empty
    return Field(default, description=help, json_schema_extra=facts, **bounds)


@dataclass(frozen=True)
class ParameterInfo:
    """What surfaces need to know of one declared parameter."""

    name: str
    type: Any
    default: Any
    help: str
    unit: str
    when: str
    bounds: str
    choices: tuple[str, ...]
    directive: str | None
    directive_values: Mapping[str, Any] | None
    directive_empty: Any
    template: bool
    acquisition: bool

    @property
    def type_text(self) -> str:
        """The type in words, such as ``number`` or ``2 integers``."""
        return type_text(self.type)


def type_text(kind: Any) -> str:
    """Say a field's type in words.

    >>> type_text(tuple[float, float])
    '2 numbers'
    >>> type_text(int | None)
    'integer, or none'
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        inner = [argument for argument in arguments if argument is not type(None)]
        text = " or ".join(type_text(argument) for argument in inner)
        return f"{text}, or none" if len(inner) < len(arguments) else text
    if origin is Literal:
        return "one of " + ", ".join(str(argument) for argument in arguments)
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return f"list of {_plural(type_text(arguments[0]))}"
        return f"{len(arguments)} {_plural(type_text(arguments[0]))}"
    names = {float: "number", int: "integer", bool: "yes or no", str: "text"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def _plural(word: str) -> str:
    return word if word in ("text", "yes or no") or word.startswith("one of") else word + "s"


def _choices(kind: Any) -> tuple[str, ...]:
    if get_origin(kind) is Literal:
        return tuple(str(argument) for argument in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(choice for argument in get_args(kind) for choice in _choices(argument))
    return ()


_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


_DESCRIBED: dict[type[StepParams], tuple[ParameterInfo, ...]] = {}
"""What was described before: a project of thousands of data sets asks for each of them."""


def describe(params: type[StepParams]) -> tuple[ParameterInfo, ...]:
    """List the declared parameters of a step's model, in order of declaration."""
    if params in _DESCRIBED:
        return _DESCRIBED[params]
    described = []
    for name, field in params.model_fields.items():
        facts = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
        bounds = ", ".join(
            f"{sign} {getattr(item, key)}"
            for item in field.metadata
            for key, sign in _SIGNS.items()
            if getattr(item, key, None) is not None
        )
        described.append(
            ParameterInfo(
                name=name,
                type=field.annotation,
                default=field.default,
                help=field.description or "",
                unit=str(facts.get("unit") or unit_of_name(name) or ""),
                when=str(facts.get("when", "")),
                bounds=bounds,
                choices=_choices(field.annotation),
                directive=facts.get("directive"),  # type: ignore[arg-type]
                directive_values=facts.get("directive_values"),  # type: ignore[arg-type]
                directive_empty=facts.get("directive_empty", ...),
                template=bool(facts.get("template", True)),
                acquisition=bool(facts.get("acquisition", False)),
            )
        )
    _DESCRIBED[params] = tuple(described)
    return _DESCRIBED[params]
