"""``tomoline project``: a project's data sets and their parameters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomoline.cli import project_looks
from tomoline.cli._names import SomeNames
from tomoline.cli._project import ProjectOption

project_app = typer.Typer(
    help="Make a project, fill its table of data sets, set parameters.", no_args_is_help=True
)

Directives = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="IMOD batch directive file (.adoc); repeat for more."),
]
Parameters = Annotated[
    list[Path] | None, typer.Option(metavar="FILE", help="TOML file with a table per step.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="STEP.FIELD=VALUE",
        help="One parameter, or IMOD's directive; wins over files.",
    ),
]
Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        metavar="KIND=FILE",
        help="Template of directives, a file or a name in IMOD's places; KIND is scope, system or "
        "user. KIND= alone takes it away.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(project_app, name="project")


@project_app.command("new")
def new_command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of the project.")],
    deliver: Annotated[
        Path | None,
        typer.Option(help="Results go to DELIVER/NAME/; by default to DIR/NAME/."),
    ] = None,
    template: Templates = None,
    directives: Directives = None,
    parameters: Parameters = None,
    set_: Settings = None,
) -> None:
    """Make a project: a folder with a table of data sets, parameters, a queue and a log.

    The folder must lie on a disk of this machine; raw data and results may lie anywhere.

        tomoline project new night --deliver /data/results --template scope=krios

    Parameters in $XDG_CONFIG_HOME/tomoline/defaults.toml (~/.config/...) are taken in below all
    others; templates, the project's own and a data set's own go before them, in this order.
    """
    from tomoline.cli._project_add import new_project
    from tomoline.cli._project_given import read_given

    given = read_given(set_, directives, parameters, template)
    new_project(folder, deliver, given)


@project_app.command("add")
def add_command(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Tilt series, scans, or folders DIR/NAME of earlier runs, as many as there are.",
        ),
    ],
    project: ProjectOption = None,
    name: Annotated[
        str,
        typer.Option(
            help="Name of the one data set, not its file's; '{folder}_{name}' names many by the "
            "folders in which they lie."
        ),
    ] = "",
    recipe: Annotated[
        str, typer.Option(help="Kind of acquisition, tilt or scan; by default the file tells.")
    ] = "",
    folder: Annotated[
        Path | None, typer.Option(help="Folder of results of the one data set.")
    ] = None,
    set_: Settings = None,
    directives: Directives = None,
    parameters: Parameters = None,
    pair: Annotated[
        bool,
        typer.Option(
            "--pair/--no-pair", help="Whether stacks ROOTa and ROOTb are one dual-axis data set."
        ),
    ] = True,
    queue: Annotated[bool, typer.Option("--queue", help="Queue them at once.")] = False,
) -> None:
    """Add acquisitions to the table: all of them, or where one is at fault none.

        tomoline project add raw/*.mrc --set setup.gold_diameter_nm=10

    Stacks ROOTa and ROOTb are the two axes of one data set. Dual axis, montage and beads on two
    surfaces are taken from the line before; everything else comes from the project's layers.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._project_add import add_paths
    from tomoline.cli._project_given import read_given

    given = read_given(set_, directives, parameters)
    with open_project(project) as opened:
        add_paths(
            opened,
            paths,
            given,
            name=name,
            recipe=recipe,
            folder=folder,
            pair=pair,
            queue=queue,
        )


@project_app.command("remove")
def remove_command(names: SomeNames, project: ProjectOption = None) -> None:
    """Take data sets out of the table and the queue; their files stay.

    For example:

        tomoline project remove TS_07 'test_*'

    Patterns need quotes, else the shell takes them for files.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._project_given import MOST_LINES

    with open_project(project) as opened:
        removed = opened.data_sets.remove(names)
        for entry in removed[:MOST_LINES]:
            typer.echo(f"removed {entry.name}; its results stay in {entry.folder}")
        if len(removed) > MOST_LINES:
            typer.echo(f"and {len(removed) - MOST_LINES} more")


@project_app.command("set")
def set_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME...]",
            help="Data sets, or patterns such as 'TS_*'; without any, the project's own values.",
        ),
    ] = None,
    project: ProjectOption = None,
    set_: Settings = None,
    unset: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STEP.FIELD",
            help="Forget a value: that of the project, of a template or the default holds again; "
            "repeat for more.",
        ),
    ] = None,
    axis: Annotated[str, typer.Option(metavar="b", help="Set it for axis b alone.")] = "",
    run: Annotated[
        bool | None,
        typer.Option("--run/--no-run", help="Whether 'tomoline run PROJECT' takes them."),
    ] = None,
    dual: Annotated[
        bool | None,
        typer.Option("--dual/--no-dual", help="Two axes, ROOTa and ROOTb beside it."),
    ] = None,
    montage: Annotated[
        bool | None, typer.Option("--montage/--no-montage", help="A montage; it is not run so far.")
    ] = None,
    two_surfaces: Annotated[
        bool | None,
        typer.Option("--two-surfaces/--no-two-surfaces", help="Gold beads on both surfaces."),
    ] = None,
    boundary: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="IMOD model round the area in which beads are sought."),
    ] = None,
    exclude_views: Annotated[
        str | None,
        typer.Option(metavar="LIST", help="Views to exclude, from 1, such as 1,4-6; '' for none."),
    ] = None,
    template: Templates = None,
    directives: Directives = None,
    parameters: Parameters = None,
    deliver: Annotated[
        Path | None,
        typer.Option(help="Folder for the results of data sets that are added from now on."),
    ] = None,
    user_defaults: Annotated[
        bool, typer.Option("--user-defaults", help="Read the user's defaults again.")
    ] = False,
    retries: Annotated[
        int | None,
        typer.Option(
            metavar="NUMBER",
            help="How often a data set that failed for a passing reason, such as a disk that was "
            "away, is tried again by itself; 0: never, by default 3 times.",
        ),
    ] = None,
    retry_waits: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Seconds to wait before the first, second and each later time; '' for the "
            "default, '10 60 300'.",
        ),
    ] = None,
) -> None:
    """Set parameters of data sets, or without names those of the whole project.

    For all data sets, for one, and for what is tried again by itself:

        tomoline project set --set reconstruct.thickness_px=300
        tomoline project set TS_03 --exclude-views 1,40-41 --two-surfaces
        tomoline project set --retries 5 --retry-waits '30 300 3600'

    Values are checked before they are kept. They may be changed at any time: what is being run
    takes them at its next start, and a step that they change is run again.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._project_given import Boxes, read_given
    from tomoline.cli._project_set import apply

    given = read_given(set_, directives, parameters, template)
    boxes = Boxes(
        run=run,
        dual=dual,
        montage=montage,
        two_surfaces=two_surfaces,
        boundary=boundary,
        exclude_views=exclude_views,
        deliver=deliver,
        user_defaults=user_defaults,
        retries=retries,
        retry_waits=retry_waits,
    )
    with open_project(project) as opened:
        apply(opened, names or [], given, boxes, unset=unset or [], axis=axis)


@project_app.command("copy-down")
def copy_down_command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The line to copy from.")],
    project: ProjectOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Also all other parameters of its own.")
    ] = False,
    key: Annotated[
        list[str] | None,
        typer.Option("--key", metavar="STEP.FIELD", help="This one instead; repeat for more."),
    ] = None,
) -> None:
    """Copy dual axis, montage and beads on two surfaces to all lines below.

    For example:

        tomoline project copy-down TS_01
        tomoline project copy-down TS_01 --key reconstruct.thickness_px

    Without --key these three are copied, as Etomo's boxes of a line; with it, only what it names.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._project_set import copy_down

    with open_project(project) as opened:
        copy_down(opened, name, key or [], every)


project_looks.add_to(project_app)
