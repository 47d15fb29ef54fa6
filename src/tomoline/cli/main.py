"""The commands of ``tomoline``.

Everything heavy is imported inside the commands, so that ``--help`` is instant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomoline.cli import (
    control_app,
    mail_app,
    project_app,
    queue_app,
    schedule_app,
    template_app,
    watch_app,
)
from tomoline.cli._project import ProjectOption
from tomoline.cli.entry import EXIT_FAILED, keep_only, main

__all__ = ["EXIT_FAILED", "app", "keep_only", "main"]

app = typer.Typer(
    name="tomoline",
    help="Turns raw tomography acquisitions into tomograms, unattended.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.command("run")
def run_command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Tilt series (.mrc, .st, .tif), scans (HiTT parameter files, .h5, .nxs, .txrm, "
            "folders of TIFF files), or folders DIR/ROOT of earlier runs. Or a project, and names "
            "of its data sets; by default all whose run flag is set. Nothing: the project here."
        ),
    ] = None,
    recipe: Annotated[
        str | None,
        typer.Option(help="Kind of acquisition, tilt or scan; by default the file tells."),
    ] = None,
    directives: Annotated[
        list[Path] | None,
        typer.Option(help="IMOD batch directive file; repeat for more, later ones win."),
    ] = None,
    parameters: Annotated[
        list[Path] | None, typer.Option(help="TOML file with a table per step.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="STEP.FIELD=VALUE", help="One parameter; wins over files."),
    ] = None,
    deliver: Annotated[
        Path | None,
        typer.Option(help="Results go to DELIVER/ROOT/; by default beside the stack."),
    ] = None,
    root: Annotated[str | None, typer.Option(help="Root name, instead of the stack's.")] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="STEP", help="Run again from this step (name or number)."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="STEP", help="Stop after this step (name or number).")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=0, help="Cores to use, of a project those of each processor; 0: all."),
    ] = None,
    memory: Annotated[
        str | None, typer.Option(help="Memory limit such as 8G; default: 80 % of what there is.")
    ] = None,
    processors: Annotated[
        int | None,
        typer.Option(min=0, help="Project: data sets side by side; 0: as cores and memory allow."),
    ] = None,
    scratch: Annotated[
        Path | None,
        typer.Option(help="Folder on a fast disk for what does not fit the memory limit."),
    ] = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow", help="The scan is still being recorded: take its frames as they come."
        ),
    ] = False,
    patience: Annotated[
        float,
        typer.Option(
            min=0.1, metavar="SECONDS", help="With --follow: give up when no frame comes that long."
        ),
    ] = 60.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would run and why, and do nothing.")
    ] = False,
    any_step: Annotated[
        bool,
        typer.Option(
            "--any-step", help="Project: --from a step that not all data sets have reached."
        ),
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Project: start the run and come back at once.")
    ] = False,
    project: ProjectOption = None,
) -> None:
    """Turn acquisitions into tomograms; run it again and only what is missing or changed runs.

    With gold beads the one thing to tell is their size:

        tomoline run series.mrc --set setup.gold_diameter_nm=10

    A scan needs nothing but its parameter file, or its HDF5 file:

        tomoline run tomo_111.par --set output.format=tiff

    The data sets of a project are queued, and run side by side; Ctrl-C looks away, the run goes on:

        tomoline run night --processors 2 --until align
        tomoline run night 'TS_1*'

    'tomoline steps' lists the steps with their parameters, 'tomoline directives' IMOD's names.
    """
    from tomoline.cli._project_run import ProjectRun, refuse, run_project
    from tomoline.cli._run_targets import asked_of_project

    target = asked_of_project(paths or (), project)
    if target is not None:
        refuse(recipe, directives, parameters, set_, deliver, root, scratch, follow)
        asked = ProjectRun(*target, from_ or "", until or "", any_step, processors)
        failed = run_project(asked, threads, memory, detach=detach, dry_run=dry_run)
        raise typer.Exit(EXIT_FAILED if failed else 0)
    refuse(processors=processors, any_step=any_step or None, detach=detach or None)
    from tomoline.cli.run import Request, execute_all

    requests = [
        Request(
            path=path,
            recipe=recipe,
            root=root,
            deliver=deliver,
            directives=tuple(directives or ()),
            parameters=tuple(parameters or ()),
            settings=tuple(set_ or ()),
            first=from_,
            last=until,
            threads=threads,
            memory=memory,
            scratch=scratch,
            patience_s=patience if follow else None,
            dry_run=dry_run,
        )
        for path in paths or ()
    ]
    raise typer.Exit(EXIT_FAILED if execute_all(requests) else 0)


@app.command("show")
def show_command(
    data_set: Annotated[
        Path,
        typer.Argument(
            help="Folder DIR/ROOT of a data set, of both axes of a dual-axis set, or one's record "
            "DIR/ROOT/ROOTb.tomoline.json."
        ),
    ],
    json: Annotated[
        bool, typer.Option("--json", help="Print the document that programs build on.")
    ] = False,
) -> None:
    """Tell what was done with a data set, what was measured, and where the results lie."""
    from tomoline.cli.show import print_data_set

    print_data_set(data_set, as_json=json)


@app.command("check")
def check_command(
    files: Annotated[
        list[Path], typer.Argument(help="Directive (.adoc), TOML or HiTT parameter files.")
    ],
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say where each value comes from.")
    ] = False,
) -> None:
    """Report every fault of directive and parameter files at once, before data are read."""
    from tomoline.cli.check import check

    raise typer.Exit(check(files, verbose=verbose))


@app.command("directives")
def directives_command(
    pattern: Annotated[str, typer.Argument(help="Part of a name, or words of its meaning.")] = "",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Teach IMOD's directives: meaning, unit, default, step, and when to change them."""
    from tomoline.cli.directives import print_directives

    raise typer.Exit(print_directives(pattern, as_json=json))


