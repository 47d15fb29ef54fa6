"""Which files of a listing belong together as one acquisition; pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace

from tomoline.queue.axes import CLASSES, other_stem
from tomoline.queue.watching import names
from tomoline.queue.watching.inside import MdocFacts
from tomoline.queue.watching.scan import File

_MDOC = ".mdoc"


@dataclass(frozen=True, slots=True)
class Acquisition:
    """Files that belong together.

    Attributes
    ----------
    path : str
        Absolute path of the main file, or of the folder.
    name : str
        Root name that it would have.
    mark : str
        Differs when any of the files does: a part for the main files, one for those that describe
        them, and the number of the latter. The same after renaming all of them.
    newest_ns : int
        Latest time of change, by the clock of whoever wrote them.
    same : tuple of int
        Device and inode of the main file, the same for its hard links; empty for a folder.
    problem : str
        Why it cannot be whole; "" if nothing of that can be seen from outside.
    views : int
        How many views its description has; 0 where that is not known.
    other_axis : str
        Absolute path of the stack of the other axis, where that is there.
    patience : float
        It must be the same for so many times as long as others.
    coarse : bool
        Whether its times are whole seconds, so that marks of different files may be the same.
    samples : tuple of str
        Absolute paths of some of its files, by which copies are told.
    files : int
        How many main files it has.
    """

    path: str
    name: str
    mark: str
    newest_ns: int
    same: tuple[int, ...] = ()
    problem: str = ""
    views: int = 0
    other_axis: str = ""
    patience: float = 1.0
    coarse: bool = False
    samples: tuple[str, ...] = ()
    files: int = 1

    @property
    def folder(self) -> str:
        """The folder that the main file lies in."""
        return self.path.rpartition("/")[0]


def mark_of(main: Iterable[tuple[str, File]], described: Iterable[tuple[str, File]] = ()) -> str:
    """Return a word that differs when files do.

    >>> one = File(10, 5, 0, 0)
    >>> mark_of([("", one)]) == mark_of([("", one)]) != mark_of([("", one)], [(".mdoc", one)])
    True
    """
    parts = []
    extra = sorted(described)
    for files in (sorted(main), extra):
        digest = hashlib.blake2b(digest_size=8)
        for name, file in files:
            digest.update(f"{name}\0{file.size}\0{file.mtime_ns}\n".encode())
        parts.append(digest.hexdigest())
    return f"{parts[0]}.{parts[1]}.{len(extra)}"


def main_of(mark: str) -> str:
    """Return the part of a mark that is of the main files."""
    return mark.partition(".")[0]


def described_by(mark: str) -> int:
    """Return how many files of description a mark is of."""
    return int(mark.rpartition(".")[2] or 0)


def tilt_series(
    path: str,
    files: Mapping[str, File],
    facts: Callable[[str, File], MdocFacts | None],
    *,
    pattern: str = "",
    frames: Container[str] = (),
) -> list[Acquisition]:
    """Return the tilt series in one folder: stacks with their .mdoc and .rawtlt.

    Parameters
    ----------
    path : str
        The folder.
    files : mapping of str to File
        What is in it, by name.
    facts : callable
        What the .mdoc of a name, seen as a file, says.
    pattern : str
        Names to take, with ``*`` and ``?``; all if empty.
    frames : container of str
        Names of frames that some .mdoc lists; they are no stacks.
    """
    described: dict[str, MdocFacts] = {}
    for name, file in files.items():
        if name.endswith(_MDOC) and (fact := facts(name, file)) is not None:
            described[name] = fact
    stacks = {name: names.split(name) for name in files}
    stacks = {
        name: parts
        for name, parts in stacks.items()
        if parts[1] in names.STACKS and not names.is_frame(parts[0]) and name not in frames
    }
    roots = {stem for stem, _ in stacks.values()}
    found: list[Acquisition] = []
    used: set[str] = set()
    for name, (stem, suffix) in stacks.items():
        if names.result_of(stem) in roots:
            continue
        used |= set(_descriptions(name, stem, files))
        if not names.is_meant(name, pattern):
            continue
        one = _series(path, name, stem, suffix, files, described)
        other = _other_axis(stem, suffix, stacks)
        found.append(replace(one, other_axis=f"{path}/{other}") if other else one)
    for name in sorted(described.keys() - used):
        wanted = described[name].image_file or _stack_of(name, described[name])
        if wanted and wanted not in files and names.is_meant(wanted, pattern):
            mark = mark_of([(_MDOC, files[name])])
            problem = f"waits for {names.shown(wanted)}"
            found.append(
                Acquisition(f"{path}/{name}", wanted, mark, files[name].mtime_ns, problem=problem)
            )
    return found


def _series(
    path: str,
    name: str,
    stem: str,
    suffix: str,
    files: Mapping[str, File],
    described: Mapping[str, MdocFacts],
) -> Acquisition:
    beside = [f"{stem}.rawtlt", f"{stem}_rawbound.mod", *_descriptions(name, stem, files)]
    extra = [(one[len(stem) :], files[one]) for one in dict.fromkeys(beside) if one in files]
    main = files[name]
    mdocs = _descriptions(name, stem, files)
    views = described[mdocs[0]].views if mdocs and mdocs[0] in described else 0
    return Acquisition(
        path=f"{path}/{name}",
        name=stem,
        mark=mark_of([(suffix, main)], extra),
        newest_ns=max(main.mtime_ns, *(file.mtime_ns for _, file in extra), 0),
        same=(main.device, main.inode),
        problem="" if main.size else "it is empty",
        views=views,
        coarse=main.mtime_ns % 1_000_000_000 == 0,
        samples=(f"{path}/{name}",),
    )


def _descriptions(name: str, stem: str, files: Mapping[str, File]) -> list[str]:
    """Return the .mdoc of a stack that holds, as `files.mdoc.find_for` chooses."""
    for base in dict.fromkeys([name, f"{stem}.st", f"{stem}.mrc", stem]):
        original = f"{base}{_MDOC}"
        override = f"{base}_override{_MDOC}"
        if override in files:
            return [override, original] if original in files else [override]
        if original in files:
            return [original]
    return []


def _stack_of(name: str, facts: MdocFacts) -> str:
    """Return the stack that an .mdoc which names none is of: those of one view's frames have none.

    >>> _stack_of("TS_01.mdoc", MdocFacts("", frozenset(), 41))
    'TS_01.mrc'
    """
    if not facts.views:
        return ""
    base = name[: -len(_MDOC)]
    return base if names.split(base)[1] in names.STACKS else f"{base}.mrc"


def _other_axis(stem: str, suffix: str, stacks: Mapping[str, tuple[str, str]]) -> str:
    other, kind = other_stem(stem), CLASSES[suffix]
    there = [
        name for name, parts in stacks.items() if parts[0] == other and CLASSES[parts[1]] == kind
    ]
    return min(there, key=lambda name: (not name.endswith(suffix), name), default="")
