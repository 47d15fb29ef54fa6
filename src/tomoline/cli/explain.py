"""``tomoline explain``: what an error or warning means, and what to do."""

from __future__ import annotations

from rich.console import Console

from tomoline import errors
from tomoline.errors import ErrorKind
from tomoline.surfaces.names import nearest


def explain(code: str, console: Console | None = None) -> int:
    """Print a kind of error by its code, or list all; return the exit status.

    Raises
    ------
    TomolineError
        PARAM-13 for a code that there is not.
    """
    out = console or Console(soft_wrap=True, highlight=False)
    if not code:
        for kind in errors.KINDS.values():
            out.print(f"{kind.code:<10} {_sort(kind):<8} {kind.title}", markup=False)
        return 0
    kinds = {kind.upper(): found for kind, found in errors.KINDS.items()}
    found = kinds.get(code.strip().upper())
    if found is None:
        near = nearest(code, errors.KINDS)
        hint = f" Did you mean {near} ({errors.KINDS[near].title})?" if near else ""
        raise errors.parameters.NO_ADVICE.error(code, f"there is no such code.{hint}")
    out.print(f"{found.code}: {found.title}", style="bold", markup=False)
    for label, text in (
        ("kind", f"{_sort(found)}; step: {found.step}"),
        ("rule", found.rule),
        ("remedy", found.remedy),
    ):
        out.print(f"  {label:<7} {text}", markup=False)
    return 0


def _sort(kind: ErrorKind) -> str:
    return "warning" if kind.warning else "error"
