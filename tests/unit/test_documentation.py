"""What the documentation says exists: links, commands, options, parameters."""

import json
import re
import shlex
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")], key=lambda path: path.as_posix()
)
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def commands_of(name: str) -> list[list[str]]:
    """Return the words of every ``tomoline`` command of a page's console blocks and scripts."""
    blocks = (
        [body for kind, body in FENCE.findall(text_of(name)) if kind == "console"]
        if name.endswith(".md")
        else [text_of(name)]
    )
    found = []
    for body in blocks:
        for line in body.replace("\\\n", " ").splitlines():
            match = re.search(r"(?:\.venv/bin/)?\btomoline\s+(?=[\w-])(.*)", line)
            if match and not line.lstrip().startswith("#"):
                words = match.group(1)
                found.append(shlex.split(words if words.count('"') % 2 == 0 else words[:-1]))
    return found


@cache
def commands() -> dict[str, Any]:
    from tomoline.cli.main import app

    group: Any = get_command(app)
    return dict(group.commands)


def anchors(page: Path) -> set[str]:
    """Return the addresses of a page's headings."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head).strip().lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    prose = FENCE.sub("", text_of(name))
    for target in LINK.findall(prose):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.exists(), f"{name} links {target}"
        if anchor and page.suffix == ".md":
            assert anchor in anchors(page), f"{name} links {target}"


@pytest.mark.parametrize("name", [*NAMES, "tools/first_run.sh"])
def test_commands_exist(name: str) -> None:
    for words in commands_of(name):
        if words[0].startswith("-"):
            continue
        command = commands().get(words[0])
        assert command is not None, f"{name}: tomoline {' '.join(words)}"
        if words[0] in ("simulate", "batchruntomo"):
            continue
        if hasattr(command, "commands") and not words[1].startswith("-"):
            command = command.commands.get(words[1])
            assert command is not None, f"{name}: tomoline {' '.join(words)}"
        known = {option for one in command.params for option in one.opts}
        for word in words[1:]:
            if word.startswith("-"):
                assert word.partition("=")[0] in known, f"{name}: tomoline {' '.join(words)}"


@pytest.mark.parametrize("name", [*NAMES, "tools/first_run.sh"])
def test_parameters_and_steps_exist(name: str) -> None:
    from tomoline.recipes import STEPS

    for words in commands_of(name):
        for before, word in pairwise(words):
            if before == "--set" and word != "STEP.FIELD=VALUE":
                step, _, field = word.partition("=")[0].partition(".")
                assert step in STEPS, f"{name}: {word}"
                assert field in STEPS[step].params.model_fields, f"{name}: {word}"
            elif before in ("--from", "--until", "steps") and not word[0].isdigit():
                assert word in STEPS, f"{name}: {before} {word}"


def test_toml_examples_are_valid() -> None:
    import tomllib

    from tomoline.recipes import STEPS

    seen = 0
    for name in NAMES:
        for kind, body in FENCE.findall(text_of(name)):
            if kind == "toml":
                for step, values in tomllib.loads(body).items():
                    STEPS[step].validate(values)
                    seen += 1
    assert seen


def test_directives_of_the_pages_are_known() -> None:
    from tomoline.recipes import STEPS
    from tomoline.surfaces.directive_table import directive_table

    known = directive_table(list(STEPS.values()))
    for name in NAMES:
        if "/reference/" in name:
            continue
        for key in re.findall(r"\b(?:setupset|runtime|comparam)\.[\w.]+", text_of(name)):
            assert key in known, f"{name}: {key}"


def test_documented_schema_is_the_one_of_show() -> None:
    from tomoline.workflow.show import Shown

    blocks = FENCE.findall(text_of("docs/reference/show-json.md"))
    schema = json.loads(next(body for kind, body in blocks if kind == "json"))
    assert schema == Shown.model_json_schema(by_alias=True)


def test_all_pages_are_in_the_navigation() -> None:
    listed = re.findall(r"[\w/.-]+\.md", text_of("mkdocs.yml"))
    pages = [name.removeprefix("docs/") for name in NAMES if name.startswith("docs/")]
    assert sorted(listed) == sorted(pages)


def test_site_needs_no_network() -> None:
    site = yaml.safe_load(text_of("mkdocs.yml"))
    assert site["theme"]["font"] is False
    assert "analytics" not in text_of("mkdocs.yml")


def test_lock_file_names_no_place() -> None:
    text = text_of("requirements/lock.txt")
    assert "://" not in text
    assert "-index" not in text
    assert "find-links" not in text
    packages = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert all("==" in line for line in packages)
    assert text.count("--hash=sha256:") >= len(packages)
