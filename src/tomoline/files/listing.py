"""Telling many files apart without reading them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path


def listing(paths: Sequence[Path]) -> str:
    """Return a digest of the names, sizes and times of change of files; missing ones count too.

    >>> listing([Path("none")]) == listing([Path("none")]) != listing([])
    True
    """
    state = hashlib.sha256()
    for path in paths:
        try:
            status = path.stat()
            facts = path.name, status.st_size, status.st_mtime_ns
        except OSError:
            facts = path.name, -1, 0
        state.update(repr(facts).encode())
    return state.hexdigest()[:32]
