"""One process at a time for a data set; light, so that any command can look."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomoline import errors
from tomoline.files.atomic import translate_os_error


@contextmanager
def locked(folder: Path, root: str) -> Iterator[None]:
    """Hold a data set; the lock goes when the process ends, however it ends.

    Parameters
    ----------
    folder, root
        Its folder, which must exist, and its root name.

    Raises
    ------
    TomolineError
        RUN-06 if another process holds it, FILE-09 if the folder cannot be written.
    """
    try:
        file = (folder / f".{root}.lock").open("w")
    except OSError as error:
        raise translate_os_error(error, folder) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise errors.running.BUSY.error(
                folder, "another process is working on this data set."
            ) from error
        yield
