"""Forgetting what was done with a data set: its results are kept, or taken away; raw data stay."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

from tomoline.errors import Faults, TomolineError
from tomoline.files.atomic import remove, remove_leftovers, translate_os_error, write_text
from tomoline.queue.model import DataSetEntry
from tomoline.queue.records import record_or_none, record_path
from tomoline.workflow.lock import locked

# Artifacts that belong to the recording: whatever else happens, they stay.
RECORDED = ("raw_stack", "raw_tilt_angles")
RAW_ENDINGS = (".mdoc", ".rawtlt", "_rawbound.mod", "_orig.mrc", "_orig.st")
FORGOTTEN = {
    "state": "waiting",
    "fingerprint": "",
    "seconds": 0.0,
    "core_seconds": 0.0,
    "peak_memory_bytes": 0,
    "values": {},
    "warnings": [],
    "error": None,
}


def refuse_busy(entries: Sequence[DataSetEntry]) -> None:
    """Refuse data sets that a process works on, whichever project or command has started it.

    Raises
    ------
    Faults
        RUN-06 for each of them, FILE-09 for folders that cannot be written.
    """
    faults: list[TomolineError] = []
    for entry in entries:
        try:
            with ExitStack() as locks:
                for root in entry.roots if entry.folder.is_dir() else ():
                    locks.enter_context(locked(entry.folder, root))
        except TomolineError as fault:
            faults.append(fault)
    if faults:
        raise Faults(faults)


def forget(entry: DataSetEntry, *, remove_results: bool) -> int:
    """Forget what was done with a data set, so that all of it runs again.

    Parameters
    ----------
    entry : DataSetEntry
        The data set; nothing may be working on it.
    remove_results : bool
        Whether to delete the files that tomoline made. The raw stack, its angles, its ``.mdoc``,
        an original that was kept, and boundary models are never deleted.

    Returns
    -------
    int
        How many files and folders were deleted.

    Raises
    ------
    TomolineError
        RUN-06 if a process works on it, FILE-09 if its folder cannot be written.
    """
    if not entry.folder.is_dir():
        return 0
    removed = 0
    for root in entry.roots:
        with locked(entry.folder, root):
            record = record_path(entry.folder, root)
            content = record_or_none(record)
            if content is None:
                continue
            try:
                if remove_results:
                    removed += _remove_results(entry, root, content)
                _write(record, content)
            except OSError as error:
                raise translate_os_error(error, entry.folder) from error
    return removed


def put_aside(entry: DataSetEntry) -> Path | None:
    """Rename a folder of results whose record is spoilt or gone, so that a run can begin anew.

    Nobody knows any more what in it was made and what was recorded, so nothing is deleted. Where
    the acquisition lies in it, or nowhere else, it stays.

    Returns
    -------
    Path or None
        The new name; None where all is well.

    Raises
    ------
    TomolineError
        RUN-06 if a process works on it, FILE-09 if it cannot be renamed.
    """
    folder = entry.folder
    if not folder.is_dir():
        return None
    records = [record_path(folder, root) for root in entry.roots]
    sources = [one.resolve() for one in (entry.source, entry.source_b) if one is not None]
    if any(folder.resolve() in one.parents or not one.exists() for one in sources):
        return None
    spoilt = any(one.exists() and record_or_none(one) is None for one in records)
    unknown = not any(one.exists() for one in records) and any(
        path.name.startswith(tuple(entry.roots)) for path in folder.iterdir()
    )
    if not spoilt and not unknown:
        return None
    with ExitStack() as locks:
        for root in entry.roots:
            locks.enter_context(locked(folder, root))
        places = (folder.with_name(f"{folder.name}_old{number or ''}") for number in count())
        there = next(place for place in places if not place.exists())
        try:
            folder.rename(there)
        except OSError as error:
            raise translate_os_error(error, folder) from error
    return there


def _remove_results(entry: DataSetEntry, root: str, content: dict[str, Any]) -> int:
    """Delete what a record says was made, and what is written beside it."""
    raw = {source.resolve() for source in (entry.source, entry.source_b) if source is not None}
    found = [entry.folder / name for name in _made(content)]
    found += [entry.folder / f"{root}_slice_{plane}.png" for plane in ("xy", "xz", "yz")]
    found += [entry.folder / f"{root}_report.html", entry.folder / f"{root}.log"]
    found += entry.folder.glob(f".{root}_*.scratch")
    removed = len(remove_leftovers(entry.folder))
    for path in found:
        if path.name.endswith(RAW_ENDINGS) or path.resolve() in raw:
            continue
        if path.is_symlink() or path.exists():
            remove(path)
            removed += 1
    # The set-up's inputs tell whose folder this is, also where the stack was moved into it.
    content["steps"] = [
        {**step, "outputs": _recorded(step)} for step in _steps(content) if _recorded(step)
    ]
    return removed


def _write(record: Path, content: dict[str, Any]) -> None:
    content["steps"] = [{**step, **FORGOTTEN} for step in _steps(content)]
    if content["steps"]:
        write_text(record, json.dumps(content, ensure_ascii=False, indent=1) + "\n")
    else:
        record.unlink(missing_ok=True)


def _steps(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    steps = content.get("steps")
    return [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []


def _recorded(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return those outputs of a step that belong to the recording."""
    return {name: one for name, one in step.get("outputs", {}).items() if name in RECORDED}


def _made(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the files that the steps wrote."""
    for step in _steps(content):
        for artifact, one in step.get("outputs", {}).items():
            name = str(one.get("file", ""))
            # A record that someone has changed must not lead out of the folder.
            if artifact not in RECORDED and name and Path(name).name == name:
                yield name
