"""Reading options as IMOD's programs do: one dash, any unambiguous abbreviation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tomoline import errors
from tomoline.errors import Faults, TomolineError
from tomoline.surfaces.names import suggestion

Kind = Literal["text", "integer", "number", "flag"]


@dataclass(frozen=True)
class PipOption:
    """One option of a program.

    Attributes
    ----------
    name, short : str
        Long and short name; either may be abbreviated, and case does not matter.
    kind : str
        What its value is; a flag has none.
    help : str
        What it does here.
    repeats : bool
        Whether it may be given several times.
    acted_on : bool
        Whether it has an effect.
    """

    name: str
    short: str
    kind: Kind
    help: str
    repeats: bool = False
    acted_on: bool = True


@dataclass
class PipValues:
    """What was given: texts by the option's long name, and the arguments that are no options."""

    given: dict[str, list[str]] = field(default_factory=dict)
    arguments: list[str] = field(default_factory=list)

    def text(self, name: str) -> str | None:
        """Return the value of an option, or None."""
        values = self.given.get(name)
        return values[-1] if values else None

    def texts(self, name: str) -> list[str]:
        """Return all values of an option that repeats."""
        return self.given.get(name, [])

    def number(self, name: str) -> float | None:
        """Return the value of an option as a number, or None."""
        text = self.text(name)
        return None if text is None else float(text)

    def flag(self, name: str) -> bool:
        """Whether a flag was given."""
        return name in self.given


def parse(arguments: Sequence[str], options: Sequence[PipOption]) -> PipValues:
    """Read a command line.

    >>> table = [PipOption("RootName", "root", "text", "", repeats=True)]
    >>> parse(["-ro", "TS_1", "batch.adoc"], table).given
    {'RootName': ['TS_1']}

    Raises
    ------
    Faults
        PARAM-06 for each option that is unknown, ambiguous, without its value, or given twice.
    """
    values = PipValues()
    faults: list[TomolineError] = []
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith("-") or argument == "-":
            values.arguments.append(argument)
            continue
        try:
            option = find_option(argument, options)
            text = "1" if option.kind == "flag" else next(waiting, None)
            _add(option, text, values)
        except TomolineError as fault:
            faults.append(fault)
    if faults:
        raise Faults(faults)
    return values


def parse_lines(lines: Iterable[str], options: Sequence[PipOption]) -> PipValues:
    """Read options as a command file gives them: ``OptionName value``, a line each.

    >>> table = [PipOption("NiceValue", "nice", "integer", "")]
    >>> parse_lines(["# comment", "NiceValue 15"], table).given
    {'NiceValue': ['15']}

    Raises
    ------
    Faults
        As `parse`.
    """
    values = PipValues()
    faults: list[TomolineError] = []
    for line in lines:
        content = line.split("#", 1)[0].strip()
        if not content or content.startswith("$"):
            continue
        name, *rest_or_none = re.split(r"[\s=]+", content, maxsplit=1)
        rest = rest_or_none[0] if rest_or_none else ""
        if name == "DONE":
            break
        try:
            option = find_option(name, options)
            if option.kind == "flag":
                if rest not in ("0", "F"):
                    _add(option, "1", values)
            else:
                _add(option, rest or None, values)
        except TomolineError as fault:
            faults.append(fault)
    if faults:
        raise Faults(faults)
    return values


def find_option(written: str, options: Sequence[PipOption]) -> PipOption:
    """Return the option that a name or an abbreviation means.

    Raises
    ------
    TomolineError
        PARAM-06 if there is none, or more than one.
    """
    name = written.lstrip("-").lower()
    exact = [one for one in options if name in (one.name.lower(), one.short.lower())]
    if exact:
        return exact[0]
    found = [
        one
        for one in options
        if one.name.lower().startswith(name) or one.short.lower().startswith(name)
    ]
    if len(found) == 1 and name:
        return found[0]
    if found:
        text = "may mean " + " or ".join(f"-{one.short}" for one in found) + "."
    else:
        names = [label for one in options for label in (one.short, one.name)]
        text = f"is no option.{suggestion(name, names)}"
    raise errors.parameters.BAD_OPTION.error(written, text)


_READERS = {"integer": int, "number": float, "text": str, "flag": str}
_WORDS = {"integer": "an integer", "number": "a number"}


def _add(option: PipOption, text: str | None, values: PipValues) -> None:
    label = f"-{option.short}"
    if text is None:
        raise errors.parameters.BAD_OPTION.error(label, "its value is missing.")
    try:
        _READERS[option.kind](text)
    except ValueError:
        raise errors.parameters.BAD_OPTION.error(
            label, f"{text!r} is not {_WORDS[option.kind]}."
        ) from None
    if option.name in values.given and not option.repeats:
        raise errors.parameters.BAD_OPTION.error(label, "it was given twice.")
    values.given.setdefault(option.name, []).append(text)
