"""Writing files whole or not at all, and the system's errors in a user's words.

A file is written under a hidden temporary name beside its destination, forced to the disk, and
renamed. A process that is killed therefore leaves the old file or the new one, and at worst a
hidden ``.part`` file that `remove_leftovers` deletes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from tomoline.errors import TomolineError, files

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.\d+-[0-9a-f]{8}\.part")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def translate_os_error(error: OSError, path: Path, *, reading: bool = False) -> TomolineError:
    """Return the coded error that an operating system's error means.

    Parameters
    ----------
    error : OSError
        As caught.
    path : Path
        The file that the user knows, not a temporary one.
    reading : bool
        Whether the file was being read, which decides what a refused permission means.

    >>> translate_os_error(OSError(errno.ENOSPC, "No space left on device"), Path("a.rec")).code
    'FILE-08'
    """
    reason = error.strerror or str(error)
    # NumPy's tofile tells a full disk only in words.
    cut_short = error.errno is None and "requested and" in reason
    if error.errno in _FULL or cut_short:
        return files.DISK_FULL.error(where=path, found=f"The disk is full ({reason}).")
    if isinstance(error, FileNotFoundError):
        return files.MISSING.error(where=path, found="The file, or its folder, does not exist.")
    if isinstance(error, IsADirectoryError | NotADirectoryError):
        return files.NOT_A_FILE.error(where=path, found=f"It is not a regular file ({reason}).")
    if reading or error.errno not in _FORBIDDEN:
        kind = files.NOT_READABLE if reading else files.NOT_WRITABLE
        return kind.error(where=path, found=f"The system reports: {reason}.")
    return files.NOT_WRITABLE.error(where=path, found=f"Writing is refused ({reason}).")


def temporary_path(path: Path) -> Path:
    """Return a hidden name beside `path` that no other process or thread uses."""
    return path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")


def destination_of(path: Path) -> Path:
    """Return the name that a temporary path is going to get; other paths as they are.

    >>> destination_of(Path("d/.a.rec.123-0a1b2c3d.part")).name
    'a.rec'
    """
    match = _TEMPORARY.fullmatch(path.name)
    return path.with_name(match["name"]) if match else path


@contextlib.contextmanager
def writing(path: Path, *, durable: bool = True, folder: bool = False) -> Iterator[Path]:
    """Give a temporary path to write to; the file gets its name when the block ends.

    Parameters
    ----------
    path : Path
        Destination. Its folder must exist; an existing file is replaced. Inside another such
        block, a writer may be given the block's own path: it is written to as it is, and the
        outer block does the rest.
    durable : bool
        Whether to wait until the content is on the disk. Where not, it survives the end of the
        process, but not of the machine; the caller sees to it with `sync`.
    folder : bool
        Whether to write a folder of files: the block finds it made and empty. An existing folder
        of that name is replaced, and until the new one has its name, none of that name exists.

    Yields
    ------
    Path
        Hidden path in the same folder, ending in ``.part``. The block must create it.

    Raises
    ------
    TomolineError
        FILE-08 disk full, FILE-09 not writable, FILE-02 if the destination is a folder. Errors of
        the block pass unchanged, except the system's, which are translated. In every case the
        temporary file is removed and the destination is as it was.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with writing(target) as part:
    ...     _ = part.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = Path(path)
    destination = destination_of(path)
    inside = destination != path
    part = path if inside else temporary_path(path)
    try:
        if folder:
            part.mkdir()
        elif path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        yield part
        if inside:
            return
        if durable:
            sync_tree(part)
        if folder and path.exists():
            replaced = temporary_path(path)
            os.replace(path, replaced)
            os.replace(part, path)
            remove(replaced)
        else:
            os.replace(part, path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        remove(part)
        # An error about another file, say an input on the same disk, keeps that file's name.
        other = error.filename not in (None, str(part), part)
        raise translate_os_error(error, Path(error.filename) if other else destination) from error
    except BaseException:
        remove(part)
        raise


def remove(path: Path) -> None:
    """Delete a file or a folder with all that is in it; nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, UTF-8 with Unix line ends, whole or not at all."""
    with writing(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a binary file, whole or not at all."""
    with writing(path) as part:
        part.write_bytes(data)


def remove_leftovers(folder: Path, ours: Callable[[str], bool] = lambda name: True) -> list[Path]:
    """Delete the temporary files that killed processes left in `folder`, and name them.

    Only to be called by whoever holds the data set: another process's files in the making look
    the same. This process's own are kept.

    Parameters
    ----------
    folder : Path
        Folder of the data set.
    ours : callable
        ``ours(name)``: whether a file that would have got this name is the data set's; others'
        may lie in the same folder.
    """
    own = f".{os.getpid()}-"
    removed = []
    for part in sorted(Path(folder).glob(".*.part")):
        if own in part.name or not _TEMPORARY.fullmatch(part.name):
            continue
        if ours(destination_of(part).name):
            remove(part)
            removed.append(part)
    return removed


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(path: Path) -> None:
    """Wait until a file, or all files of a folder, are on the disk."""
    if not path.is_dir():
        sync(path)
        return
    for folder, _, names in os.walk(path):
        for name in names:
            sync(Path(folder) / name)
        sync_folder(Path(folder))


def sync_folder(folder: Path) -> None:
    """Wait until the names of a folder's files are on the disk."""
    # Without this, a power failure may undo the rename; some file systems do not offer it.
    with contextlib.suppress(OSError):
        sync(folder)
