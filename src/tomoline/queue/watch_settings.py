"""How a folder is watched: what can be said of it, and what makes no sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tomoline import errors

RECIPES = ("tilt", "scan")
"""Recipes whose acquisitions can be told in a folder."""


@dataclass(frozen=True)
class Settings:
    """How a folder is watched.

    Attributes
    ----------
    settle_s : float
        Files are taken when size and time have been the same for so long.
    every_s : float
        Between two looks.
    late_s : float
        After so long without the files that it waits for, an acquisition is warned about, and its
        other axis is taken alone.
    pattern : str
        Names that are taken, with ``*`` and ``?``; all if empty.
    depth : int
        Levels of sub-folders that are looked into.
    last : str
        Step to stop after; "" for the end.
    existing : bool
        Whether what is there at the first look is taken too.
    values : dict
        Parameters of each data set: ``{"step.field": [value, where]}``.
    away_s : float
        After so long a folder that cannot be reached counts as deleted, with all that was in it.
    device : int
        Number of the file system at the last look; tells an unmounted disk from an empty folder.
    mounts : dict
        The same of each sub-folder that lies on another file system than the folder around it.
    """

    settle_s: float = 30.0
    every_s: float = 10.0
    late_s: float = 600.0
    pattern: str = ""
    depth: int = 3
    last: str = ""
    existing: bool = True
    values: Mapping[str, list[Any]] = field(default_factory=dict)
    away_s: float = 3600.0
    device: int = 0
    mounts: Mapping[str, int] = field(default_factory=dict)


def check_settings(recipe: str, settings: Settings) -> None:
    """Refuse a recipe that nothing can be watched for, and numbers that make no sense.

    Raises
    ------
    TomolineError
        PARAM-06.
    """
    bad = errors.parameters.BAD_OPTION
    if recipe not in RECIPES:
        known = ", ".join(RECIPES)
        raise bad.error("recipe", f"{recipe!r} is not one that can be watched for ({known}).")
    for name, value, least in (
        ("settle_s", settings.settle_s, 0.0),
        ("every_s", settings.every_s, 0.1),
        ("depth", settings.depth, 0),
    ):
        if not least <= value < 1e9:  # NaN is none of that either
            raise bad.error(name, f"{value:g} is too small." if value < least else f"{value:g}.")
