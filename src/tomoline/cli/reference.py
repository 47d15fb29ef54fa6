"""Writing the reference pages: ``python -m tomoline.cli.reference [FOLDER]``."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from tomoline.surfaces.markdown import GENERATED, cell, code, table
from tomoline.surfaces.reference import PLACE, pages, write

if TYPE_CHECKING:
    from typer import Typer
    from typer.models import OptionInfo


def all_pages() -> dict[str, str]:
    """Return the text of each generated page by its file name."""
    return {**pages(), "command-line.md": command_line_page()}


def command_line_page() -> str:
    """Return the page of the command line, from the commands themselves."""
    from tomoline.cli.batchruntomo import usage
    from tomoline.cli.main import app

    parts = [GENERATED, "# Command line\n"]
    for name, function in commands(app, "tomoline"):
        parts += [f"## {name}\n", f"{inspect.getdoc(function) or ''}\n"]
        if name == "tomoline batchruntomo":
            parts.append(f"```text\n{usage()}```\n")
            continue
        simulated = name.removeprefix("tomoline simulate ")
        rows = _rows(function) if simulated == name else _simulation_rows(simulated)
        if rows:
            parts.append(table(["argument or option", "default", "meaning"], rows))
    parts.append("## Exit status\n")
    parts.append(
        "0 where everything went well; 1 where a fault was found or a data set failed; 130 where "
        "the run was interrupted. `tomoline batchruntomo` ends with the number of data sets that "
        "failed.\n"
    )
    return "\n".join(parts)


def commands(app: Typer, name: str) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield each command of an app, and of the apps in it, with its function."""
    for command in app.registered_commands:
        if command.callback is not None:
            yield f"{name} {command.name}", command.callback
    for group in app.registered_groups:
        if group.typer_instance is not None:
            yield from commands(group.typer_instance, f"{name} {group.name}")


def _rows(function: Callable[..., Any]) -> list[list[str]]:
    """Read a command's arguments and options from the annotations of its function."""
    from typer.models import ArgumentInfo, OptionInfo

    hints = get_type_hints(function, include_extras=True)
    rows = []
    for name, parameter in inspect.signature(function).parameters.items():
        kind, *extras = get_args(hints[name]) or (hints[name],)
        info = next((one for one in extras if isinstance(one, ArgumentInfo | OptionInfo)), None)
        if info is None:
            continue
        if isinstance(info, ArgumentInfo):
            several = get_origin(kind) is list
            label = name.upper() + ("..." if several else "")
        else:
            label = ", ".join(_names(info)) or f"--{name.strip('_').replace('_', '-')}"
            if kind is not bool:
                label += f" {info.metavar or _placeholder(kind)}"
        default = parameter.default
        shown = "" if default in (None, False, "", inspect.Parameter.empty) else str(default)
        rows.append([code(label), code(shown), cell(info.help or "")])
    return rows


def _simulation_rows(kind: str) -> list[list[str]]:
    from tomoline.cli.simulate import SIMULATIONS
    from tomoline.params import describe
    from tomoline.surfaces import options

    simulation = SIMULATIONS[kind]
    rows = [[code("PATH"), "", cell(simulation.path_help)]]
    for info in describe(simulation.settings):
        label = f"--{info.name.replace('_', '-')}"
        meaning = f"{info.help} ({options.kind_text(info)})"
        rows.append([code(label), code(options.value_text(info.default)), cell(meaning)])
    return rows


def _names(info: OptionInfo) -> list[str]:
    """Return the names an option was given; typer takes the first for a default value."""
    first = [info.default] if isinstance(info.default, str) else []
    return [*first, *(info.param_decls or ())]


def _placeholder(kind: Any) -> str:
    """Name the value of an option by its type.

    >>> _placeholder(list[Path] | None), _placeholder(int | None)
    ('PATH', 'NUMBER')
    """
    inner = [one for one in get_args(kind) if one is not type(None)]
    if inner:
        return _placeholder(inner[0])
    return {Path: "PATH", int: "NUMBER", float: "NUMBER"}.get(kind, "TEXT")


if __name__ == "__main__":
    for page in write(all_pages(), Path(sys.argv[1]) if len(sys.argv) > 1 else PLACE):
        sys.stdout.write(f"written: {page}\n")
