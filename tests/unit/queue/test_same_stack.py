"""Two files of one stack among those that are added together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tomoline.errors import Faults
from tomoline.queue.project import Project


@pytest.mark.parametrize(
    "names",
    [("TS.mrc", "TS.st"), ("TSa.mrc", "TSa.st", "TSb.mrc"), ("TSb.st", "TSa.mrc", "TSb.mrc")],
)
def test_they_are_refused_and_nothing_is_added(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    with Project.create(tmp_path / "night") as project:
        with pytest.raises(Faults) as caught:
            project.data_sets.add([tmp_path / name for name in names])
        assert {fault.code for fault in caught.value.faults} == {"PROJ-09"}
        assert project.data_sets.entries() == []
