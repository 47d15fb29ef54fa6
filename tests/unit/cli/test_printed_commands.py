"""Commands that are printed can be copied to a shell as they are."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tomoline.cli._templates import print_exported
from tomoline.surfaces.batch_files import BatchFile


def test_names_with_blanks_are_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    path, root, stacks = Path("/my night/Zelle 1 (grün).adoc"), "Zelle 1 (grün)", Path("/it's raw")
    print_exported([BatchFile(path, root, stacks, 1, ())])
    line = capsys.readouterr().out.splitlines()[-1].removeprefix("IMOD: ")
    assert shlex.split(line) == [
        *("batchruntomo", "-directive", str(path)),
        *("-root", root, "-current", str(stacks)),
    ]
