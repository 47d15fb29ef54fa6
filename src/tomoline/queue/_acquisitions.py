"""What the paths that a user adds to a project are: acquisitions, alone or in pairs."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue._kinds import beside_others, recipe_of
from tomoline.queue.axes import CLASSES, OTHER_AXIS, pair_up, stack_key
from tomoline.queue.records import RECORD_SUFFIX, read_record

LONGEST = 200
"""Bytes of a name: what is added to it for the names of files has to fit, too."""
FIELDS = re.compile(r"\{(name|folder)\}")
_STRANGE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control, no text at all, ends of lines


@dataclass(frozen=True)
class Looked:
    """What paths turned out to be, before anything is added.

    Attributes
    ----------
    found : tuple of Acquisition
        The acquisitions that they mean.
    faults : tuple of TomolineError
        What is wrong with the others.
    pair : bool
        Whether stacks ROOTa and ROOTb may become one data set.
    name : str
        The name that was asked for; "" for the file's.
    folder : Path or None
        The folder of results that was asked for.
    """

    found: tuple[Acquisition, ...]
    faults: tuple[TomolineError, ...]
    pair: bool
    name: str = ""
    folder: Path | None = None


@dataclass(frozen=True)
class Acquisition:
    """One line for the table of data sets, before it is there.

    Attributes
    ----------
    name, recipe : str
        Root name of the data set, and the name of its recipe.
    source : Path
        Absolute path; of axis a where there are two.
    source_b : Path or None
        Of axis b.
    folder : Path or None
        Folder of results, where it is settled already.
    records : tuple of dict
        Records of an earlier run, of one axis or of both.
    beside_others : bool
        Whether it lies in a folder of its own name among what another program made of it.
    """

    name: str
    recipe: str
    source: Path
    source_b: Path | None = None
    folder: Path | None = None
    records: tuple[dict[str, Any], ...] = ()
    beside_others: bool = False

    @property
    def letter(self) -> str:
        """The letter of its axis, if its name ends in one: ``a``, ``b`` or "".

        >>> Acquisition("TS_01b", "tilt", Path("TS_01b.mrc")).letter
        'b'
        """
        last = self.name[-1:]
        return last if last in OTHER_AXIS and self.source_b is None else ""


def read_paths(
    paths: Sequence[Path], *, name: str, recipe: str, folder: Path | None, pair: bool
) -> Looked:
    """Return the acquisitions that paths mean, and what is wrong with the others.

    Parameters
    ----------
    paths : sequence of Path
        Files and folders.
    name, recipe : str
        In place of what the path says; a name is for one acquisition, or for many if it holds
        ``{name}``, the name of each, or ``{folder}``, the nearest folder of another name.
    folder : Path or None
        Folder of results of one acquisition.
    pair : bool
        Whether stacks ROOTa and ROOTb become one data set.
    """
    faults: list[TomolineError] = []
    resolved = _resolve(paths, faults)
    before = {path for path in resolved if _records(path)}
    fresh = [path for path in resolved if path not in before]
    pairs = pair_up(fresh) if pair and recipe in ("", "tilt") else [(one, None) for one in fresh]
    found = []
    for a, b in (*pairs, *((path, None) for path in before)):
        try:
            one = _of_records(a) if a in before else _acquisition(a, b, recipe, resolved)
            found.append(one)
        except TomolineError as fault:
            faults.append(fault)
    faults += _same_stack(fresh)
    is_pattern = FIELDS.search(name) is not None
    if is_pattern:
        found = [replace(one, name=_name_of(one, name)) for one in found]
    if len(found) > 1 and (folder or (name and not is_pattern)):
        option = "--folder" if folder else "--name"
        text = f"{len(found)} data sets are given, which cannot all have it."
        faults.append(errors.parameters.BAD_OPTION.error(option, text))
    elif found and (name or folder):
        one = found[0]
        place = Path(os.path.abspath(folder)) if folder else one.folder
        found[0] = replace(one, name=one.name if is_pattern else name or one.name, folder=place)
        folder = place
    faults += [bad for one in found if (bad := _bad_name(one))]
    return Looked(tuple(found), tuple(faults), pair, name, folder)


def _name_of(one: Acquisition, pattern: str) -> str:
    """Return the name that a pattern gives an acquisition.

    >>> _name_of(Acquisition("TS", "tilt", Path("/raw/grid 1/TS/TS.mrc")), "{folder}_{name}")
    'grid 1_TS'
    """
    names = (folder.name for folder in one.source.parents if folder.name != one.name)
    said = {"name": one.name, "folder": next(names, "")}
    return FIELDS.sub(lambda match: said[match[1]], pattern)


def _resolve(paths: Sequence[Path], faults: list[TomolineError]) -> dict[Path, Path]:
    """Return absolute paths, each with that of the file itself where it is a link."""
    parents: dict[str, str] = {}
    found: dict[Path, Path] = {}
    for path in paths:
        text = os.path.abspath(path)
        parent, base = os.path.split(text)
        if not text.isascii() and _is_no_text(text):
            where = ascii(text)  # which can be printed
            faults.append(errors.project.BAD_NAME.error(where, "its name is not of UTF-8."))
            continue
        try:
            status = os.lstat(text)
            if parent not in parents:  # thousands lie in one folder
                parents[parent] = os.path.realpath(parent)
            seen = Path(parents[parent], base)
            is_link = stat.S_ISLNK(status.st_mode)
            real = Path(os.path.realpath(text, strict=True)) if is_link else seen
            mode = os.stat(real).st_mode if is_link else status.st_mode
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            text = f"there is no such file ({reason})."
            faults.append(errors.files.MISSING.error(path, text))
            continue
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # reading it might never end
            text = "it is a device, a pipe or a socket."
            faults.append(errors.files.NOT_A_FILE.error(path, text))
            continue
        found.setdefault(seen, real)
    return found


def _is_no_text(path: str) -> bool:
    """Whether a path has bytes that are no letters, so that no database can hold it."""
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _acquisition(
    path: Path, path_b: Path | None, recipe: str, real: Mapping[Path, Path]
) -> Acquisition:
    """Return the acquisition of a file or folder; of a link, the link's name holds."""
    from tomoline.recipes import RECIPES

    if recipe and recipe not in RECIPES:
        raise errors.parameters.BAD_OPTION.error(
            "--recipe", f"{recipe!r} is unknown; there are {', '.join(RECIPES)}."
        )
    is_folder = path.is_dir()
    kind = RECIPES[recipe] if recipe else recipe_of(path, is_folder)
    if kind.in_place and is_folder:
        raise errors.running.NO_DATA_SET.error(path, "it holds no record of a data set.")
    if path_b is not None:
        roots = (real[path].stem, real[path_b].stem)
        others = beside_others(real[path].parent, path.stem[:-1], roots)
        return Acquisition(
            path.stem[:-1], kind.name, real[path], real[path_b], beside_others=others
        )
    # As `workflow.execution.root_of`, which is heavy to import.
    known = path.suffix.lower() in kind.suffixes or not kind.in_place
    name = path.stem if known and not is_folder else path.name
    others = kind.in_place and beside_others(real[path].parent, name, (name,))
    return Acquisition(name, kind.name, real[path], beside_others=others)


