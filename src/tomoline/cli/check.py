"""``tomoline check``: all faults of directive and parameter files, before data are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tomoline import errors
from tomoline.errors import Faults, Notice, TomolineError
from tomoline.recipes import RECIPES, STEPS
from tomoline.surfaces import options
from tomoline.surfaces.directive_table import directive_table
from tomoline.surfaces.parameters import Resolution, gather
from tomoline.surfaces.templates import TemplatePlaces, kind_of_template


def check(
    files: Sequence[Path],
    *,
    verbose: bool = False,
    template: str | None = None,
    console: Console | None = None,
    places: TemplatePlaces | None = None,
) -> int:
    """Print every fault and notice of each file; return the exit status, 1 with faults.

    Parameters
    ----------
    files : sequence of Path
        Directive files (.adoc), TOML files and a scan's parameter files, each checked by itself.
    verbose : bool
        Tell where each value comes from.
    template : str, optional
        Check directive files as templates of this kind; otherwise their folder tells.
    console : Console, optional
        Where to print.
    places : TemplatePlaces, optional
        Where templates lie; IMOD's places if left out.
    """
    out = console or Console(soft_wrap=True, highlight=False)
    status = 0
    for path in files:
        found = check_file(path, template=template, places=places)
        if found.faults:
            status = 1
        _print(path, found, verbose, out)
    return status


def check_file(
    path: Path, *, template: str | None = None, places: TemplatePlaces | None = None
) -> Resolution:
    """Return what one file says, and what is wrong with it."""
    steps = RECIPES["tilt"].steps
    suffix = path.suffix.lower()
    if suffix == ".toml":
        return gather(tuple(STEPS.values()), toml=[path])
    if suffix != ".adoc":
        return _check_scan_parameters(path)
    kind = template or kind_of_template(path)
    if kind is not None:
        return gather(steps, templates={kind: path}, places=places)
    found = gather(steps, directives=[path], places=places)
    _check_named_files(found, path.parent)
    return found


def _check_scan_parameters(path: Path) -> Resolution:
    """Read a scan's parameter file, whose suffix may be anything, but not its frames."""
    from tomoline.files import hitt

    found = Resolution()
    try:
        if path.suffix.lower() not in RECIPES["scan"].suffixes and not hitt.looks_like(path):
            raise errors.files.UNKNOWN_FORMAT.error(
                path,
                "files to check end in .adoc, .toml or .par, or have a scan's keys.",
                "Give a directive, TOML or parameter file.",
            )
        found.notices += hitt.read(path).notices
    except Faults as several:
        found.faults += several.faults
    except TomolineError as fault:
        found.faults.append(fault)
    return found


def _check_named_files(found: Resolution, folder: Path) -> None:
    """Check that the files which directives name are there.

    One that is not acted on, and the folder of the data, which the command line may replace, are
    no fault.
    """
    table = directive_table(RECIPES["tilt"].steps)
    if found.folder is not None and not (folder / found.folder).is_dir():
        setting = found.directives["setupset.datasetDirectory"]
        text = f"the folder {found.folder} is not here; a run must be given the stack's path."
        found.notices.append(_missing(str(setting.origin), text))
    for setting in found.directives.values():
        directive = table[setting.name]
        if directive.type != "File" or not setting.text:
            continue
        named = Path(setting.text).expanduser()
        beside = [folder / named, *((folder / found.folder / named,) if found.folder else ())]
        if any(path.is_file() for path in beside):
            continue
        text = f"{setting.written} names {setting.text}, which is not there."
        if directive.acted_on:
            found.faults.append(errors.files.MISSING.error(str(setting.origin), text))
        else:
            found.notices.append(_missing(str(setting.origin), text))


def _missing(where: str, text: str) -> Notice:
    return errors.files.MISSING.notice(where, text)


def _print(path: Path, found: Resolution, verbose: bool, out: Console) -> None:
    for fault in found.faults:
        _print_fault(fault, out)
    for notice in found.notices:
        out.print(f"[yellow]notice[/yellow] {escape(str(notice))}")
    if verbose:
        for step, origins in found.origins.items():
            values = found.parameters[step].model_dump() if step in found.parameters else {}
            for name, origin in origins.items():
                value = options.value_text(values[name]) if values else "?"
                line = f"{step}.{name} = {value}  from {origin} ({origin.layer})"
                out.print(line, markup=False)
    count = sum(len(origins) for origins in found.origins.values())
    out.print(
        f"{path}: {_number(len(found.faults), 'fault')}, {_number(len(found.notices), 'notice')}, "
        f"{_number(count, 'parameter')} set.",
        markup=False,
    )


def _print_fault(fault: TomolineError, out: Console) -> None:
    out.print(f"[red]fault[/red] {escape(str(fault))}")


def _number(count: int, word: str) -> str:
    """Count a thing.

    >>> _number(1, "fault"), _number(0, "notice")
    ('1 fault', '0 notices')
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
