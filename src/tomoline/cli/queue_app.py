"""``tomoline queue``, ``log``, ``values``, ``retry``: what waits, what happened, what came out."""

from __future__ import annotations

from typing import Annotated

import typer

from tomoline import errors
from tomoline.cli._names import Names, SomeNames
from tomoline.cli._project import ProjectOption
from tomoline.errors.parameters import BAD_OPTION
from tomoline.queue.levels import Level, Order
from tomoline.queue.model import BatchState, EventKind

queue_app = typer.Typer(help="Look at the queue, and change its order.", no_args_is_help=True)

LocalOption = Annotated[
    bool, typer.Option("--local", help="Times of this machine's zone instead of UTC.")
]
LINES = 100
"""So many lines are shown if nobody says how many."""


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(queue_app, name="queue")
    app.command("log")(log_command)
    app.command("values")(values_command)
    app.command("retry")(retry_command)


@queue_app.command("list")
def list_command(
    names: Names = None,
    state: Annotated[
        list[BatchState] | None,
        typer.Option(help="Only batches of this state; repeat for more."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(min=0, help=f"At most so many; 0 for all. Default: {LINES}, all as JSON."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
    project: ProjectOption = None,
) -> None:
    """List what runs, what waits in its order, and what has ended without success.

    Of a data set that has ended its last batch counts. Finished ones are shown on request:

        tomoline queue list --state finished

    'tomoline log' tells what happened before.
    """
    from tomoline.cli._queue import print_queue

    most = (0 if json else LINES) if limit is None else limit
    print_queue(project, names or (), state or (), limit=most, as_json=json)


@queue_app.command("add")
def add_command(
    names: SomeNames,
    from_: Annotated[
        str, typer.Option("--from", metavar="STEP", help="Run again from this step.")
    ] = "",
    until: Annotated[str, typer.Option(metavar="STEP", help="Stop after this step.")] = "",
    any_step: Annotated[
        bool, typer.Option("--any-step", help="Start later than what a data set has reached.")
    ] = False,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="STEP.FIELD=VALUE", help="One parameter of these data sets; repeat."
        ),
    ] = None,
    top: Annotated[bool, typer.Option("--top", help="Before all others.")] = False,
    project: ProjectOption = None,
) -> None:
    """Queue data sets, also once more with other parameters: only what that changes is run.

    For example:

        tomoline queue add 'TS_1*' --set reconstruct.thickness_px=400 --top

    A data set that waits already gets the new part; one that runs is queued behind itself.
    """
    from tomoline.cli._queue import add

    add(project, names, first=from_, last=until, any_step=any_step, settings=set_ or (), top=top)


@queue_app.command("move")
def move_command(
    name: Annotated[str, typer.Argument(help="Data set, by name or pattern.")],
    position: Annotated[int, typer.Argument(min=1, help="Where to: 1 is next.")],
    project: ProjectOption = None,
) -> None:
    """Move a batch that waits to another position of the queue.

    For example:

        tomoline queue move TS_07 3

    Position 1 is next; 'tomoline queue list' shows the positions.
    """
    from tomoline.cli._queue import move

    move(project, [name], position)


@queue_app.command("top")
def top_command(names: SomeNames, project: ProjectOption = None) -> None:
    """Put batches that wait before all others, in the order given.

    For example:

        tomoline queue top TS_07 TS_09

    What runs just now is not interrupted for them.
    """
    from tomoline.cli._queue import move

    move(project, names, 1)


@queue_app.command("remove")
def remove_command(names: SomeNames, project: ProjectOption = None) -> None:
    """Take batches out of the queue that wait, or are paused or killed; the data sets stay.

    For example:

        tomoline queue remove 'TS_1*'

    'tomoline queue add' puts them back.
    """
    from tomoline.cli._queue import take_out

    take_out(project, names)


def log_command(
    name: Annotated[str, typer.Argument(help="Data set, by name or pattern; as --data-set.")] = "",
    data_set: Annotated[
        str, typer.Option("--data-set", metavar="NAME", help="Data set, by name or pattern.")
    ] = "",
    processor: Annotated[int | None, typer.Option(min=1, help="Number of a processor.")] = None,
    step: Annotated[str, typer.Option(help="Name of a step.")] = "",
    level: Annotated[Level, typer.Option(help="This or worse.")] = Level.INFO,
    kind: Annotated[EventKind | None, typer.Option(help="What it is about.")] = None,
    message: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Part of the message, or of the code such as FID-01."),
    ] = "",
    since: Annotated[
        str,
        typer.Option(metavar="TIME", help="2h, 30min, 3d ago, or a time such as 2031-05-17T14:00."),
    ] = "",
    until: Annotated[str, typer.Option(metavar="TIME", help="Before this time, as --since.")] = "",
    sort: Annotated[
        Order, typer.Option(help="Column to sort by, equal ones by time.")
    ] = Order.TIME,
    reverse: Annotated[
        bool, typer.Option("--reverse", help="The highest, or latest, first.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, help=f"Only the newest so many; 0 for all. Default: {LINES}, all as JSON."
        ),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what happens, until Ctrl-C.")
    ] = False,
    local: LocalOption = False,
    json: Annotated[bool, typer.Option("--json", help="Print a JSON object a line.")] = False,
    project: ProjectOption = None,
) -> None:
    """Show what happened in a project, filtered and sorted; times are in UTC.

    For example:

        tomoline log --level error --since 12h
        tomoline log --data-set 'TS_1*' --sort step

    'tomoline explain CODE' tells more about an error than its line.
    """
    from tomoline.cli._log import Wanted, print_log

    if name and data_set:
        raise errors.parameters.BAD_OPTION.error("--data-set", f"{name} is named already.")
    wanted = Wanted(
        data_set=data_set or name,
        processor=processor,
        step=step,
        level=level,
        kind=kind or "",
        message=message,
        since=since,
        until=until,
        sort=sort,
        reverse=reverse,
        newest=(0 if json else LINES) if limit is None else limit,
    )
    print_log(project, wanted, follow=follow, local=local, as_json=json)


def values_command(
    names: Names = None,
    step: Annotated[
        list[str] | None, typer.Option(help="All values of this step; repeat for more.")
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="One value, as align.tilt_axis_deg or '*_deg'; repeat for more."),
    ] = None,
    all_: Annotated[bool, typer.Option("--all", help="All values.")] = False,
    csv: Annotated[
        bool, typer.Option("--csv", help="Print as CSV, by default all values.")
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print as JSON, by default all values.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Show what the data sets measured as one table: a row for each, or for each axis of one.

    For example:

        tomoline values --csv > night.csv
        tomoline values 'TS_1*' --key residual_mean_px --key '*.seconds'

    Units stand in the names. 'state' is what the results are, 'batch' what the queue has last done.
    """
    from tomoline.cli._values import print_values

    if csv and json:
        raise BAD_OPTION.error("--json", "it does not go with --csv.")
    if all_ and (step or key):
        raise BAD_OPTION.error("--all", "it does not go with --key or --step.")
    keys = [f"{one}.*" for one in step or ()] + list(key or ())
    form = "csv" if csv else "json" if json else "text"
    print_values(project, names or (), keys, every=all_, form=form)


def retry_command(
    names: Names = None,
    no_start: Annotated[
        bool, typer.Option("--no-start", help="Only queue them, do not start the run.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Run failed data sets again, all or those named, after their cause has been removed.

    For example:

        tomoline retry TS_07

    What has been finished of them is kept; they go on from there.
    """
    from tomoline.cli._queue import retry

    retry(project, names or (), start=not no_start)
