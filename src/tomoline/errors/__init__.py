"""Every error and warning that a user can meet, with its code, rule and remedy.

Each module is one area of the table. Raise ``KIND.error(where=..., found=...)``; warn with
``KIND.notice(where=..., found=...)``. ``tomoline explain CODE`` and the generated page of errors
print this table.
"""

from tomoline.errors import (
    axis,
    files,
    flats,
    notify,
    parameters,
    project,
    queue,
    register,
    retrieve,
    running,
    scan,
    schedule,
    tilt,
    volume,
    watch,
)
from tomoline.errors._kind import ErrorKind, Faults, Notice, TomolineError

AREAS = (
    files,
    parameters,
    running,
    tilt,
    scan,
    flats,
    register,
    retrieve,
    axis,
    volume,
    project,
    queue,
    watch,
    schedule,
    notify,
)
KINDS: dict[str, ErrorKind] = {kind.code: kind for area in AREAS for kind in area.KINDS}

__all__ = [
    "AREAS",
    "KINDS",
    "ErrorKind",
    "Faults",
    "Notice",
    "TomolineError",
    "axis",
    "files",
    "flats",
    "notify",
    "parameters",
    "project",
    "queue",
    "register",
    "retrieve",
    "running",
    "scan",
    "schedule",
    "tilt",
    "volume",
    "watch",
]
