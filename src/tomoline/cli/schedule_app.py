"""``tomoline schedule``: steps repeated over whatever is new."""

from __future__ import annotations

import typer

schedule_app = typer.Typer(help="Repeat steps over whatever is new.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(schedule_app, name="schedule")
