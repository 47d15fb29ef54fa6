"""``tomoline watch``: take acquisitions as they become complete."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
