"""What ``tomoline watch`` does."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tomoline import errors
from tomoline.cli._output import print_json, warn
from tomoline.cli._project import open_project

if TYPE_CHECKING:
    from tomoline.queue.model import RunState
    from tomoline.queue.project import Project
    from tomoline.queue.watches import Seen, Watch

_MOST_LINES = 100
_MADE = "-tomoline"


@dataclass(frozen=True)
class Request:
    """What to watch and how."""

    folder: Path
    recipe: str
    on_top: bool
    settle_s: float
    every_s: float
    pattern: str
    depth: int
    until: str
    settings: tuple[str, ...]
    existing: bool


def begin(named: Path | None, request: Request, *, detach: bool) -> int:
    """Watch a folder, start the runner, and look at the run unless `detach`.

    Returns
    -------
    int
        0; acquisitions that fail do not make the watching fail.
    """
    from tomoline.queue.layers import as_values
    from tomoline.recipes import RECIPES

    if request.recipe not in RECIPES:
        found = f"{request.recipe!r} is none." if request.recipe else "it is missing."
        raise errors.parameters.BAD_OPTION.error(
            "--recipe", found, f"Name the kind of acquisitions: {' or '.join(RECIPES)}."
        )
    last = RECIPES[request.recipe].step(request.until, last=True).name if request.until else ""
    values = _values(request)
    if not request.folder.is_dir():
        found = "it is a file." if request.folder.exists() else "it does not exist."
        raise errors.watch.NO_FOLDER.error(os.path.abspath(request.folder), found)
    with _project_for(named, request.folder) as project:
        if values:
            _check(project, values)
        project.watches.add(
            request.folder,
            request.recipe,
            on_top=request.on_top,
            settle_s=request.settle_s,
            every_s=request.every_s,
            pattern=request.pattern,
            depth=request.depth,
            last=last,
            existing=request.existing,
            values=as_values(values),
        )
        since = project.watches.begin()
        where = f"{os.path.abspath(request.folder)} is watched; project {project.folder}."
        sys.stderr.write(
            f"{where}\nResults go to {project.deliver}/NAME. "
            f"'tomoline watch --list' tells what waits and why.\n"
        )
        if detach:
            sys.stderr.write("The watching goes on; 'tomoline status --follow' looks at the run.\n")
            return 0
        from tomoline.cli._attach import attach

        attach(project, since=since)
    return 0


def stop_watch(named: Path | None, folder: Path) -> int:
    """Stop watching a folder."""
    with open_project(named or _made_for(folder)) as project:
        left, wanted = project.watches.stop(folder)
    more = f" {_left(left, wanted)}" if left else ""
    sys.stderr.write(f"{os.path.abspath(folder)} is no longer watched.{more}\n")
    return 0


def _left(number: int, wanted: RunState) -> str:
    """Say what becomes of what a watch has queued."""
    from tomoline.queue.words import count_of

    told = f"Of what it has queued, {count_of(number, 'batch')}"
    if wanted == "running":
        return f"{told} {'is' if number == 1 else 'are'} still run."
    state = "the run is paused" if wanted == "paused" else "nothing is run now"
    wait = "waits" if number == 1 else "wait"
    return f"{told} {wait} in the queue; {state}, and 'tomoline resume' goes on."


def print_watches(named: Path | None, folder: Path | None, *, as_json: bool) -> int:
    """Print what is watched, and what was seen there."""
    with open_project(named or _made_for(folder), looking=True) as project:
        watches = project.watches.all()
        if folder is not None:
            path = Path(os.path.abspath(folder))
            watches = [one for one in watches if one.folder == path]
            if not watches:
                raise errors.watch.NO_WATCH.error(path, "it was never watched in this project.")
        if as_json:
            with project.store.read() as db:
                names = dict(db.execute("SELECT id, name FROM data_set").fetchall())
            print_json([_document(project, one, names) for one in watches])
            return 0
        if not watches:
            sys.stdout.write("Nothing is watched; 'tomoline watch DIR --recipe tilt' begins.\n")
        for one in watches:
            _print_watch(project, one)
    return 0


def _values(request: Request) -> dict[str, Any]:
    if not request.settings:
        return {}
    from tomoline.surfaces.project_values import read_values

    found = read_values(request.settings)
    warn(found.notices)
    return found.values


def _check(project: Project, values: dict[str, Any]) -> None:
    from tomoline.surfaces.value_checks import check_values, in_order

    check_values(in_order(project.layers.all()), values, "data set")


def _made_for(folder: Path | None) -> Path | None:
    """Return the project that an earlier ``watch`` made here, where there is no other."""
    from tomoline.errors import TomolineError
    from tomoline.queue.project import Project, is_project

    try:
        Project.find().close()
    except TomolineError as error:
        if error.kind is errors.project.NO_PROJECT:
            made = [_own(folder)] if folder else sorted(Path.cwd().glob(f"*{_MADE}"))
            made = [one for one in made if is_project(one)]
            return made[0] if len(made) == 1 else None
    return None


def _own(folder: Path) -> Path:
    return Path.cwd() / f"{Path(os.path.abspath(folder)).name or 'root'}{_MADE}"


def _project_for(named: Path | None, folder: Path) -> Project:
    """Open the project that is meant, or make one for this folder."""
    from tomoline.errors import TomolineError
    from tomoline.queue.project import VARIABLE, Project, is_project

    try:
        return open_project(named)
    except TomolineError as error:
        elsewhere = named is not None or os.environ.get(VARIABLE)
        if elsewhere or error.kind is not errors.project.NO_PROJECT:
            raise
    own = _own(folder)
    if is_project(own):
        return open_project(own)
    project = Project.create(own)
    sys.stderr.write(f"There is no project here; {own} was made.\n")
    return project


def _print_watch(project: Project, watch: Watch) -> None:
    from tomoline.cli._aligned import aligned

    counts = project.watches.counts(watch)
    how = ", newest first" if watch.on_top else ""
    state = "watched" if watch.active else "stopped"
    told = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items())) or "nothing yet"
    sys.stdout.write(f"{watch.folder}  {state}, recipe {watch.recipe}{how}\n")
    sys.stdout.write(f"looked {_time(watch.looked)}: {told}\n")
    # What waits is what people look for.
    seen = project.watches.seen(watch, limit=_MOST_LINES)
    rows = [
        (_relative(one, watch), one.state, _name(project, one), _reason(one, watch)) for one in seen
    ]
    if rows:
        lines = aligned(("acquisition", "state", "data set", "waits for"), rows)
        sys.stdout.writelines(f"  {line}\n" for line in lines)
    if sum(counts.values()) > len(seen):
        sys.stdout.write(f"  and {sum(counts.values()) - len(seen)} more; --json has all\n")
    sys.stdout.write("\n")


def _name(project: Project, one: Seen) -> str:
    entry = project.data_sets.by_id(one.data_set) if one.data_set is not None else None
    return entry.name if entry is not None else ""


def _relative(one: Seen, watch: Watch) -> str:
    from tomoline.queue.watching.names import shown

    return shown(os.path.relpath(one.path, watch.folder))


def _reason(one: Seen, watch: Watch) -> str:
    if one.state != "growing":
        return one.reason
    so_far = max(time.time() - one.since, 0.0)
    if one.reason:
        return f"{one.reason}; {so_far:.0f} s so far"
    left = watch.settings.settle_s - so_far
    return f"to be the same for {left:.0f} s more" if left >= 0.5 else "the next look"


def _time(seconds: float) -> str:
    from tomoline.queue.words import utc_text

    return utc_text(seconds) if seconds else "not yet"


def _document(project: Project, watch: Watch, names: dict[int, str]) -> dict[str, Any]:
    from dataclasses import asdict

    settings = asdict(watch.settings)
    del settings["device"], settings["mounts"]
    return {
        "folder": str(watch.folder),
        "recipe": watch.recipe,
        "active": watch.active,
        "on_top": watch.on_top,
        "looked": watch.looked or None,
        "settings": settings,
        "seen": [
            {
                "path": str(one.path),
                "state": one.state,
                "since": one.since,
                "reason": one.reason,
                "data_set": names.get(one.data_set or 0),
            }
            for one in project.watches.seen(watch)
        ],
    }
