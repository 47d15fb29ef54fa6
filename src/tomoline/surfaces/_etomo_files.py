"""The files of a row of Etomo's table: its stacks, and its batch file."""

from __future__ import annotations

from pathlib import Path

from tomoline import errors
from tomoline.files import ebt
from tomoline.queue.axes import other_stem


def stacks_of(row: ebt.Row, folder: Path, where: str) -> tuple[Path, ...]:
    """Return the stacks of a row: where they are now, or where they were at first.

    Raises
    ------
    TomolineError
        FILE-01 where there is none, PROJ-11 where that of the other axis is missing.
    """
    named = [folder / text for text in (row.stack, row.original) if text]
    stack = next((one for one in named if one.is_file()), None)
    if stack is None:
        looked = " and ".join(str(one) for one in dict.fromkeys(named))
        raise errors.files.MISSING.error(
            where,
            f"stack {looked} is not there.",
            "Put the stack there, or correct the path in the .ebt file.",
        )
    if not row.dual:
        return (stack,)
    if stem := other_stem(stack.stem):
        suffixes = dict.fromkeys((stack.suffix, ".mrc", ".st"))
        for suffix in suffixes:
            other = stack.with_name(stem + suffix)
            if other.is_file():
                return (stack, other)
        text = f"there is no {stem}{stack.suffix} beside {stack}."
    else:
        text = f"the name of {stack} is not a root name that a or b follows."
    raise errors.project.NOT_DUAL.error(
        where, text, "Add the other stack, or take dual axis from the row in Etomo."
    )


def batch_file_of(root: str, row: ebt.Row, stack: Path, folder: Path) -> Path | None:
    """Return the batch file of a row, which lies beside the stack, or did before it was moved."""
    name = f"{root}_{row.name}.adoc"
    original = [(folder / row.original).parent] if row.original else []
    for place in (stack.parent, *original, folder):
        if (place / name).is_file():
            return place / name
    return None
