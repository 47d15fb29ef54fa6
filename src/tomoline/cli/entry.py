"""How ``tomoline`` is entered and left: what goes wrong leaves it as a code, rule and remedy.

Nothing is loaded here before it is seen to that an interruption leaves no traceback.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline.interruption import stop_quietly

if TYPE_CHECKING:
    import typer

EXIT_FAILED = 1
EXIT_INTERRUPTED = 130


def keep_only(named: typer.Typer, arguments: Sequence[str]) -> None:
    """Drop all commands but the one that is called, so that typer need not build them all.

    Where the arguments name none, they all stay, for help and for suggestions.
    """
    name = arguments[0] if arguments else ""
    commands = [one for one in named.registered_commands if one.name == name]
    groups = [one for one in named.registered_groups if one.name == name]
    if commands or groups:
        named.registered_commands, named.registered_groups = commands, groups
    for one in groups:
        if one.typer_instance is not None:
            keep_only(one.typer_instance, arguments[1:])


def main() -> None:
    """Run the command line; errors leave it as a code, what was found, rule and remedy."""
    try:
        stop_quietly()
        _run()
    except KeyboardInterrupt:  # while it was still loading, or while something was being told
        _interrupted()


def _run() -> None:
    from tomoline.errors import TomolineError

    _mend_streams()
    try:
        from tomoline.cli.main import app

        keep_only(app, sys.argv[1:])
        if "--help" in sys.argv:
            from tomoline.cli._help import reflow_help

            reflow_help(app)
        app()
    except TomolineError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(EXIT_FAILED)
    except (KeyboardInterrupt, SystemExit) as stop:  # typer turns the one into the other
        if isinstance(stop, SystemExit) and stop.code != EXIT_INTERRUPTED:
            raise
        _interrupted()
    except BrokenPipeError:  # the reader of our output has gone, as after "| head"
        sys.stderr.close()
        sys.exit(EXIT_FAILED)
    except OSError as error:  # met where nobody expected it, such as a disk that is gone
        from tomoline.files.atomic import translate_os_error

        where = Path(error.filename or "output")
        sys.stderr.write(f"{translate_os_error(error, where, reading=bool(error.filename))}\n")
        sys.exit(EXIT_FAILED)


def _mend_streams() -> None:
    """Let no name that a terminal cannot show, and no closed output, end anything."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _interrupted() -> None:
    sys.stderr.write("interrupted; run the same command again, finished steps are kept\n")
    sys.exit(EXIT_INTERRUPTED)
