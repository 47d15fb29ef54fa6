"""``tomoline status``, ``pause``, ``kill``, ``resume``, ``reset``: the run of a project."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tomoline.cli._names import Names
from tomoline.cli._output import print_json
from tomoline.cli._project import ProjectOption
from tomoline.cli.entry import EXIT_FAILED
from tomoline.errors import TomolineError
from tomoline.errors.parameters import BAD_OPTION


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command("status")(status_command)
    app.command("pause")(pause_command)
    app.command("kill")(kill_command)
    app.command("resume")(resume_command)
    app.command("reset")(reset_command)


def status_command(
    project: ProjectOption = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on looking until the run ends; Ctrl-C looks away."),
    ] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the document that programs build on.")
    ] = False,
) -> None:
    """Tell what a project's run is doing: processors, what waits, what failed and why.

    For example:

        tomoline status --follow

    Looking never changes the run: any number of terminals may look, and look away. With --follow
    the exit status is 1 if a data set failed or was killed meanwhile.
    """
    from tomoline.cli._project import open_project

    if json and follow:
        raise BAD_OPTION.error("--json", "it does not go with --follow.")
    with open_project(project, looking=True) as opened:
        last = opened.log.last()
        status = opened.control.status()
        if json:
            print_json(status.document())
            return
        from tomoline.cli._run_lines import status_lines

        sys.stdout.write("\n".join(status_lines(status)) + "\n")
        sys.stdout.flush()
        if not follow or (status.wanted == "stopped" and not status.running):
            return
        from tomoline.cli._project_run import look
        from tomoline.queue.looking import refuse_to_follow

        refuse_to_follow(opened.store)
        failed = look(opened, batches=None, since=last, detach=False)
    raise typer.Exit(EXIT_FAILED if failed else 0)


def pause_command(
    project: ProjectOption = None,
    at_step: Annotated[
        bool,
        typer.Option(
            "--at-step", help="Stop at once between two steps, not at the end of the data sets."
        ),
    ] = False,
) -> None:
    """Start no more data sets; those that are being run are run to their end.

    For example:

        tomoline pause --at-step

    While a run is paused, data sets may be added, dropped and moved, and parameters changed:
    'tomoline run PROJECT --dry-run' says what that makes run again. 'tomoline resume' goes on.
    """
    from tomoline.cli._project import open_project

    try:
        opened = open_project(project)
    except TomolineError as error:
        from tomoline.queue.halting import pointed_to_kill

        raise pointed_to_kill(error) from error
    with opened:
        running = opened.control.pause(at_step=at_step)
    if not running:
        sys.stderr.write("Paused; nothing is being run.\n")
        return
    when = "stop at their next step" if at_step else "are run to their end"
    names = ", ".join(f"{one.name}{f' ({one.step})' if one.step else ''}" for one in running)
    sys.stderr.write(f"Paused: no data set is started any more; these {when}: {names}.\n")


def kill_command(
    names: Names = None,
    project: ProjectOption = None,
) -> None:
    """End what is being run, now, with all its processes (in less than 2 s).

    Without names all of the run ends. With names only those data sets end, or are set aside if
    they wait, and the run goes on:

        tomoline kill TS_03

    Finished steps are kept; 'tomoline resume' goes on from them. Without names it works even if
    the project's disk is full, or may not be written any more.
    """
    from time import monotonic

    from tomoline.queue.project import Project
    from tomoline.queue.reach import shortened
    from tomoline.queue.starting import could_resume
    from tomoline.queue.stopping import finished_of

    # Not `open_project`: a runner that is gone need not come back to be told to stop.
    began = monotonic()
    try:
        opened = Project.find(project)
    except TomolineError as error:
        from tomoline.queue.halting import ended_all, pointed_to_kill

        raise (pointed_to_kill if names else ended_all)(error) from error
    with opened:
        killed = opened.control.kill(tuple(names or ()))
        took = monotonic() - began
        faster = finished_of(opened.store, killed)
        more = "; 'tomoline resume' goes on" if could_resume(opened.store) else ""
    told = shortened([one.name for one in killed if one not in faster])
    text = f"Killed {told} in {took:.1f} s" if told else "Nothing was being run"
    if faster:
        end = f"{shortened([one.name for one in faster])} had finished"
        text = f"{text}; {end}" if told else end
    sys.stderr.write(f"{text}{more}.\n")


def resume_command(
    project: ProjectOption = None,
    processors: Annotated[
        int | None,
        typer.Option(min=0, help="Data sets side by side; 0: from cores and memory."),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=0, help="Cores of each processor; 0: what there is.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Limit for all together, such as 8G; 0: what there is.")
    ] = None,
    take_over: Annotated[
        bool,
        typer.Option("--take-over", help="Another machine ran the project, and is gone for good."),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not look at the run, come back at once.")
    ] = False,
) -> None:
    """Go on after a pause or a kill: each data set from what is complete of it.

    For example:

        tomoline resume --processors 4

    What was being run comes first, in its old order, then what waits.
    """
    from tomoline.cli._bytes import bytes_of
    from tomoline.cli._project import open_project
    from tomoline.cli._project_run import look
    from tomoline.queue.project import Project
    from tomoline.queue.reach import shortened

    limit = bytes_of(memory)
    with Project.find(project) if take_over else open_project(project) as opened:
        started = opened.control.resume(
            processors=processors, threads=threads, memory=limit, take_over=take_over
        )
        again = shortened(started.names) if started.names else "what waits in the queue"
        sys.stderr.write(f"Goes on with {again}.\n")
        failed = look(opened, batches=None, since=started.event, detach=detach)
    raise typer.Exit(EXIT_FAILED if failed else 0)


def reset_command(
    names: Names = None,
    project: ProjectOption = None,
    remove_results: Annotated[
        bool,
        typer.Option(
            "--remove-results/--keep-results",
            help="Delete what tomoline made; raw data and boundary models are never deleted.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before deleting.")] = False,
) -> None:
    """Forget what was done with data sets, so that all of it runs again when they are next run.

    For example:

        tomoline reset 'TS_0*' --keep-results

    '*' names all data sets of the project. What is being run has to be killed first.
    """
    from tomoline import errors
    from tomoline.cli._project import open_project
    from tomoline.queue.words import count_of

    if not names:
        raise errors.parameters.BAD_OPTION.error(
            "NAME",
            "no data set is named whose results are to be forgotten.",
            "Name them, or say \"tomoline reset '*'\" for all.",
        )
    with open_project(project) as opened:
        if remove_results and not yes:
            _ask(opened.folder, len(opened.data_sets.entries(tuple(names))))
        done = opened.control.reset(tuple(names), remove_results=remove_results)
    files = f"{count_of(done.files, 'file')} deleted" if remove_results else "results kept"
    sys.stderr.write(f"{count_of(len(done.names), 'data set')} reset, {files}.\n")
    for folder in done.aside:
        sys.stderr.write(f"Without a record that can be read, what was there is now in {folder}.\n")


def _ask(folder: Path, count: int) -> None:
    """Ask whether results shall be deleted; refuse where nobody can answer."""
    from tomoline import errors
    from tomoline.queue.words import count_of

    what = f"the results of {count_of(count, 'data set')}"
    if not sys.stdin.isatty():
        raise errors.parameters.BAD_OPTION.error(
            "--remove-results",
            f"it deletes {what}.",
            "Give --yes if that is meant.",
        )
    typer.confirm(f"Delete {what} of {folder}?", abort=True, err=True)
