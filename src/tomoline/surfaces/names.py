"""Finding the right name near a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of `names` that is most like `name`, whatever the case, or None.

    >>> nearest("thicknes_px", ["thickness_px", "log_base"])
    'thickness_px'
    >>> nearest("zzz", ["thickness_px"]) is None
    True
    """
    by_lower: dict[str, list[str]] = {}
    for candidate in names:
        by_lower.setdefault(candidate.lower(), []).append(candidate)
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    if not found:
        return None
    return max(by_lower[found[0]], key=lambda one: SequenceMatcher(None, name, one).ratio())


def suggestion(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a sentence that names the nearest right name, or nothing.

    >>> suggestion("retrim", ["trim", "track"])
    ' Did you mean trim?'
    """
    near = nearest(name, names, cutoff)
    return f" Did you mean {near}?" if near else ""
