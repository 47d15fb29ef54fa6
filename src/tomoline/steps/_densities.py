"""How densities became the integers of a file: told in one of its titles, for whoever reads it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TITLE = "tomoline: value = (density + {add:.7g}) * {multiply:.7g}"
_PATTERN = re.compile(r"tomoline: value = \(density \+ (\S+)\) \* (\S+)")


def density_titles(add: float, multiply: float) -> tuple[str, ...]:
    """Return the title to write; none where values are densities.

    >>> density_titles(0.0, 250.0)
    ('tomoline: value = (density + 0) * 250',)
    """
    if (add, multiply) == (0.0, 1.0):
        return ()
    return (_TITLE.format(add=add, multiply=multiply),)


def density_scaling(titles: Sequence[str]) -> tuple[float, float]:
    """Return what was added to densities, and what they were multiplied by then.

    >>> density_scaling(density_titles(-1.5, 250.0))
    (-1.5, 250.0)
    """
    for title in titles:
        if found := _PATTERN.search(title):
            return float(found[1]), float(found[2])
    return 0.0, 1.0
