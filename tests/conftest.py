"""Shared fixtures: the recordings of real microscopes, where they are at hand."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def tilt_data() -> Path:
    """Folder of real tilt series and other programs' files; they are not part of the project."""
    folder = DATA / "tilt"
    if not folder.is_dir():
        pytest.skip(f"the real recordings are not here ({folder})")
    return folder


@pytest.fixture(scope="session")
def scan_data() -> Path:
    """Folder of real X-ray and neutron scans; they are not part of the project."""
    folder = DATA / "scan"
    if not folder.is_dir():
        pytest.skip(f"the real recordings are not here ({folder})")
    return folder
