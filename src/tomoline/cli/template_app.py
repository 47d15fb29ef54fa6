"""``tomoline template``, and what goes from and to IMOD: batch files, Etomo's projects."""

from __future__ import annotations

import typer

template_app = typer.Typer(
    help="Save, list and show templates of directives.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(template_app, name="template")
