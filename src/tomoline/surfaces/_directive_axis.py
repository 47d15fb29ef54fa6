"""Directives for the second axis of dual-axis sets, beside those for both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tomoline.recipes import TILT
from tomoline.surfaces._directive_text import Written
from tomoline.surfaces.directive_table import directive_table

COPYARG = "setupset.copyarg."
"""Beginning of directives that have no letter for axis a, and a b in their name for axis b."""


def add_axis_b(
    lines: dict[str, str], other: Written, result: Written, where: str, *, template: bool = False
) -> None:
    """Add what axis b has of its own to the directives of axis a.

    Parameters
    ----------
    lines : dict
        Directives of axis a; without a letter most are for both axes.
    other : Written
        The directives that axis b would have by itself.
    result : Written
        Gets what axis b leaves out.
    where : str
        What the notices are about.
    template : bool
        Leave out what may stand in batch files only. Those get the directives of
        ``setupset.copyarg`` for each axis, also where they are the same.
    """
    table = directive_table(TILT.steps)
    theirs = dict(other.entries)
    for name in [*lines, *(one for one in theirs if one not in lines)]:
        same = lines.get(name) == theirs.get(name)
        if same and (template or not name.startswith(COPYARG)):
            continue
        own = axis_b_name(name, table)
        why = "" if own is not None else f"{name} cannot differ between the axes"
        if template and own in table and not table[own].template:
            why = f"{own} may stand in batch files only"
        if own is None or why:
            if not same:
                result.leave_out(where, f"axis b: {name}", theirs.get(name, ""), why)
        elif name in theirs:
            lines[own] = theirs[name]
        elif not name.startswith(COPYARG) and table[name].type != "Bool":
            lines[own] = ""  # else it would be for both
    known = set(result.left_out)
    result.left_out += [one for one in other.left_out if one not in known]
    told = {notice.found for notice in result.notices}
    result.notices += [one for one in other.notices if one.found not in told]


def axis_b_name(name: str, table: Mapping[str, Any]) -> str | None:
    """Return a directive as it is written for axis b alone; None where that cannot be.

    >>> axis_b_name("comparam.tilt.tilt.THICKNESS", {})
    'comparam.tiltb.tilt.THICKNESS'
    >>> axis_b_name("runtime.Fiducials.any.trackingMethod", {})
    'runtime.Fiducials.b.trackingMethod'
    """
    parts = name.split(".")
    if parts[0] == "comparam":
        return ".".join([parts[0], f"{parts[1]}b", *parts[2:]])
    if parts[0] == "runtime":
        return ".".join([*parts[:2], "b", *parts[3:]])
    if name.startswith(COPYARG):
        own = f"{COPYARG}b{name.removeprefix(COPYARG)}"
        return own if own in table else None
    return None


def plain_name(name: str) -> str:
    """Return the name of the table by which a directive is put in order.

    >>> plain_name("comparam.tiltb.tilt.THICKNESS")
    'comparam.tilt.tilt.THICKNESS'
    """
    parts = name.split(".")
    if parts[0] == "runtime":
        parts[2] = "any"
    if parts[0] == "comparam" and parts[1].endswith("b"):
        return ".".join([parts[0], parts[1][:-1], *parts[2:]])
    return ".".join(parts)


def in_order(lines: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return directives in the order of IMOD's table, those of axis b after those for both."""
    order = {name: number for number, name in enumerate(directive_table(TILT.steps))}
    return sorted(lines.items(), key=lambda one: order.get(plain_name(one[0]), len(order)))
