"""Errors and warnings of watching folders."""

from tomoline.errors._kind import ErrorKind

NO_FOLDER = ErrorKind(
    "WATCH-01",
    "folder to watch is not there",
    "A folder that is watched exists when watching begins.",
    "Check the path and that the disk is mounted.",
)
VANISHED = ErrorKind(
    "WATCH-02",
    "watched folder cannot be read",
    "The folder must stay readable; what is in it is taken as soon as it comes back.",
    "Look at the file system; nothing has to be done here.",
    warning=True,
)
NO_WATCH = ErrorKind(
    "WATCH-03",
    "folder is not watched",
    "Only what is watched can be stopped.",
    "'tomoline watch --list' names the folders that are watched.",
)
INCOMPLETE = ErrorKind(
    "WATCH-04",
    "acquisition waits for files",
    "An acquisition is taken when all that its description names is there.",
    "Copy the named files, or add what is there with 'tomoline project add'.",
    warning=True,
)
REPLACED = ErrorKind(
    "WATCH-05",
    "acquisition was replaced",
    "An acquisition that has changed since it was taken is queued again.",
    "Nothing, if the new file is meant.",
    warning=True,
)
DUPLICATE = ErrorKind(
    "WATCH-06",
    "acquisition is there twice",
    "An acquisition is taken once.",
    "Delete one of the copies; the first one found is used.",
    warning=True,
)
SOURCE_GONE = ErrorKind(
    "WATCH-07",
    "acquisition vanished before it was run",
    "An acquisition stays until its batch has taken it.",
    "Copy it again: it is queued as soon as it is there.",
    warning=True,
)
WATCHED_TWICE = ErrorKind(
    "WATCH-08",
    "folder is watched already",
    "A folder is watched once in a project.",
    "Stop it first: 'tomoline watch DIR --stop'.",
)
NOT_UTF8 = ErrorKind(
    "WATCH-09",
    "name that is not UTF-8",
    "Names of acquisitions are UTF-8, so that they can be written down and shown.",
    "Rename it; it is taken as soon as it is called otherwise.",
    warning=True,
)
AWAY = ErrorKind(
    "WATCH-10",
    "folder with acquisitions cannot be reached",
    "A folder stays reachable until what was taken there has been run.",
    "Mount its disk again, or put the folder back. If it was deleted for good, do nothing: its "
    "batches are taken out of the queue later.",
    warning=True,
)

KINDS = (
    NO_FOLDER,
    VANISHED,
    NO_WATCH,
    INCOMPLETE,
    REPLACED,
    DUPLICATE,
    SOURCE_GONE,
    WATCHED_TWICE,
    NOT_UTF8,
    AWAY,
)
