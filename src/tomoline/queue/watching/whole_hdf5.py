"""Whether an HDF5 file can be whole: by its first bytes, and by the files that it links to.

A scan's master file may hold no frames at all, only links to the files with them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from tomoline.queue.watching.names import named, shown
from tomoline.queue.words import count_of

SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs", ".nx")
START = b"\x89HDF\r\n\x1a\n"
_MOST_OBJECTS = 20_000
_DEEPEST = 10
_FRAMES = 3  # dimensions


def lacking(path: Path, file: int, *, late: bool = False) -> str:
    """Return what an HDF5 file still lacks; "" if nothing is known to be missing.

    Parameters
    ----------
    path : Path
        The file.
    file : int
        The same, open for reading.
    late : bool
        Whether linked files are no longer waited for, if there are frames without them.
    """
    found = _superblock(file, os.fstat(file).st_size) or _written_to(file)
    return found or _linked_files(path, late)


def parts_of(path: Path) -> list[str]:
    """Return the files that an HDF5 file links to and that are there, by absolute path.

    Raises
    ------
    OSError
        If the file is not there.
    """
    found = (_place_of(path, name) for name in _linked(path))
    return [os.path.normpath(place) for place in found if place is not None]


def _superblock(file: int, size: int) -> str:
    """Return what the superblock says is missing.

    Layout: HDF5 File Format Specification 3.0, II.A.
    """
    for at in (0, 512, 1024, 2048, 4096):
        raw = os.pread(file, 96, at)
        if raw.startswith(START):
            break
    else:
        return (
            f"it has {count_of(size, 'byte')} and no superblock"
            if size < len(START) or not any(os.pread(file, 8, 0))
            else ""
        )
    if len(raw) < 48:
        return f"it has {count_of(size, 'byte')}, less than a superblock"
    version = raw[8]
    if version in (0, 1):
        width, base = raw[13], 24 + 4 * version
        end_at, flags = base + 2 * width, 0
    elif version in (2, 3):
        width, base, flags = raw[9], 12, raw[11]
        end_at = base + 2 * width
    else:
        return ""
    if width not in (2, 4, 8) or end_at + width > len(raw):
        return ""
    end = int.from_bytes(raw[end_at : end_at + width], "little")
    if end == (1 << 8 * width) - 1:
        return "it has not been closed by its writer"
    if end > size:
        return f"its superblock promises {end} bytes, there are {size}"
    if version == 3 and flags & 1:
        return "it has not been closed by its writer"
    return ""


def _written_to(file: int) -> str:
    """Tell whether a process of this machine has an HDF5 file open for writing: it locks it.

    Taking a lock to find out could keep the writer from opening it.
    """
    inode = os.fstat(file).st_ino
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ""
    for line in lines:
        fields = line.split()
        if {"FLOCK", "WRITE"} <= set(fields) and any(one.endswith(f":{inode}") for one in fields):
            return "a program has it open for writing"
    return ""


def _linked_files(path: Path, late: bool) -> str:
    """Return what the files lack that an HDF5 file links to."""
    missing = []
    for name in _linked(path):
        place = _place_of(path, name)
        if place is None:
            missing.append(name)
            continue
        with place.open("rb") as file:
            number = file.fileno()
            found = _superblock(number, os.fstat(number).st_size) or _written_to(number)
        if found:
            return f"{shown(place.name)}, which it links to: {found}"
    if missing and not (late and _has_frames(path)):
        return f"waits for {named(missing)}"
    return ""


def _linked(path: Path) -> tuple[str, ...]:
    """Return the files that an HDF5 file links to, as it names them; () if it cannot be read.

    Nothing is locked: a lock would keep its writer from opening it.

    Raises
    ------
    OSError
        If the file is not there.
    """
    status = os.stat(path)
    return _links(str(path), status.st_size, status.st_mtime_ns)


def _place_of(path: Path, name: str) -> Path | None:
    """Return the linked file where HDF5 looks for it; None where there is none."""
    folder = path.parent
    # What was copied elsewhere still has the absolute path of where it was written.
    places = (folder / name, folder / Path(name).name)
    return next((place for place in places if place.is_file()), None)


def _has_frames(path: Path) -> bool:
    """Whether anything with three dimensions can be reached, by whatever link."""
    try:
        with _opened(path) as file:
            return any(
                all(_place_of(path, name) for name in _sources(one))
                for one, _ in _objects(file, follow=True)
                if getattr(one, "ndim", 0) >= _FRAMES
            )
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return False


def _sources(one: Any) -> set[str]:
    """Return the other files that the pixels of a dataset lie in.

    A dot is the file itself; a pattern stands for as many files as there will be.
    """
    if not getattr(one, "is_virtual", False):
        return set()
    names = {source.file_name for source in one.virtual_sources()}
    return {name for name in names if name != "." and "%" not in name}


@lru_cache(maxsize=1000)
def _links(path: str, size: int, mtime_ns: int) -> tuple[str, ...]:
    found: dict[str, None] = {}
    try:
        with _opened(Path(path)) as file:
            for one, link in _objects(file, follow=False):
                if getattr(link, "filename", ""):
                    found[link.filename] = None
                found |= dict.fromkeys(sorted(_sources(one)))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):
        return ()  # its run tells what is wrong with it
    return tuple(found)


def _opened(path: Path) -> Any:
    import h5py

    return h5py.File(path, "r", locking=False)


def _objects(file: Any, *, follow: bool) -> Iterator[tuple[Any, Any]]:
    """Yield what can be reached in a file, None for what is behind a link to another, with links.

    So many of them only that a look does not hang.
    """
    import h5py

    left = [(file, 0)]
    count = 0
    while left and count < _MOST_OBJECTS:
        parent, level = left.pop()
        for name in parent:
            count += 1
            link = parent.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink) and not follow:
                yield None, link
                continue
            try:
                one = parent[name]
            except (KeyError, OSError, RuntimeError):
                continue  # it leads nowhere (yet)
            yield one, link
            if isinstance(one, h5py.Group) and level < _DEEPEST:
                left.append((one, level + 1))
