"""What an engine tells about its work."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives how far a piece of work is; the command line draws bars from it."""

    def start(self, label: str, total: int) -> None:
        """Announce work of `total` chunks."""

    def advance(self, count: int = 1) -> None:
        """Tell that `count` more chunks are done."""


class SilentProgress:
    """Progress that nobody watches."""

    def start(self, label: str, total: int) -> None:
        """Do nothing."""

    def advance(self, count: int = 1) -> None:
        """Do nothing."""
