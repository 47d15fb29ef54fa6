"""What a user has set once for all projects: where e-mail goes, and which command is called.

The file is ``$XDG_CONFIG_HOME/tomoline/settings.toml`` (``~/.config`` where that is not set).
It is checked as a whole, so that every fault is told at once, with its line.
"""

from __future__ import annotations

import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from tomoline import errors
from tomoline.errors import Faults

TLS_PORTS = {"none": 25, "starttls": 587, "tls": 465}
"""How a connection is secured, and the usual port of each."""
OCCASIONS = ("failed", "finished", "killed", "done", "watch")
"""What mail and hook can be about: batches that ended so, a run that is done, watching."""
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST_WAIT_S = 3600.0
EXAMPLE = """\
[mail]
server = "smtp.example.org"
tls = "starttls"                     # none | starttls | tls
user = "em-facility"                 # only where the server asks for it
password_file = "~/.config/tomoline/password"
sender = "em-facility@example.org"
to = ["ann@example.org", "bob@example.org"]
on = ["failed", "done", "watch"]

[hook]
command = "/usr/local/bin/tell-the-group"
on = ["failed", "done"]
timeout_s = 60
"""
_ADDRESS = re.compile(r"[^\s<>@,;]+@[^\s<>@,;]+")


@dataclass(frozen=True)
class MailSettings:
    """How messages are sent.

    Attributes
    ----------
    server : str
        Host of the SMTP server; "" for no mail.
    port : int
        Its port; 0 for the usual one of `tls`.
    tls : str
        ``none``, ``starttls`` or ``tls`` from the start.
    user, password : str
        For servers that ask for it.
    sender : str
        Address that messages come from; by default the user's on this machine.
    to : tuple of str
        Addresses that they go to.
    on : tuple of str
        What messages are about, of `OCCASIONS`.
    ca_file : str
        Certificates to trust instead of the system's, for a server with one of its own.
    timeout_s : float
        How long the server may take to answer.
    """

    server: str = ""
    port: int = 0
    tls: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)
    sender: str = ""
    to: tuple[str, ...] = ()
    on: tuple[str, ...] = ("failed", "done", "watch")
    ca_file: str = ""
    timeout_s: float = 30.0

    @property
    def usual_port(self) -> int:
        """The port that is used."""
        return self.port or TLS_PORTS[self.tls]


@dataclass(frozen=True)
class HookSettings:
    """A command that is called when something happens.

    Attributes
    ----------
    command : str
        With its arguments, quoted as in a shell, but run without one; "" for none.
    on : tuple of str
        What it is called for, of `OCCASIONS`.
    timeout_s : float
        How long it may take; then it is killed.
    """

    command: str = ""
    on: tuple[str, ...] = ("failed", "done")
    timeout_s: float = 60.0


@dataclass(frozen=True)
class UserSettings:
    """All that a user has set."""

    path: Path
    mail: MailSettings = MailSettings()
    hook: HookSettings = HookSettings()


def settings_path() -> Path:
    """Return where the settings are, whether or not there are any."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "tomoline" / "settings.toml"


def read_settings(path: Path | None = None) -> UserSettings:
    """Read the user's settings; defaults where there is no file.

    Raises
    ------
    Faults
        MAIL-01 for everything that is wrong in it.
    """
    from tomoline.files.toml import find_lines
    from tomoline.queue.settings_reader import SettingsReader

    path = settings_path() if path is None else path
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return UserSettings(path)
    except OSError as error:
        raise errors.notify.BAD_SETTINGS.error(path, f"{error.strerror}.") from error
    try:
        text = raw.decode("utf-8-sig")
        content = tomllib.loads(text)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise errors.notify.BAD_SETTINGS.error(path, f"it is not TOML: {error}.") from error
    reader = SettingsReader(path, content, find_lines(text.splitlines()))
    settings = UserSettings(path, reader.mail(), reader.hook())
    if reader.faults:
        raise Faults(reader.faults)
    return settings


def is_address(text: str) -> bool:
    """Whether a text can be an e-mail address: one of each, around an @.

    >>> is_address("ann@example.org"), is_address("ann@example.org, bob@example.org")
    (True, False)
    """
    return bool(_ADDRESS.fullmatch(text)) and text.isprintable()
