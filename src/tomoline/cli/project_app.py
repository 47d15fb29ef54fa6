"""``tomoline project``: a project's data sets and their parameters."""

from __future__ import annotations

import typer

project_app = typer.Typer(
    help="Make a project, fill its table of data sets, set parameters.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(project_app, name="project")
