"""What a command loads before it begins: little, so that any of them is there at once."""

from __future__ import annotations

import json
import subprocess
import sys
from copy import copy
from pathlib import Path

import pytest
from tests.helpers.command import tomoline
from typer import Typer
from typer.main import get_command

from tomoline.cli.main import app, keep_only
from tomoline.queue.project import Project


def loaded_by(code: str) -> list[str]:
    """Return the modules that a fresh interpreter has loaded after some code."""
    script = f"{code}\nimport sys, json; print(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return modules


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import tomoline.cli.main", ("numpy", "pydantic", "sqlite3", "tomoline.steps")),
        (
            "from pathlib import Path; from tomoline.recipes import recipe_for\n"
            "assert recipe_for(Path('TS.mrc')).step_names[0] == 'setup'",
            ("numpy", "pydantic", "tomoline.steps"),
        ),
        (
            "from tomoline.recipes import STEPS; STEPS['reconstruct'].validate({})",
            ("numpy", "tomoline.steps.setup", "tomoline.files.mrc", "tomoline.kernels"),
        ),
        (
            "from tomoline.recipes import RECIPES\n"
            "for recipe in RECIPES.values():\n    recipe.steps",
            ("numpy", "h5py", "tifffile", "numba", "tomoline.kernels"),
        ),
        ("import tomoline.surfaces.parameters", ("numpy", "tomoline.steps.setup")),
        ("import tomoline.queue.project", ("numpy", "pydantic", "tomoline.steps")),
    ],
)
def test_what_is_not_needed_is_not_loaded(code: str, unwanted: tuple[str, ...]) -> None:
    assert not set(unwanted) & set(loaded_by(code))


def copied(one: Typer) -> Typer:
    """Return a copy of an app, and of the apps in it, that can be cut down."""
    other = copy(one)
    other.registered_groups = [copy(group) for group in one.registered_groups]
    for group in other.registered_groups:
        if group.typer_instance is not None:
            group.typer_instance = copied(group.typer_instance)
    return other


def names(command: object) -> dict[str, object]:
    """Return the commands of a group by name."""
    return dict(getattr(command, "commands", {}))


def test_only_the_command_that_is_called_is_built() -> None:
    cut = copied(app)
    keep_only(cut, ["project", "set", "TS_01", "--help"])
    command = get_command(cut)
    assert list(names(command)) == ["project"]
    assert list(names(names(command)["project"])) == ["set"]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["projec", "set"], ["--version"]])
def test_all_commands_stay_where_none_is_called(arguments: list[str]) -> None:
    cut = copied(app)
    keep_only(cut, arguments)
    assert names(get_command(cut)).keys() == names(get_command(app)).keys()


def test_a_group_keeps_its_commands_for_its_help() -> None:
    cut = copied(app)
    keep_only(cut, ["project", "--help"])
    kept = names(names(get_command(cut))["project"])
    assert kept.keys() == names(names(get_command(app))["project"]).keys()


@pytest.mark.parametrize("language", ["ascii", "latin-1"])
def test_names_that_a_terminal_cannot_show_end_nothing(tmp_path: Path, language: str) -> None:
    stack = tmp_path / "\N{GREEK SMALL LETTER ALPHA}1.mrc"
    stack.touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add([stack])
    done = tomoline(
        "project", "list", "-p", tmp_path / "night", prefix=("env", f"PYTHONIOENCODING={language}")
    )
    assert done.returncode == 0, done.stderr
    assert "\\u03b11" in done.stdout


def entered(code: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a fresh interpreter, after some code."""
    script = f"import sys\nfrom tomoline.cli import entry\n{code}\nentry.main()"
    command = [sys.executable, "-c", script, "explain", "FID-01"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_an_interruption_while_it_loads_leaves_no_traceback() -> None:
    done = entered(
        "class Stop:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'tomoline.cli.main':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())"
    )
    assert done.returncode == 130
    assert done.stderr == "interrupted; run the same command again, finished steps are kept\n"


@pytest.mark.parametrize("closed", ["stdout", "stderr"])
def test_an_output_that_is_closed_is_none_to_write_to(closed: str) -> None:
    done = entered(f"sys.{closed} = None")  # as after ">&-"
    assert (done.returncode, done.stderr) == (0, "")
    assert ("FID-01" in done.stdout) is (closed == "stderr")
