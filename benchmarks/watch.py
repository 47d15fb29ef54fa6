"""A simulated day of watching: a microscope writes thousands of acquisitions, a clock runs fast.

python benchmarks/watch.py [--acquisitions 5000] [--every 10]

The files are real and small: written in pieces under temporary names or in place, renamed, with an
.mdoc before or after them, replaced, deleted, moved and copied; what was cut short is deleted hours
later. Each must be queued once for its final content: none is missed, none is taken twice.
"""

from __future__ import annotations

import argparse
import heapq
import os
import random
import shutil
import struct
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tomoline.queue.project import Project
from tomoline.queue.watching.service import WatchService

DAY_S = 86400.0
SETTLE_S = 30.0


@dataclass
class Day:
    """What happened in a day.

    Attributes
    ----------
    acquisitions, looks : int
        How many.
    look_s : list of float
        Seconds of each look.
    missed, twice, early : list of str
        Acquisitions whose final content was not queued, that were queued more often than they
        changed, and that were queued before they were whole. All must be empty.
    """

    acquisitions: int = 0
    looks: int = 0
    look_s: list[float] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    early: list[str] = field(default_factory=list)
    again: int = 0
    """How often something was queued that had been queued before."""
    codes: dict[str, int] = field(default_factory=dict)


class Microscope:
    """Writes acquisitions by a plan that is drawn beforehand.

    Parameters
    ----------
    folder : Path
        Where.
    count : int
        How many acquisitions.
    seed : int
        Of the plan.
    """

    def __init__(self, folder: Path, count: int, seed: int) -> None:
        self.folder = folder
        self._random = random.Random(seed)
        self._plan: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0
        self.whole: dict[str, float] = {}
        """When each stack became whole; those that are not, or not any more, are not in it."""
        self.versions: dict[str, int] = {}
        """How many contents each stack had that had to be queued."""
        self.moved: dict[str, str] = {}
        """Under which name what has been filed away was written."""
        for index in range(count):
            self._draw(index, (index + self._random.random()) * 0.94 * DAY_S / count)

    def until(self, now: float) -> None:
        """Do all that was to happen by now."""
        while self._plan and self._plan[0][0] <= now:
            when, _, action = heapq.heappop(self._plan)
            action(when)

    def _at(self, when: float, action: Callable[[float], None]) -> None:
        self._number += 1
        heapq.heappush(self._plan, (when, self._number, action))

    def _draw(self, index: int, start: float) -> None:
        pick = self._random.random
        name = f"grid {index // 100:02d}/TS_{index:05d}" + (" é" if index % 7 == 0 else "")
        path = self.folder / f"{name}.mrc"
        content = _stack(index)
        took = pick() * 40
        kind = index % 20
        if kind in (0, 1):  # in place, with a pause longer than the settling
            took += 60
            self._at(start, lambda _: _write(path, content[:700]))
            self._at(start + 20, lambda _: _write(path, content[:1100]))
            self._at(start + took, self._finish(path, content))
        elif kind < 12:  # copied under another name
            part = path.with_name(f"{path.name}.part")
            self._at(start, lambda _: _write(part, content[:900]))
            self._at(start + took, lambda _: _write(part, content))
            self._at(start + took + 1, self._rename(part, path))
        else:  # copied in pieces
            for piece in range(1, 4):
                some = content[: len(content) * piece // 4]
                self._at(start + took * piece / 4, self._part(path, some))
            self._at(start + took, self._finish(path, content))
        end = start + took + 1
        if kind == 3:  # the description comes first, and holds it back
            mdoc = path.with_name(f"{path.name}.mdoc")
            self._at(start - 5, lambda _: _write(mdoc, _mdoc(path.name)))
        if kind == 4:  # the angles come late
            self._at(end + 300 + 1000 * pick(), self._late(path))
        if kind == 5:  # replaced
            self._at(end + 2000 * pick(), self._replace(path, _stack(index + 100_000)))
        if kind == 6:  # deleted before it can be taken
            self._at(end + 5, self._delete(path))
        if kind == 7:  # filed away after it was run
            self._at(end + 900, self._file_away(path))
        if kind == 8:  # copied to a sub-folder under its own name
            self._at(end + 400, lambda _: _copy(path, path.parent / "copies" / path.name))
        if kind == 9:  # never whole
            cut = path.with_name(f"cut_{path.name}")
            self._at(end + 1, lambda _: _write(cut, content[:1100]))
            self._at(end + 6000 + 3000 * pick(), lambda _: cut.unlink())
        if kind == 10:  # gone and back, unchanged
            away = self.folder.parent / f"away_{index}.mrc"
            self._at(end + 500, lambda _: os.rename(path, away))
            self._at(end + 900, lambda _: os.rename(away, path))

    def _key(self, path: Path) -> str:
        return str(path.relative_to(self.folder))

    def _count(self, path: Path, when: float) -> None:
        key = self._key(path)
        self.whole[key] = when
        self.versions[key] = self.versions.get(key, 0) + 1

    def _part(self, path: Path, content: bytes) -> Callable[[float], None]:
        return lambda _: _write(path, content)

    def _finish(self, path: Path, content: bytes) -> Callable[[float], None]:
        def action(when: float) -> None:
            _write(path, content)
            self._count(path, when)

        return action

    def _rename(self, part: Path, path: Path) -> Callable[[float], None]:
        def action(when: float) -> None:
            os.rename(part, path)
            self._count(path, when)

        return action

    def _late(self, path: Path) -> Callable[[float], None]:
        def action(when: float) -> None:
            _write(path.with_suffix(".rawtlt"), b"-3\n0\n3\n")
            self._count(path, when)

        return action

    def _replace(self, path: Path, content: bytes) -> Callable[[float], None]:
        def action(when: float) -> None:
            self.whole.pop(self._key(path))
            _write(path, content[:1200])
            self._at(when + 20, self._finish(path, content))

        return action

    def _delete(self, path: Path) -> Callable[[float], None]:
        def action(_: float) -> None:
            path.unlink()
            self.whole.pop(self._key(path))
            self.versions.pop(self._key(path))

        return action

    def _file_away(self, path: Path) -> Callable[[float], None]:
        def action(_: float) -> None:
            done = path.parent / "done"
            done.mkdir(exist_ok=True)
            os.rename(path, done / path.name)
            self.moved[self._key(done / path.name)] = self._key(path)

        return action


def _stack(number: int) -> bytes:
    header = bytearray(1024)
    struct.pack_into("<4i", header, 0, 8, 8, 3 + number % 3, 0)
    return bytes(header) + struct.pack("<i", number) * (16 * (3 + number % 3))


def _mdoc(image: str) -> bytes:
    return f"ImageFile = {image}\n\n[MontSection = 0]\nTiltAngle = 0\n".encode()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _copy(path: Path, copy: Path) -> None:
    copy.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, copy)


