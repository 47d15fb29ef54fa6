"""Errors of reading and writing files."""

from tomoline.errors._kind import ErrorKind

MISSING = ErrorKind(
    "FILE-01",
    "file not found",
    "A file that is named must exist.",
    "Check the path and that the disk is mounted.",
)
NOT_A_FILE = ErrorKind(
    "FILE-02",
    "not a regular file",
    "Data are read from regular files, not from folders or devices.",
    "Give the path of the file itself.",
)
TRUNCATED = ErrorKind(
    "FILE-03",
    "file shorter than its header says",
    "A file must hold all the data that its header promises.",
    "Copy the file again from where it was recorded; the copy is incomplete.",
)
NOT_THIS_FORMAT = ErrorKind(
    "FILE-04",
    "contents are not of the expected format",
    "A file's contents must be what its name or its place says.",
    "Check that the right file was given, and that it was not damaged in a transfer.",
)
UNSUPPORTED = ErrorKind(
    "FILE-05",
    "variant of a format that is not read",
    "Only the listed variants of a format are read (see the page of formats).",
    "Convert the file, for instance with newstack, to one of the listed variants.",
)
BAD_TEXT = ErrorKind(
    "FILE-06",
    "text file that cannot be understood",
    "A text file must be readable text with the fields that its format has.",
    "Look at the named line, and write the file again from the program that made it.",
)
UNKNOWN_FORMAT = ErrorKind(
    "FILE-07",
    "no reader for this file",
    "The format must be one of those that tomoline reads.",
    "See the page of formats for what is read.",
)
DISK_FULL = ErrorKind(
    "FILE-08",
    "no space left",
    "The disk must have room for the results.",
    "Free some space, or choose another folder with --deliver; then run the same command again: "
    "finished steps are kept.",
    transient=True,
)
NOT_WRITABLE = ErrorKind(
    "FILE-09",
    "folder or file cannot be written",
    "Results need a folder that you may write to.",
    "Change the permissions, or choose another folder with --deliver.",
)
NOT_READABLE = ErrorKind(
    "FILE-10",
    "file cannot be read",
    "Input files must be readable.",
    "Check the file's permissions and that the disk is healthy.",
)
METADATA_CUT_SHORT = ErrorKind(
    "FILE-11",
    "metadata file cut short",
    "A metadata file should hold every key of every view.",
    "What is there is used; copy the file again if views are missing.",
    warning=True,
)
METADATA_OVERRIDDEN = ErrorKind(
    "FILE-12",
    "metadata file replaced by its override",
    "An _override.mdoc replaces the .mdoc beside it.",
    "Remove the _override.mdoc if the original should be used.",
    warning=True,
)
METADATA_REPEATED = ErrorKind(
    "FILE-13",
    "metadata given twice",
    "A key, or a view, should stand once in a metadata file.",
    "The last one is used; correct the file if that is wrong.",
    warning=True,
)

KINDS = (
    MISSING,
    NOT_A_FILE,
    TRUNCATED,
    NOT_THIS_FORMAT,
    UNSUPPORTED,
    BAD_TEXT,
    UNKNOWN_FORMAT,
    DISK_FULL,
    NOT_WRITABLE,
    NOT_READABLE,
    METADATA_CUT_SHORT,
    METADATA_OVERRIDDEN,
    METADATA_REPEATED,
)
