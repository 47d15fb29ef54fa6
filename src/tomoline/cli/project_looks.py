"""``tomoline project list``, ``explain`` and ``check``: commands that change nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from tomoline.cli._project import ProjectOption


def add_to(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("list")(list_command)
    app.command("explain")(explain_command)
    app.command("check")(check_command)


def list_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME...]", help="Data sets, or patterns such as 'TS_*'."),
    ] = None,
    project: ProjectOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON, for programs.")] = False,
) -> None:
    """List the data sets with their state and what differs from line to line.

    For example:

        tomoline project list 'TS_*'

    Patterns need quotes, else the shell takes them for files.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._project_list import print_table

    with open_project(project, looking=True) as opened:
        print_table(opened, names or [], as_json=json)


def explain_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The data set.")],
    parameter: Annotated[
        str, typer.Argument(metavar="PARAMETER", help="STEP.FIELD, or IMOD's directive.")
    ],
    project: ProjectOption = None,
    axis: Annotated[str, typer.Option(metavar="a|b", help="Of which axis of two.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON, for programs.")] = False,
) -> None:
    """Say what each layer gives for a parameter, lowest first, and which one holds.

    For example:

        tomoline project explain TS_03 reconstruct.thickness_px

    The arrow marks the layer that holds.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._project_table import print_explanation

    with open_project(project, looking=True) as opened:
        print_explanation(opened, name, parameter, axis, as_json=json)


def check_command(project: ProjectOption = None) -> None:
    """Report at once all that would stop or mislead a run, before it starts.

    Templates that have changed, acquisitions that are not there any more, and faults of the
    parameters that all layers give together. The exit status is 1 if there is a fault.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._project_table import print_check

    with open_project(project, looking=True) as opened:
        raise typer.Exit(print_check(opened))
