"""``tomoline template``, ``project export-directives`` and ``import-etomo``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from tomoline.cli.main import app
from tomoline.errors import TomolineError

Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``tomoline ARGUMENTS`` with a project `night`, and IMOD's places in `tmp_path`."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("IMOD_CALIB_DIR", str(tmp_path / "calib"))
    monkeypatch.delenv("IMOD_DIR", raising=False)
    monkeypatch.setenv("TOMOLINE_PROJECT", str(tmp_path / "night"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "TS.mrc").touch()

    def run(*arguments: str | Path, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [str(one) for one in arguments])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == code, done.output
        return done

    run("project", "new", tmp_path / "night", "--set", "track.rounds=3")
    return run


def test_a_template_is_saved_listed_shown_and_used(command: Command, tmp_path: Path) -> None:
    saved = command("template", "save", "krios", "--kind", "scope")
    assert "comparam.track.beadtrack.RoundsOfTracking = 3" in saved.stdout
    path = tmp_path / "calib" / "ScopeTemplate" / "krios.adoc"
    assert f"{path}: 1 directive." in saved.stdout
    assert command("template", "list").stdout.split() == ["scope", "krios", str(path)]
    shown = command("template", "show", "krios").stdout
    assert "sets track.rounds" in shown
    assert "Passes of centring" in shown
    command("project", "new", tmp_path / "next", "--template", "scope=krios")
    value = command("project", "list", "-p", tmp_path / "next")
    assert value.exit_code == 0
    with pytest.raises(TomolineError) as caught:
        command("template", "save", "krios", "--kind", "scope")
    assert caught.value.code == "PROJ-15"
    command("template", "save", "krios", "--kind", "scope", "--replace")
    command("template", "save", "krios", "--kind", "user", "--dir", tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "krios.adoc").is_file()


def test_lists_say_where_they_looked(command: Command, tmp_path: Path) -> None:
    assert (
        f"no user template in {tmp_path / '.etomotemplate'}" in command("template", "list").stdout
    )
    assert json.loads(command("template", "list", "--json").stdout) == []


def test_what_is_wrong_with_a_template_is_shown(command: Command, tmp_path: Path) -> None:
    folder = tmp_path / ".etomotemplate"
    folder.mkdir()
    (folder / "bad.adoc").write_text(
        "comparam.tilt.tilt.THICKNES = 3\n"
        "comparam.golderaser.ccderaser.ExpandCircleIterations = 3\n"
    )
    document = json.loads(command("template", "show", "bad", "--json", code=1).stdout)
    assert document["kind"] == "user"
    assert "PARAM-01" in document["faults"][0]
    assert "ExpandCircleIterations" in document["notices"][0]
    shown = command("template", "show", "bad", code=1)
    assert "PARAM-01" in shown.stderr


def test_batch_files_are_exported(command: Command, tmp_path: Path) -> None:
    command("project", "add", "TS.mrc", "--set", "setup.delivery=link")
    done = command("project", "export-directives", "--dir", tmp_path / "imod")
    path = tmp_path / "imod" / "TS.adoc"
    assert f"batchruntomo -directive {path} -root TS -current {tmp_path}" in done.stdout
    assert "PROJ-16" in done.stderr
    assert "setup.delivery" in done.stderr
    assert command("check", path).stdout.count("fault") == 1  # "0 faults"


def test_a_project_of_etomo_becomes_a_project(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "batch.ebt"
    path.write_text(
        f"meta.RootName=batch\nmeta.DeliverToDirectory={tmp_path / 'done'}\n"
        f"meta.ref.ebt1={tmp_path / 'TS.mrc'}\nmeta.row.ebt1.RowNumber=1\n"
    )
    done = command("project", "import-etomo", path, "--new", tmp_path / "taken")
    assert "1 data set, 0 global values" in done.stdout
    assert "PROJ-14" in done.stderr
    listed = command("project", "list", "-p", tmp_path / "taken").stdout
    assert "TS" in listed
    assert "delivers" not in done.stderr
    into = command("project", "import-etomo", path)
    assert f"delivers data sets to {tmp_path / 'done'}" in into.stderr
    with pytest.raises(TomolineError) as caught:
        command("project", "import-etomo", path, "--new", tmp_path / "x", "-p", tmp_path / "night")
    assert caught.value.code == "PARAM-06"


def test_nothing_is_made_for_a_file_with_faults(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "batch.ebt"
    path.write_text("meta.ref.ebt1=/gone/TS.mrc\nmeta.row.ebt1.RowNumber=1\n")
    with pytest.raises(TomolineError) as caught:
        command("project", "import-etomo", path, "--new", tmp_path / "taken")
    assert caught.value.code == "FILE-01"
    assert not (tmp_path / "taken").exists()
