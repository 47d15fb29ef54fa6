"""The table of all directives: IMOD's own, joined with what the steps declare.

``directives.tsv`` beside this file holds one row for each directive that IMOD knows: its name and
type, where it is allowed, the part of the processing it belongs to, the value that asks for
nothing, and what it means. Directives that a field of a step's parameters names are acted on.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from tomoline.params import ParameterInfo, describe
from tomoline.steps import Step
from tomoline.surfaces._values import same


@dataclass(frozen=True)
class Target:
    """A parameter that a directive sets."""

    step: str
    info: ParameterInfo

    @property
    def name(self) -> str:
        """Name of the parameter, STEP.FIELD."""
        return f"{self.step}.{self.info.name}"


@dataclass(frozen=True)
class Directive:
    """One row of the table.

    Attributes
    ----------
    name : str
        IMOD's name, as in ``runtime.Trimvol.any.reorient``.
    type : str
        IMOD's type: Bool, Int, Float, 2 Int, 2 Float, List, String or File.
    batch, template : bool
        Whether IMOD allows it in batch files and in templates.
    part : str
        Step that it belongs to, or a part of IMOD's processing that is not done yet.
    off : str
        Values that ask for nothing, or for what is done anyway, with commas between them.
    unit, default : str
        Unit, and IMOD's default as text; "" where there is none.
    meaning : str
        What it means, one sentence.
    targets : tuple of Target
        The parameters that it sets; none where it is not acted on.
    handled : str
        How it is acted on, where that is not by a parameter.
    """

    name: str
    type: str
    batch: bool
    template: bool
    part: str
    off: str
    unit: str
    default: str
    meaning: str
    targets: tuple[Target, ...] = ()
    handled: str = ""

    def asks_nothing(self, text: str) -> bool:
        """Whether a value asks for nothing but what is done anyway."""
        return any(same(value, text) for value in self.off.split(",") if value)

    @property
    def acted_on(self) -> bool:
        """Whether it has an effect here."""
        return bool(self.targets or self.handled)

    @property
    def when(self) -> str:
        """When to change it, as the parameter's declaration says."""
        return self.targets[0].info.when if self.targets else ""

    @property
    def help(self) -> str:
        """What it means here: the parameter's help where it sets one."""
        return self.targets[0].info.help if self.targets else self.meaning


HANDLED: Mapping[str, str] = MappingProxyType(
    {
        "setupset.copyarg.name": "names the data set",
        "setupset.datasetDirectory": "tells where the stack lies",
        "setupset.scopeTemplate": "names a template",
        "setupset.systemTemplate": "names a template",
        "setupset.userTemplate": "names a template",
        "setupset.currentStackExt": "tells tomoline batchruntomo which stack to take",
        "comparam.xcorr_pt.tiltxcorr.LengthAndOverlap": (
            "stands for imodchopconts' LengthOfPieces and MinimumOverlap"
        ),
        "comparam.tilt.tilt.FalloffIsTrueSigma": "tells how RADIAL's falloff is meant",
    }
)
"""Directives that are acted on while directives are read."""

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "comparam.ctfplotter.ctfplotter.ExpectedDefocus": "setupset.copyarg.defocus",
        "comparam.ctfplotter.ctfplotter.Voltage": "setupset.copyarg.voltage",
        "comparam.ctfplotter.ctfplotter.SphericalAberration": "setupset.copyarg.Cs",
        "comparam.cryoposition.cryoposition.BinningToApply": "runtime.Positioning.any.binByFactor",
        "comparam.newst.newstack.LinearInterpolation": (
            "runtime.AlignedStack.any.linearInterpolation"
        ),
    }
)
"""Directives that are another name for one."""


@cache
def _rows() -> tuple[dict[str, str], ...]:
    text = files("tomoline.surfaces").joinpath("directives.tsv").read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(reader)


@cache
def program_options() -> Mapping[str, frozenset[str]]:
    """Return, for IMOD's programs, options that are no directives of the table.

    >>> "LOCALFILE" in program_options()["tilt"]
    True
    """
    text = files("tomoline.surfaces").joinpath("program_options.txt").read_text(encoding="utf-8")
    lines = [line.partition(":") for line in text.splitlines() if not line.startswith("#")]
    return {program: frozenset(names.split()) for program, _, names in lines}


def declared(steps: Sequence[Step[Any]]) -> dict[str, tuple[Target, ...]]:
    """Return, for each directive that a step declares, the parameters that it sets."""
    targets: dict[str, list[Target]] = {}
    for step in steps:
        for info in describe(step.params):
            if info.directive is not None:
                targets.setdefault(info.directive, []).append(Target(step.name, info))
    return {name: tuple(found) for name, found in targets.items()}


def directive_table(steps: Sequence[Step[Any]]) -> dict[str, Directive]:
    """Return all directives by name, joined with what `steps` declare.

    >>> table = directive_table(())
    >>> table["comparam.tilt.tilt.THICKNESS"].type, table["setupset.copyarg.name"].acted_on
    ('Int', True)
    """
    targets = declared(steps)
    table = {
        row["name"]: Directive(
            name=row["name"],
            type=row["type"],
            batch="B" in row["allowed"],
            template="T" in row["allowed"],
            part=row["part"],
            off=row["off"],
            unit=row["unit"],
            default=row["default"],
            meaning=row["meaning"],
            targets=targets.get(ALIASES.get(row["name"], row["name"]), ()),
            handled=HANDLED.get(row["name"], ""),
        )
        for row in _rows()
    }
    for name, found in targets.items():
        if name not in table:
            info = found[0].info
            table[name] = Directive(
                name=name,
                type=info.type_text,
                batch=True,
                template=info.template,
                part=found[0].step,
                off="",
                unit=info.unit,
                default="",
                meaning=info.help,
                targets=found,
            )
    return table
