"""A simulated day at the microscope: nothing is missed, nothing is taken twice."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from tomoline.queue.store import Store

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "watch.py"


@pytest.fixture
def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("watch_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.slow
def test_a_day_with_5000_acquisitions(
    benchmark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Store.open.__func__  # type: ignore[attr-defined]

    def open_(cls: type[Store], folder: Path, **options: Any) -> Store:
        store: Store = opened(cls, folder, **options)
        store._connection.execute("PRAGMA synchronous = OFF")  # waiting for it takes minutes
        return store

    monkeypatch.setattr(Store, "open", classmethod(open_))
    day = benchmark.simulate(tmp_path, 5000, every_s=400.0, restart_every=31)
    assert day.missed == []
    assert day.twice == []
    assert day.early == []
    assert day.codes == {"WATCH-04": 250, "WATCH-05": day.again, "WATCH-06": 250}
    assert 250 < day.again <= 500
