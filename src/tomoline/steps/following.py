"""What a recipe does while its acquisition is still being recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Arrived:
    """What is there of an acquisition.

    Attributes
    ----------
    files : int
        Number of its files; whenever it changes, patience begins anew.
    complete : bool
        Whether all is there, as far as the number of frames is known.
    whole : bool
        Whether what is there has no gaps, so that it could be all.
    missing : str
        What is missing, in words.
    """

    files: int
    complete: bool
    whole: bool
    missing: str


class Follower(Protocol):
    """What a recipe does while its acquisition is recorded."""

    def look(self) -> Arrived:
        """Look at what is there."""

    def work(self) -> bool:
        """Do some of what can be done by now; False if there is nothing to do."""

    def prepared(self) -> Mapping[str, Any]:
        """Return what steps may recall."""
