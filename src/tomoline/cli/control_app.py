"""``tomoline status``, ``pause``, ``kill``, ``resume``, ``reset``: the run of a project."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
