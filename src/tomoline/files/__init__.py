"""One module per file format: read, write, probe; whole files or none; nothing else.

`FORMATS` is the table of what is read and written; `probe` finds the format of any file, or
refuses with the reason.
"""

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
