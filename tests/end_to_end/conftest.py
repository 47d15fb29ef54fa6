"""Small simulated tilt series, made once for all tests of a session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tomoline.simulate.scan import simulate_scan
from tomoline.simulate.scan_settings import tiny_scan
from tomoline.simulate.tilt import simulate_dual, simulate_tilt

SMALL: dict[str, Any] = {
    "width": 192,
    "height": 160,
    "views": 21,
    "thickness_nm": 50.0,
    "drift_percent": 5.0,
}


@pytest.fixture(scope="session")
def small_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A series with gold that is quick to process: 192 x 160, 21 views."""
    return simulate_tilt(
        tmp_path_factory.mktemp("small"),
        "small",
        seed=3,
        beads=14,
        **SMALL,
    )


@pytest.fixture(scope="session")
def goldless_series(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same without gold."""
    return simulate_tilt(
        tmp_path_factory.mktemp("goldless"),
        "goldless",
        seed=4,
        gold=False,
        **SMALL,
    )


@pytest.fixture(scope="session")
def dual_series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The two axes of one specimen with gold, duala.mrc and dualb.mrc: 192 x 160, 21 views."""
    return simulate_dual(
        tmp_path_factory.mktemp("dual"),
        "dual",
        seed=6,
        beads=14,
        **SMALL,
    )


@pytest.fixture(scope="session")
def small_scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scan at two distances that is quick to process: 96 x 24, 60 angles."""
    return simulate_scan(tmp_path_factory.mktemp("scan"), "small", tiny_scan(seed=5))
