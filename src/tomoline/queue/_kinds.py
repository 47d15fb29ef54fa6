"""What kind of acquisition a file or folder is, and what only lies beside acquisitions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.axes import stack_key
from tomoline.queue.records import RECORD_SUFFIX

if TYPE_CHECKING:
    from tomoline.recipes import Recipe

MADE = tuple(
    ".edf .prexf .prexg .seed .fid .tltxf .tlt .xf .xtilt .3dmod .preali .ali .rec"
    " _preali.mrc _ali.mrc _full_rec.mrc _rec.mrc".split()
)
"""Endings of what IMOD makes of a tilt series, of which tomoline would write over some."""
SCAN_STARTS = (b"\x89HDF", b"\xd0\xcf\x11\xe0", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of HDF5, Zeiss's and TIFF files."""


def beside_others(folder: Path, name: str, roots: Sequence[str]) -> bool:
    """Whether a folder that has a data set's name holds what IMOD, say, made of it."""
    if folder.name != name:
        return False
    try:
        there = set(os.listdir(folder))
    except OSError:  # it can be walked through, but not listed
        return False
    if not there.isdisjoint(f"{root}{RECORD_SUFFIX}" for root in roots):
        return False
    made = (f"{root}{ending}" for root in (name, *roots) for ending in MADE)
    return not there.isdisjoint(made)


def recipe_of(path: Path, is_folder: bool) -> Recipe:
    """Return the recipe of a file or folder, and refuse what only lies beside acquisitions."""
    from tomoline.recipes import RECIPES, recipe_for

    try:
        kind = recipe_for(path)
    except TomolineError as fault:
        stacks = sorted(one.suffix for one in path.glob("*") if stack_key(one)) if is_folder else []
        if not stacks:
            raise
        remedy = f"Give the stacks in it, {path}/*{stacks[0]}, or watch it: 'tomoline watch'."
        raise fault.kind.error(path, "it holds stacks, and no data set.", remedy) from fault
    claimed = any(path.suffix.lower() in one.suffixes for one in RECIPES.values())
    if not is_folder and not claimed and not _is_scan(path):
        raise errors.scan.NO_SCAN.error(
            path,
            "it is no stack, no HDF5 file, and has none of the keys of a parameter file.",
            "Give acquisitions only; what lies beside them is found.",
        )
    return kind


def _is_scan(path: Path) -> bool:
    """Whether a file is one of a scan, whatever it is called."""
    from tomoline.files import hitt
    from tomoline.files.atomic import translate_os_error

    try:
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    if start.startswith(SCAN_STARTS) or b"\0" in start:
        return start.startswith(SCAN_STARTS)
    try:
        return hitt.has_keys(path)
    except TomolineError:
        return False
