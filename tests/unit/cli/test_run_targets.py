"""What the arguments of ``tomoline run`` name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoline import errors
from tomoline.cli._run_targets import asked_of_project
from tomoline.errors import TomolineError
from tomoline.queue.project import Project
from tomoline.queue.store import Store


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two data sets, one of which has results."""
    monkeypatch.delenv("TOMOLINE_PROJECT", raising=False)
    (tmp_path / "raw").mkdir()
    for name in ("TS_1.mrc", "TS_2.mrc"):
        (tmp_path / "raw" / name).touch()
    with Project.create(tmp_path / "night") as project:
        project.data_sets.add(sorted((tmp_path / "raw").iterdir()))
    (tmp_path / "night" / "TS_1").mkdir()
    monkeypatch.chdir(tmp_path / "night")
    return tmp_path / "night"


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        ([], ()),
        (["TS_1"], ("TS_1",)),
        (["TS_2"], ("TS_2",)),  # nothing has been run of it: there is no such folder
        (["TS_*"], ("TS_*",)),
        (["TS_2", "TS_1"], ("TS_2", "TS_1")),
        (["../night/TS_1"], ("TS_1",)),
    ],
)
def test_in_a_project_names_are_those_of_its_data_sets(
    night: Path, paths: list[str], names: tuple[str, ...]
) -> None:
    assert asked_of_project([Path(one) for one in paths]) == (night, names)


def test_a_project_may_be_named_first_or_apart(night: Path) -> None:
    assert asked_of_project([night, Path("TS_1")]) == (night, ("TS_1",))
    assert asked_of_project([Path("TS_1")], night) == (night, ("TS_1",))
    assert asked_of_project([], night) == (night, ())


def test_acquisitions_stay_acquisitions(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_of_project([Path("../raw/TS_1.mrc")]) is None
    assert asked_of_project([Path("TS_9.mrc")]) is None  # is told to be missing
    monkeypatch.chdir(night.parent)
    assert asked_of_project([Path("TS_1")]) is None


def test_a_project_that_cannot_be_used_does_not_keep_an_acquisition_from_being_run(
    night: Path,
) -> None:
    (night / "raw").mkdir()
    (night / "raw" / "TS_3.mrc").touch()
    (night / "tomoline.sqlite").write_bytes(b"damaged")
    assert asked_of_project([Path("raw/TS_3.mrc")]) is None


def test_what_is_mixed_or_missing_is_told(night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TomolineError, match=r"PARAM-06.*others are not"):
        asked_of_project([Path("TS_1"), Path("../raw/TS_2.mrc")])
    with pytest.raises(TomolineError, match=r"PARAM-06.*by itself"):
        asked_of_project([Path("../raw/TS_2.mrc"), night])
    monkeypatch.chdir(night.parent)
    with pytest.raises(TomolineError, match=r"PROJ-01.*no acquisition is named"):
        asked_of_project([])


def test_names_are_those_of_a_project_that_may_only_be_read(
    night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> Store:
        raise errors.project.READ_ONLY.error(folder, "you may not write there.")

    monkeypatch.setattr(Store, "open", refuse)
    for name in ("TS_1", "TS_2"):
        assert asked_of_project([Path(name)]) == (night, (name,))
    assert asked_of_project([Path("TS_9")]) is None


def test_a_name_that_cannot_be_looked_up_is_no_missing_file(night: Path) -> None:
    with Project.open(night) as project:
        for name in ("\u00e9e\u0301", "e\u0301\u00e9"):
            (night.parent / "raw" / f"{name}.mrc").touch()
            project.data_sets.add([night.parent / "raw" / f"{name}.mrc"])
    with pytest.raises(TomolineError, match="PROJ-20"):
        asked_of_project([Path("\u00e9\u00e9")])
    (night / "tomoline.sqlite").write_bytes(b"damaged")
    with pytest.raises(TomolineError, match="PROJ-04"):
        asked_of_project([Path("TS_2")])
