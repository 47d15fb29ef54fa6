"""``tomoline queue``, ``log``, ``values``, ``retry``: what waits, what happened, what came out."""

from __future__ import annotations

import typer

queue_app = typer.Typer(help="Look at the queue, and change its order.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(queue_app, name="queue")
