"""The committed reference pages are those that the declarations give."""

import json
import re
from pathlib import Path

import jsonschema
import pytest

from tomoline import errors
from tomoline.cli.main import app
from tomoline.cli.reference import all_pages, commands
from tomoline.files import FORMATS
from tomoline.params import describe
from tomoline.recipes import RECIPES, STEPS
from tomoline.steps.artifacts import ARTIFACTS
from tomoline.surfaces.directive_table import directive_table
from tomoline.surfaces.reference import PLACE

FOLDER = Path(__file__).resolve().parents[2] / PLACE
PAGES = all_pages()


@pytest.mark.parametrize("name", sorted(PAGES))
def test_committed_page_is_current(name):
    path = FOLDER / name
    assert path.exists(), "run: .venv/bin/python -m tomoline.cli.reference"
    assert path.read_text(encoding="utf-8") == PAGES[name], (
        f"{name} is out of date; run: .venv/bin/python -m tomoline.cli.reference"
    )


def rows(text):
    """Return the first cells of all rows of the tables in a page."""
    found = re.findall(r"^\| (.*?)(?<!\\) \|", text, flags=re.MULTILINE)
    return [cell for cell in found if cell != "---"]


def test_every_parameter_is_documented_once():
    declared = [f"`{info.name}`" for step in STEPS.values() for info in describe(step.params)]
    documented = [cell for cell in rows(PAGES["steps.md"]) if cell.startswith("`")]
    assert sorted(documented) == sorted(declared)


def test_every_step_has_a_section():
    sections = re.findall(r"^## (\w+)$", PAGES["steps.md"], flags=re.MULTILINE)
    assert sections == [step.name for recipe in RECIPES.values() for step in recipe.steps]


def test_every_directive_is_documented_once():
    documented = [cell for cell in rows(PAGES["directives.md"]) if cell.startswith("`")]
    assert sorted(documented) == sorted(
        f"`{name}`" for name in directive_table(list(STEPS.values()))
    )


def test_every_error_is_documented_once():
    documented = re.findall(r"^### (\S+)$", PAGES["errors.md"], flags=re.MULTILINE)
    assert sorted(documented) == sorted(errors.KINDS)
    assert len(errors.KINDS) == sum(len(area.KINDS) for area in errors.AREAS)


def test_every_format_and_artifact_is_documented_once():
    documented = rows(PAGES["formats.md"])
    assert len(documented) == len(FORMATS) + len(ARTIFACTS) + 2  # two header rows


def test_every_command_is_documented_once():
    documented = re.findall(r"^## (tomoline .*)$", PAGES["command-line.md"], flags=re.MULTILINE)
    assert documented == [name for name, _ in commands(app, "tomoline")]


def test_schema_takes_the_defaults_and_nothing_unknown():
    schema = json.loads(PAGES["parameters-schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    defaults = {
        step.name: step.params().model_dump(mode="json")
        for step in STEPS.values()
        if all(not field.is_required() for field in step.params.model_fields.values())
    }
    jsonschema.validate(defaults, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"reconstruct": {"thicknes_px": 3}}, schema)
