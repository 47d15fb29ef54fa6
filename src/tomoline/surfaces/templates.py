"""Where templates of directives are looked for: the places that IMOD uses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tomoline import errors
from tomoline.surfaces.names import suggestion

KINDS: tuple[str, ...] = ("scope", "system", "user")
"""Kinds of templates, in rising precedence."""


@dataclass(frozen=True)
class TemplatePlaces:
    """The folders that hold the templates of each kind, the first found holding."""

    scope: tuple[Path, ...] = ()
    system: tuple[Path, ...] = ()
    user: tuple[Path, ...] = ()

    @classmethod
    def of_imod(
        cls, environment: Mapping[str, str] | None = None, home: Path | None = None
    ) -> TemplatePlaces:
        """Return IMOD's places.

        Scope templates lie in ``$IMOD_CALIB_DIR/ScopeTemplate``; system templates in
        ``$IMOD_CALIB_DIR/SystemTemplate``, then ``$IMOD_DIR/SystemTemplate``; a user's in the
        folder that ``Defaults.UserTemplateDir`` in ``~/.etomo`` names, then ``~/.etomotemplate``.
        """
        variables = os.environ if environment is None else environment
        home_folder = Path.home() if home is None else home
        calib = Path(variables.get("IMOD_CALIB_DIR") or "/usr/local/ImodCalib")
        imod = variables.get("IMOD_DIR")
        system = [calib / "SystemTemplate"]
        if imod:
            system.append(Path(imod) / "SystemTemplate")
        user = _user_folder(home_folder / ".etomo")
        return cls(
            scope=(calib / "ScopeTemplate",),
            system=tuple(system),
            user=(*((user,) if user else ()), home_folder / ".etomotemplate"),
        )

    def folders(self, kind: str) -> tuple[Path, ...]:
        """Return the folders of one kind of template."""
        return {"scope": self.scope, "system": self.system, "user": self.user}[kind]


def _user_folder(settings: Path) -> Path | None:
    try:
        lines = settings.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    for line in lines:
        key, sign, value = line.partition("=")
        if sign and key.strip() == "Defaults.UserTemplateDir" and value.strip():
            return Path(value.strip().replace("\\:", ":").replace("\\\\", "\\"))
    return None


def find_template(
    name: str, kind: str, places: TemplatePlaces, *, beside: Path | None = None, where: str = ""
) -> Path:
    """Return the file that a template's name or path means.

    Parameters
    ----------
    name : str
        A path, or the name of a template with or without ``.adoc``.
    kind : str
        ``scope``, ``system`` or ``user``.
    places : TemplatePlaces
        Where templates lie.
    beside : Path, optional
        Folder of the batch file, for relative paths.
    where : str
        What names the template, for the error.

    Raises
    ------
    TomolineError
        FILE-01 if there is no such file.
    """
    given = Path(name).expanduser()
    roots = (Path(), beside) if beside is not None else (Path(),)
    candidates = [root / given for root in roots]
    for folder in places.folders(kind):
        candidates += [folder / given.name, folder / f"{given.name}.adoc"]
    for candidate in candidates:
        try:
            if candidate.is_file():
                return candidate
        except (OSError, ValueError):
            continue
    folders = places.folders(kind)
    there = [path.name for folder in folders if folder.is_dir() for path in folder.glob("*.adoc")]
    looked = ", ".join(str(folder) for folder in folders)
    raise errors.files.MISSING.error(
        where,
        f"the {kind} template {name} does not exist, nor is there one of that name in {looked}."
        + suggestion(given.name, there),
        remedy="Correct the path, or put the template in one of these folders.",
    )


def kind_of_template(path: Path) -> str | None:
    """Return the kind of template that a file is, by the folder it lies in; None for a batch file.

    >>> kind_of_template(Path("/usr/local/ImodCalib/ScopeTemplate/krios.adoc"))
    'scope'
    """
    folders = {"ScopeTemplate": "scope", "SystemTemplate": "system", ".etomotemplate": "user"}
    return folders.get(path.resolve().parent.name)
