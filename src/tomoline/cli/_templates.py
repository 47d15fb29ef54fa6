"""What the commands on templates and batch files print."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from shlex import quote
from typing import TYPE_CHECKING

from tomoline.cli._output import print_json, warn
from tomoline.queue.words import count_of

if TYPE_CHECKING:
    from tomoline.surfaces.batch_files import BatchFile
    from tomoline.surfaces.template_files import SavedTemplate


def print_saved(saved: SavedTemplate) -> None:
    """Print what a template holds that was written."""
    for name, text in saved.entries:
        print(f"{name} = {text}".rstrip())
    warn(saved.notices)
    print(f"{saved.path}: {count_of(len(saved.entries), 'directive')}.")


def print_list(kind: str, *, as_json: bool) -> None:
    """Print the templates that are there."""
    from tomoline.surfaces.template_files import templates
    from tomoline.surfaces.templates import KINDS, TemplatePlaces

    places = TemplatePlaces.of_imod()
    found = templates(kind, places)
    if as_json:
        document = [
            {
                "name": one.name,
                "kind": one.kind,
                "file": str(one.path),
                "hidden_by": str(one.hidden_by) if one.hidden_by else None,
            }
            for one in found
        ]
        print_json(document)
        return
    width = max((len(one.name) for one in found), default=0)
    for one in found:
        hidden = f"  (hidden by {one.hidden_by})" if one.hidden_by else ""
        print(f"{one.kind:<6}  {one.name:<{width}}  {one.path}{hidden}")
    if not found:
        for one_kind in (kind,) if kind else KINDS:
            looked = ", ".join(str(folder) for folder in places.folders(one_kind))
            print(f"no {one_kind} template in {looked}")


def print_template(name: str, kind: str, *, as_json: bool) -> int:
    """Print a template's directives and what is wrong with them; return the exit status."""
    from tomoline.cli.check import check_file
    from tomoline.recipes import TILT
    from tomoline.surfaces.directive_table import directive_table
    from tomoline.surfaces.options import state_text
    from tomoline.surfaces.template_files import find

    found_kind, path = find(name, kind)
    checked = check_file(path, template=found_kind)
    table = directive_table(TILT.steps)
    rows = [
        {
            "directive": setting.written,
            "value": setting.text,
            "meaning": table[setting.name].help if setting.name in table else "",
            "unit": table[setting.name].unit if setting.name in table else "",
            "state": state_text(table[setting.name]) if setting.name in table else "",
        }
        for setting in checked.directives.values()
    ]
    if as_json:
        document = {
            "name": path.stem,
            "kind": found_kind,
            "file": str(path),
            "directives": rows,
            "notices": [str(notice) for notice in checked.notices],
            "faults": [str(fault) for fault in checked.faults],
        }
        print_json(document)
    else:
        print(f"{path.stem}, {found_kind} template: {path}")
        for row in rows:
            print(f"{row['directive']} = {row['value']}".rstrip())
            facts = ", ".join(part for part in (row["unit"], row["state"]) if part)
            print(f"    {row['meaning']} ({facts})")
        warn(checked.notices)
        for fault in checked.faults:
            sys.stderr.write(f"fault {fault}\n")
    return 1 if checked.faults else 0


def print_exported(files: Sequence[BatchFile]) -> None:
    """Print the batch files that were written, and how IMOD takes one."""
    warn(notice for file in files for notice in file.notices)
    width = max((len(str(file.path)) for file in files), default=0)
    for file in files:
        print(f"{file.path!s:<{width}}  {count_of(file.count, 'directive')}")
    if files:
        path, root, stacks = (
            quote(str(one)) for one in (files[0].path, files[0].root, files[0].stacks)
        )
        print(f"IMOD: batchruntomo -directive {path} -root {root} -current {stacks}")
    else:
        print("the project has no tilt series")
