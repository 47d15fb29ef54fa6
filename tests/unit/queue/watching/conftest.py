"""Stores that do not wait for the disk: what a crash of the machine leaves is tested elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tomoline.queue.store import Store


@pytest.fixture(autouse=True, scope="package")
def _unhurried_disk() -> Any:
    opened = Store.open.__func__  # type: ignore[attr-defined]

    def open_(cls: type[Store], folder: Path, **options: Any) -> Store:
        store: Store = opened(cls, folder, **options)
        store._connection.execute("PRAGMA synchronous = OFF")
        return store

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Store, "open", classmethod(open_))
        yield
