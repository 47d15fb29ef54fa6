"""Telling people: e-mail when something fails or all is done, and a command for anything else.

Everything is told at least once. It is marked as told right after that, so that only a runner
that dies between the two tells it again; its second message then has the same Message-ID.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from tomoline.errors import TomolineError
from tomoline.queue import news
from tomoline.queue.channel import POLL_S, Channel
from tomoline.queue.hook import run_hook
from tomoline.queue.kept_store import KeptStore
from tomoline.queue.mail import message_id_of, send_mail
from tomoline.queue.model import Event, EventKind
from tomoline.queue.store import LOG, Store
from tomoline.queue.user_settings import MailSettings, UserSettings, read_settings

__all__ = ["NotifyService", "run_hook", "send_mail"]

GATHER_S = 60.0
"""Failures within this time go into one message."""
WAITS_S = (60.0, 300.0, 900.0, 3600.0)
"""Pauses before a message is tried again; the last one again and again."""
_TROUBLE = "mail.refused"
MOST_TRIES = 28
"""A message is given up after so many, which take a day; a clock that jumps makes no day."""


class NotifyService:
    """Tells what happens in a project; the runner calls it now and then."""

    name = "notify"

    def __init__(
        self, folder: Path, *, settings: Callable[[], UserSettings] = read_settings
    ) -> None:
        self._store = KeptStore(folder)
        self._settings = settings
        self._complaint = ""  # about the settings, as it was told last

    def busy(self) -> bool:
        """Whether something is still to be told."""
        with self._store.use() as store:
            try:
                settings = self._settings()
            except TomolineError:
                return False
            return any(one.has_news() for one in _channels(store, settings))

    def turn(self, now: float) -> float:
        """Tell what is to be told, and return the seconds until the next look."""
        with self._store.use() as store:
            try:
                settings = self._settings()
            except TomolineError as error:
                self._complain(store, error, now)
                return GATHER_S
            self._complaint = ""
            return min(one.turn(now) for one in _channels(store, settings))

    def close(self) -> None:
        """Close the store."""
        self._store.close()

    def _complain(self, store: Store, error: TomolineError, now: float) -> None:
        if str(error) != self._complaint:
            self._complaint = str(error)
            message = f"{error.code} {error.where}: {error.found} {error.remedy}"
            store.add_event(EventKind.NOTICE, message, level="warning", code=error.code, when=now)


class _Mail(Channel):
    """Messages by e-mail."""

    name = "mail"

    def __init__(self, store: Store, settings: MailSettings) -> None:
        self.settings = replace(settings, to=news.addresses_of(store) or settings.to)
        ready = bool(self.settings.server and self.settings.to)
        super().__init__(store, settings.on, ready=ready)

    def told(self) -> int:
        """Return the last event that has been told, or need not be."""
        with self.store.read() as db:
            return int(db.execute("SELECT reported FROM run").fetchone()[0])

    def set_told(self, number: int) -> None:
        """Write that down."""
        with self.store.write() as db:
            db.execute("UPDATE run SET reported = ?", (number,))

    def turn(self, now: float) -> float:
        """Tell what is due, unless the server is to be left alone for a while."""
        _, again, _ = self._trouble()
        if now < again <= now + WAITS_S[-1]:  # further off the clock was set back
            return min(again - now, GATHER_S)
        return super().turn(now)

    def tell(
        self, unread: list[Event], wanted: list[Event], ending: news.Ending | None, now: float
    ) -> float:
        """Send one message about all of it, when a minute of failures has been gathered."""
        first = wanted[0].time if wanted else now
        if ending is None and 0 <= now - first < GATHER_S:
            return POLL_S
        project = self.store.folder.name
        if ending is not None:
            kind, event = "done", ending.last
            title, text = f"{project} {ending.title}", ending.text(self.store.folder)
            text += "\n".join(news.listed(_watching(wanted)))
        else:
            kind, event = "news", wanted[0].id
            title, text = self._about(wanted)
        try:
            name = message_id_of(self.settings, self.store.folder, kind, event)
            refused = send_mail(self.settings, title, text, message_id=name)
        except TomolineError as error:
            return self._wait(error, now, unread, ending)
        with self.store.write():
            self.mark(unread, ending)
            self.store.set_setting(_TROUBLE, "")
            for notice in refused:
                self._event(str(notice), now, level="warning", code=notice.code)
            self._event(f"message sent to {', '.join(self.settings.to)}: {title}", now)
        return POLL_S

    def _about(self, wanted: Sequence[Event]) -> tuple[str, str]:
        """Return title and text of a message about some batches and about watching."""
        failures = [one for one in wanted if news.occasion_of(one) == "failed"]
        others = [one for one in wanted if news.occasion_of(one) in ("finished", "killed")]
        told = [news.failure_of(self.store, one).text() for one in failures]
        told += [f"{one.data_set} {one.becomes}: {one.message}" for one in others]
        told += _watching(wanted)
        counted = []
        for word, some in (("failed", failures), ("ended", others)):
            if len(some) == 1:
                counted.append(f"{some[0].data_set} {some[0].becomes}")
            elif some:
                counted.append(f"{len(some)} data sets {word}")
        if len(failures) + len(others) < len(wanted):
            counted.append("watching needs a look")
        folder = self.store.folder
        text = "\n".join([f"Project {folder}", f"Log: {folder / LOG}", *news.listed(told)])
        return f"{folder.name}: {', '.join(counted)}", text

    def _wait(
        self, error: TomolineError, now: float, unread: list[Event], ending: news.Ending | None
    ) -> float:
        """Write down that a message could not be sent, and when to try again."""
        tries, _, last = self._trouble()
        if not tries:
            last = max([one.id for one in unread] + [ending.last if ending else 0])
        tries += 1
        with self.store.write():
            if tries >= MOST_TRIES:
                # What has happened since the first try has a day of its own.
                tried = [one for one in unread if one.id <= last]
                self.mark(tried, ending if ending and ending.last <= last else None)
                self.store.set_setting(_TROUBLE, "")
                self._event(
                    f"{error.code} message given up after {tries} tries: {error.where}: "
                    f"{error.found}",
                    now,
                    level="warning",
                    code=error.code,
                )
                return POLL_S
            wait = WAITS_S[min(tries, len(WAITS_S)) - 1]
            self.store.set_setting(_TROUBLE, json.dumps([tries, now + wait, last]))
            if tries == 1:
                self._event(
                    f"{error.code} {error.where}: {error.found} It is tried again. {error.remedy}",
                    now,
                    level="warning",
                    code=error.code,
                )
        return POLL_S

    def _trouble(self) -> tuple[int, float, int]:
        """Return how often a message was refused, when to go on, and the last event it told."""
        text = self.store.setting(_TROUBLE)
        return tuple(json.loads(text)) if text else (0, 0.0, 0)

    def _event(self, message: str, now: float, *, level: str = "info", code: str = "") -> None:
        self.store.add_event(EventKind.NOTICE, message, level=level, code=code, when=now)


class _Hook(Channel):
    """The user's own command."""

    name = "hook"

    def __init__(self, store: Store, settings: UserSettings) -> None:
        self.settings = settings.hook
        super().__init__(store, settings.hook.on, ready=bool(settings.hook.command))

    def tell(
        self, unread: list[Event], wanted: list[Event], ending: news.Ending | None, now: float
    ) -> float:
        """Call the command for one event; it is not called again for it if it fails."""
        if wanted:
            event = wanted[0]
            occasion, facts = news.occasion_of(event), news.facts_of(self.store, event)
            told: tuple[list[Event], news.Ending | None] = ([event], None)
        else:
            assert ending is not None  # noqa: S101
            occasion, told = "done", (unread, ending)
            facts = {
                "project": str(self.store.folder),
                "id": ending.last,
                "time": now,
                "counts": ending.counts,
                "seconds": ending.seconds,
                "message": ending.title,
            }
        notice = run_hook(self.settings, occasion, facts)
        with self.store.write():
            self.mark(*told)
            if notice is not None:
                self.store.add_event(
                    EventKind.NOTICE, str(notice), level="warning", code=notice.code, when=now
                )
        return 0.0


def _watching(events: Sequence[Event]) -> list[str]:
    """Return what is to be told of watching."""
    return [f"{one.code}: {one.message}" for one in events if news.occasion_of(one) == "watch"]


def _channels(store: Store, settings: UserSettings) -> tuple[Channel, ...]:
    return _Mail(store, settings.mail), _Hook(store, settings)
