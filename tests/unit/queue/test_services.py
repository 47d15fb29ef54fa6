"""What services have in common: a store that stays open, and trouble that is told now and then."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from microscope import mrc_bytes, put
from waiting import wait_for

from tomoline.errors import TomolineError
from tomoline.queue.background import SERVICES, service_threads
from tomoline.queue.kept_store import KeptStore
from tomoline.queue.project import Project
from tomoline.queue.store import Store
from tomoline.queue.trouble import AGAIN_S
from tomoline.queue.watching.service import WatchService
from tomoline.queue.watching.watcher import Watcher


class Counted:
    """Counts the stores that are opened and closed, each in a thread of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = self.closed = 0
        open_, close = Store.open.__func__, Store.close  # type: ignore[attr-defined]

        def opening(cls: type[Store], folder: Path, **options: Any) -> Store:
            self.opened += 1
            store: Store = open_(cls, folder, **options)
            return store

        def closing(store: Store) -> None:
            close(store)  # which another thread than the one that opened it must not do
            self.closed += 1

        monkeypatch.setattr(Store, "open", classmethod(opening))
        monkeypatch.setattr(Store, "close", closing)


def test_each_service_opens_its_store_once_and_closes_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    threads = service_threads(project.folder)
    for thread in threads:
        thread.begin()
    for _ in range(20):
        questions = [(thread, thread.ask()) for thread in threads]
        for thread, number in questions:
            wait_for(partial(thread.is_free, number), every_s=0.005)
    assert counted.opened == len(SERVICES)
    assert counted.closed == 0
    for thread in threads:
        thread.end()
    assert counted.closed == counted.opened


def test_a_store_is_opened_anew_after_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptStore(project.folder)
    with kept.use() as first, first.read():
        pass
    with kept.use() as second:
        assert second is first
    with pytest.raises(ZeroDivisionError), kept.use():
        raise ZeroDivisionError
    with pytest.raises(TomolineError, match="closed"):
        first.changes()
    with kept.use() as third:
        assert third is not first
        assert third.changes()
    kept.close()
    kept.close()


def test_trouble_of_a_watch_is_told_once_in_a_while(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(watcher: Watcher, store: Store, now: float) -> None:
        raise OSError(5, "Input/output error")

    folder = project.folder.parent / "in"
    put(folder / "a.mrc", mrc_bytes())
    project.watches.add(folder, "tilt", settle_s=0.0)
    ticks = 0.0
    service = WatchService(project.folder, ticks=lambda: ticks)
    with monkeypatch.context() as patched:
        patched.setattr(Watcher, "look", broken)
        for number in range(int(2.5 * AGAIN_S / 10)):
            ticks = 10.0 * number
            service.turn(1000.0 + ticks)
    told = [one for one in project.log.events(kind="watch") if one.level == "error"]
    assert [one.time for one in told] == [1000.0, 1000.0 + AGAIN_S, 1000.0 + 2 * AGAIN_S]
    assert "Input/output error" in told[0].message
    service.turn(9000.0)
    service.close()
    assert [one.name for one in project.queue.batches()] == ["a"]
