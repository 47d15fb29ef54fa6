"""Where the stacks lie that ``tomoline batchruntomo`` runs."""

from __future__ import annotations

import shlex
from pathlib import Path

from tomoline import errors
from tomoline.cli._pip import PipValues
from tomoline.surfaces.directives import peek

EXTENSIONS = ("st", "mrc", "tif", "tiff")


def around(folder: Path, root: str) -> Path:
    """Return the folder in which DIR/ROOT is the data set's: where the stack lies, if it can be."""
    return folder.parent if folder.resolve().name == root else folder


def identity_of(
    root: str | None, place: str | None, batch: Path | None, values: PipValues
) -> tuple[str, Path, str | None]:
    """Return root name, folder and extension of a data set's stack."""
    named = peek(batch) if batch is not None else {}
    name = root or named.get("setupset.copyarg.name")
    if not name:
        raise errors.parameters.BAD_OPTION.error(
            "-root", f"neither an option nor {batch} tells the root name."
        )
    folder = place or named.get("setupset.datasetDirectory")
    if not folder:
        raise errors.parameters.BAD_OPTION.error(
            "-current", f"neither an option nor {batch} tells where {name} lies."
        )
    extension = values.text("StackExtension") or named.get("setupset.copyarg.stackext")
    return name, Path(folder).expanduser(), named.get("setupset.currentStackExt") or extension


def find_stack(
    root: str,
    folder: Path,
    extension: str | None,
    deliver: Path | None,
    directives: Path | None = None,
) -> Path:
    """Return the stack of a data set, or its folder where an earlier run delivered it.

    Raises
    ------
    TomolineError
        FILE-01 if there is none; where there are two axes, it says how to run them with their
        directives.
    """
    extensions = (extension.lstrip("."),) if extension else EXTENSIONS
    for one in extensions:
        if (folder / f"{root}.{one}").is_file():
            return folder / f"{root}.{one}"
    for delivered in ((deliver or folder) / root, folder):
        if (delivered / f"{root}.tomoline.json").is_file():
            return delivered
    wanted = ", ".join(f"{root}.{one}" for one in extensions)
    found = f"there is no {wanted} here"
    axes = [
        [path for one in extensions if (path := folder / f"{root}{axis}.{one}").is_file()]
        for axis in "ab"
    ]
    if not all(axes):
        raise errors.files.MISSING.error(folder, f"{found}.")
    both = [str(first) for first, *_ in axes]
    project = shlex.quote(f"{root}-project")
    more = ["--directives", str(directives)] if directives else []
    raise errors.files.MISSING.error(
        folder,
        f"{found}, but its two axes are: {root}a and {root}b.",
        f"Run both in a project: tomoline project new {project} && "
        f"tomoline project add -p {project} {shlex.join([*both, *more])} && "
        f"tomoline run {project}",
    )
