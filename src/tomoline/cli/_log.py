"""The log of a project on the command line."""

from __future__ import annotations

import re
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.cli._project import open_project
from tomoline.queue.levels import Order
from tomoline.queue.log import line_of
from tomoline.queue.model import Event
from tomoline.queue.project import Project

LOOK_S = 0.2
"""How often the log is looked at while it is followed."""
AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|sec|min|m|h|d|w)(?:\s+ago)?")
UNITS_S = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@dataclass(frozen=True)
class Wanted:
    """Which events, and in which order; see `tomoline.queue.log.Log.events`."""

    data_set: str
    processor: int | None
    step: str
    level: str
    kind: str
    message: str
    since: str
    until: str
    sort: str
    reverse: bool
    newest: int


def print_log(
    folder: Path | None, wanted: Wanted, *, follow: bool, local: bool, as_json: bool
) -> None:
    """Print events, and go on with those to come if asked for.

    Raises
    ------
    TomolineError
        PARAM-06 for times that are none, or where the end of the log is not its newest line.
    """
    if follow and (wanted.sort != Order.TIME or wanted.reverse or wanted.until):
        raise errors.parameters.BAD_OPTION.error(
            "--follow", "new lines come last: it goes without --sort, --reverse and --until."
        )
    now = time.time()
    conditions: dict[str, Any] = {
        "data_set": wanted.data_set,
        "processor": wanted.processor,
        "step": wanted.step,
        "level": wanted.level,
        "kind": wanted.kind,
        "message": wanted.message,
        "since": read_time(wanted.since, now, local=local, option="--since"),
        "until": read_time(wanted.until, now, local=local, option="--until"),
    }
    with closing(open_project(folder, looking=True)) as project:
        last = project.log.last()
        found = project.log.events(
            **conditions,
            sort=wanted.sort,
            descending=wanted.reverse,
            newest=wanted.newest,
        )
        _print(found, local=local, as_json=as_json)
        if not follow:
            _tell_rest(project, conditions, len(found), wanted.newest)
        if follow:
            from tomoline.queue.looking import refuse_to_follow

            refuse_to_follow(project.store)
            _follow(project, conditions, max([last, *(one.id for one in found)]), local, as_json)


def _tell_rest(project: Project, conditions: dict[str, Any], shown: int, newest: int) -> None:
    """Say what is not shown: an end that looks like the beginning would mislead."""
    if not shown:
        sys.stderr.write("no line of the log meets that\n")
    elif shown == newest and len(project.log.events(**conditions, newest=newest + 1)) > newest:
        sys.stderr.write(f"only the newest {newest} are shown: --limit 0 shows all\n")


def read_time(text: str, now: float, *, local: bool = False, option: str = "") -> float:
    """Return the time that a text means, 0 for none: so long ago, or a date, with a time or not.

    Raises
    ------
    TomolineError
        PARAM-06 if it is neither.

    >>> read_time("2 h", 10_000.0), read_time("1970-01-02T00:00", 0.0), read_time("", 5.0)
    (2800.0, 86400.0, 0.0)
    """
    text = text.strip()
    if not text:
        return 0.0
    if ago := AGO.fullmatch(text):
        # A time before 1970 is as good as the beginning, and 0 would mean no bound.
        return max(now - float(ago[1]) * UNITS_S[ago[2]], 1e-3)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.parameters.BAD_OPTION.error(
            option,
            f"{text!r} is no time.",
            "Write so long ago as 90s, 30min, 2h, 3d or 1w, or a time as 2031-05-17T14:00.",
        ) from error
    if moment.tzinfo is None:
        moment = moment.astimezone() if local else moment.replace(tzinfo=UTC)
    return max(moment.timestamp(), 1e-3)


def _follow(
    project: Project, conditions: dict[str, Any], last: int, local: bool, as_json: bool
) -> None:
    changes = project.store.changes()
    try:
        while True:
            time.sleep(LOOK_S)
            if (present := project.store.changes()) == changes:
                continue
            changes = present
            found = project.log.events(**conditions, after=last)
            _print(found, local=local, as_json=as_json)
            last = max([last, *(one.id for one in found)])
    except KeyboardInterrupt:
        return


def _print(events: list[Event], *, local: bool, as_json: bool) -> None:
    if as_json:
        import json

        lines = [json.dumps(_document(one), ensure_ascii=False) for one in events]
    else:
        lines = [line_of(one, local=local) for one in events]
    if lines:
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


def _document(event: Event) -> dict[str, Any]:
    moment = datetime.fromtimestamp(event.time, UTC).isoformat(timespec="milliseconds")
    return {**vars(event), "time": moment}
