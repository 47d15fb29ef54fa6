"""IMOD's command files (.com): the programs they run and the options they give.

``$program -StandardInput`` starts a program; ``Option value`` lines follow until the next ``$``.
A flag may stand without a value. Lines that start with ``#`` are comments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tomoline.errors import files
from tomoline.files._text import read_lines


@dataclass(frozen=True)
class Command:
    """One program of a command file.

    Attributes
    ----------
    program : str
        Its name.
    arguments : str
        What stands on the line of the program, for instance "-StandardInput".
    options : tuple of (name, value)
        From the lines that follow, in their order; an option may be repeated.
    line : int
        Line number of the program, from 1.
    """

    program: str
    arguments: str
    options: tuple[tuple[str, str], ...]
    line: int

    def get(self, option: str) -> str | None:
        """Return the value of an option, the last if repeated, None if absent."""
        return next((value for name, value in reversed(self.options) if name == option), None)


def read(path: Path) -> tuple[Command, ...]:
    """Return the programs of a command file.

    Raises
    ------
    TomolineError
        FILE-04 if no line starts with ``$``; FILE-06 with the line; FILE-01, FILE-02, FILE-10.
    """
    commands: list[tuple[str, str, list[tuple[str, str]], int]] = []
    for number, line in enumerate(read_lines(path), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        if text.startswith("$"):
            program, _, arguments = text[1:].strip().partition(" ")
            if program.endswith(":"):
                continue  # a label that "goto" leads to
            commands.append((program, arguments.strip(), [], number))
        elif commands:
            name, *rest = text.split(None, 1)
            commands[-1][2].append((name, rest[0] if rest else ""))
    if not commands:
        raise files.NOT_THIS_FORMAT.error(
            where=path, found="No line starts a program with '$', as command files do."
        )
    return tuple(Command(name, rest, tuple(opts), line) for name, rest, opts, line in commands)


def text(commands: Sequence[Command]) -> str:
    """Return the text of a command file: tabs between options and values, as IMOD writes them.

    Its first line makes IMOD's programs write MRC files, as IMOD's newer file names ask for.
    """
    lines = ["$setenv IMOD_OUTPUT_FORMAT MRC"]
    for command in commands:
        lines.append(f"${command.program} {command.arguments}".rstrip())
        lines += [f"{name}\t{value}".rstrip() for name, value in command.options]
    return "\n".join(lines) + "\n"


def write(path: Path, commands: Sequence[Command]) -> None:
    """Write a command file."""
    path.write_text(text(commands), encoding="utf-8", newline="\n")
