"""The text of ``--help``, which breaks its lines where the terminal does."""

from __future__ import annotations

import inspect

import typer


def reflow_help(app: typer.Typer) -> None:
    """Give each command of an app the text of its docstring without the line ends of the source.

    With rich's markup, typer keeps them, and a narrower terminal breaks every second line in two.
    """
    for command in app.registered_commands:
        if command.callback is not None and not command.help:
            command.help = reflowed(inspect.getdoc(command.callback) or "")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            reflow_help(group.typer_instance)


def reflowed(text: str) -> str:
    r"""Join the lines of each paragraph; examples, which are indented, and lists stay as they are.

    >>> reflowed("One line,\nand more.\n\n    tomoline log\n    tomoline run")
    'One line, and more.\n\n    tomoline log\n    tomoline run'
    """
    return "\n\n".join(
        part if part.startswith((" ", "*", "-")) else " ".join(part.split("\n"))
        for part in text.split("\n\n")
    )
