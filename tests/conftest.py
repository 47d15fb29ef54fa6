"""Shared fixtures: the recordings of real microscopes, where they are at hand."""

import os
import signal
from collections.abc import Iterator
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


@pytest.fixture(scope="session", autouse=True)
def nobodys_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test may read the settings of whoever runs it, and send mail by them."""
    before = os.environ.get("XDG_CONFIG_HOME")
    os.environ["XDG_CONFIG_HOME"] = str(tmp_path_factory.mktemp("config"))
    yield
    if before is None:
        del os.environ["XDG_CONFIG_HOME"]
    else:
        os.environ["XDG_CONFIG_HOME"] = before


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let programs be interrupted that the tests start, also where the tests themselves cannot be.

    A shell that puts a command into the background lets it, and all that it starts, ignore SIGINT.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
