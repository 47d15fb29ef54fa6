"""Where a data set's record lies; apart from what reads it, since a project looks for thousands."""

from __future__ import annotations

from pathlib import Path

RECORD_SUFFIX = ".tomoline.json"


def record_path(folder: Path, root: str) -> Path:
    """Return the path of the record of a data set, or of one axis.

    >>> str(record_path(Path("/night/TS_1"), "TS_1"))
    '/night/TS_1/TS_1.tomoline.json'
    """
    return folder / f"{root}{RECORD_SUFFIX}"
