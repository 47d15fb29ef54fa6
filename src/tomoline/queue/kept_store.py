"""The store of a service: opened once, for it is looked into every second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tomoline.queue.store import Store


class KeptStore:
    """Opens a project's store when it is used first, and after an error anew.

    The thread that uses it closes it.

    Parameters
    ----------
    folder : Path
        Of the project.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store: Store | None = None

    @contextmanager
    def use(self) -> Iterator[Store]:
        """Give the store, and keep it open unless something goes wrong."""
        if self._store is None:
            self._store = Store.open(self._folder)
        try:
            yield self._store
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close it; it is opened again if it is used again."""
        store, self._store = self._store, None
        if store is not None:
            store.close()
