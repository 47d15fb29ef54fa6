"""What ``--help`` shows on a narrow terminal."""

from __future__ import annotations

import copy
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from tomoline.cli._help import reflow_help
from tomoline.cli.main import app


@pytest.mark.parametrize("arguments", [["project", "set"], ["project", "add"], ["kill"]])
def test_lines_end_where_the_terminal_does(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = copy.deepcopy(app)
    reflow_help(shown)
    text = CliRunner().invoke(shown, [*arguments, "--help"]).output
    lines = [line.rstrip() for line in text.partition("╭")[0].splitlines()[3:]]
    for line, following in pairwise(lines):
        if line and following and not following.startswith("  "):
            assert len(line) + 1 + len(following.split()[0]) > 78, line


def test_examples_keep_their_lines() -> None:
    shown = copy.deepcopy(app)
    reflow_help(shown)
    text = CliRunner().invoke(shown, ["project", "set", "--help"]).output
    examples = [line.strip() for line in text.splitlines() if line.startswith("     tomoline ")]
    assert len(examples) == 3
    assert all(one.startswith("tomoline project set") for one in examples)
