"""From the names of TIFF files to a `FrameLocation`, with the frames that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tomoline.errors import TomolineError, files
from tomoline.files._tiff_frames import describe_page
from tomoline.files._tiff_strips import Directory, Page, read_directory
from tomoline.files.atomic import translate_os_error
from tomoline.files.frames import FrameLocation, stored_type


@dataclass(frozen=True)
class Located:
    """Frames of one kind and one distance, and by place what is wrong with some."""

    location: FrameLocation
    bad: dict[int, str]


@dataclass(frozen=True)
class _Reference:
    """The file that the others are compared with."""

    size: int
    directory: Directory
    height: int
    width: int
    dtype: np.dtype[Any]

    @property
    def plain(self) -> bool:
        return self.directory.pages[0].plain


def locate(folder: Path, names: Sequence[str | None], *, complete: bool = True) -> Located:
    """Return where the frames in these files lie.

    Parameters
    ----------
    folder : Path
        Of the files.
    names : sequence of (str or None)
        In order of the frames; None for one that is missing.
    complete : bool
        Whether all are whole by now. Where not, files are not compared with each other.

    Raises
    ------
    TomolineError
        FILE-.. if none of the files is whole.
    """
    sizes = {name: _size(folder / name) for name in names if name is not None}
    reference = _reference(folder, sizes)
    if len(reference.directory.pages) > 1:
        return _pages(folder, names, sizes, reference)
    bad = {}
    if complete:
        for place, name in enumerate(names):
            if name is not None and sizes[name] != reference.size:
                fault = _fault(folder / name, sizes[name], reference)
                if fault:
                    bad[place] = fault
    return Located(_location("tiff_files", folder, reference, tuple(names)), bad)


def _location(
    storage: Any,
    path: Path,
    reference: _Reference,
    names: tuple[str | None, ...] = (),
    indices: tuple[int, ...] = (),
) -> FrameLocation:
    return FrameLocation(
        storage,
        str(path),
        reference.height,
        reference.width,
        stored_type(reference.dtype),
        names,
        indices,
    )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1  # announced, but not recorded yet
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error


def _reference(folder: Path, sizes: dict[str, int]) -> _Reference:
    """Return the first whole file of the most common size."""
    first_error: TomolineError | None = None
    for size, _ in Counter(size for size in sizes.values() if size >= 0).most_common():
        name = next(name for name, held in sizes.items() if held == size)
        path = folder / name
        try:
            directory = _directory(path)
            height, width, dtype = describe_page(path, directory.pages[0])
            reference = _Reference(size, directory, height, width, dtype)
            if not _cut(directory.pages, size):
                return reference
            raise files.TRUNCATED.error(path, f"It has {size} bytes, too few for its pixels.")
        except TomolineError as error:
            first_error = first_error or error
    raise first_error or files.MISSING.error(folder, "None of the frames is there.")


def _directory(path: Path) -> Directory:
    try:
        directory = read_directory(path)
    except OSError as error:
        raise translate_os_error(error, path, reading=True) from error
    if not directory.pages:
        raise files.TRUNCATED.error(path, "The TIFF file has no pages.")
    return directory


def _cut(pages: Sequence[Page], size: int) -> bool:
    return any(page.offset is not None and page.offset + page.byte_count > size for page in pages)


def _fault(path: Path, size: int, reference: _Reference) -> str:
    """Say what is wrong with a file that is larger or smaller than the others."""
    if size == 0:
        return "the file is empty"
    if not reference.plain:
        return ""  # compressed files differ in size; a damaged one shows when it is read
    try:
        directory = _directory(path)
        differs = _differs(path, directory, reference)
    except TomolineError as error:
        return f"unreadable or cut short ({error.found})"
    if differs:
        return differs
    if _cut(directory.pages, size):
        return f"cut short: {size} bytes, the others have {reference.size}"
    return ""


def _differs(path: Path, directory: Directory, reference: _Reference) -> str:
    """Say in what a file's first page is not like the reference's."""
    height, width, dtype = describe_page(path, directory.pages[0])
    if (height, width) != (reference.height, reference.width):
        return f"{width} x {height} pixels, the others have {reference.width} x {reference.height}"
    if dtype.newbyteorder("=") != reference.dtype.newbyteorder("="):
        return f"{dtype} pixels, the others have {reference.dtype}"
    return ""


def _pages(
    folder: Path, names: Sequence[str | None], sizes: dict[str, int], reference: _Reference
) -> Located:
    """Return frames that are pages; a missing file counts as many as the reference has."""
    page_names: list[str | None] = []
    indices: list[int] = []
    bad: dict[int, str] = {}
    for name in names:
        pages, fault, size = reference.directory.pages, "", None
        if name is not None:
            try:
                directory = _directory(folder / name)
                pages, size = directory.pages, sizes[name]
                fault = _differs(folder / name, directory, reference)
            except TomolineError as error:
                fault = f"unreadable or cut short ({error.found})"
        for index, page in enumerate(pages):
            if fault:
                bad[len(indices)] = fault
            elif size is not None and _cut((page,), size):
                bad[len(indices)] = f"cut short: {name} has {size} bytes"
            page_names.append(name)
            indices.append(index)
    if len(names) == 1:
        path = folder / str(names[0])
        return Located(_location("tiff_pages", path, reference, (), tuple(indices)), bad)
    location = _location("tiff_pages", folder, reference, tuple(page_names), tuple(indices))
    return Located(location, bad)
