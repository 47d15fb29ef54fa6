"""``tomoline watch``: take acquisitions as they become complete."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomoline.cli._project import ProjectOption
from tomoline.errors.parameters import BAD_OPTION


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("watch")(watch_command)


def watch_command(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Folder where acquisitions appear.")
    ] = None,
    recipe: Annotated[str, typer.Option(help="Kind of acquisitions to take: tilt or scan.")] = "",
    project: ProjectOption = None,
    on_top: Annotated[
        bool, typer.Option("--on-top", help="Run the newest acquisition first.")
    ] = False,
    settle: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="SECONDS",
            help="Take files when size and time have been the same for so long; more than the "
            "pause between two views where the microscope writes into DIR itself.",
        ),
    ] = 30.0,
    every: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Look so often.")] = 10.0,
    pattern: Annotated[
        str, typer.Option(metavar="GLOB", help="Take only such names, as 'grid2_*.mrc'.")
    ] = "",
    depth: Annotated[
        int, typer.Option(min=0, metavar="N", help="Look into so many levels of sub-folders.")
    ] = 3,
    until: Annotated[
        str, typer.Option(metavar="STEP", help="Stop after this step (name or number).")
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STEP.FIELD=VALUE", help="Parameter of each data set."),
    ] = None,
    existing: Annotated[
        bool,
        typer.Option("--existing/--new-only", help="Also take what is there already, or not."),
    ] = True,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not look at the run; it goes on.")
    ] = False,
    list_: Annotated[
        bool, typer.Option("--list", help="Tell what was taken, and what waits and why.")
    ] = False,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop watching DIR; what it has queued stays so.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="With --list: print as JSON.")] = False,
) -> None:
    """Watch a folder, and run each acquisition in it as soon as it is complete.

    At the microscope, the newest first:

        tomoline watch /data/session --recipe tilt --on-top --set setup.gold_diameter_nm=10

    Files that are still being copied are left alone. It goes on when the terminal closes.
    Without a project here, one is made: DIR-tomoline in the present folder.

        tomoline watch --list

        tomoline watch /data/session --stop
    """
    from tomoline.cli import _watch

    if list_:
        _refuse_others(context, "--list", "list_", "json")
        raise typer.Exit(_watch.print_watches(project, folder, as_json=json))
    if folder is None:
        raise BAD_OPTION.error("DIR", "the folder to watch is missing.")
    if stop:
        _refuse_others(context, "--stop", "stop")
        raise typer.Exit(_watch.stop_watch(project, folder))
    if json:
        raise BAD_OPTION.error("--json", "it goes with --list alone.")
    request = _watch.Request(
        folder=folder,
        recipe=recipe,
        on_top=on_top,
        settle_s=settle,
        every_s=every,
        pattern=pattern,
        depth=depth,
        until=until,
        settings=tuple(set_ or ()),
        existing=existing,
    )
    raise typer.Exit(_watch.begin(project, request, detach=detach))


def _refuse_others(context: typer.Context, what: str, *taken: str) -> None:
    """Refuse options that mean nothing together with another, besides folder and project."""
    for one in context.command.params:
        name = one.name or ""
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in ("folder", "project", *taken):
            option = (one.opts if context.params[name] else one.secondary_opts or one.opts)[0]
            raise BAD_OPTION.error(option, f"it does not go with {what}.")
