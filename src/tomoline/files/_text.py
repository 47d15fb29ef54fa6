"""Reading text files of numbers, with the file and the line in every complaint."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from tomoline.errors import TomolineError, files
from tomoline.files.atomic import translate_os_error

# No text file that is read is larger; a mistaken path to an image would fill the memory.
_MOST_BYTES = 256 << 20


def read_bytes(path: Path) -> bytes:
    """Return a small file's bytes.

    Raises
    ------
    TomolineError
        FILE-01, FILE-02, FILE-10 as the system reports; FILE-06 if it is too large for a text.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():
            raise files.NOT_A_FILE.error(where=path, found="It is a folder or a device.")
        if path.stat().st_size > _MOST_BYTES:
            raise files.BAD_TEXT.error(where=path, found="It is too large for a text file.")
        return path.read_bytes()
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error


def read_lines(path: Path, *, latin1: bool = False) -> list[str]:
    """Return the lines of a text file, without their ends, whatever those are.

    Parameters
    ----------
    path : Path
        The file; UTF-8, with or without a byte order mark.
    latin1 : bool
        Whether other bytes are taken as Latin-1, as microscopes' computers write them.

    Raises
    ------
    TomolineError
        FILE-06 with the line, if it is not text; others as `read_bytes`.
    """
    raw = read_bytes(path).removeprefix(b"\xef\xbb\xbf")
    if b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise bad_line(path, line, "holds binary data, not text")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if not latin1:
            line = raw[: error.start].count(b"\n") + 1
            byte = raw[error.start]
            raise bad_line(path, line, f"is not UTF-8 text (byte 0x{byte:02x})") from error
        text = raw.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def number_lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number from 1, fields) of the lines that are neither blank nor a comment."""
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split("#", 1)[0].replace(",", " ").split()
        if fields:
            yield number, fields


def numbers(path: Path, line: int, fields: list[str], count: int) -> list[float]:
    """Return the first `count` fields as finite numbers.

    Raises
    ------
    TomolineError
        FILE-06 with the line, if there are fewer, or one is no finite number.
    """
    if len(fields) < count:
        raise bad_line(path, line, f"has {len(fields)} of the {count} numbers that belong there")
    values = []
    for field in fields[:count]:
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise bad_line(path, line, f"has {field[:40]!r} where a number belongs")
        values.append(value)
    return values


def whole_number(path: Path, line: int, value: float) -> int:
    """Return a number as an integer.

    Raises
    ------
    TomolineError
        FILE-06 with the line, if it is none, or too large to count anything.
    """
    if value != round(value) or abs(value) >= 1 << 31:
        raise bad_line(path, line, f"has {value:g} where a whole number belongs")
    return int(value)


def bad_line(path: Path, line: int, fault: str) -> TomolineError:
    """Return FILE-06 about one line."""
    return files.BAD_TEXT.error(where=path, found=f"Line {line} {fault}.")


def finite_text(value: float, spec: str) -> str:
    """Format a number for a file, refusing what no reader would take.

    Raises
    ------
    ValueError
        If the number is not finite.

    >>> finite_text(1.5, "8.2f")
    '    1.50'
    """
    if not math.isfinite(value):
        raise ValueError("a value that is not a finite number cannot be written")
    return format(value, spec)
