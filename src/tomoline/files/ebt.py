"""Etomo's batch projects (.ebt): Java properties, with the stacks of the table as rows.

``meta.ref.ebtN`` is the stack of a row, ``meta.row.ebtN.NAME`` what the table says of it; a row
without a number has been removed. What Etomo's dialogs hold stands as ``meta.dataset.NAME``, other
facts as ``meta.NAME``. The values of parameters are in batch files of directives: those for all
stacks in ``ROOT.adoc`` beside the project, those of one stack in ``ROOT_NAME.adoc`` beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tomoline.errors import project as kinds
from tomoline.files._text import read_lines

_STACK = re.compile(r"meta\.ref\.(?P<id>ebt\d+)")
_ROW = re.compile(r"meta\.row\.(?P<id>ebt\d+)\.(?P<name>.+)")
_ESCAPED = re.compile(r"\\(?:u(?P<code>[0-9a-fA-F]{4})|(?P<other>.))", re.DOTALL)
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_BLANK = " \t\f"
_YES = frozenset(("true", "t", "yes", "1"))
_NO = frozenset(("false", "f", "no", "0", ""))


@dataclass(frozen=True)
class Property:
    """A key of a Java properties file, its value, and its line."""

    key: str
    value: str
    line: int


@dataclass(frozen=True)
class Row:
    """A stack in Etomo's table.

    Attributes
    ----------
    id : str
        Etomo's name of the row, such as ``ebt3``.
    number : int
        Its place in the table.
    stack : str
        The stack, of axis a where there are two, as it is written.
    original : str
        Where it lay before Etomo moved it; "" if it did not.
    dual, run : bool
        Whether it has two axes, and whether it is to be run.
    skip_b : str
        Views of axis b to exclude.
    others : dict
        What else is said of it, by name.
    line : int
        Line of the stack.
    """

    id: str
    number: int
    stack: str
    original: str = ""
    dual: bool = False
    run: bool = True
    skip_b: str = ""
    others: Mapping[str, str] = field(default_factory=dict)
    line: int = 0

    @property
    def name(self) -> str:
        """Name of its data set: the stack's, without the axis letter where there are two.

        >>> Row("ebt1", 1, "/data/BBa.st", dual=True).name
        'BB'
        """
        stem = Path(self.stack).stem
        return stem[:-1] if self.dual and stem[-1:] in ("a", "b") else stem


@dataclass(frozen=True)
class BatchProject:
    """A batch project of Etomo.

    Attributes
    ----------
    path : Path
        The file.
    root : str
        Root name of the project, with which the names of its batch files begin.
    rows : tuple of Row
        The table, in its order.
    removed : tuple of str
        Stacks that were taken out of the table.
    others : tuple of Property
        All that is about no row.
    """

    path: Path
    root: str
    rows: tuple[Row, ...]
    removed: tuple[str, ...] = ()
    others: tuple[Property, ...] = ()

    def get(self, name: str) -> str:
        """Return the value of ``meta.NAME``, the last if repeated, "" if absent."""
        key = f"meta.{name}"
        return next((one.value for one in reversed(self.others) if one.key == key), "")


def read(path: Path) -> BatchProject:
    """Read a batch project.

    Raises
    ------
    TomolineError
        PROJ-13 where it is no batch project, or a row cannot be understood; FILE-01, FILE-02,
        FILE-06, FILE-10.
    """
    found = list(properties(read_lines(path, latin1=True), path))
    if not any(one.key.startswith("meta.") for one in found):
        raise kinds.BAD_ETOMO.error(path, "no line of it starts with 'meta.'.")
    last = {one.key: one for one in found}
    facts: dict[str, dict[str, Property]] = {}
    others = []
    for one in found:
        if row := _ROW.fullmatch(one.key):
            facts.setdefault(row["id"], {})[row["name"]] = one
        elif not _STACK.fullmatch(one.key):
            others.append(one)
    rows, removed = [], []
    for key, one in last.items():
        if match := _STACK.fullmatch(key):
            said = facts.pop(match["id"], {})
            if "RowNumber" not in said or not said["RowNumber"].value:
                removed.append(one.value)
            else:
                rows.append(_row(path, match["id"], one, said))
    for name, said in facts.items():
        if "RowNumber" in said and said["RowNumber"].value:
            line = said["RowNumber"].line
            raise kinds.BAD_ETOMO.error(
                f"{path}:{line}", f"row {name} has no stack: there is no meta.ref.{name}."
            )
    root = last["meta.RootName"].value if "meta.RootName" in last else ""
    rows.sort(key=lambda row: row.number)
    return BatchProject(path, root or path.stem, tuple(rows), tuple(removed), tuple(others))


def _row(path: Path, name: str, stack: Property, said: Mapping[str, Property]) -> Row:
    if not stack.value:
        raise kinds.BAD_ETOMO.error(f"{path}:{stack.line}", f"row {name} names no stack.")
    number = said["RowNumber"]
    if not re.fullmatch(r"\d{1,9}", number.value):
        text = f"RowNumber of row {name} is {number.value!r}, not a number."
        raise kinds.BAD_ETOMO.error(f"{path}:{number.line}", text)
    known = ("RowNumber", "OrigStack", "dual", "Run", "bskip")
    return Row(
        name,
        int(number.value),
        stack.value,
        said["OrigStack"].value if "OrigStack" in said else "",
        _boolean(path, said.get("dual"), default=False),
        _boolean(path, said.get("Run"), default=True),
        said["bskip"].value if "bskip" in said else "",
        {key: one.value for key, one in said.items() if key not in known},
        stack.line,
    )


def _boolean(path: Path, said: Property | None, *, default: bool) -> bool:
    if said is None:
        return default
    text = said.value.strip().lower()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise kinds.BAD_ETOMO.error(
        f"{path}:{said.line}", f"{said.key} is {said.value!r}, neither true nor false."
    )


def properties(lines: list[str], path: Path = Path()) -> Iterator[Property]:
    r"""Yield the keys and values of a Java properties file.

    Parameters
    ----------
    lines : list of str
        Its lines, without their ends.
    path : Path
        The file, for errors.

    Raises
    ------
    TomolineError
        PROJ-13 at an escape that is none.

    >>> [(one.key, one.value) for one in properties(["a = b\\:c\\", "  d", "! no", "e\\ f g"])]
    [('a', 'b:cd'), ('e f', 'g')]
    """
    number = 0
    while number < len(lines):
        first = number + 1
        text = lines[number].lstrip(_BLANK)
        number += 1
        if not text or text[0] in "#!":
            continue
        while _continued(text):
            text = text[:-1]
            if number == len(lines):
                break
            text += lines[number].lstrip(_BLANK)
            number += 1
        key, value = _split(text)
        where = f"{path}:{first}"
        yield Property(_unescape(key, where), _unescape(value, where), first)


def _continued(text: str) -> bool:
    """Whether a line ends in a backslash that no other one escapes."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _split(text: str) -> tuple[str, str]:
    """Part a line at the first blank, ``=`` or ``:`` that is not escaped."""
    end = 0
    while end < len(text) and text[end] not in f"=:{_BLANK}":
        end += 2 if text[end] == "\\" else 1
    rest = text[end:].lstrip(_BLANK)
    if rest[:1] in ("=", ":"):
        rest = rest[1:].lstrip(_BLANK)
    return text[:end], rest


def _unescape(text: str, where: str) -> str:
    if "\\" not in text:
        return text

    def plain(match: re.Match[str]) -> str:
        if match["code"]:
            return chr(int(match["code"], 16))
        if match["other"] == "u":
            raise kinds.BAD_ETOMO.error(where, f"{text[match.start() :][:6]} is no character.")
        return _LETTERS.get(match["other"], match["other"])

    # Java writes characters beyond 16 bits as two.
    pairs = _ESCAPED.sub(plain, text).encode("utf-16", "surrogatepass")
    try:
        return pairs.decode("utf-16")
    except UnicodeDecodeError as error:
        raise kinds.BAD_ETOMO.error(where, f"{text[:40]} holds half a character.") from error