def simulate(
    base: Path, count: int, *, every_s: float = 10.0, restart_every: int = 0, seed: int = 1
) -> Day:
    """Watch for a day, and tell what was missed or taken twice.

    Parameters
    ----------
    base : Path
        Empty folder.
    count : int
        Number of acquisitions.
    every_s : float
        Between two looks.
    restart_every : int
        Begin anew, as a new runner does, after so many looks; 0 for never.
    seed : int
        Of what happens.
    """
    folder = base / "session"
    folder.mkdir()
    microscope = Microscope(folder, count, seed)
    day = Day(count)
    queued: dict[str, int] = {}
    queued_at: dict[str, float] = {}
    with Project.create(base / "project") as project:
        project.watches.add(folder, "tilt", settle_s=SETTLE_S, every_s=every_s)
        service = WatchService(project.folder)
        last = project.log.events(limit=1, descending=True)[0].id
        sources: dict[str, str] = {}
        now = 0.0
        while now < DAY_S:
            now += every_s
            microscope.until(now)
            begin = time.perf_counter()
            service.turn(now)
            day.look_s.append(time.perf_counter() - begin)
            day.looks += 1
            for event in project.log.events(after=last):
                last = max(last, event.id)  # by time, and states have that of the real clock
                if event.code:
                    day.codes[event.code] = day.codes.get(event.code, 0) + 1
                if event.becomes != "waiting":
                    continue
                if event.data_set not in sources:
                    source = project.data_sets.entry(event.data_set).source
                    sources[event.data_set] = str(source.relative_to(folder))
                key = sources[event.data_set]
                # What is filed away before it could settle is taken from there.
                key = microscope.moved.get(key, key)
                queued[key] = queued.get(key, 0) + 1
                queued_at[key] = now
                if microscope.whole.get(key, now) > now - SETTLE_S:
                    day.early.append(key)
            _run_all(project, now)
            if restart_every and day.looks % restart_every == 0:
                service.close()
                service = WatchService(project.folder)
        service.close()
    day.missed = sorted(
        key for key, when in microscope.whole.items() if queued_at.get(key, -1.0) < when
    )
    day.twice = sorted(
        key for key, number in queued.items() if number > microscope.versions.get(key, 0)
    )
    day.again = sum(queued.values()) - len(queued)
    return day


def _run_all(project: Project, now: float) -> None:
    """End all batches at once: their runs are not what is measured."""
    with project.store.write() as db:
        db.execute(
            "UPDATE batch SET state = 'finished', attempt = 1, ended = ? WHERE state = 'waiting'",
            (now,),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--acquisitions", type=int, default=5000)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks")
    parser.add_argument("--restart-every", type=int, default=500, help="looks")
    options = parser.parse_args()
    base = Path(tempfile.mkdtemp())
    try:
        begin = time.perf_counter()
        day = simulate(
            base,
            options.acquisitions,
            every_s=options.every,
            restart_every=options.restart_every,
        )
        took = time.perf_counter() - begin
    finally:
        shutil.rmtree(base)
    looks = sorted(day.look_s)
    print(f"{day.acquisitions} acquisitions, {day.looks} looks in 24 simulated hours: {took:.0f} s")
    print(
        f"a look: mean {sum(looks) / len(looks) * 1e3:.1f} ms, median "
        f"{looks[len(looks) // 2] * 1e3:.1f} ms, longest {looks[-1] * 1e3:.0f} ms"
    )
    print(f"missed {len(day.missed)}, twice {len(day.twice)}, early {len(day.early)}; {day.codes}")


if __name__ == "__main__":
    main()