def _records(path: Path) -> list[Path]:
    if path.name.endswith(RECORD_SUFFIX):
        return [path]
    if path.suffix.lower() in CLASSES or not path.is_dir():
        return []
    return sorted(path.glob(f"*{RECORD_SUFFIX}"))


def _of_records(path: Path) -> Acquisition:
    """Return the data set, run earlier, whose folder of results was given."""
    found = _records(path)
    parts = [_read_record(record) for record in found]
    folder = found[0].parent
    root, recipe, source = (parts[0][key] for key in ("root", "recipe", "source"))
    if len(parts) == 1:
        return Acquisition(root, recipe, Path(source), None, folder, tuple(parts))
    other = parts[1]
    if len(parts) == 2 and root[:-1] == other["root"][:-1] and root[-1] + other["root"][-1] == "ab":
        source_b = Path(other["source"])
        return Acquisition(root[:-1], recipe, Path(source), source_b, folder, tuple(parts))
    raise errors.running.NO_DATA_SET.error(path, f"{len(parts)} records of data sets here.")


def _read_record(path: Path) -> dict[str, Any]:
    """Read a record as plain JSON, as far as a project needs it."""
    try:
        content = read_record(path)
        steps = [(str(one["name"]), dict(one["parameters"])) for one in content["steps"]]
        facts = {key: str(content[key]) for key in ("root", "recipe", "source")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise errors.files.BAD_TEXT.error(path, f"it is no record: {error!r}.") from error
    return {**facts, "path": str(path), "steps": dict(steps)}


def _same_stack(paths: Sequence[Path]) -> list[TomolineError]:
    seen: dict[tuple[str, str, str], Path] = {}
    faults = []
    for path in paths:
        key = stack_key(path)
        if key is not None and (other := seen.setdefault(key, path)) != path:
            text = f"{other.name} beside it has the same root name."
            faults.append(errors.project.SAME_NAME.error(path, text))
    return faults


def _bad_name(one: Acquisition) -> TomolineError | None:
    name = one.name
    strange = any(unicodedata.category(letter) in _STRANGE for letter in name)
    if not name or name.startswith(".") or "/" in name or strange:
        return errors.project.BAD_NAME.error(one.source, f"its name would be {name!r}.")
    if (size := len(name.encode())) > LONGEST:
        text = f"its name has {size} bytes; {LONGEST} are possible."
        return errors.project.BAD_NAME.error(one.source, text)
    return None
