"""Getting results onto the disk while the next step computes.

A step's results survive the end of the process as soon as they are renamed. To survive the end of
the machine they must reach the disk, which takes longer than some steps do; so a thread sees to
that, and a run ends only when it is done. Until then the record names the boot of the machine: if
the next run finds another one, it makes those results again.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from tomoline.files.atomic import sync_folder, sync_tree, translate_os_error


class DiskWriter:
    """Waits for files to reach the disk, in a thread of its own."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="tomoline-disk")
        self._waiting: list[tuple[Path, Future[None]]] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop without waiting for what has not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def add(self, paths: Sequence[Path]) -> None:
        """See to it that files reach the disk."""
        for path in paths:
            self._waiting.append((path, self._pool.submit(_write, path)))

    def wait(self) -> None:
        """Wait until all files are on the disk.

        Raises
        ------
        TomolineError
            FILE-08, FILE-09 if the disk refuses them.
        """
        for path, future in self._waiting:
            try:
                future.result()
            except OSError as error:
                raise translate_os_error(error, path) from error
        self._waiting.clear()


def _write(path: Path) -> None:
    if path.exists():  # a later run of the step may have taken it away
        sync_tree(path)
        sync_folder(path.parent)
