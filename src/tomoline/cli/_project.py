"""What all commands on a project share: finding it, and telling of a runner that had died."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tomoline.cli._output import warn

if TYPE_CHECKING:
    from tomoline.queue.project import Project

ProjectOption = Annotated[
    Path | None,
    typer.Option(
        "--project",
        "-p",
        metavar="DIR",
        readable=False,  # we say so ourselves, with a remedy
        help="The project; by default $TOMOLINE_PROJECT, else the one of this folder or above.",
    ),
]


def open_project(named: Path | None, *, looking: bool = False) -> Project:
    """Open a project for a command; a runner that was gone is told of and started again.

    A command that only looks says so: it works where nothing can be written, too.

    Raises
    ------
    TomolineError
        PROJ-.. where the project cannot be used.
    """
    from tomoline.queue.project import Project

    project = Project.find(named, looking=looking)
    try:
        warn(project.control.recover())
    except BaseException:
        project.close()
        raise
    return project
