"""The runner's service that looks at watched folders."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tomoline.errors import TomolineError
from tomoline.files.atomic import translate_os_error
from tomoline.queue.kept_store import KeptStore
from tomoline.queue.model import EventKind
from tomoline.queue.store import Store
from tomoline.queue.trouble import Told
from tomoline.queue.watches import Watch, Watches
from tomoline.queue.watching.watcher import Watcher

POLL_S = 2.0
"""How often the list of watches is read."""


class WatchService:
    """Looks at all folders that a project watches; one thread calls it.

    Parameters
    ----------
    folder : Path
        Of the project.
    ticks : callable
        Time that only goes forward, for tests.
    """

    name = "watch"

    def __init__(self, folder: Path, *, ticks: Callable[[], float] = time.monotonic) -> None:
        self._store = KeptStore(folder)
        self._watchers: dict[int, tuple[Watch, Watcher]] = {}
        self._due: dict[int, float] = {}
        self._told = Told(ticks)
        self._active = True

    def turn(self, now: float) -> float:
        """Look at the folders that are due, and return the seconds until the next look."""
        with self._store.use() as store:
            watches = Watches(store).all(active=True)
            self._active = bool(watches)
            numbers = {one.id for one in watches}
            for number in self._watchers.keys() - numbers:
                del self._watchers[number]
                self._due.pop(number, None)
            for one in watches:
                watcher = self._watcher(one)
                due, every_s = self._due.get(one.id, now), one.settings.every_s
                # A clock that was set back must not keep it from looking.
                if not due - every_s <= now < due:
                    self._look(store, watcher, now)
                    self._due[one.id] = now + every_s
        return min([POLL_S, *(max(due - now, 0.0) for due in self._due.values())])

    def _look(self, store: Store, watcher: Watcher, now: float) -> None:
        """Look at one folder; what goes wrong there must not keep others from being looked at."""
        try:
            watcher.look(store, now)
        except (TomolineError, OSError) as error:
            if not isinstance(error, TomolineError):
                error = translate_os_error(error, watcher.watch.folder, reading=True)
            text = f"{error.where}: {error.found}"
            if self._told.is_new(text):  # it is tried again with the next look
                store.add_event(EventKind.WATCH, text, level="error", code=error.code, when=now)

    def busy(self) -> bool:
        """Whether a folder is watched: the runner stays."""
        return self._active

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _watcher(self, watch: Watch) -> Watcher:
        """Return what looks at a folder; a new one where settings were changed."""
        known = self._watchers.get(watch.id)
        if known is None or _key(known[0]) != _key(watch):
            known = (watch, Watcher(watch))
            self._watchers[watch.id] = known
            self._due.pop(watch.id, None)
        return known[1]


def _key(watch: Watch) -> tuple[object, ...]:
    """Return what a watcher depends on: not what it writes itself."""
    settings = replace(watch.settings, device=0, mounts={})
    return watch.recipe, watch.on_top, watch.began, settings
