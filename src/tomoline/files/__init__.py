"""One module per file format: read, write, probe; whole files or none; nothing else.

`FORMATS` is the table of what is read and written; `probe` finds the format of any file, or
refuses with the reason. The table is loaded when it is asked for, since it needs every reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tomoline.files._formats import (
        FORMATS,
        OTHER_FORMATS,
        Format,
        Recognised,
        format_of_name,
        is_image,
        probe,
    )

__all__ = [
    "FORMATS",
    "OTHER_FORMATS",
    "Format",
    "Recognised",
    "format_of_name",
    "is_image",
    "probe",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from tomoline.files import _formats

    return getattr(_formats, name)
