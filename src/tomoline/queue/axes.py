"""Which stacks are the two axes of one specimen: ROOTa and ROOTb of one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# Stacks of one class may be the two axes of a set, and of one class only one has a root name.
CLASSES = {".mrc": "mrc", ".st": "mrc", ".tif": "tif", ".tiff": "tif"}
OTHER_AXIS = {"a": "b", "b": "a"}


def other_stem(stem: str) -> str:
    """Return the name that the stack of the other axis has, without its ending.

    >>> other_stem("TSa"), other_stem("TS"), other_stem("a")
    ('TSb', '', '')
    """
    if len(stem) < 2 or stem[-1] not in OTHER_AXIS:
        return ""
    return stem[:-1] + OTHER_AXIS[stem[-1]]


def stack_key(path: Path) -> tuple[str, str, str] | None:
    """Return what two files of the same stack have in common; None for what is no stack.

    >>> stack_key(Path("/x/TS.st")) == stack_key(Path("/x/TS.mrc"))
    True
    """
    kind = CLASSES.get(path.suffix.lower())
    return None if kind is None else (str(path.parent), path.stem, kind)


def other_axis(path: Path) -> tuple[str, str, str] | None:
    """Return the `stack_key` of the stack of the other axis; None if it cannot have one.

    >>> other_axis(Path("/x/TSa.mrc")) == stack_key(Path("/x/TSb.st"))
    True
    """
    key = stack_key(path)
    other = other_stem(key[1]) if key is not None else ""
    return (key[0], other, key[2]) if key is not None and other else None


def stack_beside(path: Path) -> Path | None:
    """Return the stack of the other axis that lies beside one; None if there is none."""
    key = other_axis(path)
    beside = sorted(path.parent.glob("*")) if key else []
    return next((one for one in beside if stack_key(one) == key), None)


def pair_up(paths: Sequence[Path]) -> list[tuple[Path, Path | None]]:
    """Put stacks ROOTa and ROOTb of one folder together; others stay alone.

    Parameters
    ----------
    paths : sequence of Path
        All different.

    Returns
    -------
    list of (Path, Path or None)
        Axis a and axis b, or a file alone, in the order of the first of them.

    >>> [a.name for a, b in pair_up([Path("TSb.st"), Path("lone.mrc"), Path("TSa.st")])]
    ['TSa.st', 'lone.mrc']
    """
    free: dict[tuple[str, str, str], list[Path]] = {}
    for path in paths:
        if other_axis(path) is not None and (key := stack_key(path)) is not None:
            free.setdefault(key, []).append(path)
    found: list[tuple[Path, Path | None]] = []
    taken: set[Path] = set()
    for path in paths:
        if path in taken:
            continue
        key = other_axis(path)
        others = [one for one in free.get(key, ()) if one not in taken] if key else []
        if not others:
            found.append((path, None))
            continue
        other = others[0]  # where there are more, they share a root name, and none is added
        taken |= {path, other}
        found.append((path, other) if path.stem.endswith("a") else (other, path))
    return found