@app.command("steps")
def steps_command(
    step: Annotated[str, typer.Argument(help="Name or number of a step.")] = "",
) -> None:
    """List the steps with batchruntomo's numbers, or the parameters of one step."""
    from tomoline.cli.steps import print_steps

    raise typer.Exit(print_steps(step))


@app.command("explain")
def explain_command(
    code: Annotated[str, typer.Argument(help="Code of an error or warning.")] = "",
) -> None:
    """Explain an error or warning by its code: the rule it is about, and what to do."""
    from tomoline.cli.explain import explain

    raise typer.Exit(explain(code))


@app.command(
    "batchruntomo",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
def batchruntomo_command(context: typer.Context) -> None:
    """Run data sets with the options of IMOD's batchruntomo, so that scripts go on working."""
    from tomoline.cli.batchruntomo import run_batchruntomo

    raise typer.Exit(run_batchruntomo(context.args))


simulate_app = typer.Typer(help="Make acquisitions with known truth.", no_args_is_help=True)
app.add_typer(simulate_app, name="simulate")


@simulate_app.command(
    "tilt",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
def simulate_tilt_command(context: typer.Context) -> None:
    """Make a tilt series of an analytic specimen, with its truth beside it."""
    from tomoline.cli.simulate import simulate_from

    raise typer.Exit(simulate_from("tilt", context.args))


@simulate_app.command(
    "scan",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    add_help_option=False,
)
def simulate_scan_command(context: typer.Context) -> None:
    """Make an X-ray scan of an analytic specimen, with its truth beside it."""
    from tomoline.cli.simulate import simulate_from

    raise typer.Exit(simulate_from("scan", context.args))


for module in (
    project_app,
    template_app,
    queue_app,
    control_app,
    watch_app,
    schedule_app,
    mail_app,
):
    module.register(app)


@app.callback(invoke_without_command=True)
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from tomoline import __version__

        typer.echo(f"tomoline {__version__}")
        raise typer.Exit
