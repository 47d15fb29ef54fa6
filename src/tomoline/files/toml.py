"""Parameter files (.toml): a table for each step."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.files._text import read_lines

_TABLE = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_KEY = re.compile(r"\s*([\w-]+)(?:\s*\.\s*([\w-]+))?\s*=")


@dataclass(frozen=True)
class TomlFile:
    """What a TOML file holds, and where it stands.

    Attributes
    ----------
    path : Path
        The file.
    content : mapping
        Tables and values by name.
    lines : mapping
        Line, from 1, of a table ``(table, "")`` and of a key in it ``(table, key)``, as far as
        they are written plainly.
    """

    path: Path
    content: Mapping[str, Any]
    lines: Mapping[tuple[str, str], int]


def read(path: Path) -> TomlFile:
    """Read a TOML file.

    Raises
    ------
    TomolineError
        FILE-06 if it is not TOML; FILE-01, FILE-02, FILE-10.
    """
    lines = read_lines(path)
    try:
        content = tomllib.loads("\n".join(lines))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise errors.files.BAD_TEXT.error(
            path,
            f"{str(error) or 'nested too deeply'}.",
            remedy="Correct that line; https://toml.io tells the format.",
        ) from error
    return TomlFile(Path(path), content, find_lines(lines))


def find_lines(lines: list[str]) -> dict[tuple[str, str], int]:
    """Return the line of each table and key.

    >>> find_lines(["[trim]", "bytes = true", "", "track.rounds = 3"])
    {('trim', ''): 1, ('trim', 'bytes'): 2, ('track', 'rounds'): 4}
    """
    found: dict[tuple[str, str], int] = {}
    table = ""
    for number, line in enumerate(lines, start=1):
        if match := _TABLE.match(line):
            table = match[1]
            found.setdefault((table, ""), number)
        elif match := _KEY.match(line):
            if match[2]:
                key = (match[1], match[2])
            else:
                key = (table, match[1]) if table else (match[1], "")
            found.setdefault(key, number)
    return found
