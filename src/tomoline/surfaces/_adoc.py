"""Lines of a directive file."""

from __future__ import annotations

from pathlib import Path

from tomoline import errors


def read_entries(path: Path) -> list[tuple[int, str, str]]:
    """Return line number, key and value of each directive of a file.

    Raises
    ------
    TomolineError
        FILE-01, FILE-02, FILE-06 or FILE-10 where the file cannot be read.
    """
    if path.is_dir():
        raise errors.files.NOT_A_FILE.error(path, "this is a folder.")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise errors.files.MISSING.error(path, "there is no such file.") from None
    except (OSError, ValueError) as error:
        raise errors.files.NOT_READABLE.error(path, f"{error}.") from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise errors.files.BAD_TEXT.error(
            f"{path}:{line}", "this line is not UTF-8 text."
        ) from error
    return parse_entries(text)


def parse_entries(text: str) -> list[tuple[int, str, str]]:
    r"""Return line number, key and value of each directive in a text.

    Lines without ``=`` and lines that begin with ``#`` mean nothing.

    >>> parse_entries("# a comment\nsetupset.copyarg.gold = 10\n")
    [(2, 'setupset.copyarg.gold', '10')]
    """
    entries = []
    for number, line in enumerate(text.split("\n"), start=1):
        key, sign, value = line.partition("=")
        if sign and not key.lstrip().startswith("#"):
            entries.append((number, key.strip(), value.strip()))
    return entries
