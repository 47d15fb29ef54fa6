"""How commands are told which data sets are meant."""

from __future__ import annotations

from typing import Annotated

import typer

_HELP = "Data sets, by name or by a pattern such as 'TS_*', in quotes."

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME...]", help=_HELP)]
"""Of a command that can do without."""
SomeNames = Annotated[list[str], typer.Argument(metavar="NAME...", help=_HELP)]
"""Of a command that needs them."""
