"""A data set: an acquisition, its folder of results, and what its steps get to work with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import Notice
from tomoline.files.atomic import translate_os_error, writing
from tomoline.files.sinograms import Sinograms
from tomoline.steps import Engine
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.workflow.held import Held
from tomoline.workflow.lock import locked
from tomoline.workflow.places import RECORD_SUFFIX, record_path
from tomoline.workflow.record import Record

AXES = ("a", "b")
MOST_NAMED = 4


@dataclass(frozen=True)
class DataSet:
    """A root name and the folder that holds everything of it.

    Attributes
    ----------
    root : str
        Root name; every file of the data set begins with it.
    folder : Path
        ``DIR/ROOT``.
    source : Path
        The stack as it was given.
    """

    root: str
    folder: Path
    source: Path

    @property
    def axis(self) -> str:
        """Axis of a dual-axis set, ``a`` or ``b``; else "".

        The two lie in one folder, as in IMOD: ``DIR/TS`` holds TSa and TSb.

        >>> DataSet("TSb", Path("night/TS"), Path("TSb.mrc")).axis
        'b'
        """
        last = self.root.removeprefix(self.folder.name)
        return last if last in AXES and last != self.root else ""

    def owns(self, name: str) -> bool:
        """Whether a file of this name in its folder is not the other axis's of a dual-axis set."""
        if not self.axis:
            return True
        other = AXES[1 - AXES.index(self.axis)]
        theirs = {one.file_name("", axis=other) for one in ARTIFACTS.values() if one.has_axis}
        return not name.lstrip(".").startswith(f"{self.folder.name}{other}") and name not in theirs

    @property
    def record_path(self) -> Path:
        """Path of the record."""
        return record_path(self.folder, self.root)

    @property
    def log_path(self) -> Path:
        """Path of the data set's log file."""
        return self.folder / f"{self.root}.log"

    def path(self, artifact: str, suffix: str = "") -> Path:
        """Return the path that an artifact has in this data set."""
        return self.folder / ARTIFACTS[artifact].file_name(self.root, suffix, self.axis)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the data set for one run, as `workflow.lock.locked` does."""
        return locked(self.folder, self.root)


def find(folder: Path) -> DataSet:
    """Return the data set whose record lies in `folder` (or is `folder`).

    Raises
    ------
    TomolineError
        RUN-05 if there is no record, or more than one.
    """
    records = _records(folder)
    if not records:
        raise errors.running.NO_DATA_SET.error(folder, "no record of a data set here.")
    if len(records) > 1:
        names = ", ".join(path.name for path in records[:MOST_NAMED])
        more = ", ..." if len(records) > MOST_NAMED else ""
        raise errors.running.NO_DATA_SET.error(
            folder,
            f"the records of {len(records)} data sets here: {names}{more}.",
            f"Say which: {folder / records[0].name}",
        )
    return _of_record(records[0])


def find_axes(folder: Path) -> list[DataSet]:
    """Return the data set that `find` returns, or both of a dual-axis set, axis a first.

    Raises
    ------
    TomolineError
        RUN-05 if there is no record, or there are more that are not the two axes of one set.
    """
    records = _records(folder)
    if len(records) == len(AXES):
        found = [_of_record(path) for path in records]
        if tuple(one.axis for one in found) == AXES:
            return found
    return [find(folder)]


def _records(folder: Path) -> list[Path]:
    if folder.name.endswith(RECORD_SUFFIX):
        return [folder]
    return sorted(folder.glob(f"*{RECORD_SUFFIX}")) if folder.is_dir() else []


def _of_record(path: Path) -> DataSet:
    record = Record.read(path)
    return DataSet(record.root, path.parent.resolve(), Path(record.source))


@dataclass
class RunContext:
    """What a running step gets (`tomoline.steps.StepContext`)."""

    data_set: DataSet
    engine: Engine
    held: Held = field(default_factory=Held)
    prepared: Mapping[str, Any] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    written: dict[str, Path] = field(default_factory=dict)

    @property
    def root(self) -> str:
        """Root name of the data set."""
        return self.data_set.root

    @property
    def folder(self) -> Path:
        """Folder of the data set."""
        return self.data_set.folder

    @property
    def source(self) -> Path:
        """The stack as it was given; only the set-up reads it."""
        return self.data_set.source

    def has(self, artifact: str) -> bool:
        """Whether an artifact is there."""
        return self.data_set.path(artifact).exists()

    def input(self, artifact: str) -> Path:
        """Return the path of an artifact to read.

        Raises
        ------
        TomolineError
            RUN-02 if it is missing.
        """
        path = self.data_set.path(artifact)
        if not path.exists():
            raise errors.running.MISSING_INPUT.error(
                path, f"the {ARTIFACTS[artifact].title} is not there."
            )
        return path

    @contextmanager
    def writing(self, artifact: str, *, suffix: str = "", folder: bool = False) -> Iterator[Path]:
        """Give a temporary path to write an artifact to; it gets its name when the block ends."""
        destination = self.data_set.path(artifact, suffix)
        with writing(destination, durable=False, folder=folder) as path:
            yield path
        self.written[artifact] = destination

    def keep(self, artifact: str) -> None:
        """Tell that an artifact that the step writes is in place already."""
        self.written[artifact] = self.data_set.path(artifact)

    def create_sinograms(self, artifact: str, shape: tuple[int, int, int]) -> Sinograms:
        """Make the store of a volatile artifact, in memory where it fits."""
        self.keep(artifact)
        return self.held.create(self.data_set.path(artifact), shape, self.engine)

    def sinograms(self, artifact: str) -> Sinograms:
        """Return the store of a volatile artifact.

        Raises
        ------
        TomolineError
            RUN-02 if it is neither held nor in its scratch file.
        """
        path = self.data_set.path(artifact)
        store = self.held.get(path)
        if store is None:
            raise errors.running.MISSING_INPUT.error(
                path, f"the {ARTIFACTS[artifact].title} are not there any more."
            )
        return store

    def recall(self, name: str) -> Any:
        """Return what was prepared under a name, or None."""
        return self.prepared.get(name)

    def warn(self, notice: Notice) -> None:
        """Record a warning."""
        self.notices.append(notice)
        self.log(f"warning {notice}")

    def log(self, message: str) -> None:
        """Write a line to the data set's log, with the time."""
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S")
        try:
            with self.data_set.log_path.open("a", encoding="utf-8") as file:
                file.write(f"{now} {message}\n")
        except OSError as error:
            raise translate_os_error(error, self.data_set.log_path) from error
