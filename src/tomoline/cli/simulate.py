"""``tomoline simulate``: acquisitions with known truth, from a declared set of parameters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console

from tomoline import errors
from tomoline.cli._progress import RunDisplay
from tomoline.params import describe
from tomoline.simulate.tilt import TiltSimulation, simulate_tilt


def simulate_tilt_from(arguments: Sequence[str]) -> int:
    """Make a simulated tilt series as the options tell, with a bar.

    Parameters
    ----------
    arguments : sequence of str
        ``PATH`` of the stack to make, and an option for each field of `TiltSimulation`.

    Returns
    -------
    int
        Exit status.
    """
    chosen = _parser().parse_args(list(arguments))
    target = Path(chosen.path)
    given = {
        name: value for name, value in vars(chosen).items() if name != "path" and value is not None
    }
    try:
        settings = TiltSimulation.model_validate(given)
    except ValidationError as error:
        problems = [
            errors.parameters.BAD_OPTION.error(
                "--" + str(one["loc"][0]).replace("_", "-"), f"{one['msg']} (got {one['input']})."
            )
            for one in error.errors()
        ]
        raise errors.Faults(list(problems)) from error
    with RunDisplay(Console(stderr=True), target.stem) as display:
        display.start("projecting views", settings.views)
        stack = simulate_tilt(
            target.parent, target.stem, settings, progress=lambda done, total: display.advance()
        )
    sys.stdout.write(f"{stack}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tomoline simulate tilt",
        description="Make a tilt series of an analytic specimen. Beside the stack lie its tilt "
        "angles (.rawtlt), its .mdoc and the truth (_truth.json).",
    )
    parser.add_argument("path", help="Stack to make, such as demo/sim.mrc.")
    for field in describe(TiltSimulation):
        unit = f" [{field.unit}]" if field.unit else ""
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            dest=field.name,
            metavar=field.type_text.split()[0].upper().rstrip(","),
            help=f"{field.help}{unit} (default: {field.default})".replace("%", "%%"),
        )
    return parser
