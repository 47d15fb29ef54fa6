"""What one step leaves for the next ones of a run: volatile artifacts, in memory or scratch files.

A scan's projections are as large as the scan. They are held in memory where they fit, which leaves
nothing behind, and otherwise in a scratch file in the data set's folder (or where the user says),
which also serves a later run until all steps that read it are done.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tomoline.files.atomic import translate_os_error
from tomoline.files.sinograms import FileSinograms, MemorySinograms, Sinograms
from tomoline.params import StepParams
from tomoline.steps import Engine, Shape, Step

# Part of the memory limit that sinograms may take; the rest is for the chunks at work.
MEMORY_SHARE = 0.6


class Held:
    """The volatile artifacts of one run, by the path that their scratch file has.

    Parameters
    ----------
    scratch : Path, optional
        Folder for scratch files, instead of the data set's.
    users : sequence of (Step, parameters)
        The steps that work beside what is held: it leaves room for a chunk of each.
    """

    def __init__(
        self, scratch: Path | None = None, users: Sequence[tuple[Step[Any], StepParams]] = ()
    ) -> None:
        self._scratch = scratch
        self._users = tuple(users)
        self._stores: dict[Path, Sinograms] = {}
        self._taken: dict[Path, tuple[Engine, int]] = {}

    def create(self, path: Path, shape: tuple[int, int, int], engine: Engine) -> Sinograms:
        """Make a store of `shape` (rows, angles, columns) in the place of an earlier one.

        What it takes of the memory is no longer the engine's to give.

        Raises
        ------
        TomolineError
            FILE-08 if there is no room for the scratch file either.
        """
        self.remove(path)
        rows, angles, columns = shape
        size = 4 * rows * angles * columns
        scan = Shape(views=angles, height=rows, width=columns)
        chunk = max((step.memory_bytes(scan, params) for step, params in self._users), default=0)
        if size <= min(MEMORY_SHARE * engine.memory_bytes, engine.memory_bytes - chunk):
            engine.memory_bytes -= size
            self._taken[path] = (engine, size)
            self._stores[path] = MemorySinograms(shape)
        else:
            self._stores[path] = FileSinograms(self._place(path), shape)
        return self._stores[path]

    def get(self, path: Path) -> Sinograms | None:
        """Return a store, or None if there is none of that name."""
        if path not in self._stores and self._place(path).exists():
            self._stores[path] = FileSinograms(self._place(path))
        return self._stores.get(path)

    def has(self, path: Path) -> bool:
        """Whether there is such a store."""
        return path in self._stores or self._place(path).exists()

    def remove(self, path: Path) -> None:
        """Forget a store and delete its scratch file."""
        self._stores.pop(path, None)
        engine, size = self._taken.pop(path, (None, 0))
        if engine is not None:
            engine.memory_bytes += size
        place = self._place(path)
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise translate_os_error(error, place) from error

    def release(self) -> None:
        """Give back the memory; scratch files stay."""
        for path in list(self._taken):
            engine, size = self._taken.pop(path)
            engine.memory_bytes += size
        self._stores.clear()

    def _place(self, path: Path) -> Path:
        return path if self._scratch is None else self._scratch / path.name
