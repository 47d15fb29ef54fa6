"""Lines of directive files, brought to one form: canonical name, axis, text, origin."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from tomoline.surfaces.directive_table import ALIASES, Directive
from tomoline.workflow.given import Origin

_COMPARAM = re.compile(r"comparam\.(?P<com>[^.]+)\.(?P<program>[^.]+)\.(?P<option>[^.]+)")
_RUNTIME = re.compile(r"runtime\.(?P<group>[^.]+)\.(?P<axis>any|a|b)\.(?P<name>[^.]+)")
_COPYARG_B = re.compile(r"setupset\.copyarg\.b(?P<name>[A-Za-z]+)")

_AXIS_A_ONLY = ("setupset.copyarg.skip",)

BATCH_RANK = 3
"""Precedence of the first batch file, above the three kinds of templates."""

TOML_RANK = 1000
"""Precedence of the first TOML file."""

SET_RANK = 2000
"""Precedence of the first parameter on the command line."""

LENGTH_AND_OVERLAP = "comparam.xcorr_pt.tiltxcorr.LengthAndOverlap"
_PIECES = (
    "comparam.xcorr_pt.imodchopconts.LengthOfPieces",
    "comparam.xcorr_pt.imodchopconts.MinimumOverlap",
)


@dataclass(frozen=True)
class Setting:
    """One directive of one file.

    Attributes
    ----------
    name : str
        Name in the table of directives.
    axis : str
        ``a``, ``b``, or "" for both.
    text : str
        Value as text; empty where the directive cancels.
    origin : Origin
        Where it stands.
    written : str
        Name as it stands there.
    """

    name: str
    axis: str
    text: str
    origin: Origin
    written: str


@dataclass(frozen=True)
class Source:
    """A file's directives: line number, key and value of each; and lines that mean nothing."""

    origin: Origin
    entries: tuple[tuple[int, str, str], ...]
    ignored: tuple[tuple[int, str], ...] = ()


def split_axis(key: str, table: Mapping[str, Directive]) -> tuple[str, str]:
    """Return the name in the table, and the axis, of a directive as it is written.

    The letter of an axis stands at the end of the command file's name, or in place of ``any``; in
    ``setupset.copyarg`` only axis b has a letter, at the start of the name.

    >>> from tomoline.surfaces.directive_table import directive_table
    >>> split_axis("comparam.tilta.tilt.THICKNESS", directive_table(()))
    ('comparam.tilt.tilt.THICKNESS', 'a')
    """
    if match := _RUNTIME.fullmatch(key):
        axis = "" if match["axis"] == "any" else match["axis"]
        return f"runtime.{match['group']}.any.{match['name']}", axis
    if match := _COMPARAM.fullmatch(key):
        com = match["com"]
        coms = {name.split(".")[1] for name in table if name.startswith("comparam.")}
        if com not in coms and com[-1] in "ab" and com[:-1] in coms:
            return f"comparam.{com[:-1]}.{match['program']}.{match['option']}", com[-1]
        return key, ""
    if (match := _COPYARG_B.fullmatch(key)) and f"setupset.copyarg.{match['name']}" in table:
        return key, "b"
    return key, ""


def settings_of(
    entries: Iterable[tuple[int, str, str]], origin: Origin, table: Mapping[str, Directive]
) -> list[Setting]:
    """Return the settings of one file's lines (line number, key, value).

    Other names of a directive become the one in the table, and IMOD's ``LengthAndOverlap`` the two
    directives that it stands for.
    """
    found = []
    for line, key, value in entries:
        name, axis = split_axis(key, table)
        setting = Setting(ALIASES.get(name, name), axis, value, replace(origin, line=line), key)
        if name == LENGTH_AND_OVERLAP:
            parts = re.split(r"[,\s]+", value.strip()) if value else ["", ""]
            if len(parts) == 2:
                pairs = zip(_PIECES, parts, strict=True)
                found += [replace(setting, name=piece, text=part) for piece, part in pairs]
                continue
        found.append(setting)
    return found


def of_axis(setting: Setting, axis: str) -> Setting | None:
    """Return a setting as it is meant for an axis; None where it says nothing about it.

    ``setupset.copyarg.brotation`` then is that axis's ``setupset.copyarg.rotation``, and views that
    are left out of one axis say nothing about the other's.

    Parameters
    ----------
    setting : Setting
        As it stands in a file.
    axis : str
        ``a`` or ``b`` of a dual-axis set, "" for a single axis, which takes what is for axis a.
    """
    if axis != "b":
        return None if setting.axis == "b" else setting
    if setting.axis == "a" or setting.name in _AXIS_A_ONLY:
        return None
    match = _COPYARG_B.fullmatch(setting.name) if setting.axis == "b" else None
    return replace(setting, name=f"setupset.copyarg.{match['name']}") if match else setting


def effective(settings: Iterable[Setting], axis: str = "") -> dict[str, Setting]:
    """Return the setting of each directive that holds, of those that `of_axis` has let pass.

    One for the axis goes before one for both axes; then the precedence of the file decides, then
    the later line. This is IMOD's rule: files replace each other key by key, then the axis is
    looked up. What the command line says goes before all files.
    """
    winners: dict[str, Setting] = {}
    for setting in settings:
        other = winners.get(setting.name)
        if other is None or _precedence(setting, axis) >= _precedence(other, axis):
            winners[setting.name] = setting
    return winners


def _precedence(setting: Setting, axis: str) -> tuple[bool, bool, int, int]:
    above_files = setting.origin.rank >= SET_RANK
    own = setting.axis == (axis or "a")
    return (above_files, own, setting.origin.rank, setting.origin.line)
