"""Resolving directive files: templates and a batch file become values of the steps' parameters.

Precedence rises from scope over system and user template to the batch file; see the man page of
IMOD's batchruntomo. All faults are collected, so that they can be told at once, before any data
are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import Notice, TomolineError
from tomoline.files import adoc
from tomoline.steps import Step
from tomoline.surfaces import templates as template_files
from tomoline.surfaces._checks import type_problem, usable_settings
from tomoline.surfaces._settings import (
    BATCH_RANK,
    Setting,
    Source,
    effective,
    settings_of,
)
from tomoline.surfaces._values import directive_value
from tomoline.surfaces.directive_table import Directive, directive_table
from tomoline.surfaces.templates import TemplatePlaces
from tomoline.workflow.given import EXCLUSIVE, Origin

__all__ = [
    "BATCH_RANK",
    "Origin",
    "Resolved",
    "Setting",
    "Source",
    "peek",
    "resolve_files",
    "resolve_sources",
]

RADIAL = "comparam.tilt.tilt.RADIAL"
TRUE_SIGMA = "comparam.tilt.tilt.FalloffIsTrueSigma"


@dataclass
class Resolved:
    """What directive files say.

    Attributes
    ----------
    values : dict
        Value of each parameter that is set, by step and field; bounds are not checked yet.
    origins : dict
        Where each of these values was given, by step and field.
    settings : dict
        The directives that hold, by name.
    root : str or None
        Root name of the data set, where it is told.
    folder : Path or None
        Folder of the raw stack, where it is told.
    notices, faults : list
        What to tell the user; with faults the values must not be used.
    """

    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    origins: dict[str, dict[str, Origin]] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)
    root: str | None = None
    folder: Path | None = None
    notices: list[Notice] = field(default_factory=list)
    faults: list[TomolineError] = field(default_factory=list)


def resolve_files(
    batches: Sequence[Path],
    steps: Sequence[Step[Any]],
    *,
    templates: Mapping[str, Path] | None = None,
    places: TemplatePlaces | None = None,
    extra: Sequence[Source] = (),
    axis: str = "",
) -> Resolved:
    """Read batch files and their templates, and return what they say.

    Parameters
    ----------
    batches : sequence of Path
        Batch directive files; later ones go before earlier ones.
    steps : sequence of Step
        The steps whose parameters are set.
    templates : mapping, optional
        Templates by kind (``scope``, ``system``, ``user``), in place of those the batch file names.
    places : TemplatePlaces, optional
        Where templates that are given by name lie; IMOD's places if left out.
    extra : sequence of Source
        Directives from elsewhere, such as the command line.
    axis : str
        ``a`` or ``b`` of a dual-axis set, whose own directives go before those for both axes; ""
        for a single axis, for which those for axis a hold.
    """
    table = directive_table(steps)
    reading = Resolved()
    sources = []
    for number, path in enumerate(batches):
        if source := _read(path, Origin(BATCH_RANK + number, "batch file", str(path)), reading):
            sources.append(source)
    named = effective(
        one for source in sources for one in settings_of(source.entries, source.origin, table)
    )
    for rank, kind in enumerate(template_files.KINDS):
        try:
            path_or_none = (templates or {}).get(kind) or _named_template(
                named.get(f"setupset.{kind}Template"),
                kind,
                TemplatePlaces.of_imod() if places is None else places,
            )
        except TomolineError as fault:
            reading.faults.append(fault)
            continue
        if path_or_none is not None:
            origin = Origin(rank, f"{kind} template", str(path_or_none))
            if source := _read(path_or_none, origin, reading):
                sources.append(source)
    resolved = resolve_sources([*sources, *extra], steps, axis)
    resolved.faults[:0] = reading.faults
    return resolved


def _named_template(setting: Setting | None, kind: str, places: TemplatePlaces) -> Path | None:
    if setting is None or not setting.text:
        return None
    beside = Path(setting.origin.file).parent
    return template_files.find_template(
        setting.text, kind, places, beside=beside, where=str(setting.origin)
    )


def _read(path: Path, origin: Origin, resolved: Resolved) -> Source | None:
    try:
        content = adoc.read(path)
    except TomolineError as fault:
        resolved.faults.append(fault)
        return None
    return source_of(content, origin)


def source_of(content: adoc.Adoc, origin: Origin) -> Source:
    """Return what an autodoc file says as a source of directives; it has no sections."""
    meaningless = content.ignored + tuple(
        (section.line, f"[{section.kind} = {section.name}]") for section in content.sections
    )
    entries = (*content.entries, *(one for part in content.sections for one in part.entries))
    return Source(
        origin,
        tuple((entry.line, entry.key, entry.value) for entry in entries),
        tuple(sorted(meaningless)),
    )


def peek(path: Path) -> dict[str, str]:
    """Return the directives of one file by name, not empty, unchecked and without templates.

    Raises
    ------
    TomolineError
        FILE-.. where the file cannot be read.
    """
    return {entry.key: entry.value for entry in adoc.read(path).entries if entry.value}


def resolve_sources(
    sources: Sequence[Source], steps: Sequence[Step[Any]], axis: str = ""
) -> Resolved:
    """Return what the directives of several files say together; see `resolve_files`."""
    table = directive_table(steps)
    resolved = Resolved()
    known: list[Setting] = []
    for source in sorted(sources, key=lambda source: source.origin):
        known += usable_settings(source, table, resolved.notices, resolved.faults, axis)
    winners = effective(known, axis)
    resolved.settings = winners
    _keep_one_of_each_group(winners, resolved)
    _true_sigma(winners)
    for setting in winners.values():
        _apply(setting, table[setting.name], resolved)
    return resolved


def _keep_one_of_each_group(winners: dict[str, Setting], resolved: Resolved) -> None:
    """Refuse directives of one file that exclude each other; of several files the higher holds."""
    for group in EXCLUSIVE:
        given = [winners[name] for name in group if name in winners and winners[name].text]
        highest = max((setting.origin.rank for setting in given), default=0)
        holding = [setting for setting in given if setting.origin.rank == highest]
        if len(holding) > 1:
            found = " and ".join(f"{one.written} (line {one.origin.line})" for one in holding)
            resolved.faults.append(
                errors.parameters.CONFLICT.error(str(holding[1].origin), f"{found} are both given.")
            )
        for setting in given:
            if setting.origin.rank < highest:
                del winners[setting.name]
                resolved.notices.append(
                    errors.parameters.REPLACED.notice(
                        str(setting.origin),
                        f"{setting.written} gives way to {holding[0].written} "
                        f"({holding[0].origin}).",
                    )
                )


def _true_sigma(winners: dict[str, Setting]) -> None:
    """Turn the falloff of RADIAL into a true sigma, unless it is said to be one.

    Old versions of IMOD's tilt wrote the Gaussian without the factor 1/2, so that 0.05 then is
    0.035 now; FalloffIsTrueSigma = 1 says that the value is meant in the new way (tilt's man page).
    """
    setting, flag = winners.get(RADIAL), winners.get(TRUE_SIGMA)
    if setting is None or (flag is not None and flag.text == "1"):
        return
    try:
        cutoff, falloff = (float(part) for part in setting.text.replace(",", " ").split())
    except ValueError:
        return
    winners[RADIAL] = replace(setting, text=f"{cutoff:g} {falloff / math.sqrt(2):.4g}")
    if flag is not None:
        winners[TRUE_SIGMA] = replace(flag, text="1")


def _apply(setting: Setting, directive: Directive, resolved: Resolved) -> None:
    where = str(setting.origin)
    if directive.name == "setupset.copyarg.name":
        resolved.root = setting.text or None
    elif directive.name == "setupset.datasetDirectory":
        resolved.folder = Path(setting.text).expanduser() if setting.text else None
    if problem := type_problem(setting, directive):
        resolved.faults.append(_bad(setting, problem))
        return
    if not directive.acted_on:
        if setting.text and not directive.asks_nothing(setting.text):
            found = f"{setting.written} = {setting.text} has no effect ({directive.part})."
            resolved.notices.append(errors.parameters.NOT_ACTED_ON.notice(where, found))
        return
    for target in directive.targets:
        info = target.info
        if setting.text:
            try:
                value = directive_value(setting.text, info)
            except ValueError as error:
                resolved.faults.append(_bad(setting, str(error)))
                return
        elif info.directive_empty is not ...:
            value = info.directive_empty
        else:
            continue
        resolved.values.setdefault(target.step, {})[info.name] = value
        resolved.origins.setdefault(target.step, {})[info.name] = setting.origin


def _bad(setting: Setting, rule: str) -> TomolineError:
    found = f"{setting.written} = {setting.text or '(empty)'}: {rule}."
    return errors.parameters.BAD_VALUE.error(str(setting.origin), found)
