"""Values of parameters, where each was given, and what holds when several places give one.

Files, the command line and the layers of a project all end here: values in order of precedence
become the validated parameters of a recipe's steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from tomoline import errors
from tomoline.errors import Faults, Notice, TomolineError
from tomoline.params import StepParams, describe
from tomoline.steps import Step

EXCLUSIVE: tuple[tuple[str, ...], ...] = (
    (
        "comparam.tilt.tilt.THICKNESS",
        "runtime.Reconstruction.any.binnedThickness",
        "runtime.Reconstruction.any.fallbackThickness",
    ),
    (
        "comparam.xcorr_pt.imodchopconts.LengthOfPieces",
        "runtime.PatchTracking.any.contourPieces",
    ),
    (
        "comparam.xcorr_pt.tiltxcorr.OverlapOfPatchesXandY",
        "comparam.xcorr_pt.tiltxcorr.NumberOfPatchesXandY",
    ),
    ("runtime.Trimvol.any.thickness", "runtime.Trimvol.any.findSecAddThickness"),
)
"""Groups of directives of which only one may be used."""


@dataclass(frozen=True, order=True)
class Origin:
    """Where a value was given.

    Attributes
    ----------
    rank : int
        Precedence; the higher one holds.
    layer : str
        What kind of source it is, such as ``system template``.
    file : str
        File, or "" where it was on the command line.
    line : int
        Line, from 1; 0 where that is not known.
    """

    rank: int
    layer: str
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        if not self.file:
            return self.layer
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Given:
    """A value of a parameter, and where it was given."""

    step: str
    field: str
    value: Any
    origin: Origin


@dataclass
class Validated:
    """The parameters of a recipe's steps.

    Attributes
    ----------
    parameters : dict
        Validated parameters by name of the step; complete only without faults.
    origins : dict
        Where each value that differs from the default was given, by step and field.
    notices, faults : list
        What to tell the user.
    """

    parameters: dict[str, StepParams] = field(default_factory=dict)
    origins: dict[str, dict[str, Origin]] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    faults: list[TomolineError] = field(default_factory=list)


@dataclass(frozen=True)
class LayerValue:
    """A value in a layer, ready for JSON, and where it was given (file and line, or a command)."""

    value: Any
    where: str = ""


@dataclass(frozen=True)
class Layer:
    """One layer of parameters: what one place says, by ``step.field``."""

    name: str
    values: Mapping[str, LayerValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the layer as JSON holds it."""
        values = {key: [one.value, one.where] for key, one in self.values.items()}
        return {"name": self.name, "values": values}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Layer:
        """Return the layer that `to_json` made."""
        values = {key: LayerValue(*one) for key, one in content["values"].items()}
        return cls(content["name"], values)


def merge(steps: Sequence[Step[Any]], layers: Sequence[Layer]) -> Validated:
    """Return the parameters that layers give together.

    Parameters
    ----------
    steps : sequence of Step
        Of the recipe; values for other steps are passed over, since a project may hold data sets of
        several recipes.
    layers : sequence of Layer
        In rising precedence.

    Raises
    ------
    Faults
        With all values that do not fit.

    >>> from tomoline.recipes import RECIPES
    >>> low = Layer("project", {"reconstruct.thickness_px": LayerValue(200)})
    >>> high = Layer("data set", {"reconstruct.thickness_px": LayerValue(300, "project set")})
    >>> merged = merge(RECIPES["tilt"].steps, [low, high])
    >>> merged.parameters["reconstruct"].thickness_px
    300
    >>> str(merged.origins["reconstruct"]["thickness_px"])
    'data set (project set)'
    """
    result = Validated()
    known = {step.name: step for step in steps}
    given = []
    for rank, layer in enumerate(layers):
        for key, one in layer.values.items():
            step, _, name = key.partition(".")
            if step not in known:
                continue
            layer_text = f"{layer.name} ({one.where})" if one.where else layer.name
            origin = Origin(rank, layer_text)
            if name in known[step].params.model_fields:
                given.append(Given(step, name, one.value, origin))
            else:  # the layer was made by another version
                found = f"step {step} has no parameter {name}."
                result.faults.append(errors.parameters.UNKNOWN_PARAMETER.error(str(origin), found))
    validate(keep_one_of_each_group(given, steps, result), steps, result)
    if result.faults:
        raise Faults(result.faults)
    return result


def keep_one_of_each_group(
    given: Sequence[Given], steps: Sequence[Step[Any]], result: Validated, *, faults_from: int = 0
) -> list[Given]:
    """Drop a value that a later source replaces by one that excludes it; refuse both in one.

    Parameters
    ----------
    given : sequence of Given
        In rising precedence.
    steps : sequence of Step
        Whose parameters they are.
    result : Validated
        Gets notices and faults.
    faults_from : int
        Rank from which two in one source are a fault; below, somebody else has told it.
    """
    latest: dict[tuple[str, str], Given] = {}
    for one in given:
        latest[(one.step, one.field)] = one
    targets: dict[str, list[tuple[str, str]]] = {}
    for step in steps:
        for info in describe(step.params):
            if info.directive is not None:
                targets.setdefault(info.directive, []).append((step.name, info.name))
    for group in EXCLUSIVE:
        keys = [key for name in group for key in targets.get(name, ())]
        present = [latest[key] for key in keys if key in latest and latest[key].value is not None]
        highest = max((one.origin.rank for one in present), default=0)
        holding = [one for one in present if one.origin.rank == highest]
        if len(holding) > 1 and highest >= faults_from:
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


def validate(given: Iterable[Given], steps: Sequence[Step[Any]], result: Validated) -> None:
    """Make the steps' parameters of the values given, whose names are known, into `result`.

    Each value that does not fit becomes a fault.
    """
    by_step: dict[str, dict[str, Given]] = {}
    for one in given:
        by_step.setdefault(one.step, {})[one.field] = one
    for step in steps:
        fields = by_step.get(step.name, {})
        result.origins[step.name] = {name: one.origin for name, one in fields.items()}
        try:
            result.parameters[step.name] = step.validate(
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
