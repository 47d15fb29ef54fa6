"""One pass over a watched folder: names, sizes and times; no file is opened.

Folders in which nothing is pending are listed anew only when their time of change is another one,
and every so often anyway: some servers do not change it, and writing into a file never does.
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tomoline.queue.records import RECORD_SUFFIX
from tomoline.queue.watching.names import is_temporary, is_utf8

TURN = 10
"""A quiet folder is listed at least once in so many looks."""


class File(NamedTuple):
    """A file as it was seen."""

    size: int
    mtime_ns: int
    device: int
    inode: int


@dataclass
class Folder:
    """A folder as it was seen.

    Attributes
    ----------
    path : str
        Absolute path.
    files : dict of str to File
        Without those that are being copied; empty once `Disk.forget_files` was called.
    folders : tuple of str
        Absolute paths of its sub-folders.
    state : int
        Differs when the files do.
    mtime_ns : int
        Time of change of the folder itself.
    results : bool
        Whether it holds the record of a data set, and so results.
    device : int
        Number of the file system that it lies on.
    empty : bool
        Whether nothing is in it, when it was listed last.
    """

    path: str
    files: dict[str, File]
    folders: tuple[str, ...]
    state: int
    mtime_ns: int
    results: bool = False
    device: int = 0
    empty: bool = False


@dataclass
class Look:
    """What one pass has found.

    Attributes
    ----------
    folders : dict of str to Folder
        By absolute path, from the watched folder downwards.
    changed : set of str
        Those whose files differ from the last pass.
    unreadable : dict of str to str
        Folders that could not be listed, and why; nothing is known of what is below them.
    not_utf8 : list of str
        Names that cannot be written down, as text with escapes.
    device : int
        Number of the file system of the watched folder.
    """

    folders: dict[str, Folder] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    not_utf8: list[str] = field(default_factory=list)
    device: int = 0

    def unknown(self, path: str) -> bool:
        """Whether a path lies where nothing could be seen."""
        return any(path == one or path.startswith(f"{one}/") for one in self.unreadable)


class Disk:
    """Looks at a folder and remembers what it saw.

    Parameters
    ----------
    root : Path
        The watched folder.
    depth : int
        Levels of sub-folders to look into.
    """

    def __init__(self, root: Path, depth: int) -> None:
        self.root = str(root)
        self.depth = depth
        self._known: dict[str, Folder] = {}
        self._looks = 0

    def look(self, quiet: Collection[str] = ()) -> Look:
        """Look at all folders; `quiet` ones are listed only if that seems necessary.

        Raises
        ------
        OSError
            If the watched folder itself cannot be listed.
        """
        found = Look()
        self._looks += 1
        visited: set[tuple[int, int]] = set()
        queue = [(self.root, 0)]
        for path, level in queue:
            try:
                status = os.stat(path)
                if (status.st_dev, status.st_ino) in visited:
                    continue  # a link that leads to where we have been
                visited.add((status.st_dev, status.st_ino))
                folder = self._folder(path, status, path in quiet, found)
            except FileNotFoundError:
                if level == 0:
                    raise
                continue
            except OSError as error:
                if level == 0:
                    raise
                found.unreadable[path] = error.strerror or str(error)
                continue
            if level == 0:
                found.device = status.st_dev
            found.folders[path] = folder
            before = self._known.get(path)
            if before is None or before.state != folder.state:
                found.changed.add(path)
            if level < self.depth:
                queue += [(one, level + 1) for one in folder.folders]
        self._known = dict(found.folders)
        return found

    def files(self, path: str) -> dict[str, File]:
        """Return the files of a folder, also of one whose files are not remembered.

        It may lie anywhere; one that cannot be listed has none.
        """
        folder = self._known.get(path)
        if folder is not None and folder.files:
            return folder.files
        try:
            return _list(path, Look()).files
        except OSError:
            return {}

    def forget_files(self, path: str) -> None:
        """Free the memory that the list of a quiet folder takes."""
        if path in self._known:
            self._known[path].files = {}

    def _folder(self, path: str, status: os.stat_result, quiet: bool, found: Look) -> Folder:
        before = self._known.get(path)
        turn = zlib.crc32(path.encode(errors="surrogateescape")) % TURN == self._looks % TURN
        if quiet and before is not None and not turn:
            if (before.mtime_ns, before.device) == (status.st_mtime_ns, status.st_dev):
                return before
        folder = _list(path, found)
        # As it was before listing: what came since will be seen.
        folder.mtime_ns, folder.device = status.st_mtime_ns, status.st_dev
        return folder


def _list(path: str, found: Look) -> Folder:
    """List one folder."""
    files: dict[str, File] = {}
    folders: list[str] = []
    links: list[str] = []
    results, empty = False, True
    with os.scandir(path) as entries:
        for entry in entries:
            name, empty = entry.name, False
            if is_temporary(name):
                continue
            if not is_utf8(name):
                found.not_utf8.append(os.fsencode(entry.path).decode(errors="backslashreplace"))
                continue
            if name.endswith(RECORD_SUFFIX):
                results = True
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue  # gone meanwhile, or a link to nothing
            except OSError:
                if entry.is_symlink():
                    continue  # one that leads to itself
                raise
            if stat.S_ISDIR(status.st_mode):
                (links if entry.is_symlink() else folders).append(f"{path.rstrip('/')}/{name}")
            elif stat.S_ISREG(status.st_mode):
                files[name] = File(status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)
    state = hash((frozenset(files.items()), results))
    # Links come last, so that what they lead to is found under its own name if it is here too.
    below = (*sorted(folders), *sorted(links))
    return Folder(path, files, below, state, 0, results, empty=empty)
