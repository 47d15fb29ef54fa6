"""Watched folders, and stores that do not wait for the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from microscope import Watched

from tomoline.queue.store import Store


@pytest.fixture(autouse=True, scope="package")
def _unhurried_disk() -> Any:
    # What a crash of the machine leaves is tested elsewhere.
    opened = Store.open.__func__  # type: ignore[attr-defined]

    def open_(cls: type[Store], folder: Path, **options: Any) -> Store:
        store: Store = opened(cls, folder, **options)
        store._connection.execute("PRAGMA synchronous = OFF")
        return store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "open", classmethod(open_))
        yield


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    made: list[Watched] = []

    def maker(recipe: str = "tilt", **settings: Any) -> Watched:
        made.append(Watched(tmp_path, recipe, **settings))
        return made[-1]

    yield maker
    for one in made:
        one.close()


@pytest.fixture
def tilt(make: Any) -> Watched:
    return make()
