"""The runner's service that looks at watched folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tomoline.queue.store import Store
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
    """

    name = "watch"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store: Store | None = None
        self._watchers: dict[int, tuple[Watch, Watcher]] = {}
        self._due: dict[int, float] = {}
        self._active = True

    def turn(self, now: float) -> float:
        """Look at the folders that are due, and return the seconds until the next look."""
        if self._store is None:
            self._store = Store.open(self._folder)
        watches = Watches(self._store).all(active=True)
        self._active = bool(watches)
        numbers = {one.id for one in watches}
        for number in self._watchers.keys() - numbers:
            del self._watchers[number]
            self._due.pop(number, None)
        for one in watches:
            watcher = self._watcher(self._store, one)
            every_s = one.settings.every_s
            # A clock that was set back must not keep it from looking.
            if not self._due.get(one.id, now) - every_s <= now < self._due.get(one.id, now):
                watcher.look(now)
                self._due[one.id] = now + every_s
        return min([POLL_S, *(max(due - now, 0.0) for due in self._due.values())])

    def busy(self) -> bool:
        """Whether a folder is watched: the runner stays."""
        return self._active

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _watcher(self, store: Store, watch: Watch) -> Watcher:
        """Return what looks at a folder; a new one where settings were changed."""
        known = self._watchers.get(watch.id)
        if known is None or _key(known[0]) != _key(watch):
            known = (watch, Watcher(store, watch))
            self._watchers[watch.id] = known
            self._due.pop(watch.id, None)
        return known[1]


def _key(watch: Watch) -> tuple[object, ...]:
    """Return what a watcher depends on: neither the time of the last look nor the device."""
    return watch.recipe, watch.on_top, watch.began, replace(watch.settings, device=0)
