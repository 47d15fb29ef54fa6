"""A way of telling what happens in a project, and how far it has come."""

from __future__ import annotations

from collections.abc import Sequence

from tomoline.queue import news
from tomoline.queue.model import Event
from tomoline.queue.store import Store

POLL_S = 1.0


class Channel:
    """One way of telling things, with how far it has come."""

    name = ""

    def __init__(self, store: Store, on: Sequence[str], *, ready: bool) -> None:
        self.store = store
        self.on = on
        self.ready = ready

    def read(self) -> tuple[list[Event], news.Ending | None]:
        """Return what has not been told, and what all has come to if it is done."""
        with self.store.read():
            unread = news.news_after(self.store, self.told())
            if not news.is_done(self.store):
                return unread, None
            done = int(self.store.setting(f"{self.name}.done") or 0)
            return unread, news.ending_after(self.store, done)

    def told(self) -> int:
        """Return the last event that has been told, or need not be."""
        return int(self.store.setting(f"{self.name}.told") or 0)

    def set_told(self, number: int) -> None:
        """Write that down."""
        self.store.set_setting(f"{self.name}.told", str(number))

    def has_news(self) -> bool:
        """Whether there is something to tell."""
        if not self.ready:
            return False
        unread, ending = self.read()
        wanted = any(news.occasion_of(one) in self.on for one in unread)
        return wanted or (ending is not None and "done" in self.on)

    def mark(self, unread: Sequence[Event], ending: news.Ending | None) -> None:
        """Write down what has been told, or need not be."""
        with self.store.write():
            if unread:
                self.set_told(unread[-1].id)
            if ending:
                self.store.set_setting(f"{self.name}.done", str(ending.last))

    def turn(self, now: float) -> float:
        """Tell what is due; return the seconds until the next look."""
        unread, ending = self.read()
        if not self.ready:  # nobody wants to hear of it when mail is set up later
            self.mark(unread, ending)
        if not self.ready or not (unread or ending):
            return POLL_S
        wanted = [one for one in unread if news.occasion_of(one) in self.on]
        if ending is not None and "done" not in self.on:
            self.mark([], ending)
            ending = None
        if not wanted and ending is None:
            self.mark(unread, None)
            return POLL_S
        return self.tell(unread, wanted, ending, now)

    def tell(
        self, unread: list[Event], wanted: list[Event], ending: news.Ending | None, now: float
    ) -> float:
        """Tell some or all of it, and mark that; return the seconds until the next look."""
        raise NotImplementedError
