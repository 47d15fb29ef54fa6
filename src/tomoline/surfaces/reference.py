"""The reference pages that are generated from declarations.

``python -m tomoline.cli.reference`` writes them all, with the page of the command line, to
``docs/reference``; a test compares what is committed with what would be written.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tomoline import errors
from tomoline.files import FORMATS
from tomoline.params import describe
from tomoline.recipes import RECIPES
from tomoline.steps import Step
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.surfaces import options
from tomoline.surfaces.directive_table import Directive, directive_table
from tomoline.surfaces.markdown import GENERATED, cell, code, table

PLACE = Path("docs") / "reference"


def pages() -> dict[str, str]:
    """Return the text of each page by its file name."""
    steps = [step for recipe in RECIPES.values() for step in recipe.steps]
    return {
        "steps.md": steps_page(),
        "directives.md": directives_page(list(directive_table(steps).values())),
        "errors.md": errors_page(),
        "formats.md": formats_page(),
        "parameters-schema.json": schema(steps),
    }


def steps_page() -> str:
    """Return the page of all steps with their parameters."""
    parts = [GENERATED, "# Steps and their parameters\n"]
    for recipe in RECIPES.values():
        parts.append(f"Recipe `{recipe.name}`: {recipe.title}.\n")
        rows = [
            [f"{step.number:g}", f"[{step.name}](#{step.name})", cell(step.title)]
            for step in recipe.steps
        ]
        parts.append(table(["number", "step", "what it does"], rows))
        parts.append(
            "`--from` and `--until` take a name or a number; the numbers are those of IMOD's "
            "batchruntomo. A parameter is given as `--set STEP.FIELD=VALUE`, in a TOML file as "
            "`FIELD = VALUE` under `[STEP]`, or by its directive in a batch file.\n"
        )
        parts += [_step_section(step) for step in recipe.steps]
    return "\n".join(parts)


def _step_section(step: Step[Any]) -> str:
    parts = [
        f"## {step.name}\n",
        f"Step {step.number:g}: {step.title}.\n",
        f"{inspect.cleandoc(step.help)}\n",
    ]
    for label, names in (
        ("Reads", step.reads),
        ("Uses if there", step.optional),
        ("Writes", step.writes),
    ):
        if names:
            files = ", ".join(f"`{ARTIFACTS[name].file_name('ROOT')}` ({name})" for name in names)
            parts.append(f"{label}: {files}.\n")
    rows = []
    for info in describe(step.params):
        meaning = cell(info.help)
        if info.when:
            meaning += f" *Change it:* {cell(info.when)}"
        if codes := options.codes_text(info):
            meaning += f" *Codes:* {cell(codes)}."
        rows.append(
            [
                code(info.name),
                cell(options.kind_text(info)),
                code(options.value_text(info.default)),
                meaning,
                code(info.directive or ""),
            ]
        )
    if rows:
        parts.append(table(["parameter", "type", "default", "meaning", "directive"], rows))
    return "\n".join(parts)


def directives_page(directives: Sequence[Directive]) -> str:
    """Return the page of all directives."""
    acted = sum(directive.acted_on for directive in directives)
    parts = [
        GENERATED,
        "# Directives\n",
        f"{len(directives)} directives of IMOD are known; {acted} of them are acted on. One that "
        "is known and not acted on is named in a notice; one that is unknown is an error, which "
        "tells the nearest right name. `tomoline directives NAME` tells more about one.\n",
        "The column *where* says whether a directive may stand in batch files (B) and in "
        "templates (T); *default* is IMOD's.\n",
    ]
    sections: dict[str, list[Directive]] = {}
    for directive in directives:
        sections.setdefault(directive.part, []).append(directive)
    for part, members in sections.items():
        parts.append(f"## {part}\n")
        rows = [
            [
                code(directive.name),
                ", ".join(word for word in (directive.type, cell(directive.unit)) if word),
                code(directive.default),
                "B" * directive.batch + "T" * directive.template,
                cell(directive.meaning),
                _state(directive),
            ]
            for directive in members
        ]
        header = ["directive", "type", "default", "where", "meaning", "here"]
        parts.append(table(header, rows))
    return "\n".join(parts)


def _state(directive: Directive) -> str:
    if directive.targets:
        links = [f"[{one.name}](steps.md#{one.step})" for one in directive.targets]
        return ", ".join(links)
    return cell(options.state_text(directive))


def errors_page() -> str:
    """Return the page of all errors and warnings."""
    parts = [
        GENERATED,
        "# Errors and warnings\n",
        f"{len(errors.KINDS)} codes; `tomoline explain CODE` prints one.\n",
    ]
    for area in errors.AREAS:
        title = (area.__doc__ or "").strip().splitlines()[0].rstrip(".")
        parts.append(f"## {title}\n")
        for kind in area.KINDS:
            sort = "warning" if kind.warning else "error"
            step = "" if kind.step == "any" else f", step `{kind.step}`"
            parts.append(f"### {kind.code}\n")
            parts.append(f"**{cell(kind.title)}** ({sort}{step})\n")
            parts.append(f"* Rule: {cell(kind.rule)}\n* Remedy: {cell(kind.remedy)}\n")
    return "\n".join(parts)


def formats_page() -> str:
    """Return the page of all file formats, and of the files of a data set."""
    rows = [
        [
            cell(one.name),
            " ".join(code(suffix) for suffix in one.suffixes),
            "read, written" if one.writes else "read",
            cell(one.title),
        ]
        for one in FORMATS
    ]
    files = [
        [code(one.file_name("ROOT")), code(one.name), cell(one.title)] for one in ARTIFACTS.values()
    ]
    return "\n".join(
        [
            GENERATED,
            "# Formats\n",
            table(["format", "names end in", "here", "what it holds"], rows),
            "## Files of a data set\n",
            "A tilt series has these files in its folder `DIR/ROOT`, named as IMOD names them; "
            "which of them are there depends on the parameters.\n",
            table(["file", "artifact", "what it is"], files),
        ]
    )


def schema(steps: Sequence[Step[Any]]) -> str:
    """Return the JSON schema of a parameter file: an object for each step."""
    document: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Parameters of tomoline",
        "description": "A table for each step; generated by python -m tomoline.cli.reference.",
        "type": "object",
        "additionalProperties": False,
        "properties": {},
    }
    for step in steps:
        part = step.params.model_json_schema(mode="validation")
        part.pop("$defs", None)
        document["properties"][step.name] = part
    return json.dumps(document, indent=1, ensure_ascii=False, default=str) + "\n"


def write(texts: Mapping[str, str], folder: Path = PLACE) -> list[Path]:
    """Write pages, by their file names; return those that changed."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = []
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


if __name__ == "__main__":
    for page in write(pages()):
        sys.stdout.write(f"written: {page}\n")
    sys.stdout.write("python -m tomoline.cli.reference writes the page of the command line too.\n")
