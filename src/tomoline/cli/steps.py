"""``tomoline steps``: the steps of the recipes, and the parameters of one step."""

from __future__ import annotations

import inspect
from typing import Any

from rich.console import Console

from tomoline.params import describe
from tomoline.recipes import RECIPES, STEPS
from tomoline.steps import Step
from tomoline.surfaces import options


def print_steps(name: str, console: Console | None = None) -> int:
    """Print the list of steps, or one step with its parameters; return the exit status.

    Raises
    ------
    TomolineError
        PARAM-05 for a step that there is not.
    """
    out = console or Console(highlight=False)
    if name:
        for step in _named(name):
            _print_step(step, out)
        return 0
    for recipe in RECIPES.values():
        out.print(f"[bold]{recipe.name}[/bold]  {recipe.title}")
        for step in recipe.steps:
            line = f"{step.number:>5g}  {step.name:<15} {step.title}"
            out.print(line, markup=False, soft_wrap=True)
    out.print("'tomoline steps STEP' lists the parameters of a step.", soft_wrap=True)
    return 0


def _named(name: str) -> list[Step[Any]]:
    """Return the step of that name, or the steps of all recipes with that number."""
    if name in STEPS:
        return [STEPS[name]]
    found = [step for step in STEPS.values() if f"{step.number:g}" == name]
    return found or [RECIPES["tilt"].step(name)]


def _print_step(step: Step[Any], out: Console) -> None:
    out.print(f"[bold]{step.name}[/bold] (step {step.number:g}): {step.title}")
    out.print(inspect.cleandoc(step.help), markup=False, soft_wrap=not out.is_terminal)
    for info in describe(step.params):
        out.print(f"\n[bold]{step.name}.{info.name}[/bold]")
        for label, text in (
            ("", info.help),
            ("type: ", options.kind_text(info)),
            ("default: ", options.value_text(info.default)),
            ("change it: ", info.when),
            ("directive: ", info.directive or ""),
            ("codes: ", options.codes_text(info)),
        ):
            if text:
                out.print(f"    {label}{text}", markup=False, soft_wrap=not out.is_terminal)
