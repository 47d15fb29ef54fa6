"""What commands print in the same form: warnings, JSON, the steps that a run would take."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tomoline.errors import Notice


def warn(notices: Iterable[Notice]) -> None:
    """Tell of what is no fault, each once, beside the output proper."""
    for text in dict.fromkeys(str(notice) for notice in notices):
        sys.stderr.write(f"warning {text}\n")


def print_json(document: object) -> None:
    """Print what programs read."""
    from json import dumps

    sys.stdout.write(dumps(document, ensure_ascii=False, indent=1) + "\n")


def plan_line(number: float, step: str, action: str, reason: str) -> str:
    """Return what a run would do with a step, and why.

    >>> plan_line(7, "align", "run", "its parameters have changed")
    '     7  align           run    its parameters have changed'
    """
    return f"  {number:>4g}  {step:<15} {action:<6} {reason}"
