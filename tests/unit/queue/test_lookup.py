"""Looking up lines of the table of data sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tomoline.errors import TomolineError
from tomoline.queue import spelling
from tomoline.queue.project import Project


def test_the_run_flag_chooses_with_patterns_and_without(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("TS_1.mrc", "TS_2.mrc", "other.mrc")]
    for path in paths:
        path.touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add(paths)
        project.data_sets.set_run(["TS_2"], False)
        for patterns, found in (((), ["TS_1", "other"]), (("TS_*",), ["TS_1"])):
            entries = project.data_sets.entries(patterns, flagged=True)
            assert [one.name for one in entries] == found


COMPOSED, DECOMPOSED = "Caf\u00e9", "Cafe\u0301"


def failed(project: Project, name: str) -> None:
    """Let the batch of a data set fail."""
    with project.store.write() as db:
        db.execute(
            "UPDATE batch SET state = 'failed' WHERE data_set ="
            " (SELECT id FROM data_set WHERE name = ?)",
            (name,),
        )


def retried(project: Project, name: str) -> list[str]:
    failed(project, DECOMPOSED)
    return [one.name for one in project.queue.retry([name])]


DOORS: dict[str, Callable[[Project, str], list[str]]] = {
    "entries": lambda project, name: [one.name for one in project.data_sets.entries([name])],
    "list": lambda project, name: [one.name for one in project.queue.batches(patterns=[name])],
    "take out": lambda project, name: [one.name for one in project.queue.take_out([name])],
    "retry": retried,
    "kill": lambda project, name: [one.name for one in project.control.kill([name])],
    "reset": lambda project, name: project.control.reset([name]).names,
    "remove": lambda project, name: [one.name for one in project.data_sets.remove([name])],
    "log": lambda project, name: sorted(
        {one.data_set for one in project.log.events(data_set=name)}
    ),
}


def add(project: Project, folder: Path, *names: str) -> None:
    """Add data sets, and queue them."""
    for name in names:
        (folder / f"{name}.mrc").touch()
    paths = [folder / f"{name}.mrc" for name in names]
    project.queue.add(project.data_sets.add(paths))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", [COMPOSED, "C*\u00e9", "[!D]af[\u00e8\u00e9]", "Cafe\u0301*"])
def test_a_name_is_found_however_its_accents_are_written(
    tmp_path: Path, project: Project, door: str, name: str
) -> None:
    add(project, tmp_path, DECOMPOSED, "Cafe", "Tea")
    if door == "log":
        project.data_sets.remove([DECOMPOSED])  # its events stay
    assert DOORS[door](project, name) == [DECOMPOSED]


def test_an_accent_is_no_letter_of_its_own(tmp_path: Path, project: Project) -> None:
    add(project, tmp_path, DECOMPOSED, "Cafe", "Tea")
    assert DOORS["entries"](project, "Caf?") == [DECOMPOSED, "Cafe"]
    assert DOORS["list"](project, "Caf?") == [DECOMPOSED, "Cafe"]
    assert DOORS["log"](project, "Caf?") == ["Cafe", DECOMPOSED]
    named = project.data_sets.entries(["T*", "Caf?"], as_named=True)
    assert [one.name for one in named] == ["Tea", DECOMPOSED, "Cafe"]


@pytest.mark.parametrize("name", ["\u212a1", "\u212a?"])
def test_signs_that_are_letters(tmp_path: Path, project: Project, name: str) -> None:
    add(project, tmp_path, "K1")  # the sign of kelvin reads as this letter
    assert DOORS["entries"](project, name) == ["K1"]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", [COMPOSED, DECOMPOSED])
def test_the_name_as_it_is_written_comes_first(
    tmp_path: Path, project: Project, door: str, name: str
) -> None:
    add(project, tmp_path, COMPOSED, DECOMPOSED)
    if door == "retry":
        failed(project, COMPOSED)
    assert DOORS[door](project, name) == [name]


@pytest.mark.parametrize("door", [door for door in DOORS if door != "log"])
def test_a_name_that_could_be_two_is_refused(tmp_path: Path, project: Project, door: str) -> None:
    add(project, tmp_path, COMPOSED * 2, DECOMPOSED * 2)
    with pytest.raises(TomolineError) as caught:
        DOORS[door](project, COMPOSED + DECOMPOSED)
    assert caught.value.code == "PROJ-20"
    assert r"'Caf\xe9Caf\xe9' and 'Cafe\u0301Cafe\u0301'" in caught.value.found


def test_one_entry_and_the_place_in_the_line(tmp_path: Path, project: Project) -> None:
    add(project, tmp_path, "Tea", DECOMPOSED)
    assert project.data_sets.entry(COMPOSED).name == DECOMPOSED
    project.queue.top([COMPOSED])
    assert [one.name for one in project.queue.batches()] == [DECOMPOSED, "Tea"]
    with pytest.raises(TomolineError, match="PROJ-08"):
        project.data_sets.entry("Caf\u00e8")


def test_names_that_are_found_as_written_are_not_compared(
    tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(project, tmp_path, COMPOSED, DECOMPOSED, "Tea")

    def refuse(*_: object) -> None:
        raise AssertionError("all names are looked at")

    monkeypatch.setattr(spelling, "other_spelling", refuse)
    monkeypatch.setattr("tomoline.queue._lookup.other_spelling", refuse)
    for name in (COMPOSED, "Tea"):
        assert [one.name for one in project.data_sets.entries([name])] == [name]
        project.queue.top([name])
        assert project.data_sets.entry(name).name == name


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("name", ["TS\udcff", "\udcff*"])
def test_what_is_no_text_is_refused(tmp_path: Path, project: Project, door: str, name: str) -> None:
    add(project, tmp_path, DECOMPOSED)
    with pytest.raises(TomolineError) as caught:
        DOORS[door](project, name)
    assert (caught.value.code, caught.value.where) == ("PARAM-06", ascii(name))


def test_names_are_compared_while_other_rows_are_still_read(
    tmp_path: Path, project: Project
) -> None:
    add(project, tmp_path, DECOMPOSED, "Tea")
    with project.store.read() as db:
        rows = db.execute("SELECT name FROM data_set")
        rows.fetchone()
        for _ in range(2):
            assert [one.name for one in project.data_sets.entries([COMPOSED + "*"])] == [DECOMPOSED]
            assert project.log.events(data_set=COMPOSED + "*")
            assert project.log.events(data_set=COMPOSED)
        assert rows.fetchone() is not None
