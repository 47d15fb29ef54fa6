"""``tomoline project import-etomo``: what it does and tells."""

from __future__ import annotations

from pathlib import Path

from tomoline import errors
from tomoline.cli._output import warn
from tomoline.queue.words import count_of


def import_etomo(file: Path, new: Path | None, project: Path | None) -> None:
    """Import a batch project of Etomo into a new project, or one that is there.

    Raises
    ------
    TomolineError
        PROJ-13, or whatever is wrong with a file that it names; nothing is changed then.
    """
    from tomoline.cli._project import open_project
    from tomoline.surfaces.etomo_import import apply, create, plan

    if new is not None and project is not None:
        raise errors.parameters.BAD_OPTION.error("--new", "it cannot be given with --project.")
    planned = plan(file)
    warn(planned.notices)
    with create(new, planned) if new is not None else open_project(project) as opened:
        if new is None and planned.deliver is not None:
            warn(
                [
                    errors.project.ETOMO_NOT_ACTED_ON.notice(
                        file,
                        f"Etomo delivers data sets to {planned.deliver}; the project to "
                        f"{opened.deliver}.",
                        "Import it into a project of its own with --new to deliver them there.",
                    )
                ]
            )
        entries = apply(opened, planned)
        shared = planned.shared
        count = len(shared.values) if shared else 0
        templates = ", ".join(
            f"{kind} template {one.file}"
            for kind, one in (shared.templates if shared else {}).items()
        )
        for entry in entries:
            axes = f" and {entry.source_b.name}" if entry.source_b else ""
            run = "" if entry.run else "  (not to be run)"
            print(f"{entry.name}  {entry.source}{axes}{run}")
        print(
            f"{count_of(len(entries), 'data set')}, {count_of(count, 'global value')}"
            + (f", {templates}" if templates else "")
        )
