"""Shared fixtures: recordings of real microscopes, where they are at hand, and mail."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from mail_server import MailServer

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


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a user's settings file, of this test alone; it is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = tmp_path / "config" / "tomoline" / "settings.toml"
    path.parent.mkdir(parents=True)
    return path


@pytest.fixture
def server() -> Iterator["MailServer"]:
    """A mail server that takes what is sent."""
    from mail_server import serve  # only few tests need what it loads

    with serve() as one:
        yield one


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let programs be interrupted that the tests start, also where the tests themselves cannot be.

    A shell that puts a command into the background lets it, and all that it starts, ignore SIGINT.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
