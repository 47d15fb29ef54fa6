"""What the arguments of ``tomoline run`` name: acquisitions, or a project and its data sets."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tomoline import errors
from tomoline.errors import TomolineError
from tomoline.queue.project import Project, default_project, is_project, project_around


def asked_of_project(
    paths: Sequence[Path], named: Path | None = None
) -> tuple[Path, tuple[str, ...]] | None:
    """Return the project that is to be run, and names of its data sets; None for acquisitions.

    Parameters
    ----------
    paths : sequence of Path
        A project and names; acquisitions; names, or folders of results, of a project's data sets,
        which are run there, with its parameters and in its queue. None at all: the project here.
    named : Path, optional
        The project, if that is given apart; the paths are names then.

    Raises
    ------
    TomolineError
        PARAM-06 where both kinds are mixed, PROJ-01 if nothing is named and no project is here.
    """
    names = tuple(str(path) for path in paths)
    if named is not None:
        return named, names
    if not paths:
        return _here(), ()
    if is_project(paths[0]):
        return paths[0], names[1:]
    for path in paths[1:]:
        if is_project(path):
            raise errors.parameters.BAD_OPTION.error(
                path, "a project is run by itself: 'tomoline run PROJECT [NAME...]'."
            )
    owners = [_owner(path) for path in paths]
    found = [one for one in owners if one is not None]
    if not found:
        return None
    folder = found[0][0]
    if len(found) < len(owners) or any(one[0] != folder for one in found):
        raise errors.parameters.BAD_OPTION.error(
            f"run {' '.join(names)}",
            f"{found[0][1]} is a data set of the project {folder}, others are not.",
            f"Run it by itself: 'tomoline run {folder} {found[0][1]}'.",
        )
    sys.stderr.write(f"in the project {folder}:\n")
    return folder, tuple(name for _, name in found)


def _here() -> Path:
    """Return the project that is meant where nothing is named."""
    found = default_project()
    if found is None:
        raise errors.project.NO_PROJECT.error(
            Path.cwd(),
            "no acquisition is named, and this folder is in no project.",
            "Name what to run: 'tomoline run series.mrc', or a project.",
        )
    return found


def _owner(path: Path) -> tuple[Path, str] | None:
    """Return the project around a folder of results, or around here, and its data set's name."""
    whole = Path(os.path.abspath(path))
    folder = project_around(whole)
    if folder is None:
        return None
    is_name = path.name == str(path) and not path.exists()
    try:
        with Project.open(folder, looking=True) as project:
            query = "SELECT name FROM data_set WHERE folder = ?"
            with project.store.read() as db:
                row = db.execute(query, (str(whole),)).fetchone()
            if row is not None:
                return folder, str(row[0])
            if is_name and project.data_sets.entries([path.name]):
                return folder, path.name
    except TomolineError as error:
        # What is no data set of it is told as a file that is not there. An acquisition that only
        # lies in the folder of a project has nothing to do with it if it may not be used.
        if is_name and error.kind is not errors.project.UNKNOWN_DATA_SET:
            raise
    return None
