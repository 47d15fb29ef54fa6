"""``tomoline project list``, ``explain`` and ``check`` of a project that is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from microscope import mrc_bytes, put

from tomoline.cli.main import app
from tomoline.queue.project import Project


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one tilt series, away from where the commands are called."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TOMOLINE_PROJECT", raising=False)
    monkeypatch.chdir(put(tmp_path / "elsewhere" / "x", b"").parent)
    put(tmp_path / "TS_1.mrc", mrc_bytes())
    with Project.create(tmp_path / "night") as project:
        values = {"reconstruct.thickness_px": (120, "by hand"), "setup.gold_diameter_nm": (10, "")}
        project.data_sets.add([tmp_path / "TS_1.mrc"], values=values)
    return tmp_path / "night"


def call(folder: Path, *arguments: str) -> int:
    return int(app(["project", *arguments, "-p", str(folder)], standalone_mode=False) or 0)


def test_the_project_that_is_named_is_shown(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(folder, "list") == 0
    assert "TS_1" in capsys.readouterr().out
    assert call(folder, "explain", "TS_1", "reconstruct.thickness_px") == 0
    assert "by hand" in capsys.readouterr().out


def test_a_fault_is_told_by_the_exit_status(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = call(folder, "check")
    told = capsys.readouterr().out
    assert (status, "0 faults" in told) == (0, True), told
    (folder.parent / "TS_1.mrc").unlink()
    assert call(folder, "check") == 1
    assert "TS_1.mrc" in capsys.readouterr().out
