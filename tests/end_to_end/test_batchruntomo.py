"""A site's batchruntomo commands go on working."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tomoline.cli.batchruntomo import run_batchruntomo
from tomoline.surfaces.directives import peek

THESIS = Path(__file__).resolve().parents[1] / "data" / "thesis"


def deliver_series(series: Path, folder: Path, root: str) -> None:
    """Put a series with its angles and .mdoc into a folder under another name."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in series.parent.glob(f"{series.stem}*"):
        shutil.copy(one, folder / one.name.replace(series.stem, root, 1))


def finished(record: Path) -> list[str]:
    steps = json.loads(record.read_text())["steps"]
    return [step["name"] for step in steps if step["state"] == "finished"]


def test_files_of_a_published_experiment_run_as_they_are(small_series, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in THESIS.glob("*.adoc"):
        shutil.copy(path, tmp_path)
    named = peek(tmp_path / "batch.adoc")
    root, folder = named["setupset.copyarg.name"], Path(named["setupset.datasetDirectory"])
    deliver_series(small_series, folder, root)
    assert run_batchruntomo(["-deliver", "out", "-cpus", "2", "batch.adoc"]) == 0
    results = tmp_path / "out" / root
    assert finished(results / f"{root}.tomoline.json")[-1] == "trim"
    assert (results / f"{root}_rec.mrc").is_file()
    assert (results / f"{root}.mrc").is_file()
    assert not (folder / f"{root}.mrc").exists()  # moved, as batchruntomo does
    assert not (folder / f"{root}.rawtlt").exists()


def test_one_set_that_fails_does_not_stop_the_next(small_series, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for root in ("TS_1", "TS_2"):
        deliver_series(small_series, tmp_path / "raw", root)
    (tmp_path / "raw" / "TS_1.mrc").write_bytes(b"no image")
    (tmp_path / "b.adoc").write_text("setupset.copyarg.gold = 10\n")
    command = "-di b.adoc -ro TS_1 -ro TS_0 -ro TS_2 -current raw -deliver out -end 3"
    assert run_batchruntomo(command.split()) == 2
    assert finished(tmp_path / "out" / "TS_2" / "TS_2.tomoline.json")[-1] == "prealign"
    assert (tmp_path / "raw" / "TS_1.mrc").is_file()
    errors = capsys.readouterr().err
    assert "TS_0.st" in errors
    assert "FILE-0" in errors


@pytest.mark.parametrize("number", ["3", "2.5"])
def test_a_later_step_starts_where_the_set_was_delivered(
    small_series, tmp_path, monkeypatch, number
):
    monkeypatch.chdir(tmp_path)
    deliver_series(small_series, tmp_path / "raw", "TS_1")
    command = ["-ro", "TS_1", "-current", "raw", "-deliver", "out"]
    assert run_batchruntomo([*command, "-end", "2"]) == 0
    assert run_batchruntomo([*command, "-start", number, "-end", "3"]) == 0
    record = tmp_path / "out" / "TS_1" / "TS_1.tomoline.json"
    assert finished(record) == ["setup", "preprocess", "coarse_align", "prealign"]
