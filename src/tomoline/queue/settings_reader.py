"""Checking the user's settings as a whole: every fault with its line and the nearest right name."""

from __future__ import annotations

import difflib
import shlex
import stat
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.user_settings import (
    LOCAL,
    LONGEST_WAIT_S,
    OCCASIONS,
    TLS_PORTS,
    HookSettings,
    MailSettings,
    is_address,
)


class SettingsReader:
    """Takes settings out of a file's content, and collects what is wrong."""

    def __init__(
        self, path: Path, content: Mapping[str, Any], lines: Mapping[tuple[str, str], int]
    ) -> None:
        self.path = path
        self.faults: list[TomolineError] = []
        self._lines = lines
        self._tables: dict[str, Mapping[str, Any]] = {}
        known = {
            "mail": [one.name for one in fields(MailSettings)] + ["password_file"],
            "hook": [one.name for one in fields(HookSettings)],
        }
        for name, table in content.items():
            if name not in known:
                self._fault((name, ""), f"there is no table {name!r}{_nearest(name, known)}.")
            elif not isinstance(table, dict):
                self._fault((name, ""), f"{name} is a table, [{name}].")
            else:
                self._tables[name] = table
                for key in table:
                    if key not in known[name]:
                        near = _nearest(key, known[name])
                        self._fault((name, key), f"[{name}] has no {key!r}{near}.")

    def _fault(self, key: tuple[str, str], found: str) -> None:
        line = self._lines.get(key) or self._lines.get((key[0], ""))
        where = f"{self.path}:{line}" if line else str(self.path)
        self.faults.append(errors.notify.BAD_SETTINGS.error(where, found))

    def mail(self) -> MailSettings:
        """Return the table ``[mail]``."""
        tls = self._choice("mail", "tls", "starttls", tuple(TLS_PORTS))
        server = self._text("mail", "server")
        to = self._texts("mail", "to", ())
        sender = self._text("mail", "sender")
        for key, addresses in (("to", to), ("sender", (sender,))):
            for one in addresses:
                if one and not is_address(one):
                    self._fault(("mail", key), f"{one!r} is no e-mail address.")
        ca_file = self._path("mail", "ca_file")
        if ca_file and not Path(ca_file).is_file():
            self._fault(("mail", "ca_file"), f"{ca_file} is not there.")
        user = self._text("mail", "user")
        if user and tls == "none" and server not in LOCAL:
            found = "with tls = 'none' the password would go over the network for all to read."
            self._fault(("mail", "user"), found)
        return MailSettings(
            server=server,
            port=int(self._number("mail", "port", 0, 0, 65535, whole=True)),
            tls=tls,
            user=user,
            password=self._password(user),
            sender=sender,
            to=to,
            on=self._occasions("mail", MailSettings.on),
            ca_file=ca_file,
            timeout_s=self._number("mail", "timeout_s", 30.0, 1.0, LONGEST_WAIT_S),
        )

    def hook(self) -> HookSettings:
        """Return the table ``[hook]``."""
        command = self._text("hook", "command")
        try:
            shlex.split(command)
        except ValueError as error:
            self._fault(("hook", "command"), f"the command cannot be split into words: {error}.")
        return HookSettings(
            command=command,
            on=self._occasions("hook", HookSettings.on),
            timeout_s=self._number("hook", "timeout_s", 60.0, 1.0, LONGEST_WAIT_S),
        )

    def _password(self, user: str) -> str:
        """Return the password; files that others may read are refused."""
        word, file = self._text("mail", "password"), self._path("mail", "password_file")
        holder = self.path
        key = ("mail", "password_file" if file else "password")
        if word and file:
            self._fault(key, "password and password_file are both given.")
        elif (word or file) and not user:
            self._fault(key, "a password needs a user.")
        elif user and not word and not file:
            self._fault(("mail", "user"), "a user needs a password or a password_file.")
        if not word and not file:
            return ""
        if file:
            holder = Path(file)
            try:
                lines = holder.read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                self._fault(key, f"{holder} cannot be read: {error}.")
                return ""
            word = lines[0].strip() if lines else ""
            if not word:
                self._fault(key, f"{holder} is empty.")
        if holder.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            self._fault(key, f"others may read {holder}; 'chmod 600' ends that.")
        return word

    def _get(self, table: str, key: str) -> Any:
        return self._tables.get(table, {}).get(key)

    def _text(self, table: str, key: str) -> str:
        value = self._get(table, key)
        if value is None:
            return ""
        if not isinstance(value, str) or not value.isprintable():
            self._fault((table, key), f"{key} is a text in quotes, on one line.")
            return ""
        return value.strip()

    def _path(self, table: str, key: str) -> str:
        text = self._text(table, key)
        return str(self.path.parent / Path(text).expanduser()) if text else ""

    def _texts(self, table: str, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self._get(table, key)
        if value is None:
            return default
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            self._fault((table, key), f'{key} is a list of texts, as in ["one", "two"].')
            return default
        return tuple(value)

    def _choice(self, table: str, key: str, default: str, known: tuple[str, ...]) -> str:
        value = self._text(table, key) or default
        if value not in known:
            names = ", ".join(known)
            self._fault((table, key), f"{key} = {value!r} is none of {names}.")
            return default
        return value

    def _occasions(self, table: str, default: tuple[str, ...]) -> tuple[str, ...]:
        given = self._texts(table, "on", default)
        for one in given:
            if one not in OCCASIONS:
                near = _nearest(one, OCCASIONS) or f"; it takes {', '.join(OCCASIONS)}"
                self._fault((table, "on"), f"on has {one!r}, which does not happen{near}.")
        return given

    def _number(
        self, table: str, key: str, default: float, low: float, high: float, *, whole: bool = False
    ) -> float:
        value = self._get(table, key)
        if value is None:
            return default
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        if not fits or (whole and not isinstance(value, int)) or not low <= value <= high:
            kind = "whole number" if whole else "number"
            self._fault((table, key), f"{key} = {value!r} is no {kind} from {low:g} to {high:g}.")
            return default
        return float(value)


def _nearest(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean NAME?`` where one is near."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
