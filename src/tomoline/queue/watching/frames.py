"""Which names are those of frames, since some .mdoc lists them.

A facility's watch meets millions of them in some months, so little is kept of each: nothing where
the name alone tells, else eight bytes of a hash for those who ask, and as many for forgetting it.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable

from tomoline.queue.watching import names


class Frames:
    """Names of frames, by the folder of the .mdoc that lists them.

    What was a frame once stays one when its .mdoc is filed away, as long as that folder is there,
    or the frame itself.

    >>> frames = Frames()
    >>> _ = frames.listed("/in", ["a_0.tif", "a_1.tif"])
    >>> "a_0.tif" in frames, "a.tif" in frames
    (True, False)
    """

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._listed: dict[str, array[int]] = {}
        self._there: dict[str, array[int]] = {}

    def __contains__(self, name: object) -> bool:
        """Whether a name is that of a frame."""
        return hash(name) in self._numbers

    def listed(self, folder: str, some: Iterable[str]) -> set[int]:
        """Note what the .mdoc files of a folder list, and return the numbers of new names."""
        found = _numbers_of(some)
        new = {number for number in found if number not in self._numbers}
        self._add(folder, found)
        return new

    def lie_in(self, folder: str, files: Iterable[str]) -> None:
        """Note the files of a folder that may be frames."""
        self._there[folder] = array("q", _numbers_of(files))

    def folders_of(self, new: set[int]) -> set[str]:
        """Return the folders that hold files of these numbers."""
        if not new:
            return set()
        return {path for path, there in self._there.items() if not new.isdisjoint(there)}

    def forget(self, is_gone: Callable[[str], bool]) -> None:
        """Forget what folders that are gone have listed and held."""
        for folder in [one for one in self._there if is_gone(one)]:
            del self._there[folder]
        gone = [one for one in self._listed if is_gone(one)]
        if not gone:
            return
        lost = {number for folder in gone for number in self._listed[folder]}
        for folder, there in self._there.items():
            if kept := lost.intersection(there):
                self._add(folder, kept)
        for folder in gone:
            for number in self._listed.pop(folder):
                self._numbers.remove(number)

    def _add(self, folder: str, found: set[int]) -> None:
        added, known = found, {number for number in found if number in self._numbers}
        if known:  # what a folder has listed may be much, and is looked through once at most
            added = found - known.intersection(self._listed.get(folder, ()))
        if not added:
            return
        self._listed.setdefault(folder, array("q")).extend(added)
        for number in added:
            self._numbers.add(number)


def _numbers_of(some: Iterable[str]) -> set[int]:
    """Return numbers for names of stacks that do not tell by themselves that they are frames."""
    return {
        hash(name)
        for name in some
        if (parts := names.split(name))[1] in names.STACKS and not names.is_frame(parts[0])
    }


class _Numbers:
    """Many numbers of 64 bits, each as often as it was added.

    >>> numbers = _Numbers()
    >>> numbers.add(-5), numbers.add(-5), numbers.remove(-5)
    (None, None, None)
    >>> -5 in numbers, 5 in numbers
    (True, False)
    """

    _SHELVES = 1 << 12

    def __init__(self) -> None:
        self._shelves: dict[int, array[int]] = defaultdict(lambda: array("q"))

    def __contains__(self, number: object) -> bool:
        shelf = self._shelves.get(hash(number) % self._SHELVES)
        return shelf is not None and number in shelf

    def add(self, number: int) -> None:
        self._shelves[hash(number) % self._SHELVES].append(number)

    def remove(self, number: int) -> None:
        key = hash(number) % self._SHELVES
        self._shelves[key].remove(number)
        if not self._shelves[key]:
            del self._shelves[key]
