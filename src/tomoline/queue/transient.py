"""Whether what failed may go well a little later."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.job import Job

GONE = frozenset(
    {errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH}
)
"""What the system says of a file system that went away."""
MISSING = (errors.files.MISSING, errors.files.NOT_WRITABLE, errors.files.NOT_READABLE)


def is_transient(error: TomolineError, job: Job) -> bool:
    """Whether a job that ended with this error may go well when it is tried again.

    It may if the error's kind says so, if another process holds the data set, or if a file cannot
    be used because the folder around it has vanished: a file system that went away comes back.
    """
    if error.kind.transient or error.kind is errors.running.BUSY:
        return True
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in GONE:
            return True
        cause = cause.__cause__
    if error.kind not in (*MISSING, errors.running.MISSING_INPUT):
        return False
    folders = {Path(part.source).parent for part in job.parts}
    # A folder of results is there once something in it is missed.
    results = {Path(part.folder) for part in job.parts}
    folders |= results.intersection(Path(error.where).parents)
    return any(is_gone(folder) for folder in folders)


def is_gone(folder: Path) -> bool:
    """Whether a folder cannot be reached."""
    try:
        os.stat(folder)
    except FileNotFoundError:
        return True
    except OSError as error:
        return error.errno in GONE
    return False
