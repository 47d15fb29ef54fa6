"""``tomoline simulate``: acquisitions with known truth, from a declared set of parameters."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console

from tomoline import errors
from tomoline.cli._progress import RunDisplay
from tomoline.params import StepParams, describe
from tomoline.simulate.scan import ScanSimulation, simulate_scan
from tomoline.simulate.tilt import TiltSimulation, simulate_dual, simulate_tilt

_YES_OR_NO = ("true", "false", "yes", "no", "on", "off", "1", "0", "t", "f", "y", "n")

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class Simulation:
    """A kind of acquisition that can be simulated.

    Attributes
    ----------
    settings : type
        Its declared settings, each of which becomes an option.
    make : callable
        ``make(folder, root, settings, progress) -> paths``, of the files that runs start from.
    pieces : callable
        ``pieces(settings)``: how many pieces of work `make` will tell its progress of.
    label, path_help, description : str
        For the bar, for the argument, and for the command's help.
    """

    settings: type[StepParams]
    make: Callable[[Path, str, Any, Told], tuple[Path, ...]]
    pieces: Callable[[Any], int]
    label: str
    path_help: str
    description: str


SIMULATIONS: dict[str, Simulation] = {
    "tilt": Simulation(
        settings=TiltSimulation,
        make=lambda folder, root, settings, told: (
            simulate_dual(folder, root, settings, progress=told)
            if settings.dual
            else (simulate_tilt(folder, root, settings, progress=told),)
        ),
        pieces=lambda settings: int(settings.views) * (2 if settings.dual else 1),
        label="projecting views",
        path_help="Stack to make, such as demo/sim.mrc.",
        description="Make a tilt series of an analytic specimen. Beside the stack lie its tilt "
        "angles (.rawtlt), its .mdoc and the truth (_truth.json). With --dual there are two, of "
        "one specimen before and after a turn of the grid: demo/sima.mrc and demo/simb.mrc.",
    ),
    "scan": Simulation(
        settings=ScanSimulation,
        make=lambda folder, root, settings, told: (
            simulate_scan(folder, root, settings, progress=told),
        ),
        pieces=lambda settings: int(settings.angles) * len(settings.distances_m),
        label="recording frames",
        path_help="Parameter file to make, such as demo/sim.par.",
        description="Make an X-ray phase-contrast scan of an analytic specimen. Beside the "
        "parameter file lie the frames of each distance, their flats, and the truth "
        "(_truth.json).",
    ),
}


def simulate_from(kind: str, arguments: Sequence[str]) -> int:
    """Make a simulated acquisition as the options tell, with a bar.

    Parameters
    ----------
    kind : str
        Which of `SIMULATIONS`.
    arguments : sequence of str
        ``PATH`` of the file to make, and an option for each field of the settings.

    Returns
    -------
    int
        Exit status.
    """
    simulation = SIMULATIONS[kind]
    chosen = _parser(kind).parse_args(_with_yes(arguments, simulation.settings))
    target = Path(chosen.path)
    given = {
        name: value for name, value in vars(chosen).items() if name != "path" and value is not None
    }
    try:
        settings = simulation.settings.model_validate(given)
    except ValidationError as error:
        problems = [
            errors.parameters.BAD_OPTION.error(
                _option(one["loc"]), f"{one['msg']} (got {_got(one)})."
            )
            for one in error.errors()
        ]
        raise errors.Faults(list(problems)) from error
    with RunDisplay(Console(stderr=True), target.stem) as display:
        display.start(simulation.label, simulation.pieces(settings))
        made = simulation.make(
            target.parent, target.stem, settings, lambda done, total: display.advance()
        )
    sys.stdout.write("".join(f"{path}\n" for path in made))
    return 0


def _with_yes(arguments: Sequence[str], settings: type[StepParams]) -> list[str]:
    """Say ``true`` after each yes-or-no option that stands without a word for it.

    >>> _with_yes(["--dual", "demo/sim.mrc"], TiltSimulation)
    ['--dual', 'true', 'demo/sim.mrc']
    """
    switches = {
        "--" + field.name.replace("_", "-") for field in describe(settings) if field.type is bool
    }
    given: list[str] = []
    for word in arguments:
        if given and given[-1] in switches and word.lower() not in _YES_OR_NO:
            given.append("true")
        given.append(word)
    return [*given, "true"] if given and given[-1] in switches else given


def _option(place: tuple[int | str, ...]) -> str:
    """Name the option that a fault is about; some are about several together."""
    return "--" + str(place[0]).replace("_", "-") if place else "options"


def _got(fault: Any) -> str:
    return str(fault["input"]) if fault["loc"] else "these together"


def _parser(kind: str) -> argparse.ArgumentParser:
    simulation = SIMULATIONS[kind]
    parser = argparse.ArgumentParser(
        prog=f"tomoline simulate {kind}", description=simulation.description
    )
    parser.add_argument("path", help=simulation.path_help)
    for field in describe(simulation.settings):
        unit = f" [{field.unit}]" if field.unit else ""
        parser.add_argument(
            "--" + field.name.replace("_", "-"),
            dest=field.name,
            metavar=field.type_text.split()[0].upper().rstrip(","),
            help=f"{field.help}{unit} (default: {field.default})".replace("%", "%%"),
        )
    return parser
