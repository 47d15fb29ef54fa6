"""``tomoline template``, and what goes from and to IMOD: batch files, Etomo's projects."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tomoline.cli._project import ProjectOption
from tomoline.cli.project_app import project_app

template_app = typer.Typer(
    help="Save, list and show templates of directives.", no_args_is_help=True
)

KindOption = Annotated[
    str, typer.Option("--kind", metavar="KIND", help="Kind of template: scope, system or user.")
]


@template_app.command("save")
def save_command(
    name: Annotated[str, typer.Argument(help="Name of the template.")],
    kind: KindOption,
    data_set: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="Save what holds for this data set, not for the whole project."
        ),
    ] = "",
    replace: Annotated[
        bool, typer.Option("--replace", help="Write over a template of that name.")
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Write there, not where IMOD looks for it."),
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Save the parameters of a project as a template of directives.

    The next project can take it, and Etomo offers it, too:

        tomoline template save krios --kind scope
        tomoline template save plastic --kind user --data-set TS_01

    It holds whatever differs from the steps' defaults. Parameters that have no directive, and those
    that may stand in batch files only, are told.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._templates import print_saved
    from tomoline.surfaces.template_files import save

    with open_project(project, looking=True) as opened:
        print_saved(save(opened, name, kind, data_set=data_set, replace=replace, folder=folder))


@template_app.command("list")
def list_command(
    kind: KindOption = "",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """List the templates in the places where IMOD and Etomo look for them.

    Of one kind, or all of them:

        tomoline template list --kind user

    One that another file of its name hides is marked.
    """
    from tomoline.cli._templates import print_list

    print_list(kind, as_json=json)


@template_app.command("show")
def show_command(
    name: Annotated[str, typer.Argument(help="Name of a template, or its file.")],
    kind: KindOption = "",
    json: Annotated[bool, typer.Option("--json", help="Print as JSON.")] = False,
) -> None:
    """Show a template's directives, what they mean and set, and what is wrong with them.

    One of several of the same name is told apart by its kind:

        tomoline template show cryoSample --kind system

    The exit status is 1 where something is wrong with it.
    """
    from tomoline.cli._templates import print_template

    raise typer.Exit(print_template(name, kind, as_json=json))


@project_app.command("export-directives")
def export_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Data sets, or patterns such as TS_*; default: all.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Where to write; default: PROJECT/directives."),
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Write for each data set the batch directive file that makes IMOD do the same.

    It holds both axes of a data set that has two:

        tomoline project export-directives TS_01 --dir for-imod

    Templates are written out in it. Parameters that have no directive are told, and stand in the
    file as comments.
    """
    from tomoline.cli._project import open_project
    from tomoline.cli._templates import print_exported
    from tomoline.surfaces.batch_files import export

    with open_project(project, looking=True) as opened:
        print_exported(export(opened, names or (), folder))


@project_app.command("import-etomo")
def import_command(
    file: Annotated[Path, typer.Argument(help="Etomo's batch project, an .ebt file.")],
    new: Annotated[
        Path | None, typer.Option("--new", metavar="DIR", help="Make a project there for it.")
    ] = None,
    project: ProjectOption = None,
) -> None:
    """Take over a batch project of Etomo, with its table, values and templates.

    Into a new project, or one that is there:

        tomoline project import-etomo batchJul05.ebt --new night
        tomoline project import-etomo batchJul05.ebt --project night

    Batch files beside the .ebt and beside the stacks are read. Whatever has no counterpart is told.
    """
    from tomoline.cli._etomo import import_etomo

    import_etomo(file, new, project)


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.add_typer(template_app, name="template")
