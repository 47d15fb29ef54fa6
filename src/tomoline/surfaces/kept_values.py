"""What a project, or a data set of it, is to keep: values as JSON holds them, by ``step.field``.

Apart from what reads and checks them, since a command that changes none need not load that.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tomoline.errors import Notice
    from tomoline.workflow.given import LayerValue


def whole_path(named: Path | str, file: str) -> str:
    """Return the whole path of a file that is there beside the one that names it.

    Parameters
    ----------
    named : Path or str
        As it was written; ``~`` is the user's home.
    file : str
        The file that names it; "" for a command line.
    """
    path = Path(named).expanduser()
    there = (Path(file).parent if file else Path()) / path
    return os.path.abspath(there) if there.exists() else str(path)


@dataclass
class TemplateValues:
    """What a template says."""

    file: Path
    values: dict[str, LayerValue]
    values_b: dict[str, LayerValue] = field(default_factory=dict)
    """What it says of axis b alone."""


@dataclass
class ProjectValues:
    """Values for a project or for data sets of it.

    Attributes
    ----------
    values : dict
        By ``step.field``, as JSON holds them, with where they were given.
    values_b : dict
        What directives say of axis b alone.
    templates : dict
        The templates that were given, or that batch files name, by kind.
    notices : list
        What to tell the user.
    notices_b : list
        What to tell besides where there is no axis b.
    """

    values: dict[str, LayerValue] = field(default_factory=dict)
    values_b: dict[str, LayerValue] = field(default_factory=dict)
    templates: dict[str, TemplateValues] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    notices_b: list[Notice] = field(default_factory=list)

    def of_axes(self, axis: str = "") -> tuple[dict[str, LayerValue], dict[str, LayerValue]]:
        """Return what is for both axes, and what is for axis b: all, where `axis` is ``b``."""
        if axis == "b":
            return {}, {**self.values, **self.values_b}
        return self.values, self.values_b
