"""Finding the right name near a wrong one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the one of `names` that is most like `name`, whatever the case, or None.

    >>> nearest("thicknes_px", ["thickness_px", "log_base"])
    'thickness_px'
    >>> nearest("zzz", ["thickness_px"]) is None
    True
    """
    by_lower = {candidate.lower(): candidate for candidate in names}
    found = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def suggestion(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a sentence that names the nearest right name, or nothing.

    >>> suggestion("retrim", ["trim", "track"])
    ' Did you mean trim?'
    """
    near = nearest(name, names, cutoff)
    return f" Did you mean {near}?" if near else ""
