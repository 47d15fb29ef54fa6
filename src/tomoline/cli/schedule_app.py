"""``tomoline schedule``: steps repeated over whatever is new."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tomoline.cli._project import ProjectOption

if TYPE_CHECKING:
    from tomoline.queue.project import Project
    from tomoline.queue.schedules import Schedule

schedule_app = typer.Typer(help="Repeat steps over whatever is new.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The schedule.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(schedule_app, name="schedule")


@schedule_app.command("new")
def new_command(
    name: NameArgument,
    steps: Annotated[
        str,
        typer.Option(
            metavar="A,B,C",
            help="Steps of one recipe, in its order ('tomoline steps' lists them). 'import' may "
            "come first: look at the watched folders. 'values' may come last: write values.csv.",
        ),
    ],
    times: Annotated[int, typer.Option(metavar="N", help="How many rounds.")] = 1,
    every: Annotated[
        float,
        typer.Option(
            metavar="MINUTES",
            help="At least so long between the starts of two rounds; a round never begins before "
            "the one before it has ended.",
        ),
    ] = 0.0,
    recipe: Annotated[
        str, typer.Option(help="Whose steps they are, tilt or scan; by default the steps tell.")
    ] = "",
    project: ProjectOption = None,
) -> None:
    """Prepare a schedule; there need not be any data yet.

    Every night a week long, the tomograms of what was aligned by day:

        tomoline schedule new night --steps reconstruct,trim,values --times 7 --every 1440

    In each round the steps of a recipe take only data sets that are new, unfinished or changed;
    'values' starts again from all. 'tomoline schedule start night' begins with the first round.
    """
    from tomoline.cli._project import open_project

    with open_project(project) as opened:
        one = opened.schedules.new(
            name, steps.split(","), times=times, every_s=60.0 * every, recipe=recipe
        )
    told = f"Schedule {one.name} is prepared: {', '.join(one.steps)}; {_rounds(one)}."
    sys.stdout.write(f"{told}\n'tomoline schedule start {one.name}' begins.\n")


@schedule_app.command("start")
def start_command(name: NameArgument, project: ProjectOption = None) -> None:
    """Begin with the first round, or go on where the schedule was stopped.

        tomoline schedule start night

    It goes on when the terminal closes.
    """
    from tomoline.cli._project import open_project

    with open_project(project) as opened:
        one = opened.schedules.start(name)
    sys.stdout.write(f"Schedule {one.name} runs: {_rounds(one)}.\n")


@schedule_app.command("stop")
def stop_command(name: NameArgument, project: ProjectOption = None) -> None:
    """Begin no more rounds; what the present one has queued is still run.

    For example:

        tomoline schedule stop night

    'tomoline schedule start night' goes on with the next round.
    """
    from tomoline.cli._project import open_project

    with open_project(project) as opened:
        one = opened.schedules.stop(name)
        live = opened.schedules.live(one)
    verb = "is" if live == 1 else "are"
    left = f" {live} of its data sets {verb} still in the queue." if live else ""
    sys.stdout.write(f"Schedule {one.name} is stopped in round {one.round} of {one.times}.{left}\n")


@schedule_app.command("status")
def status_command(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Schedules; by default all.")
    ] = None,
    project: ProjectOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print a list that programs can read; times in seconds.")
    ] = False,
) -> None:
    """Tell which schedules there are, in which round they are, and when the next one begins.

    For example:

        tomoline schedule status

    Times are in UTC.
    """
    from tomoline.cli._project import open_project

    with open_project(project, looking=True) as opened:
        _print(opened, names or [], json)


@schedule_app.command("list")
def list_command(project: ProjectOption = None) -> None:
    """List the schedules: the same as 'status' without names.

    For example:

        tomoline schedule list

    See 'tomoline schedule status --help'.
    """
    from tomoline.cli._project import open_project

    with open_project(project, looking=True) as opened:
        _print(opened, [], False)


@schedule_app.command("remove")
def remove_command(name: NameArgument, project: ProjectOption = None) -> None:
    """Forget a schedule that does not run; what it has queued stays in the queue.

    For example:

        tomoline schedule remove night

    Results stay as they are.
    """
    from tomoline.cli._project import open_project

    with open_project(project) as opened:
        opened.schedules.remove(name)
    sys.stdout.write(f"Schedule {name} is removed.\n")


def _print(opened: Project, names: list[str], as_json: bool) -> None:
    schedules = opened.schedules
    chosen = [schedules.get(name) for name in names] if names else schedules.all()
    live = {one.name: schedules.live(one) for one in chosen}
    if as_json:
        from json import dumps

        documents = [_document(one, live[one.name]) for one in chosen]
        sys.stdout.write(dumps(documents, ensure_ascii=False, indent=1) + "\n")
        return
    if not chosen:
        sys.stdout.write("There are no schedules; 'tomoline schedule new' makes one.\n")
        return
    rows = [("name", "state", "round", "next round", "in queue", "steps")]
    for one in chosen:
        rows.append(
            (
                one.name,
                str(one.state),
                f"{one.round} of {one.times}",
                _next(one),
                str(live[one.name]),
                ",".join(one.steps),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    for row in rows:
        cells = [f"{text:<{width}}" for text, width in zip(row, widths, strict=False)]
        sys.stdout.write("  ".join([*cells, row[-1]]) + "\n")


def _document(one: Schedule, live: int) -> dict[str, Any]:
    return {
        "name": one.name,
        "recipe": one.recipe,
        "steps": list(one.steps),
        "needs": list(one.needs),
        "times": one.times,
        "every_s": one.every_s,
        "state": str(one.state),
        "round": one.round,
        "round_began": one.began or None,
        "round_ended": not one.open,
        "next_round": one.due,
        "in_queue": live,
    }


def _next(one: Schedule) -> str:
    """Say when the next round begins."""
    from datetime import UTC, datetime
    from time import time

    if one.due is None:
        return "-"
    if one.due <= time():
        return "when this one ends" if one.open else "now"
    return f"{datetime.fromtimestamp(one.due, UTC):%Y-%m-%d %H:%M} UTC"


def _rounds(one: Schedule) -> str:
    if one.times == 1:
        return "one round"
    from tomoline.queue.words import count_of

    apart = f", at least {count_of(one.every_s / 60, 'minute')} apart" if one.every_s else ""
    return f"{one.times} rounds{apart}"
