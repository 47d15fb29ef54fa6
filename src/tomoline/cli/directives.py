"""``tomoline directives``: IMOD's directives, what they mean and what they do here."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tomoline.cli._output import print_json
from tomoline.recipes import RECIPES
from tomoline.surfaces import options
from tomoline.surfaces.directive_table import Directive, directive_table
from tomoline.surfaces.names import nearest

MOST_CARDS = 3


def print_directives(pattern: str, *, as_json: bool = False, console: Console | None = None) -> int:
    """Print the directives that fit a pattern; return the exit status.

    A few are told in full, more as a table.
    """
    table = directive_table([step for recipe in RECIPES.values() for step in recipe.steps])
    found = options.matching(table, pattern)
    if as_json:
        print_json([options.directive_json(directive) for directive in found])
        return 0 if found else 1
    out = console or Console(highlight=False)
    if not found:
        near = nearest(pattern, table, 0.5) or nearest(pattern, _last_parts(table), 0.5)
        hint = f" Did you mean {near}?" if near else ""
        out.print(f"No directive fits {pattern!r}.{hint}", markup=False, soft_wrap=True)
        return 1
    if len(found) <= MOST_CARDS:
        for directive in found:
            _print_card(directive, out)
    else:
        _print_table(found, out)
    return 0


def _last_parts(names: Sequence[str] | dict[str, Directive]) -> list[str]:
    return [name.rsplit(".", 1)[-1] for name in names]


def _print_card(directive: Directive, out: Console) -> None:
    out.print(f"[bold]{escape(directive.name)}[/bold]")
    lines = [
        ("meaning", directive.help),
        ("type", ", ".join(part for part in (directive.type, directive.unit) if part)),
        ("in IMOD", f"default {directive.default}" if directive.default else ""),
        ("allowed", options.allowed_text(directive)),
        ("here", options.state_text(directive)),
    ]
    for target in directive.targets:
        info = target.info
        lines += [
            (target.name, f"{options.kind_text(info)}; default {options.value_text(info.default)}"),
            ("codes", options.codes_text(info)),
        ]
    lines.append(("change it", directive.when))
    shown = [(label, text) for label, text in lines if text]
    width = max(len(label) for label, _ in shown)
    if out.is_terminal:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(min_width=width + 2)
        grid.add_column(overflow="fold")
        for label, text in shown:
            grid.add_row(f"  {escape(label)}", escape(text))
        out.print(grid)
    else:
        for label, text in shown:
            out.print(f"  {label:<{width}}  {text}", markup=False, soft_wrap=True)
    out.print()


def _print_table(found: Sequence[Directive], out: Console) -> None:
    if out.is_terminal:
        table = Table(box=None, pad_edge=False)
        for column in ("directive", "sets", "meaning"):
            table.add_column(column, overflow="fold")
        for directive in found:
            sets = "\n".join(target.name for target in directive.targets)
            sets = sets or ("(read)" if directive.handled else "[dim]-[/dim]")
            table.add_row(escape(directive.name), sets, escape(directive.help))
        out.print(table)
    else:
        for directive in found:
            line = f"{directive.name}\t{options.state_text(directive)}\t{directive.help}"
            out.print(line, markup=False, soft_wrap=True)
    acted = sum(directive.acted_on for directive in found)
    out.print(
        f"{len(found)} directives, {acted} acted on. Give a name or a longer pattern to read more.",
        markup=False,
        soft_wrap=True,
    )
