"""Records of data sets as a project reads them: plain JSON, without loading what computes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tomoline.workflow.places import RECORD_SUFFIX, record_path

__all__ = ["DONE", "RECORD_SUFFIX", "read_record", "record_or_none", "record_path"]

DONE = frozenset({"finished", "off"})
"""States of steps of which nothing is left to do."""


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or holds no record.
    """
    try:
        content = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it holds no record")
    return content


def record_or_none(path: Path) -> dict[str, Any] | None:
    """Return a record; None where it cannot be read."""
    try:
        return read_record(path)
    except (OSError, ValueError):
        return None
