"""Whether a folder that lacks something can be reached at all: unmounted disks look empty."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping

from tomoline.queue.watches import Watch
from tomoline.queue.watching.scan import Look


class Mounts:
    """Knows on which file systems the folders of a watch lie when all is well.

    Parameters
    ----------
    watch : Watch
        With what was known when it was looked at last.
    """

    def __init__(self, watch: Watch) -> None:
        self._root = str(watch.folder)
        self._depth = watch.settings.depth
        self._device = watch.settings.device
        self._mounts = dict(watch.settings.mounts)

    def out_of_reach(self, folder: str, look: Look, crowd: bool) -> tuple[str, str]:
        """Tell whether what is missing from a folder may be there and cannot be seen.

        Parameters
        ----------
        folder : str
            Where something is missing.
        look : Look
            What was seen.
        crowd : bool
            Whether much is missing there, all at once.

        Returns
        -------
        str
            The uppermost folder that cannot be reached; "" if all can.
        str
            Why not.
        """
        found = ("", "")
        if folder[len(self._root) :].count("/") > self._depth:
            return found  # it is not looked at any more
        for place in self._upwards(folder):
            here = look.folders.get(place)
            if here is None:
                found = (place, "it is not there.")
            elif here.device != self._expected(place, look):
                empty = "it is empty, and " if here.empty else "it is "
                found = (place, f"{empty}on another file system than before.")
            elif place == folder and here.empty and crowd:
                found = (place, "all that was in it is gone at once.")
        return found

    def seen(self, look: Look, missing: Collection[str]) -> tuple[int, Mapping[str, int]]:
        """Learn from a look on which file systems the folders lie.

        Those around something that is missing may lie on another one now than usually.

        Parameters
        ----------
        look : Look
            What was seen.
        missing : collection of str
            Paths of what is missing.

        Returns
        -------
        int
            Number of the file system of the watched folder.
        dict of str to int
            The same of each folder that lies on another one than the folder around it.
        """
        held = {
            place
            for folder in {os.path.dirname(path) for path in missing}
            for place in self._upwards(folder)
        }
        mounts = {place: number for place, number in self._mounts.items() if place in held}
        for place, folder in look.folders.items():
            if place not in held and place != self._root:
                if folder.device != look.folders[os.path.dirname(place)].device:
                    mounts[place] = folder.device
        if self._root not in held or not self._device:
            self._device = look.device
        self._mounts = mounts
        return self._device, mounts

    def _expected(self, place: str, look: Look) -> int:
        """Return the file system that a folder lies on when all is well."""
        if place == self._root:
            return self._device or look.device
        around = look.folders.get(os.path.dirname(place))
        return self._mounts.get(place, around.device if around is not None else look.device)

    def _upwards(self, folder: str) -> Iterator[str]:
        """Return a folder and those around it, up to the watched one."""
        while folder.startswith(f"{self._root.rstrip('/')}/"):
            yield folder
            folder = os.path.dirname(folder)
        yield self._root
