"""What ``tomoline project`` is given of parameters: read before anything is changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from tomoline import errors
from tomoline.cli._output import warn
from tomoline.queue.table_keys import BOUNDARY, EXCLUDED, MONTAGE, TWO_SURFACES

if TYPE_CHECKING:
    from tomoline.queue.model import DataSetEntry
    from tomoline.queue.project import Project
    from tomoline.surfaces.project_values import ProjectValues
    from tomoline.workflow.given import LayerValue

MOST_LINES = 20
"""More data sets than this are counted, not listed."""
KINDS = ("scope", "system", "user")


@dataclass(frozen=True)
class Boxes:
    """What ``project set`` has options of its own for; None for what was not given."""

    run: bool | None = None
    dual: bool | None = None
    montage: bool | None = None
    two_surfaces: bool | None = None
    boundary: Path | None = None
    exclude_views: str | None = None
    deliver: Path | None = None
    user_defaults: bool = False
    retries: int | None = None
    retry_waits: str | None = None

    def waits_s(self) -> list[float] | None:
        """Return the waits before a batch is tried again.

        Raises
        ------
        TomolineError
            PARAM-06 where they are no numbers.
        """
        if self.retry_waits is None:
            return None
        try:
            return [float(one) for one in self.retry_waits.replace(",", " ").split()]
        except ValueError:
            raise errors.parameters.BAD_OPTION.error(
                f"--retry-waits {self.retry_waits!r}",
                "it is not a list of seconds, such as '10 60 300'.",
            ) from None

    def settings(self) -> list[tuple[str, str]]:
        """Return the parameters that they are, with the options as they were written."""
        found = []
        for value, key, option in (
            (self.montage, MONTAGE, "montage"),
            (self.two_surfaces, TWO_SURFACES, "two-surfaces"),
        ):
            if value is not None:
                found.append((f"{key}={int(value)}", f"--{'' if value else 'no-'}{option}"))
        if self.boundary is not None:
            path = os.path.abspath(self.boundary)
            if not os.path.isfile(path):
                raise errors.files.MISSING.error(path, "there is no such boundary model.")
            found.append((f"{BOUNDARY}={path}", f"--boundary {self.boundary}"))
        if self.exclude_views is not None:
            text = self.exclude_views
            found.append((f"{EXCLUDED}={text}", f"--exclude-views {text or repr('')}"))
        return found


@dataclass(frozen=True)
class Given:
    """What was given of parameters and templates, read and free of faults."""

    values: ProjectValues | None
    taken_away: tuple[str, ...] = ()
    """Kinds of templates to be taken away."""


def read_given(
    settings: Sequence[str] | None,
    directives: Sequence[Path] | None,
    parameters: Sequence[Path] | None,
    templates: Sequence[str] | None = None,
) -> Given:
    """Read parameters and templates, before anything is changed.

    Raises
    ------
    Faults
        With all that is wrong in them.
    """
    named: dict[str, str] = {}
    for text in templates or ():
        kind, sign, file = text.partition("=")
        if not sign or kind not in KINDS:
            raise errors.parameters.BAD_OPTION.error(
                f"--template {text}", "it is not of the form scope=FILE, system=FILE or user=FILE."
            )
        named[kind] = file
    files = {kind: file for kind, file in named.items() if file}
    taken = tuple(kind for kind, file in named.items() if not file)
    if not (settings or directives or parameters or files):
        return Given(None, taken)
    from tomoline.surfaces.project_values import read_values

    values = read_values(
        settings or (),
        directives=directives or (),
        parameters=parameters or (),
        templates=files,
    )
    warn(values.notices)
    return Given(values, taken)


def set_on(
    project: Project,
    names: Sequence[str],
    values: ProjectValues,
    unset: Sequence[str] = (),
    axis: str = "",
) -> list[DataSetEntry]:
    """Set data sets' own values, and tell which of them have other axes than before."""
    from tomoline.surfaces.project_values import set_data_set_values

    before = project.data_sets.entries(names)
    entries = set_data_set_values(project, names, values, unset=unset, axis=axis)
    tell_axes(before, entries)
    if not any(entry.dual for entry in entries):
        warn(values.notices_b)
    return entries


def tell_axes(before: Sequence[DataSetEntry], after: Sequence[DataSetEntry]) -> None:
    """Tell which data sets have become dual or single axis."""
    now = {entry.id: entry for entry in after}
    changed = [(was, now[was.id]) for was in before if was.dual != now[was.id].dual]
    for was, entry in changed[:MOST_LINES]:
        if was.dual:
            typer.echo(
                f"{entry.name}: was {was.name}, now single axis; {was.source_b} is left out, "
                "add it if it is to be a data set of its own"
            )
        else:
            typer.echo(f"{entry.name}: was {was.name}, now dual axis with {entry.source_b}")


def read_user_defaults() -> tuple[Path, Mapping[str, LayerValue]]:
    """Return the path of the user's defaults, and what they say."""
    from tomoline.surfaces.project_values import defaults_path, user_defaults

    path = defaults_path()
    return path, user_defaults(path)
