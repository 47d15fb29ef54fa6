"""Command files with which IMOD's own programs can repeat or continue a step."""

from __future__ import annotations

from collections.abc import Sequence

from tomoline.files.com import Command

Options = Sequence[tuple[str, object]]


def command(program: str, options: Options) -> Command:
    """Return a command with the options that have a value.

    None leaves an option out, True makes it a flag, a sequence is joined by commas.
    """
    made = tuple(
        (name, _word(value)) for name, value in options if not (value is None or value is False)
    )
    return Command(program, "-StandardInput", made, line=0)


def view_list(views: Sequence[int]) -> str:
    """Return view numbers from 1 as IMOD's list, given indices from 0 in rising order.

    >>> view_list([0, 2, 3, 4, 8])
    '1,3-5,9'
    """
    runs: list[list[int]] = []
    for view in views:
        if runs and view == runs[-1][1]:
            runs[-1][1] = view + 1
        else:
            runs.append([view + 1, view + 1])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def _word(value: object) -> str:
    if value is True:
        return ""
    if isinstance(value, tuple | list):
        return ",".join(_word(part) for part in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
