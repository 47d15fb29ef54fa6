"""A project, as every face sees it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.model import EventKind
from tomoline.queue.store import FILE, Store

if TYPE_CHECKING:
    from tomoline.queue.batches import Queue
    from tomoline.queue.control import Control
    from tomoline.queue.data_sets import DataSets
    from tomoline.queue.layers import Layers
    from tomoline.queue.log import Log
    from tomoline.queue.schedules import Schedules
    from tomoline.queue.watches import Watches

VARIABLE = "TOMOLINE_PROJECT"


class Project:
    """A folder with its data sets, parameters, queue and log.

    Its parts are made when they are first used, so that a command loads only what it needs.

    >>> import tempfile
    >>> with Project.create(Path(tempfile.mkdtemp()) / "night") as project:
    ...     project.name
    'night'
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    @classmethod
    def create(cls, folder: Path, *, deliver: Path | None = None) -> Project:
        """Make a project; results go to ``DELIVER/NAME``, by default in the project's folder.

        Raises
        ------
        TomolineError
            As `Store.create`.
        """
        store = Store.create(folder)
        with store.write():
            if deliver is not None:
                store.set_setting("deliver", os.path.abspath(deliver))
            store.add_event(EventKind.PROJECT, "project made")
        return cls(store)

    @classmethod
    def open(cls, folder: Path, *, looking: bool = False) -> Project:
        """Open a project.

        Parameters
        ----------
        folder : Path
            Its folder.
        looking : bool
            Whether it is opened to look at it, which needs no room on the disk and no right to
            write; where that is so, whatever would change it raises what is in the way.

        Raises
        ------
        TomolineError
            As `Store.open`.
        """
        try:
            store = Store.open(folder)
        except TomolineError as error:
            if not looking:
                raise
            from tomoline.queue.looking import open_readable

            store = open_readable(folder, error)
        store.looking = looking
        return cls(store)

    @classmethod
    def find(cls, named: Path | None = None, *, looking: bool = False) -> Project:
        """Open the project that is named, or that ``TOMOLINE_PROJECT`` names, or around here.

        With `looking` as by `open`.

        Raises
        ------
        TomolineError
            PROJ-01 if there is none, and as `Store.open`.
        """
        found = named or default_project()
        if found is not None:
            return cls.open(found, looking=looking)
        raise errors.project.NO_PROJECT.error(
            Path.cwd(), f"neither it nor a folder around it has {FILE}."
        )

    @property
    def folder(self) -> Path:
        """Its folder."""
        return self.store.folder

    @property
    def name(self) -> str:
        """Its name, that of its folder."""
        return self.folder.name

    @property
    def deliver(self) -> Path:
        """The folder in which data sets get their folders of results."""
        return Path(self.store.setting("deliver") or self.folder)

    def set_retries(
        self, number: int | None = None, waits_s: Sequence[float] | None = None
    ) -> None:
        """Change how often a batch is tried again by itself, and after how many seconds each."""
        from tomoline.queue.outcome import set_retries

        set_retries(self.store, number, waits_s)

    @cached_property
    def data_sets(self) -> DataSets:
        """Its table of data sets."""
        from tomoline.queue.data_sets import DataSets

        return DataSets(self.store)

    @cached_property
    def layers(self) -> Layers:
        """Its layers of parameters."""
        from tomoline.queue.layers import Layers

        return Layers(self.store)

    @cached_property
    def queue(self) -> Queue:
        """Its queue of batches."""
        from tomoline.queue.batches import Queue

        return Queue(self.store)

    @cached_property
    def control(self) -> Control:
        """Its run: start, pause, kill, resume, reset."""
        from tomoline.queue.control import Control

        return Control(self.store)

    @cached_property
    def log(self) -> Log:
        """Its log."""
        from tomoline.queue.log import Log

        return Log(self.store)

    @cached_property
    def watches(self) -> Watches:
        """The folders that it watches."""
        from tomoline.queue.watches import Watches

        return Watches(self.store)

    @cached_property
    def schedules(self) -> Schedules:
        """Its schedules."""
        from tomoline.queue.schedules import Schedules

        return Schedules(self.store)

    def close(self) -> None:
        """Close its store."""
        self.store.close()

    def __enter__(self) -> Self:
        """Use it in a with block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it at the end of the block."""
        self.close()


def is_project(folder: Path) -> bool:
    """Whether a folder is a project's."""
    return (folder / FILE).is_file()


def default_project() -> Path | None:
    """Return the project meant where none is named: ``TOMOLINE_PROJECT``, else that around here."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else project_around(Path.cwd())


def project_around(path: Path) -> Path | None:
    """Return the folder of the project that a folder is, or lies in; None where there is none."""
    return next((folder for folder in (path, *path.parents) if is_project(folder)), None)
