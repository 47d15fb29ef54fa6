"""Which processes work for a project, seen from outside."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of all living processes that work for a project."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has just ended
            words = path.read_bytes().decode(errors="replace").split("\0")
            if "-m" in words and any(word.startswith(str(folder)) for word in words):
                found.append(" ".join(words))
    return found
